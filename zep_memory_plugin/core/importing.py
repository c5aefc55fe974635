"""Storing what another database held, so that to do it twice is to do it once.

What is there already stays as it is: a user or session with its id, a message with its uuid, a summary with its seq. A
session that is there under the same id and another uuid is another session, and is left alone with all that is in it.
"""

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Connection, Table, bindparam, func, or_, select, update
from sqlalchemy import Row as StoredRow

from ..databases import database_of, index_of
from ..databases.prepared import Prepared
from ..databases.statements import latest_activity, latest_hour
from ..errors import SessionNotFound
from ..moments import hour_of
from ..tables import branches, messages, session_states, sessions, summaries, user_states
from ..units import Stamp
from . import ledger
from . import sessions as session_rows
from . import users as user_rows
from .chunks import chunked
from .records import Record, Row

_UNFILLED = [column.name for column in messages.c if column.name in ("updated_at", "deleted_at", "changed_revision")]
"""Columns that messages do not have when they are appended."""

NAMED_AT_ONCE = 200
"""Messages that a statement names: of each number of them the driver keeps one, with room for all that it names."""

_FINISH = Prepared(
    update(messages).where(messages.c.session_id == bindparam("of_session"), messages.c.seq == bindparam("at_seq")),
    column_keys=_UNFILLED,
)

_REACH = (
    update(sessions)
    .where(sessions.c.session_id == bindparam("session"))
    .values(
        last_seq=bindparam("reached", type_=BigInteger),
        last_active_at=latest_activity(),
        active_hour=latest_hour(),
        revision=sessions.c.revision + 1,
    )
    .returning(sessions.c.revision)
)


@dataclass(slots=True)
class Stored:
    """What became of records."""

    new: Counter[str] = field(default_factory=Counter)
    """How many were stored, by kind."""

    known: Counter[str] = field(default_factory=Counter)
    """How many were there already."""

    refused: list[str] = field(default_factory=list)
    """Sessions whose id another session has."""

    erased: list[str] = field(default_factory=list)
    """Sessions whose user was erased since."""

    @property
    def left_out(self) -> set[str]:
        """The sessions that are not stored."""
        return {*self.refused, *self.erased}

    def add(self, kind: str, *, new: int, known: int) -> None:
        """Count what became of records of a *kind*."""
        self.new[kind] += new
        self.known[kind] += known


def store(connection: Connection, stamp: Stamp, records: Sequence[Record], left_out: Container[str]) -> Stored:
    """Store *records*, but for those of sessions that are *left_out*, and of users as they were before an erasure."""
    stored = Stored()
    erased = ledger.moments(connection, {owner for record in records if (owner := record.row.get("user_id"))})
    for record in records:
        if _is_erased(erased, record.row):
            stored.erased += [record.row["session_id"]] if record.kind == "session" else []
        elif record.kind == "user":
            created = _store_user(connection, stamp, record.row)
            stored.add("user", new=created, known=not created)
        elif record.kind == "session":
            _store_session(connection, stamp, record.row, stored)
        elif record.kind == "user_state":
            user_rows.lock(connection, record.row["user_id"])
            new = _store_state(connection, user_states, _dated(stamp, record.row))
            stored.add("user_state", new=new, known=not new)
    inside = [each for each in records if each.kind in _STORES and each.row["session_id"] not in left_out]
    inside.sort(key=lambda record: record.row["session_id"])  # the order in which sessions are locked
    for session_id, group in groupby(inside, key=lambda record: str(record.row["session_id"])):
        if session_id not in stored.left_out:
            _store_in(connection, stamp, session_id, list(group), stored)
    return stored


def _is_erased(erased: Mapping[str, datetime], row: Row) -> bool:
    """Tell whether a row is of before its user was *erased*; one that does not say is."""
    erased_at = erased.get(row.get("user_id") or "")
    written_at = row.get("created_at") or row.get("updated_at")
    return erased_at is not None and (written_at is None or written_at <= erased_at)


def _store_user(connection: Connection, stamp: Stamp, row: Row) -> bool:
    return user_rows.create(connection, stamp, row["user_id"], **_timed(stamp, _without(row, "user_id")))


def _store_session(connection: Connection, stamp: Stamp, row: Row, stored: Stored) -> None:
    session_id: str = row["session_id"]
    created = session_rows.create(connection, stamp, session_id)
    at_id = sessions.c.session_id == session_id
    if created:
        timed = _timed(stamp, _without(row, "session_id"))
        active_at = row["last_active_at"] or timed["created_at"]
        connection.execute(update(sessions).where(at_id).values(timed | session_rows.activity(active_at)))
        stored.add("session", new=1, known=0)
        return
    there = connection.execute(select(sessions.c.uuid, sessions.c.last_seq).where(at_id).with_for_update()).one()
    if there.uuid != row["uuid"]:
        stored.refused.append(session_id)
        return
    stored.add("session", new=0, known=1)
    if row["last_seq"] > there.last_seq:
        _reach(connection, session_id, row["last_seq"], row["last_active_at"])


def _timed(stamp: Stamp, row: Row) -> Row:
    """Return *row* with moments that it lacks."""
    created_at = row["created_at"] or stamp.now
    return {**row, "created_at": created_at, **({} if row.get("updated_at") else {"updated_at": created_at})}


def _without(row: Row, name: str) -> Row:
    return {key: value for key, value in row.items() if key != name}


def _reach(connection: Connection, session_id: str, reached: int, active_at: datetime | None) -> int:
    """Let the next message of a session come after the seq *reached*, which is a write to it; it was *active_at*.

    Return the revision that it has then.
    """
    hour = None if active_at is None else hour_of(active_at)
    parameters = {"session": session_id, "reached": reached, "active": active_at, "hour": hour}
    revision: int = connection.execute(_REACH, parameters).scalar_one()
    return revision


def _store_in(connection: Connection, stamp: Stamp, session_id: str, records: Sequence[Record], stored: Stored) -> None:
    """Store what is in a session, under the lock of its row."""
    query = select(sessions).where(sessions.c.session_id == session_id).with_for_update()
    session = connection.execute(query).first()
    if session is None or session_rows.is_gone(session):
        raise SessionNotFound(session_id)
    for kind, store_rows in _STORES.items():
        rows = [_dated(stamp, record.row) for record in records if record.kind == kind]
        if rows:
            new = store_rows(connection, session, rows)
            stored.add(kind, new=new, known=len(rows) - new)


def _dated(stamp: Stamp, row: Row) -> Row:
    """Return *row* with the moment that it cannot be without."""
    missing = [name for name in ("created_at", "updated_at") if name in row][:1]
    return row | {name: stamp.now for name in missing if not row[name]}


def _store_states(connection: Connection, session: StoredRow[Any], rows: Sequence[Row]) -> int:
    return sum(_store_state(connection, session_states, row) for row in rows)


def _store_state(connection: Connection, table: Table, row: Row) -> bool:
    """Store a state unless the one that is there is as new, and tell whether it was stored."""
    insert = database_of(connection).insert(table).values(row)
    newer = {name: insert.excluded[name] for name in ("content", "revision", "updated_at")}
    older = table.c.revision < insert.excluded.revision
    put = insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=newer, where=older)
    return connection.execute(put.returning(table.c.revision)).first() is not None


def _store_branches(connection: Connection, session: StoredRow[Any], rows: Sequence[Row]) -> int:
    insert = database_of(connection).insert(branches).on_conflict_do_nothing().returning(branches.c.seq)
    return sum(connection.execute(insert.values(row)).first() is not None for row in rows)


def _store_summaries(connection: Connection, session: StoredRow[Any], rows: Sequence[Row]) -> int:
    insert = database_of(connection).insert(summaries).on_conflict_do_nothing().returning(summaries.c.seq)
    return sum(connection.execute(insert.values(row)).first() is not None for row in rows)


def _store_messages(connection: Connection, session: StoredRow[Any], rows: Sequence[Row]) -> int:
    """Store the messages that the session does not know; one whose seq is taken by another goes to the end."""
    session_id: str = session.session_id
    known, taken = _there(connection, session_id, rows)
    fresh = list({row["uuid"]: row for row in rows if row["uuid"] not in known}.values())
    end = max([session.last_seq, *(row["seq"] for row in fresh)])
    by_seq: dict[int, Row] = {}
    for row in fresh:
        seq = row["seq"]
        if seq in taken or seq in by_seq:
            end += 1
            seq = end
        by_seq[seq] = row
    if by_seq:
        at_end = min(by_seq) > _last_seq_there(connection, session_id)
        revision: int = session.revision
        if not at_end or end > session.last_seq:  # else it is what the session came for, with its revision
            revision = _reach(connection, session_id, end, max(row["created_at"] for row in by_seq.values()))
        _fill(connection, session_id, sorted(by_seq.items()), revision, at_end=at_end)
    return len(by_seq)


def _there(connection: Connection, session_id: str, rows: Sequence[Row]) -> tuple[set[UUID], set[int]]:
    """Return the uuids and the seqs among those of *rows* that the session has already, deleted ones too."""
    uuids: set[UUID] = set()
    seqs: set[int] = set()
    for chunk in chunked(rows, NAMED_AT_ONCE):
        same = or_(
            messages.c.uuid.in_([row["uuid"] for row in chunk]), messages.c.seq.in_([row["seq"] for row in chunk])
        )
        found = select(messages.c.uuid, messages.c.seq).where(messages.c.session_id == session_id, same)
        for row in connection.execute(found):
            uuids.add(row.uuid)
            seqs.add(row.seq)
    return uuids, seqs


def _last_seq_there(connection: Connection, session_id: str) -> int:
    query = select(func.max(messages.c.seq)).where(messages.c.session_id == session_id)
    return connection.execute(query).scalar() or 0


def _fill(
    connection: Connection, session_id: str, rows: Sequence[tuple[int, Row]], revision: int, *, at_end: bool
) -> None:
    """Store new messages, which are appended *at_end*, and else put in between others."""
    index = index_of(connection)
    filled = [(seq, row | index.columns(row["name"], row["content"])) for seq, row in rows]
    database_of(connection).fill(connection, session_id, filled, revision if at_end else None)
    finished = ((seq, row | {"changed_revision": None if at_end else revision}) for seq, row in rows)
    unfinished = [(seq, row) for seq, row in finished if any(row[name] is not None for name in _UNFILLED)]
    if unfinished:
        _FINISH.run(connection, [_finish(session_id, seq, row) for seq, row in unfinished])
    for run in _runs(filled):
        index.add(connection, session_id, run[0][0] - 1, [row for _, row in run])


def _finish(session_id: str, seq: int, row: Row) -> dict[str, Any]:
    return {"of_session": session_id, "at_seq": seq, **{name: row[name] for name in _UNFILLED}}


def _runs(rows: Iterable[tuple[int, Row]]) -> list[list[tuple[int, Row]]]:
    """Cut *rows*, which are in order, where a seq is missing."""
    runs: list[list[tuple[int, Row]]] = []
    for seq, row in rows:
        if not runs or runs[-1][-1][0] != seq - 1:
            runs.append([])
        runs[-1].append((seq, row))
    return runs


_STORES = {
    "session_state": _store_states,
    "branch": _store_branches,
    "summary": _store_summaries,
    "message": _store_messages,
}
"""How each kind of rows in a session is stored; returns how many are new."""
