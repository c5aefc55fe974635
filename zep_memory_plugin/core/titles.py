"""Titles of sessions that the application gave none."""

from collections.abc import Sequence
from itertools import dropwhile

from sqlalchemy import Connection, select, update

from ..errors import InvalidInput
from ..models import Message
from ..tables import messages, sessions
from ..units import Stamp
from . import checks
from . import sessions as session_rows
from .messages import COLUMNS, OF_SESSION, are_live, read

LONGEST_MADE = 80
"""Characters of a title that is made; one that the application gives may be longer."""

_LOOKED_AT = 20
"""Messages with words among which the first answer is looked for."""

_QUOTES = [('"', '"'), ("'", "'"), ("“", "”"), ("«", "»"), ("**", "**")]

_UNNAMED = select(sessions.c.session_id).where(
    sessions.c.session_id == messages.c.session_id, sessions.c.title.is_(None), sessions.c.deleted_at.is_(None)
)
_FIRST_WORDS = (
    select(*COLUMNS)
    .where(OF_SESSION, messages.c.role_type.in_(("user", "assistant")), messages.c.content != "", _UNNAMED.exists())
    .order_by(messages.c.seq)
    .limit(_LOOKED_AT)
)


def due(connection: Connection, session_id: str) -> list[Message]:
    """Return what was said in the first turn of a session without a title, or nothing as long as nobody answered."""
    rows = connection.execute(_FIRST_WORDS, {"session": checks.session_id(session_id)})
    return _first_turn(read(rows, session_id))


def _first_turn(said: Sequence[Message]) -> list[Message]:
    turn: list[Message] = []
    for message in dropwhile(lambda message: message.role_type != "user", said):
        if message.role_type == "user" and turn and turn[-1].role_type != "user":
            return turn
        turn.append(message)
    return turn if turn and turn[-1].role_type != "user" else []


def written(text: object) -> str | None:
    """Return a title as it is stored, on one line and not too long, or None where *text* says nothing."""
    if not isinstance(text, str):
        raise InvalidInput("titler", f"gave {type(text).__name__}, and no text")
    line = _unquoted(" ".join(text.split()))
    return checks.title(line if len(line) <= LONGEST_MADE else f"{line[: LONGEST_MADE - 1].rstrip()}…") or None


def _unquoted(line: str) -> str:
    for first, last in _QUOTES:
        if len(line) >= len(first + last) and line.startswith(first) and line.endswith(last):
            return line[len(first) : -len(last)].strip()
    return line


def give(connection: Connection, stamp: Stamp, session_id: str, title: str, said: Sequence[Message]) -> None:
    """Give a session the *title* that was made of what was *said*, unless it has one or some of that is deleted by now.

    That is no change that anybody made, and moves neither the revision of the session nor its update.
    """
    session_rows.lock_live(connection, checks.session_id(session_id))
    if are_live(connection, session_id, said):
        unnamed = (sessions.c.session_id == session_id, sessions.c.title.is_(None))
        connection.execute(update(sessions).where(*unnamed).values(title=title))
