"""A chat in the terminal whose conversations survive a restart: a LangChain chain with a session's memory.

    python examples/chat.py                                  # echo model, no key needed
    python examples/chat.py --session trip --user alice
    python examples/chat.py --list
    python examples/chat.py --model openai:gpt-5             # any chat model of LangChain, see `init_chat_model`

Type a message and Enter; an empty line or Ctrl-D ends the chat.
"""

import argparse
import sys
from collections.abc import Iterator
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder

from zep_memory_plugin import SessionManager
from zep_memory_plugin.langchain import with_session_memory


class EchoModel(BaseChatModel):
    """Stands in for a model: says what it was told, and what it remembers of the turns before."""

    @property
    def _llm_type(self) -> str:
        return "echo"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return generate_from_stream(self._stream(messages))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        *earlier, latest = [message.text for message in messages if isinstance(message, HumanMessage)]
        answer = f"You said {latest!r}."
        if earlier:
            answer += f" Before that you said {earlier[-1]!r}; I remember {len(earlier)} earlier message(s) of yours."
        for word in answer.split(" "):
            yield ChatGenerationChunk(message=AIMessageChunk(content=f"{word} "))


def main() -> None:
    """Chat, or list the sessions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", default="sqlite:///chat.db", help="URL of the database (%(default)s)")
    parser.add_argument("--session", default="default", help="the conversation to go on with (%(default)s)")
    parser.add_argument("--user", help="whose conversation it is")
    parser.add_argument("--model", help="a chat model of LangChain, such as openai:gpt-5; without it, an echo")
    parser.add_argument("--list", action="store_true", help="list the sessions and stop")
    options = parser.parse_args()
    with SessionManager(options.database) as manager:
        if options.list:
            show_sessions(manager)
        else:
            chat(manager, options)


def show_sessions(manager: SessionManager) -> None:
    """Print each session with its user, its number of messages and its last activity."""
    for sessions in manager.list_all_sessions():
        counts = manager.count_messages([session.session_id for session in sessions])
        for session in sessions:
            when = f"{session.updated_at:%Y-%m-%d %H:%M}"
            print(
                f"{session.session_id:20} {session.user_id or '-':12} {counts[session.session_id]:4} messages  {when}"
            )


def chat(manager: SessionManager, options: argparse.Namespace) -> None:
    """Answer what is typed until an empty line."""
    prompt = ChatPromptTemplate.from_messages(
        [("system", "You are a helpful assistant."), MessagesPlaceholder("history"), ("human", "{question}")]
    )
    chain = with_session_memory(
        prompt | model_named(options.model),
        manager,
        input_messages_key="question",
        history_messages_key="history",
        limit=40,
    )
    config = {"configurable": {"session_id": options.session, "user_id": options.user}}
    known = manager.count_messages([options.session])[options.session]
    print(f"Session {options.session!r} in {options.database}: {known} messages so far. An empty line ends the chat.")
    for question in questions():
        for chunk in chain.stream({"question": question}, config=config):
            print(chunk.text, end="", flush=True)
        print()


def model_named(name: str | None) -> BaseChatModel:
    """Return the chat model *name*, or the echo."""
    if name is None:
        return EchoModel()
    from langchain.chat_models import init_chat_model  # only who names a model needs langchain

    return init_chat_model(name)


def questions() -> Iterator[str]:
    """Yield the lines that are typed, or piped in, until an empty one."""
    while True:
        print("> ", end="", flush=True)
        line = sys.stdin.readline().strip()
        if not line:
            print()
            return
        if not sys.stdin.isatty():
            print(line)
        yield line


if __name__ == "__main__":
    main()
