"""LangChain's `SQLChatMessageHistory`, in a file of SQLite."""

import sqlite3
from contextlib import closing

from langchain_community.chat_message_histories import SQLChatMessageHistory
from sqlalchemy import create_engine

from ..spoken import Talks
from ._langchain import all_said, message


def fill(place: str, talks: Talks) -> None:
    """Store *talks*."""
    engine = create_engine(f"sqlite:///{place}")
    for session, said in talks:
        SQLChatMessageHistory(session, connection=engine).add_messages([message(each) for each in said])
    engine.dispose()


def read(place: str) -> Talks:
    """Read each session as an application does."""
    with closing(sqlite3.connect(place)) as connection:
        ids = [id_ for (id_,) in connection.execute("SELECT DISTINCT session_id FROM message_store ORDER BY 1")]
    engine = create_engine(f"sqlite:///{place}")
    for session in ids:
        yield session, all_said(SQLChatMessageHistory(session, connection=engine).messages)
    engine.dispose()
