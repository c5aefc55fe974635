"""Erasure: removing a user and all of theirs at once, with a receipt, and again by the ledger."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Table, bindparam, delete, select, tuple_, union

from ..databases import index_of
from ..errors import Held, UserNotFound
from ..models import ErasureReceipt
from ..tables import PREFIX, branches, messages, session_states, sessions, summaries, user_states, users
from ..units import Stamp
from . import checks, holds, ledger
from . import users as user_rows
from .chunks import chunked

SESSIONS_AT_ONCE = 500
"""Sessions whose rows are counted, or removed, by one statement."""

ROWS_AT_ONCE = 10_000
"""Rows whose keys are read at a time."""

USERS_OF_PAGE = 1_000
"""Users who are looked up in the ledger at a time."""

_OF_SESSION = (messages, summaries, session_states, branches, sessions)
"""Tables with rows of sessions, those of the sessions themselves last."""

_MESSAGES = messages.c.session_id == bindparam("session")
_MODULUS = 1 << 256


class Tally:
    """Counts rows that are about to go, and adds up digests of their keys, in whatever order they come."""

    def __init__(self, salt: str) -> None:
        self.salt = salt
        self.rows: Counter[str] = Counter()
        self._sums: Counter[str] = Counter()

    @property
    def digests(self) -> dict[str, str]:
        """The sums of the digests, by table."""
        return {name: f"{total % _MODULUS:064x}" for name, total in self._sums.items()}

    def add(self, connection: Connection, table: Table, condition: ColumnElement[bool]) -> None:
        """Count the rows of *table* that meet *condition*."""
        name = table.name.removeprefix(PREFIX)
        for keys in _pages(connection, table, condition):
            self.rows[name] += len(keys)
            texts = (f"{name} {' '.join(map(str, key))}" for key in keys)
            self._sums[name] += sum(int.from_bytes(ledger.keyed(self.salt, text)) for text in texts)


Keys = Sequence[tuple[object, ...]]


def _pages(connection: Connection, table: Table, condition: ColumnElement[bool]) -> Iterator[Keys]:
    """Yield the keys of the rows of *table* that meet *condition*, with the uuids of those that have one."""
    key = list(table.primary_key)
    query = select(*key, *(column for column in table.c if column.name == "uuid")).where(condition)
    query = query.order_by(*key).limit(ROWS_AT_ONCE)
    page = connection.execute(query).all()
    while page:
        yield [tuple(row) for row in page]
        after = tuple_(*key) > tuple_(*page[-1][: len(key)])
        page = connection.execute(query.where(after)).all() if len(page) == ROWS_AT_ONCE else []


def erase(connection: Connection, stamp: Stamp, user_id: str) -> tuple[ErasureReceipt, list[str]]:
    """Erase a user and all sessions of theirs, deleted ones too, with everything in them, and enter it in the ledger.

    Return the receipt, and the ids that were theirs.
    """
    checked = checks.user_id(user_id)
    try:
        user_rows.lock(connection, checked)
    except UserNotFound:
        receipt = ledger.receipt_of(connection, checked, stamp.now) if stamp.attempt > 1 else None
        if receipt is None:
            raise
        return receipt, [checked]  # of an attempt whose answer was lost
    tally = Tally(ledger.salt_of(connection))
    ids = _erase(connection, checked, tally, None)
    digest = ledger.keyed(tally.salt, checked).hex()
    receipt = ErasureReceipt(
        salt=tally.salt, digest=digest, erased_at=stamp.now, rows=dict(tally.rows), digests=tally.digests
    )
    ledger.note(connection, receipt)
    return receipt, [checked, *ids]


def _erase(connection: Connection, user_id: str, tally: Tally, until: datetime | None) -> Sequence[str]:
    """Erase what a user had *until* a moment, by default all of it, and return the ids of the sessions."""
    holds.refuse_user(connection, user_id)
    theirs = select(sessions.c.session_id).where(sessions.c.user_id == user_id, *_before(sessions, until))
    ids = connection.execute(theirs.order_by(sessions.c.session_id).with_for_update()).scalars().all()
    for chunk in chunked(ids, SESSIONS_AT_ONCE):
        for table in _OF_SESSION:
            tally.add(connection, table, table.c.session_id.in_(chunk))
        for session_id in chunk:
            index_of(connection).remove(connection, _MESSAGES, {"session": session_id})
        for table in _OF_SESSION[1:]:
            connection.execute(delete(table).where(table.c.session_id.in_(chunk)))
    for table in (user_states, users):
        own = (table.c.user_id == user_id, *_before(table, until))
        tally.add(connection, table, own[0] if until is None else own[0] & own[1])
        connection.execute(delete(table).where(*own))
    return ids


def _before(table: Table, until: datetime | None) -> list[ColumnElement[bool]]:
    """Match the rows of *table* that were there at a moment."""
    column = table.c.updated_at if table is user_states else table.c.created_at
    return [] if until is None else [column <= until]


def erase_again(connection: Connection, stamp: Stamp, user_id: str, erased_at: datetime) -> int | None:
    """Erase what is there of a user from before they were erased, and count the rows; None where it is held."""
    tally = Tally("")
    try:
        _erase(connection, user_id, tally, erased_at)
    except Held:
        return None
    return tally.rows.total()


def users_after(connection: Connection, user_id: str) -> Sequence[str]:
    """Return the next users who are there, or of whom there are sessions, by their ids."""
    columns = (users.c.user_id, sessions.c.user_id)
    later = (select(column).where(column > user_id).distinct() for column in columns)
    pages = (query.order_by(query.selected_columns[0]).limit(USERS_OF_PAGE).subquery() for query in later)
    every = union(*map(select, pages)).subquery()
    return connection.execute(select(every.c.user_id).order_by(every.c.user_id).limit(USERS_OF_PAGE)).scalars().all()
