"""An agent of Google's ADK with a tool, whose conversation goes on when the runner is made anew.

    python examples/google_adk_agent.py
    python examples/google_adk_agent.py --database postgresql://localhost/app

Runs offline: the model follows a script. Give the agent the name of a model, and it asks that.
"""

import argparse
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from google.adk.agents import LlmAgent
from google.adk.models.base_llm import BaseLlm
from google.adk.models.llm_response import LlmResponse
from google.adk.runners import Runner
from google.genai.types import Content, FunctionCall, Part

from zep_memory_plugin import SessionManager
from zep_memory_plugin.google_adk import ZepSessionService, session_id_of

APP = "example-weather"
SESSION = "trip"
USER = "example-alice"


class ScriptedModel(BaseLlm):
    """Stands in for a model: looks the weather up once, and from then on reads it in the conversation."""

    async def generate_content_async(self, llm_request: Any, stream: bool = False) -> AsyncIterator[LlmResponse]:  # type: ignore[override]
        parts = [(content.role, part) for content in llm_request.contents for part in content.parts]
        results = [part.function_response.response["result"] for _, part in parts if part.function_response]
        asked = sum(role == "user" and bool(part.text) for role, part in parts)
        call = FunctionCall(id="call-1", name="weather", args={"city": "Lisbon"})
        answer = Part(text=f"{results[-1]} You have asked me {asked} time(s).") if results else Part(function_call=call)
        yield LlmResponse(content=Content(role="model", parts=[answer]))


def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"It is sunny in {city}."


def converse(manager: SessionManager) -> None:
    """Ask two agents, one after another, in one session."""
    for question in ("How is the weather?", "And now?"):
        agent = LlmAgent(name="guide", model=ScriptedModel(model="scripted"), tools=[weather])
        sessions = ZepSessionService(manager)
        runner = Runner(app_name=APP, agent=agent, session_service=sessions, auto_create_session=True)
        message = Content(role="user", parts=[Part(text=question)])
        for event in runner.run(user_id=USER, session_id=SESSION, new_message=message):
            print("".join(part.text or "" for part in (event.content and event.content.parts) or ()), end="")
        print()


def main() -> None:
    """Let agents work in a session, and show what the session then holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="URL of the database; a temporary file by default")
    with tempfile.TemporaryDirectory() as folder:
        database = parser.parse_args().database or f"sqlite:///{Path(folder) / 'agent.db'}"
        with SessionManager(database) as manager:
            converse(manager)
            for message in manager.list_messages(session_id_of(APP, USER, SESSION)):
                calls = ", ".join(f"{call.name}({call.args})" for call in message.tool_calls or [])
                print(f"{message.seq} {message.role:9} {message.content or calls}")
            manager.delete_user(USER)


if __name__ == "__main__":
    main()
