"""A LangChain chain that remembers: invoke, stream, batch, and a stream that is stopped.

python examples/langchain_chain.py                                   # on a temporary SQLite file
python examples/langchain_chain.py --database postgresql://localhost/app
"""

import argparse
import asyncio
import tempfile
from collections.abc import Iterator
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import Runnable, RunnableConfig

from zep_memory_plugin import SessionManager, use_session
from zep_memory_plugin.langchain import with_session_memory


class CountingModel(BaseChatModel):
    """Stands in for a model: says which question of the user this is, and which was the first."""

    @property
    def _llm_type(self) -> str:
        return "counting"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return generate_from_stream(self._stream(messages))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        questions = [message.text for message in messages if isinstance(message, HumanMessage)]
        answer = f"This is question {len(questions)}; the first I see was {questions[0]!r}."
        for word in answer.split(" "):
            yield ChatGenerationChunk(message=AIMessageChunk(content=f"{word} "))


def main() -> None:
    """Run every step on the database that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="URL of a database to use instead of a temporary file")
    database = parser.parse_args().database
    with tempfile.TemporaryDirectory() as folder, SessionManager(database or f"sqlite:///{folder}/zep.db") as manager:
        prompt = ChatPromptTemplate.from_messages(
            [("system", "Be brief."), MessagesPlaceholder("history"), ("human", "{question}")]
        )
        chat = with_session_memory(
            prompt | CountingModel(), manager, input_messages_key="question", history_messages_key="history", limit=6
        )
        talk(chat)
        asyncio.run(talk_async(chat))
        stop_early(chat, manager)


def session(session_id: str) -> RunnableConfig:
    """Name the session of a call, and whose it is."""
    return {"configurable": {"session_id": session_id, "user_id": "alice"}}


def talk(chat: Runnable[Any, Any]) -> None:
    """Ask in one session and in another, which know nothing of each other."""
    print("invoke ", chat.invoke({"question": "Where is Lisbon?"}, session("alice-1")).text)
    print("invoke ", chat.invoke({"question": "And Porto?"}, session("alice-1")).text)
    print("other  ", chat.invoke({"question": "Who are you?"}, session("alice-2")).text)
    with use_session("alice-1", user_id="alice"):
        print("stream ", "".join(chunk.text for chunk in chat.stream({"question": "And Faro?"})))


async def talk_async(chat: Runnable[Any, Any]) -> None:
    """Ask in several sessions at once; those of one session are answered in order."""
    questions = [{"question": text} for text in ("And Braga?", "What is the time?", "And Évora?")]
    answers = await chat.abatch(questions, [session(name) for name in ("alice-1", "alice-3", "alice-1")])
    for answer in answers:
        print("batch  ", answer.text)


def stop_early(chat: Runnable[Any, Any], manager: SessionManager) -> None:
    """Leave a stream after three words: the question and what was said of the answer are kept."""
    for words, _ in enumerate(chat.stream({"question": "Tell me everything."}, session("alice-4")), start=1):
        if words == 3:
            break
    for message in manager.list_messages("alice-4"):
        print("stopped", message.role, repr(message.content), message.metadata or "")


if __name__ == "__main__":
    main()
