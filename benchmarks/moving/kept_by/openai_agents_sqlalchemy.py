"""The OpenAI Agents SDK's `SQLAlchemySession`, in a file of SQLite."""

import asyncio

from agents.extensions.memory import SQLAlchemySession
from sqlalchemy.ext.asyncio import create_async_engine

from ..spoken import Said, Talks
from ._openai_agents import all_said, item
from .openai_agents import ids


def fill(place: str, talks: Talks) -> None:
    """Store *talks*."""

    async def add() -> None:
        engine = create_async_engine(f"sqlite+aiosqlite:///{place}")
        for session, said in talks:
            kept = SQLAlchemySession(session, engine=engine, create_tables=True)
            await kept.add_items([item(each) for each in said])
        await engine.dispose()

    asyncio.run(add())


def read(place: str) -> Talks:
    """Read each session as an application does."""

    async def get() -> list[tuple[str, list[Said]]]:
        engine = create_async_engine(f"sqlite+aiosqlite:///{place}")
        kept = {session: SQLAlchemySession(session, engine=engine) for session in ids(place)}
        got = [(session, all_said(await each.get_items())) for session, each in kept.items()]
        await engine.dispose()
        return got

    return iter(asyncio.run(get()))
