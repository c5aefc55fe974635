"""An agent of pydantic-ai with a tool, whose conversation goes on when the agent is made anew.

    python examples/pydantic_ai_agent.py
    python examples/pydantic_ai_agent.py --database postgresql://localhost/app

Runs offline: the model follows a script. Give the agent the name of a model, and it asks that.
"""

import argparse
import asyncio
import tempfile
from pathlib import Path

from pydantic_ai import Agent
from pydantic_ai.conversation import Conversation
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from zep_memory_plugin import SessionManager
from zep_memory_plugin.pydantic_ai import ZepConversationStore

SESSION = "example-trip"
USER = "example-alice"


def scripted(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Stand in for a model: look the weather up once, and from then on read it in the conversation."""
    parts = [part for message in messages for part in message.parts]
    results = [part.content for part in parts if isinstance(part, ToolReturnPart)]
    asked = sum(isinstance(part, UserPromptPart) for part in parts)
    if results:
        return ModelResponse([TextPart(f"{results[-1]} You have asked me {asked} time(s).")])
    return ModelResponse([ToolCallPart("weather", {"city": "Lisbon"}, "call-1")])


def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"It is sunny in {city}."


async def converse(manager: SessionManager) -> None:
    """Ask two agents, one after another, in one conversation."""
    for question in ("How is the weather?", "And now?"):
        agent, store = Agent(FunctionModel(scripted), tools=[weather]), ZepConversationStore(manager)
        conversation = await store.load(SESSION, scope=USER) or Conversation(conversation_id=SESSION)
        result = await agent.run(question, conversation=conversation)
        await store.save(result, scope=USER)
        print(result.output)


def main() -> None:
    """Let agents work in a session, and show what the session then holds."""
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
