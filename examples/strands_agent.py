"""An agent of Strands with a tool, whose conversation goes on when the agent is made anew.

    python examples/strands_agent.py
    python examples/strands_agent.py --database postgresql://localhost/app

Runs offline: the model follows a script. Leave `model=` out, and the agent asks Bedrock's.
"""

import argparse
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from strands import Agent, tool
from strands.models import Model
from strands.session.repository_session_manager import RepositorySessionManager

from zep_memory_plugin import SessionManager
from zep_memory_plugin.strands import ZepSessionRepository

SESSION = "example-trip"
USER = "example-alice"


class ScriptedModel(Model):
    """Stands in for a model: looks the weather up once, and from then on reads it in the conversation."""

    def update_config(self, **config: Any) -> None:
        """There is nothing to configure."""

    def get_config(self) -> Any:
        return {}

    def structured_output(self, *others: Any, **options: Any) -> Any:
        raise NotImplementedError

    async def stream(self, messages: Any, *others: Any, **options: Any) -> AsyncIterator[Any]:
        contents = [content for message in messages for content in message["content"]]
        results = [content["toolResult"]["content"][0]["text"] for content in contents if "toolResult" in content]
        asked = sum(message["role"] == "user" and "text" in message["content"][0] for message in messages)
        yield {"messageStart": {"role": "assistant"}}
        if results:
            yield {"contentBlockStart": {"start": {}}}
            yield {"contentBlockDelta": {"delta": {"text": f"{results[-1]} You have asked me {asked} time(s)."}}}
        else:
            yield {"contentBlockStart": {"start": {"toolUse": {"name": "weather", "toolUseId": "call-1"}}}}
            yield {"contentBlockDelta": {"delta": {"toolUse": {"input": '{"city": "Lisbon"}'}}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "end_turn" if results else "tool_use"}}


@tool
def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"It is sunny in {city}."


def converse(manager: SessionManager) -> None:
    """Ask two agents, one after another, in one session."""
    for question in ("How is the weather?", "And now?"):
        sessions = RepositorySessionManager(SESSION, ZepSessionRepository(manager, user_id=USER))
        agent = Agent(model=ScriptedModel(), tools=[weather], session_manager=sessions, callback_handler=None)
        print(str(agent(question)).strip())


def main() -> None:
    """Let agents work in a session, and show what the session then holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="URL of the database; a temporary file by default")
    with tempfile.TemporaryDirectory() as folder:
        database = parser.parse_args().database or f"sqlite:///{Path(folder) / 'agent.db'}"
        with SessionManager(database) as manager:
            converse(manager)
            for message in manager.list_messages(SESSION):
                calls = ", ".join(f"{call.name}({call.args})" for call in message.tool_calls or [])
                print(f"{message.seq} {message.role:9} {message.content or calls}")
            manager.delete_user(USER)


if __name__ == "__main__":
    main()
