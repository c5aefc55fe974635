"""LangChain's `PostgresChatMessageHistory`, of `langchain_postgres`."""

import psycopg
from langchain_postgres import PostgresChatMessageHistory

from ..spoken import Talks
from ._langchain import all_said, message

TABLE = "message_store"


def fill(place: str, talks: Talks) -> None:
    """Store *talks*."""
    with psycopg.connect(place) as connection:
        PostgresChatMessageHistory.create_tables(connection, TABLE)
        for session, said in talks:
            history = PostgresChatMessageHistory(TABLE, session, sync_connection=connection)
            history.add_messages([message(each) for each in said])


def read(place: str) -> Talks:
    """Read each session as an application does."""
    with psycopg.connect(place) as connection:
        ids = connection.execute(f"SELECT DISTINCT session_id::text FROM {TABLE} ORDER BY 1").fetchall()
        for (session,) in ids:
            history = PostgresChatMessageHistory(TABLE, session, sync_connection=connection)
            yield session, all_said(history.get_messages())
