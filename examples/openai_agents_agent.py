"""An agent of the OpenAI Agents SDK with a tool, whose conversation goes on from run to run.

    python examples/openai_agents_agent.py
    python examples/openai_agents_agent.py --database postgresql://localhost/app

Runs offline: the model follows a script. Leave `model=` out, and the agent asks OpenAI's.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from agents import Agent, Model, ModelResponse, RunConfig, Runner, Usage, function_tool
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from zep_memory_plugin import SessionManager
from zep_memory_plugin.openai_agents import ZepSession

SESSION = "example-trip"
USER = "example-alice"


class ScriptedModel(Model):
    """Stands in for a model: looks the weather up once, and from then on reads it in the conversation."""

    async def get_response(self, *others: Any, **options: Any) -> ModelResponse:
        items = options["input"]
        results = [item["output"] for item in items if item.get("type") == "function_call_output"]
        asked = sum(item.get("role") == "user" for item in items)
        output: Any = (
            answer(f"{results[-1]} You have asked me {asked} time(s).")
            if results
            else ResponseFunctionToolCall(
                type="function_call", call_id="call-1", name="weather", arguments='{"city": "Lisbon"}'
            )
        )
        return ModelResponse(output=[output], usage=Usage(), response_id=None)

    def stream_response(self, *others: Any, **options: Any) -> Any:
        raise NotImplementedError


def answer(text: str) -> ResponseOutputMessage:
    """Return what a model says in words."""
    content = ResponseOutputText(type="output_text", text=text, annotations=[])
    return ResponseOutputMessage(id="message", type="message", role="assistant", status="completed", content=[content])


@function_tool
def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"It is sunny in {city}."


def converse(manager: SessionManager) -> None:
    """Run an agent twice, each time in an event loop of its own."""
    agent = Agent("guide", instructions="Look the weather up.", model=ScriptedModel(), tools=[weather])
    offline = RunConfig(tracing_disabled=True)
    for question in ("How is the weather?", "And now?"):
        session = ZepSession(SESSION, manager, user_id=USER)
        print(Runner.run_sync(agent, question, session=session, run_config=offline).final_output)


def main() -> None:
    """Let an agent work in a session, and show what the session then holds."""
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
