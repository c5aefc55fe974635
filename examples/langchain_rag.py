"""A LangChain chain that answers from what its user said in earlier conversations.

python examples/langchain_rag.py                                   # on a temporary SQLite file
python examples/langchain_rag.py --database postgresql://localhost/app
"""

import argparse
import asyncio
import tempfile
from typing import Any

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import ConfigurableField, Runnable, RunnableConfig, RunnablePassthrough

from zep_memory_plugin import InvalidInput, Message, SessionManager
from zep_memory_plugin.langchain import ZepRetriever

SAID = {
    ("alice-1", "alice"): ["I am planning a holiday in Lisbon in May.", "My sister Clara lives in Porto."],
    ("alice-2", "alice"): ["I cannot eat peanuts.", "The cat is called Miso."],
    ("bob-1", "bob"): ["I am planning a holiday in Bergen."],
}


class QuotingModel(BaseChatModel):
    """Stands in for a model: quotes the first of the notes that its prompt gives it."""

    @property
    def _llm_type(self) -> str:
        return "quoting"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        notes = [line for line in messages[0].text.splitlines() if line.startswith("- ")]
        answer = f"You told me: {notes[0].removeprefix('- ')}" if notes else "You never told me."
        return ChatResult(generations=[ChatGeneration(message=AIMessage(answer))])


def main() -> None:
    """Run every step on the database that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="URL of a database to use instead of a temporary file")
    database = parser.parse_args().database
    with tempfile.TemporaryDirectory() as folder, SessionManager(database or f"sqlite:///{folder}/zep.db") as manager:
        for (session_id, user_id), contents in SAID.items():
            messages = [Message(role="user", content=content) for content in contents]
            manager.add_memory(session_id, messages, user_id=user_id)
        find(manager)
        chain = answering(manager)
        for user_id, question in (("alice", "Where is my holiday?"), ("bob", "Where is my holiday?")):
            print(f"{user_id:7} {question} {chain.invoke(question, of_user(user_id))}")
        print(f"async   {asyncio.run(chain.ainvoke('What is the name of my cat?', of_user('alice')))}")
        of_nobody(chain)


def find(manager: SessionManager) -> None:
    """Search the sessions of one user."""
    for document in ZepRetriever(manager=manager, user_id="alice", k=1).invoke("peanuts"):
        print(f"found   {document.page_content!r} in {document.metadata['session_id']}")


def answering(manager: SessionManager) -> Runnable[str, str]:
    """Return a chain that serves every user: the config of a run names the one whose memory it may see."""
    retriever = ZepRetriever(manager=manager, k=3).configurable_fields(user_id=ConfigurableField(id="user_id"))
    prompt = ChatPromptTemplate.from_messages(
        [("system", "Answer from what the user said earlier:\n{notes}"), ("human", "{question}")]
    )
    return (
        {"notes": retriever | listed, "question": RunnablePassthrough()} | prompt | QuotingModel() | StrOutputParser()
    )


def listed(documents: list[Document]) -> str:
    """Return what *documents* say, as a list."""
    return "\n".join(f"- {document.page_content}" for document in documents)


def of_user(user_id: str) -> RunnableConfig:
    """Name the user of a run."""
    return {"configurable": {"user_id": user_id}}


def of_nobody(chain: Runnable[str, str]) -> None:
    """A run that names no user is refused, and sees the memory of nobody."""
    try:
        chain.invoke("Where is my holiday?")
    except InvalidInput as error:
        print(f"refused {error.field}")


if __name__ == "__main__":
    main()
