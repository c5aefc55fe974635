"""The OpenAI Agents SDK's `SQLiteSession`."""

import asyncio
import sqlite3
from contextlib import closing

from agents import SQLiteSession

from ..spoken import Talks
from ._openai_agents import all_said, item


def fill(place: str, talks: Talks) -> None:
    """Store *talks*."""
    for session, said in talks:
        kept = SQLiteSession(session, place)
        asyncio.run(kept.add_items([item(each) for each in said]))
        kept.close()


def read(place: str) -> Talks:
    """Read each session as an application does."""
    for session in ids(place):
        kept = SQLiteSession(session, place)
        yield session, all_said(asyncio.run(kept.get_items()))
        kept.close()


def ids(place: str) -> list[str]:
    """Return the sessions of a file, which the SDK has no call for."""
    with closing(sqlite3.connect(place)) as connection:
        return [id_ for (id_,) in connection.execute("SELECT session_id FROM agent_sessions ORDER BY 1")]
