"""A LlamaIndex agent with a tool, whose context keeps the conversation: from run to run, and saved as text.

    python examples/llama_index_agent.py
    python examples/llama_index_agent.py --database postgresql://localhost/app

Runs offline: the model follows a script. Put a function-calling model of yours in its place.
"""

import argparse
import asyncio
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseGen,
    LLMMetadata,
    TextBlock,
    ToolCallBlock,
)
from llama_index.core.llms import CustomLLM
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.workflow import Context

from zep_memory_plugin import SessionManager
from zep_memory_plugin.llama_index import ZepMemory, register_manager

SESSION = "example-trip"
USER = "example-alice"


class ScriptedModel(CustomLLM, FunctionCallingLLM):
    """Stands in for a model: looks the weather up once, and from then on reads it in the conversation."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_chat_model=True, is_function_calling_model=True)

    def chat(self, messages: Sequence[ChatMessage], **options: Any) -> ChatResponse:
        answers = [message.content for message in messages if message.role == "tool"]
        asked = sum(message.role == "user" for message in messages)
        block = (
            TextBlock(text=f"{answers[-1]} You have asked me {asked} time(s).")
            if answers
            else ToolCallBlock(tool_call_id="call-1", tool_name="weather", tool_kwargs={"city": "Lisbon"})
        )
        return ChatResponse(message=ChatMessage(role="assistant", blocks=[block]))

    def stream_chat(self, messages: Sequence[ChatMessage], **options: Any) -> ChatResponseGen:
        yield self.chat(messages)

    def get_tool_calls_from_response(self, response: ChatResponse, **options: Any) -> list[ToolSelection]:
        return [
            ToolSelection(tool_id=block.tool_call_id or "", tool_name=block.tool_name, tool_kwargs=block.tool_kwargs)
            for block in response.message.blocks
            if isinstance(block, ToolCallBlock)
        ]

    def _prepare_chat_with_tools(
        self, tools: Any, user_msg: Any = None, chat_history: list[ChatMessage] | None = None, **options: Any
    ) -> dict[str, Any]:
        return {"messages": chat_history or []}

    def complete(self, prompt: str, formatted: bool = False, **options: Any) -> CompletionResponse:
        return CompletionResponse(text=self.chat([ChatMessage(prompt)]).message.content or "")

    def stream_complete(self, prompt: str, formatted: bool = False, **options: Any) -> CompletionResponseGen:
        yield self.complete(prompt)


def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"It is sunny in {city}."


async def converse(manager: SessionManager) -> None:
    """Run an agent twice in one context, save the context as text, and go on from the text."""
    register_manager("app", manager)  # so that a context can name it, in any process that does the same
    memory = ZepMemory(manager=manager, session_id=SESSION, user_id=USER)
    agent = FunctionAgent(tools=[weather], llm=ScriptedModel(), system_prompt="Look the weather up.")
    context = Context(agent)

    print("1:", await agent.run("How is the weather?", memory=memory, ctx=context))
    print("2:", await agent.run("And now?", ctx=context))  # the context has the memory

    saved = json.dumps(context.to_dict())
    print("saved as text,", "with messages" if "sunny" in saved_memory(saved) else "without messages")
    restored = Context.from_dict(agent, json.loads(saved))
    print("3:", await agent.run("Still?", ctx=restored))


def saved_memory(saved: str) -> str:
    """Return the part of a saved context that stands for its memory."""
    return str(json.loads(saved)["state"]["state_data"]["_data"]["memory"])


def main() -> None:
    """Let an agent work in a session, and show what the session then holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="URL of the database; a temporary file by default")
    with tempfile.TemporaryDirectory() as folder:
        database = parser.parse_args().database or f"sqlite:///{Path(folder) / 'agent.db'}"
        with SessionManager(database) as manager:
            asyncio.run(converse(manager))
            for message in manager.list_messages(SESSION):
                calls = ", ".join(f"{call.name}({call.args})" for call in message.tool_calls or [])
                print(f"{message.seq} {message.role:9} {message.content or calls}")
            manager.delete_user(USER)


if __name__ == "__main__":
    main()
