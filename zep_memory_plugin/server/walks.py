"""Listings by clients that take a cursor for an offset, so that each session still comes exactly once.

A cursor is the id after which a listing goes on. Zep's own clients, walking through all sessions in chunks, send 0, the
chunk's size, twice the size … instead, and so see sessions again wherever ids have gaps. A server can tell what a
client means by what it was given before: who got a page of *size* rows after *cursor*, and now asks for *cursor* +
*size*, counts, and wants what follows that page; but who sends back the last id that it was given means that id.

What is not remembered, as after a restart or in another process, is taken for an id: then sessions may come again, as
with Zep's own server, and that walk misses none. A walker is known by its address and what it calls itself, not by its
connection, of which clients have several. So only two programs of one kind on one machine that walk in the same steps
at once, while sessions are deleted, may each meet what the other was given, and so miss one.
"""

from collections import OrderedDict
from typing import NamedTuple

MOST_STEPS = 10_000
"""Pages that are remembered; of more, the oldest are forgotten."""


class Step(NamedTuple):
    """Where a client that counts would ask on; without a cursor, the last page that a client was given."""

    walker: str
    """Who asks: its address, and what it calls itself."""

    listing: str
    size: int
    cursor: int | None = None


class Walks:
    """The listings that are under way."""

    def __init__(self) -> None:
        self._last_ids: OrderedDict[Step, int] = OrderedDict()

    def resumed(self, walker: str, listing: str, size: int, cursor: int) -> int:
        """Return the id that *walker* means with *cursor*."""
        if self._last_ids.get(Step(walker, listing, size)) == cursor:
            return cursor
        return self._last_ids.get(Step(walker, listing, size, cursor), cursor)

    def remember(self, walker: str, listing: str, size: int, cursor: int, last_id: int) -> None:
        """Note that a page of *size* rows after *cursor*, as the client put it, ended with *last_id*."""
        for step in (Step(walker, listing, size, cursor + size), Step(walker, listing, size)):
            self._last_ids[step] = last_id
            self._last_ids.move_to_end(step)
        while len(self._last_ids) > MOST_STEPS:
            self._last_ids.popitem(last=False)
