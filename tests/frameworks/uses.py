"""How each adapter is used to append three messages that say the same, and to read what all of them say."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from zep_memory_plugin import SessionManager


@dataclass(frozen=True)
class Use:
    """A use of an adapter in one session."""

    append: Callable[[SessionManager, str, str], Awaitable[Any]]
    """Append a text three times."""
    read: Callable[[SessionManager, str], Awaitable[list[str]]]
    """Return the texts of a session."""


async def _langchain_append(manager: SessionManager, session_id: str, text: str) -> None:
    from langchain_core.messages import HumanMessage

    from zep_memory_plugin.langchain import ZepChatMessageHistory

    await ZepChatMessageHistory(session_id, manager).aadd_messages([HumanMessage(text) for _ in range(3)])


async def _langchain_read(manager: SessionManager, session_id: str) -> list[str]:
    from zep_memory_plugin.langchain import ZepChatMessageHistory

    return [str(message.content) for message in await ZepChatMessageHistory(session_id, manager).aget_messages()]


async def _llama_index_append(manager: SessionManager, session_id: str, text: str) -> None:
    from llama_index.core.base.llms.types import ChatMessage

    from zep_memory_plugin.llama_index import ZepAsyncChatStore

    messages = [ChatMessage(text, role="user") for _ in range(3)]
    await ZepAsyncChatStore(manager=manager).add_messages(session_id, messages)


async def _llama_index_read(manager: SessionManager, session_id: str) -> list[str]:
    from zep_memory_plugin.llama_index import ZepAsyncChatStore

    return [message.content or "" for message in await ZepAsyncChatStore(manager=manager).get_messages(session_id)]


async def _openai_append(manager: SessionManager, session_id: str, text: str) -> None:
    from zep_memory_plugin.openai_agents import ZepSession

    await ZepSession(session_id, manager).add_items([{"role": "user", "content": text}] * 3)


async def _openai_read(manager: SessionManager, session_id: str) -> list[str]:
    from zep_memory_plugin.openai_agents import ZepSession

    items: list[Any] = await ZepSession(session_id, manager).get_items()
    return [item["content"] for item in items]


async def _agent_framework_append(manager: SessionManager, session_id: str, text: str) -> None:
    from agent_framework import Message

    from zep_memory_plugin.agent_framework import ZepHistoryProvider

    await ZepHistoryProvider(manager).save_messages(session_id, [Message("user", [text]) for _ in range(3)])


async def _agent_framework_read(manager: SessionManager, session_id: str) -> list[str]:
    from zep_memory_plugin.agent_framework import ZepHistoryProvider

    return [message.text for message in await ZepHistoryProvider(manager).get_messages(session_id)]


async def _google_adk_append(manager: SessionManager, session_id: str, text: str) -> None:
    """Append an event with three results, which are three messages, however often somebody else was faster."""
    from google.adk.errors import StaleSessionError
    from google.adk.errors.already_exists_error import AlreadyExistsError
    from google.adk.events.event import Event
    from google.genai import types

    from zep_memory_plugin.google_adk import ZepSessionService

    service, names = ZepSessionService(manager), {"app_name": "app", "user_id": "alice", "session_id": session_id}
    results = [types.FunctionResponse(id=str(number), name="tool", response={"result": text}) for number in range(3)]
    content = types.Content(role="user", parts=[types.Part(function_response=result) for result in results])
    while True:
        try:
            session = await service.get_session(**names) or await service.create_session(**names)
            await service.append_event(session, Event(author="guide", content=content))
        except (AlreadyExistsError, StaleSessionError):
            continue
        return


async def _google_adk_read(manager: SessionManager, session_id: str) -> list[str]:
    from zep_memory_plugin.google_adk import ZepSessionService

    service = ZepSessionService(manager)
    session: Any = await service.get_session(app_name="app", user_id="alice", session_id=session_id)
    return [part.function_response.response["result"] for event in session.events for part in event.content.parts]


async def _pydantic_ai_append(manager: SessionManager, session_id: str, text: str) -> None:
    """Append three messages, however often somebody else was faster."""
    from pydantic_ai.conversation import Conversation
    from pydantic_ai.conversation_store import ConversationConflict
    from pydantic_ai.messages import ModelRequest, UserPromptPart

    from zep_memory_plugin.pydantic_ai import ZepConversationStore

    store = ZepConversationStore(manager)
    while True:
        conversation = await store.load(session_id) or Conversation(conversation_id=session_id)
        conversation.messages += [ModelRequest([UserPromptPart(text)]) for _ in range(3)]
        with suppress(ConversationConflict):
            await store.save(conversation)
            return


async def _pydantic_ai_read(manager: SessionManager, session_id: str) -> list[str]:
    from zep_memory_plugin.pydantic_ai import ZepConversationStore

    conversation: Any = await ZepConversationStore(manager).load(session_id)
    return [part.content for message in conversation.messages for part in message.parts]


def _strands_append_blocking(manager: SessionManager, session_id: str, text: str) -> None:
    """Append a message with three results, which are three messages, however often somebody else was faster."""
    from strands.types.exceptions import SessionException
    from strands.types.session import Session, SessionMessage, SessionType

    from zep_memory_plugin.strands import ZepSessionRepository

    repository = ZepSessionRepository(manager)
    result = {"status": "success", "content": [{"text": text}]}
    message: Any = {"role": "user", "content": [{"toolResult": {"toolUseId": i, **result}} for i in "123"]}
    with suppress(SessionException):
        repository.create_session(Session(session_id, SessionType.AGENT))
    while True:
        messages = repository.list_messages(session_id, "guide")
        index = messages[-1].message_id + 1 if messages else 0
        try:
            repository.create_message(session_id, "guide", SessionMessage.from_message(message, index))
        except SessionException:
            continue
        return


async def _strands_append(manager: SessionManager, session_id: str, text: str) -> None:
    await asyncio.to_thread(_strands_append_blocking, manager, session_id, text)


async def _strands_read(manager: SessionManager, session_id: str) -> list[str]:
    from zep_memory_plugin.strands import ZepSessionRepository

    messages = ZepSessionRepository(manager).list_messages(session_id, "guide")
    contents: list[Any] = [content for message in messages for content in message.to_message()["content"]]
    return [content["toolResult"]["content"][0]["text"] for content in contents]


USES = {
    "agent_framework": Use(_agent_framework_append, _agent_framework_read),
    "google_adk": Use(_google_adk_append, _google_adk_read),
    "langchain": Use(_langchain_append, _langchain_read),
    "llama_index": Use(_llama_index_append, _llama_index_read),
    "openai_agents": Use(_openai_append, _openai_read),
    "pydantic_ai": Use(_pydantic_ai_append, _pydantic_ai_read),
    "strands": Use(_strands_append, _strands_read),
}


def append(name: str, manager: SessionManager, session_id: str, text: str) -> None:
    """Append by the adapter *name* on an event loop of its own."""
    asyncio.run(_main(USES[name].append(manager, session_id, text)))


def read(name: str, manager: SessionManager, session_id: str) -> list[str]:
    """Read by the adapter *name* on an event loop of its own."""
    return asyncio.run(_main(USES[name].read(manager, session_id)))


async def _main(call: Awaitable[Any]) -> Any:
    return await call
