"""Pages of sessions and users, for clients that send ids as cursors, and for those that count."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from fastapi import Request

from ...models import Session, User
from . import walker, walks_of

Row = TypeVar("Row", Session, User)


async def page(
    request: Request,
    listing: str,
    listed: Callable[[int | None, int], Awaitable[list[Row]]],
    size: int,
    cursor: int,
) -> list[Row]:
    """Return the page that a client asks for; a *size* of 0 or less is none, as in Zep's own server."""
    after = max(0, cursor)
    if size <= 0:
        return await listed(None, after)
    who, walks = walker(request), walks_of(request)
    rows = await listed(size, walks.resumed(who, listing, size, after))
    if rows and (last_id := rows[-1].id):
        walks.remember(who, listing, size, after, last_id)
    return rows
