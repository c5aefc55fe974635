"""One conversation, in the objects of each framework: how it writes and reads it, and what it says in plain words."""

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from agent_framework import Content
from agent_framework import Message as AgentMessage
from google.adk.events.event import Event
from google.genai import types
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock, ThinkingBlock, ToolCallBlock
from pydantic_ai.conversation import Conversation
from pydantic_ai.messages import (
    BinaryImage,
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from strands.types.session import Session as StrandsSession
from strands.types.session import SessionMessage, SessionType, encode_bytes_values

from tests.langchain.models import as_given
from zep_memory_plugin import SessionManager
from zep_memory_plugin.agent_framework import ZepHistoryProvider
from zep_memory_plugin.google_adk import ZepSessionService
from zep_memory_plugin.langchain import ZepChatMessageHistory
from zep_memory_plugin.llama_index import ZepChatStore
from zep_memory_plugin.openai_agents import ZepSession
from zep_memory_plugin.pydantic_ai import ZepConversationStore
from zep_memory_plugin.strands import ZepSessionRepository

PIXEL = base64.b64encode(b"\x89PNG\r\n").decode()
IMAGE = f"data:image/png;base64,{PIXEL}"
REASONING = "Two places, so two calls."

Atom = tuple[str, ...]


class Words:
    """The words of the conversation, which differ by their *tag*."""

    def __init__(self, tag: str = "") -> None:
        self.question = f"Which of these is warmer?{tag}"
        self.looking = f"I look both up.{tag}"
        self.answer = f"Lisbon, by 17 degrees.{tag}"
        self.bad_question = f"How do I pick a lock?{tag}"
        self.refusal = f"I cannot help with that.{tag}"
        self.calls = {f"call-1{tag}": {"city": "Lisbon"}, f"call-2{tag}": {"city": "Oslo"}}
        self.results = {f"call-1{tag}": "21 degrees", f"call-2{tag}": "4 degrees"}

    @property
    def said(self) -> list[Atom]:
        """What every framework has to read, whoever wrote it, in this order."""
        return [
            ("user", self.question),
            ("assistant", self.looking),
            *(("call", id_, "weather", json.dumps(arguments)) for id_, arguments in self.calls.items()),
            *(("result", id_, text) for id_, text in self.results.items()),
            ("assistant", self.answer),
            ("user", self.bad_question),
            ("assistant", self.refusal),
        ]


@dataclass(frozen=True)
class Framework:
    """A framework, by what it does with the conversation."""

    objects: Callable[[Words], list[Any]]
    """Makes the conversation, with an image and a model's reasoning."""
    write: Callable[[SessionManager, str, list[Any]], None]
    read: Callable[[SessionManager, str], list[Any]]
    atoms: Callable[[Any], list[Atom]]
    """Says what an object says."""
    plain: Callable[[Any], Any] = lambda value: value
    """Turns an object into what can be compared."""

    def said(self, objects: Sequence[Any]) -> list[Atom]:
        """Return what *objects* say, calls before results where each call has its result right behind it."""
        atoms = [atom for each in objects for atom in self.atoms(each) if atom[-1] or atom[0] == "result"]
        said: list[Atom] = []
        for _, run in groupby(atoms, key=lambda atom: atom[0] in ("call", "result")):
            said += sorted(run, key=lambda atom: atom[0] == "result")
        return said


def _run(call: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(call)


def _call(id_: str | None, name: str, arguments: object) -> Atom:
    parsed = json.loads(arguments) if isinstance(arguments, str) else arguments
    return ("call", id_ or "", name, json.dumps(parsed))


def _openai_objects(words: Words) -> list[Any]:
    answer = {"type": "message", "role": "assistant", "status": "completed"}
    return [
        {
            "role": "user",
            "content": [{"type": "input_text", "text": words.question}, {"type": "input_image", "image_url": IMAGE}],
        },
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": REASONING}]},
        {**answer, "id": "msg_1", "content": [{"type": "output_text", "text": words.looking, "annotations": []}]},
        *(
            {"type": "function_call", "call_id": id_, "name": "weather", "arguments": json.dumps(arguments)}
            for id_, arguments in words.calls.items()
        ),
        *({"type": "function_call_output", "call_id": id_, "output": text} for id_, text in words.results.items()),
        {**answer, "id": "msg_2", "content": [{"type": "output_text", "text": words.answer, "annotations": []}]},
        {"role": "user", "content": words.bad_question},
        {**answer, "id": "msg_3", "content": [{"type": "refusal", "refusal": words.refusal}]},
    ]


def _openai_atoms(item: dict[str, Any]) -> list[Atom]:
    match item:
        case {"type": "function_call", "call_id": id_, "name": name, "arguments": arguments}:
            return [_call(id_, name, arguments)]
        case {"type": "function_call_output", "call_id": id_, "output": output}:
            return [("result", id_, output)]
        case {"role": role, "content": str(text)}:
            return [(role, text)]
        case {"role": role, "content": parts}:
            return [(role, part.get("text") or part.get("refusal") or "") for part in parts]
    return []


def _langchain_objects(words: Words) -> list[Any]:
    calls = [{"name": "weather", "args": arguments, "id": id_} for id_, arguments in words.calls.items()]
    image = {"type": "image_url", "image_url": {"url": IMAGE}}
    reasoning = {"type": "reasoning", "reasoning": REASONING}
    return [
        HumanMessage([{"type": "text", "text": words.question}, image], id=f"q-{words.question}"),
        AIMessage([reasoning, {"type": "text", "text": words.looking}], tool_calls=calls, id=f"a-{words.question}"),
        *(ToolMessage(text, tool_call_id=id_, name="weather") for id_, text in words.results.items()),
        AIMessage(words.answer, response_metadata={"model_name": "scripted"}),
        HumanMessage(words.bad_question),
        AIMessage(words.refusal, additional_kwargs={"refusal": words.refusal}),
    ]


def _langchain_atoms(message: Any) -> list[Atom]:
    if isinstance(message, ToolMessage):
        return [("result", message.tool_call_id, str(message.text))]
    role = "assistant" if isinstance(message, AIMessage) else "user" if message.type == "human" else message.type
    calls = [_call(call["id"], call["name"], call["args"]) for call in getattr(message, "tool_calls", [])]
    return [(role, str(message.text)), *calls]


def _llama_objects(words: Words) -> list[Any]:
    calls = [
        ToolCallBlock(tool_call_id=id_, tool_name="weather", tool_kwargs=args) for id_, args in words.calls.items()
    ]
    return [
        ChatMessage(role="user", blocks=[TextBlock(text=words.question), ImageBlock(image=PIXEL.encode())]),
        ChatMessage(role="assistant", blocks=[ThinkingBlock(content=REASONING), TextBlock(text=words.looking), *calls]),
        *(
            ChatMessage(role="tool", content=text, additional_kwargs={"tool_call_id": id_})
            for id_, text in words.results.items()
        ),
        ChatMessage(role="assistant", content=words.answer),
        ChatMessage(role="user", content=words.bad_question),
        ChatMessage(role="assistant", content=words.refusal, additional_kwargs={"refusal": True}),
    ]


def _llama_atoms(message: ChatMessage) -> list[Atom]:
    if message.role == "tool":
        return [("result", message.additional_kwargs["tool_call_id"], message.content or "")]
    calls = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
    said = [(message.role.value, message.content or "")]
    return [*said, *(_call(call.tool_call_id, call.tool_name, call.tool_kwargs) for call in calls)]


def _llama_write(manager: SessionManager, session_id: str, messages: list[Any]) -> None:
    store = ZepChatStore(manager=manager)
    for message in messages:
        store.add_message(session_id, message)


def _agent_framework_objects(words: Words) -> list[Any]:
    calls = [Content.from_function_call(id_, "weather", arguments=args) for id_, args in words.calls.items()]
    results = [Content.from_function_result(id_, result=text) for id_, text in words.results.items()]
    image = Content.from_uri(IMAGE, media_type="image/png")
    looking = [Content.from_text_reasoning(text=REASONING), Content.from_text(words.looking), *calls]
    return [
        AgentMessage("user", [words.question, image], message_id=f"q-{words.question}"),
        AgentMessage("assistant", looking, message_id=f"a-{words.question}", author_name="guide"),
        AgentMessage("tool", results),
        AgentMessage("assistant", [words.answer]),
        AgentMessage("user", [words.bad_question]),
        AgentMessage("assistant", [words.refusal], additional_properties={"refused": True}),
    ]


def _agent_framework_atoms(message: AgentMessage) -> list[Atom]:
    atoms: list[Atom] = []
    for content in message.contents:
        if content.type == "text":
            atoms.append((message.role, content.text or ""))
        elif content.type == "function_call":
            atoms.append(_call(content.call_id, content.name or "", content.arguments))
        elif content.type == "function_result":
            atoms.append(("result", content.call_id or "", str(content.result)))
    return atoms


def _event(author: str, *parts: types.Part, **fields: Any) -> Event:
    content = types.Content(role="user" if author == "user" else "model", parts=list(parts))
    return Event(invocation_id="run", author=author, content=content, id=Event.new_id(), **fields)


def _google_adk_objects(words: Words) -> list[Any]:
    calls = [types.FunctionCall(id=id_, name="weather", args=args) for id_, args in words.calls.items()]
    results = [
        types.FunctionResponse(id=id_, name="weather", response={"result": text}) for id_, text in words.results.items()
    ]
    image = types.Part(inline_data=types.Blob(data=base64.b64decode(PIXEL), mime_type="image/png"))
    looking = [types.Part(text=REASONING, thought=True), types.Part(text=words.looking)]
    return [
        _event("user", types.Part(text=words.question), image),
        _event("guide", *looking, *(types.Part(function_call=each) for each in calls)),
        _event("guide", *(types.Part(function_response=each) for each in results)),
        _event("guide", types.Part(text=words.answer)),
        _event("user", types.Part(text=words.bad_question)),
        _event("guide", types.Part(text=words.refusal), custom_metadata={"refused": True}),
    ]


def _google_adk_atoms(event: Event) -> list[Atom]:
    atoms: list[Atom] = []
    for part in (event.content and event.content.parts) or ():
        if part.function_call:
            call = part.function_call
            atoms.append(_call(call.id, call.name or "", call.args))
        elif part.function_response:
            result = part.function_response
            atoms.append(("result", result.id or "", str((result.response or {}).get("result"))))
        elif not part.thought:
            atoms.append(("user" if event.author == "user" else "assistant", part.text or ""))
    return atoms


def _google_adk_service(manager: SessionManager) -> ZepSessionService:
    return ZepSessionService(manager, session_ids=lambda _, __, session_id: session_id)


async def _google_adk_write(manager: SessionManager, session_id: str, events: list[Any]) -> None:
    service, names = _google_adk_service(manager), {"app_name": "app", "user_id": "alice", "session_id": session_id}
    session = await service.get_session(**names) or await service.create_session(**names)
    for event in events:
        await service.append_event(session, event)


async def _google_adk_read(manager: SessionManager, session_id: str) -> list[Any]:
    session = await _google_adk_service(manager).get_session(app_name="app", user_id="alice", session_id=session_id)
    return session.events if session else []


def _pydantic_ai_objects(words: Words) -> list[Any]:
    calls = [ToolCallPart("weather", arguments, id_) for id_, arguments in words.calls.items()]
    image = BinaryImage(base64.b64decode(PIXEL), media_type="image/png")
    return [
        ModelRequest([UserPromptPart([words.question, image])], instructions="Be brief."),
        ModelResponse([ThinkingPart(REASONING), TextPart(words.looking), *calls], model_name="scripted"),
        ModelRequest([ToolReturnPart("weather", text, id_) for id_, text in words.results.items()]),
        ModelResponse([TextPart(words.answer)]),
        ModelRequest([UserPromptPart(words.bad_question)]),
        ModelResponse([TextPart(words.refusal)], finish_reason="content_filter"),
    ]


def _pydantic_ai_atoms(message: ModelMessage) -> list[Atom]:
    atoms: list[Atom] = []
    for part in message.parts:
        match part:
            case UserPromptPart(content=str(text)):
                atoms.append(("user", text))
            case UserPromptPart(content=contents):
                atoms += [("user", each) for each in contents if isinstance(each, str)]
            case TextPart():
                atoms.append(("assistant", part.content))
            case ToolCallPart():
                atoms.append(_call(part.tool_call_id, part.tool_name, part.args))
            case ToolReturnPart():
                atoms.append(("result", part.tool_call_id, str(part.content)))
    return atoms


async def _pydantic_ai_write(manager: SessionManager, session_id: str, messages: list[Any]) -> None:
    store = ZepConversationStore(manager)
    conversation = await store.load(session_id) or Conversation(conversation_id=session_id)
    conversation.messages += messages
    await store.save(conversation)


async def _pydantic_ai_read(manager: SessionManager, session_id: str) -> list[Any]:
    conversation = await ZepConversationStore(manager).load(session_id)
    return conversation.messages if conversation else []


def _strands_objects(words: Words) -> list[Any]:
    calls = [{"toolUse": {"toolUseId": id_, "name": "weather", "input": args}} for id_, args in words.calls.items()]
    results = [
        {"toolResult": {"toolUseId": id_, "status": "success", "content": [{"text": text}]}}
        for id_, text in words.results.items()
    ]
    image = {"image": {"format": "png", "source": {"bytes": base64.b64decode(PIXEL)}}}
    reasoning = {"reasoningContent": {"reasoningText": {"text": REASONING}}}
    return [
        {"role": "user", "content": [{"text": words.question}, image]},
        {"role": "assistant", "content": [reasoning, {"text": words.looking}, *calls]},
        {"role": "user", "content": results},
        {"role": "assistant", "content": [{"text": words.answer}]},
        {"role": "user", "content": [{"text": words.bad_question}]},
        {"role": "assistant", "content": [{"text": words.refusal}]},
    ]


def _strands_atoms(message: dict[str, Any]) -> list[Atom]:
    atoms: list[Atom] = []
    for content in message["content"]:
        match content:
            case {"text": text}:
                atoms.append((message["role"], text))
            case {"toolUse": call}:
                atoms.append(_call(call["toolUseId"], call["name"], call["input"]))
            case {"toolResult": {"toolUseId": id_, "content": [{"text": text}]}}:
                atoms.append(("result", id_, text))
    return atoms


def _strands_write(manager: SessionManager, session_id: str, messages: list[Any]) -> None:
    repository = ZepSessionRepository(manager)
    if repository.read_session(session_id) is None:
        repository.create_session(StrandsSession(session_id, SessionType.AGENT))
    known = len(repository.list_messages(session_id, "guide"))
    for index, message in enumerate(messages, start=known):
        repository.create_message(session_id, "guide", SessionMessage.from_message(message, index))


FRAMEWORKS = {
    "LangChain": Framework(
        _langchain_objects,
        lambda manager, session_id, messages: ZepChatMessageHistory(session_id, manager).add_messages(messages),
        lambda manager, session_id: as_given(ZepChatMessageHistory(session_id, manager).messages),
        _langchain_atoms,
    ),
    "LlamaIndex": Framework(
        _llama_objects,
        _llama_write,
        lambda manager, session_id: ZepChatStore(manager=manager).get_messages(session_id),
        _llama_atoms,
    ),
    "OpenAI Agents": Framework(
        _openai_objects,
        lambda manager, session_id, items: _run(ZepSession(session_id, manager).add_items(items)),
        lambda manager, session_id: _run(ZepSession(session_id, manager).get_items()),
        _openai_atoms,
    ),
    "Agent Framework": Framework(
        _agent_framework_objects,
        lambda manager, session_id, messages: _run(ZepHistoryProvider(manager).save_messages(session_id, messages)),
        lambda manager, session_id: _run(ZepHistoryProvider(manager).get_messages(session_id)),
        _agent_framework_atoms,
        lambda message: message.to_dict(),
    ),
    "Google ADK": Framework(
        _google_adk_objects,
        lambda manager, session_id, events: _run(_google_adk_write(manager, session_id, events)),
        lambda manager, session_id: _run(_google_adk_read(manager, session_id)),
        _google_adk_atoms,
        lambda event: event.model_dump(mode="json", exclude_none=True),
    ),
    "pydantic-ai": Framework(
        _pydantic_ai_objects,
        lambda manager, session_id, messages: _run(_pydantic_ai_write(manager, session_id, messages)),
        lambda manager, session_id: _run(_pydantic_ai_read(manager, session_id)),
        _pydantic_ai_atoms,
        lambda message: ModelMessagesTypeAdapter.dump_python([message], mode="json"),
    ),
    "Strands": Framework(
        _strands_objects,
        _strands_write,
        lambda manager, session_id: [
            each.to_message() for each in ZepSessionRepository(manager).list_messages(session_id, "guide")
        ],
        _strands_atoms,
        encode_bytes_values,
    ),
}
