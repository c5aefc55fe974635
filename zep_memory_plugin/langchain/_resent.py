"""Messages that come with the id of one that the session has: the same one sent again, or one that is said again."""

from collections.abc import Sequence
from uuid import UUID

from ..models import Message


class Resent:
    """The *rows* of an agent's step, and what they were *stored* as, known ones in their old places.

    A program may send all of the conversation with every run, and then the question. Or it has the same question, or a
    guard the same refusal, as one object for which LangGraph has made an id once. So what is known and comes after
    something new is said again, and so is a known question at the end of what is known, where the session went on after
    it. *boundary* is the last place of the session before the agent's thread began, where that is known. Only what
    *may_open* the thread may be a conversation that is sent as a whole.
    """

    def __init__(
        self, rows: Sequence[Message], stored: Sequence[Message], boundary: int | None, *, may_open: bool
    ) -> None:
        self._rows = rows
        self._places = {row.uuid: row for row in stored}
        self._boundary = boundary
        new = (place for place, row in enumerate(rows) if not (may_open and self._is_known(row)))
        self._start = next(new, len(rows))
        self.added = sum(row.updated_at is None for row in stored)
        """How many of the rows are new in the session."""

    @property
    def is_doubtful(self) -> bool:
        """Whether it matters if the session went on after the last of the rows that are known from the start."""
        if not self._start or self._rows[self._start - 1].role_type != "user":
            return False
        return self._start == len(self._rows) or self._rows[self._start].role_type != "user"

    def said_again(self, newest: Sequence[Message]) -> list[Message]:
        """Return the rows that are to be stored as new ones: from the first that is said again on.

        *newest* are the last messages of the session, one more than were added, where that `is_doubtful`.
        """
        start = self._start
        if self.is_doubtful and self._went_on(newest):
            return list(self._rows[start - 1 :])
        first = next((place for place in range(start, len(self._rows)) if self._is_known(self._rows[place])), None)
        if first is None and self._rows[-1].uuid not in self._places:
            return list(self._rows[-1:])  # its id is that of a deleted message, and it is not one of those sent along
        return [] if first is None else list(self._rows[first:])

    def added_among(self, rows: Sequence[Message]) -> list[UUID]:
        """Return the uuids of those of *rows* that are new in the session."""
        return [row.uuid for row in rows if row.uuid in self._places and not self._is_known(row) and row.uuid]

    def stored_before(self, rows: Sequence[Message]) -> list[Message]:
        """Return what was stored of the others than *rows*."""
        again = {row.uuid for row in rows}
        return [row for uuid, row in self._places.items() if uuid not in again]

    def _is_known(self, row: Message) -> bool:
        there = self._places.get(row.uuid)
        if there is None or there.updated_at is None:
            return False
        return self._boundary is None or (there.seq or 0) <= self._boundary

    def _went_on(self, newest: Sequence[Message]) -> bool:
        asked = self._places[self._rows[self._start - 1].uuid]
        before = [row for row in newest if row.updated_at is not None or row.uuid not in self._places]
        return bool(before) and (before[-1].seq or 0) > (asked.seq or 0)


def anew(rows: Sequence[Message]) -> list[Message]:
    """Return *rows* as messages that the session does not know."""
    return [row.model_copy(update={"uuid": None}) for row in rows]
