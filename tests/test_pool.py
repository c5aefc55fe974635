"""Callers get the connections of a manager's own in turn: who waits longest is next."""

import asyncio

from tests.support.proxy import Proxy
from zep_memory_plugin import SessionManager
from zep_memory_plugin.running.engines import CONNECTIONS

DELAY = 0.02
CALLERS = 4 * CONNECTIONS


def test_async_callers_get_connections_in_the_order_of_asking(shared_postgres_url: str) -> None:
    """A caller who comes back is served after those who still wait for the first time."""
    served: list[str] = []

    async def call(manager: SessionManager) -> None:
        for time in ("first", "second"):
            await manager.alist_messages("session", 1)
            served.append(time)

    async def main(url: str) -> None:
        async with SessionManager(url) as manager:
            await asyncio.gather(*(manager.alist_messages("session", 1) for _ in range(CONNECTIONS)))
            await asyncio.gather(*(call(manager) for _ in range(CALLERS)))

    with Proxy.to(shared_postgres_url, delay=DELAY) as proxy:
        asyncio.run(main(proxy.url_for(shared_postgres_url).replace("postgresql:", "postgresql+asyncpg:")))

    assert "second" not in served[: CALLERS - CONNECTIONS]
