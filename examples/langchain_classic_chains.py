"""Older LangChain code, with its memory in a database: a ConversationChain and RunnableWithMessageHistory.

LangChain has deprecated both. New code is better served by `with_session_memory` or `ZepMemoryMiddleware`.

python examples/langchain_classic_chains.py                                   # on a temporary SQLite file
python examples/langchain_classic_chains.py --database postgresql://localhost/app
"""

import argparse
import tempfile
import warnings

from langchain_classic.chains import ConversationChain
from langchain_core._api import LangChainDeprecationWarning
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables.history import RunnableWithMessageHistory

from zep_memory_plugin import SessionManager, Summary
from zep_memory_plugin.langchain import ZepMemory, history_factory


def main() -> None:
    """Run every step on the database that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="URL of a database to use instead of a temporary file")
    database = parser.parse_args().database
    warnings.simplefilter("ignore", LangChainDeprecationWarning)  # of the chain and the wrapper; ours give none
    with tempfile.TemporaryDirectory() as folder, SessionManager(database or f"sqlite:///{folder}/zep.db") as manager:
        conversation(manager)
        after_a_restart(manager)
        wrapper(manager)


def model(*answers: str) -> GenericFakeChatModel:
    """Stand in for a model that gives these *answers*, one after another."""
    return GenericFakeChatModel(messages=iter([AIMessage(answer) for answer in answers]))


def conversation(manager: SessionManager) -> None:
    """Talk through a chain whose memory is a session."""
    chain = ConversationChain(
        llm=model("Hello Alice.", "You are Alice."),
        memory=ZepMemory(session_id="classic", manager=manager, user_id="alice"),
    )
    for question in ("I am Alice.", "Who am I?"):
        print("chain  ", chain.invoke({"input": question})["response"])


def after_a_restart(manager: SessionManager) -> None:
    """Show what another memory of the session gives to a chain: as text, the last turn, and with a summary."""
    print("text   ", repr(ZepMemory(session_id="classic", manager=manager).load_memory_variables({})["history"]))
    manager.add_summary("classic", Summary(content="The user is Alice."))
    last_turn = ZepMemory(session_id="classic", manager=manager, turns=1, return_messages=True)
    for message in last_turn.load_memory_variables({})["history"]:
        print("k=1    ", message.type, message.text)


def wrapper(manager: SessionManager) -> None:
    """Talk through the deprecated wrapper, which asks for the history of each session."""
    prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("history"), ("human", "{question}")])
    chat = RunnableWithMessageHistory(
        prompt | model("Lisbon is in Portugal."),
        history_factory(manager, limit=20),
        input_messages_key="question",
        history_messages_key="history",
    )
    chat.invoke({"question": "Where is Lisbon?"}, {"configurable": {"session_id": "wrapped"}})
    for message in manager.list_messages("wrapped"):
        print("wrapper", message.role, message.content)


if __name__ == "__main__":
    main()
