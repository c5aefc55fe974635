"""An agent of Microsoft's Agent Framework with a tool, whose conversation goes on from run to run.

    python examples/agent_framework_agent.py
    python examples/agent_framework_agent.py --database postgresql://localhost/app

Runs offline: the model follows a script. Put a chat client of yours in its place.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent_framework import (
    Agent,
    AgentSession,
    BaseChatClient,
    ChatResponse,
    Content,
    FunctionInvocationLayer,
    Message,
    tool,
)

from zep_memory_plugin import SessionManager
from zep_memory_plugin.agent_framework import ZepHistoryProvider

SESSION = "example-trip"
USER = "example-alice"


class ScriptedClient(FunctionInvocationLayer, BaseChatClient):
    """Stands in for a model: looks the weather up once, and from then on reads it in the conversation."""

    def _inner_get_response(
        self, *, messages: Sequence[Message], stream: bool, options: Mapping[str, Any], **others: Any
    ) -> Any:
        results = [each.result for message in messages for each in message.contents if each.type == "function_result"]
        asked = sum(message.role == "user" for message in messages)
        content = (
            Content.from_text(f"{results[-1]} You have asked me {asked} time(s).")
            if results
            else Content.from_function_call("call-1", "weather", arguments={"city": "Lisbon"})
        )

        async def respond() -> ChatResponse:
            return ChatResponse(messages=[Message("assistant", [content])])

        return respond()


@tool(approval_mode="never_require")
def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"It is sunny in {city}."


async def converse(manager: SessionManager) -> None:
    """Run an agent twice in a session."""
    history = ZepHistoryProvider(manager, user_id=USER)
    agent = Agent(client=ScriptedClient(), tools=[weather], context_providers=[history])
    for question in ("How is the weather?", "And now?"):
        print((await agent.run(question, session=AgentSession(session_id=SESSION))).text)


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
