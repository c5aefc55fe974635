"""A chat with a real model, by any name that LangChain's `init_chat_model` knows; what was said survives a restart.

    pip install langchain-openai; export OPENAI_API_KEY=...
    python examples/real_model.py openai:gpt-5
    python examples/real_model.py anthropic:claude-sonnet-4-5 --session trip --user alice

Without a name it says what to give. Type a message and Enter; Ctrl-D ends the chat.
"""

import argparse
import sys

from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel

from zep_memory_plugin import SessionManager
from zep_memory_plugin.langchain import with_session_memory


def main() -> None:
    """Chat with the model that is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", help="a model and its provider, such as openai:gpt-5")
    parser.add_argument("--database", default="sqlite:///chat.db", help="URL of the database (%(default)s)")
    parser.add_argument("--session", default="default", help="the conversation to go on with (%(default)s)")
    parser.add_argument("--user", help="whose conversation it is")
    options = parser.parse_args()
    if options.model is None:
        print("name a model, such as openai:gpt-5; examples/chat.py needs none")
        return
    model = model_of(options.model)
    with SessionManager(options.database) as manager:
        chat(model, manager, {"session_id": options.session, "user_id": options.user})


def model_of(name: str) -> BaseChatModel:
    """Return the model of this *name*, or end with a line that says what it lacks."""
    try:
        return init_chat_model(name)
    except ImportError as error:
        sys.exit(f"{name} needs a package of its provider: {first_line(error)}")
    except Exception as error:  # each provider has errors of its own, above all for a key that is missing
        sys.exit(f"{name} cannot be used: {first_line(error)}")


def first_line(error: Exception) -> str:
    """Return what *error* says first."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def chat(model: BaseChatModel, manager: SessionManager, session: dict[str, str | None]) -> None:
    """Answer what is typed, line by line."""
    chain = with_session_memory(model, manager)
    for line in sys.stdin:
        try:
            for chunk in chain.stream(line.strip(), {"configurable": session}):
                print(chunk.text, end="", flush=True)
        except Exception as error:  # a key that is refused, a network that is down: the question is stored
            sys.exit(f"the model did not answer: {first_line(error)}")
        print()


if __name__ == "__main__":
    main()
