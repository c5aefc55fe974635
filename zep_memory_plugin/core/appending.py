"""Appending messages to a session, those that it knows already among them.

The usual append is one statement, or one transaction of statements that were compiled once (`append_at_once` of the
database). What that cannot do is done under the session's row lock: a new session, known uuids, very many messages.
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from contextlib import nullcontext
from datetime import datetime
from functools import cache
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Connection, Row, bindparam, select, update

from ..databases import Append, Appended, database_of, filled, index_of, transaction
from ..databases.lending import is_lent
from ..databases.prepared import Prepared
from ..databases.statements import take_seqs
from ..models import Message
from ..tables import messages, session_states, sessions
from ..units import Stamp
from . import branches, checks, ownership, resending, states
from . import sessions as session_rows
from .batches import Batch, merged_text
from .chunks import chunked
from .messages import WRITTEN, read

logger = logging.getLogger(__name__)

_KEPT = ("session_id", "uuid", "created_at")
"""Columns that a message keeps when it is written again."""

# Built once: building a statement costs several times what sending it does.
_TAKEN = [sessions.c[name] for name in ("session_id", "uuid", "last_seq", "revision", "user_id", "metadata")]
_TAKE_SEQS = {expected: take_seqs(owned=False, expected=expected).returning(*_TAKEN) for expected in (False, True)}
_RETURN_SEQS = (
    update(sessions)
    .where(sessions.c.session_id == bindparam("session"))
    .values(
        last_seq=sessions.c.last_seq - bindparam("count", type_=BigInteger),
        revision=sessions.c.revision - bindparam("writes", type_=BigInteger),
    )
)

AT_ONCE = 1_000
"""Messages up to which an append tries to be one statement; with more it first makes sure that there is a session."""


def append(connection: Connection, stamp: Stamp, session_id: str, new: Batch, user_id: str | None) -> list[Message]:
    """Append *new* to a session, which is created or undeleted when need be."""
    checked, owner = checks.session_id(session_id), checks.optional_user_id(user_id)
    if new.is_empty:
        ownership.refuse(connection, checked, owner)
        return []
    request = _request(connection, stamp, checked, owner, new)
    appended = _append_at_once(connection, stamp, request, new)
    if appended is None:
        with transaction(connection):
            appended = _append_to_new(connection, stamp, request, new) or _append(connection, stamp, request, new)
    _tend(connection, request, appended)
    return _as_stored(request, appended)


def _tend(connection: Connection, request: Append, appended: Sequence[Appended]) -> None:
    """Let the index follow, which costs no append that is stored by now its answer."""
    try:
        with (
            transaction(connection) if is_lent(connection) else nullcontext()
        ):  # of which a failure is to leave no trace
            index_of(connection).tend(connection, request.session_id, appended)
    except Exception as error:  # whatever it is, a search goes on without, and another append tries again
        kind = type(getattr(error, "orig", None) or error).__name__
        logger.warning("tending the search index failed, another append tries again: %s", kind)


def append_anew(
    connection: Connection, stamp: Stamp, session_id: str, new: Batch, user_id: str | None
) -> list[Message]:
    """Append *new* in a transaction of the caller; what the session has or had of it moves to its new seq."""
    request = _request(connection, stamp, checks.session_id(session_id), checks.optional_user_id(user_id), new)
    taken = _take_seqs(connection, stamp, request, new)
    before = taken.last_seq - len(request.rows)
    known = _known(connection, request, _candidates(stamp, request, new))
    revision = taken.revision - _return_seqs(connection, stamp, request, known, 0)
    rows = list(enumerate(request.rows, start=before + 1))
    index_of(connection).drop(connection, request.session_id, [row.seq for row in known.values()])
    if fresh := [(seq, row) for seq, row in rows if row["uuid"] not in known]:
        database_of(connection).fill(connection, request.session_id, fresh, revision)
    moved = [(known[row["uuid"]], seq, row) for seq, row in rows if row["uuid"] in known]
    at_revision = {"appended_revision": revision, "changed_revision": None}
    changes = [_move(request, stamp, stored, seq, row) | at_revision for stored, seq, row in moved]
    _rewrite(connection, changes)
    if rows:
        index_of(connection).add(connection, request.session_id, before, request.rows)
    rewritten = [_rewritten(stored, change, seq) for (stored, seq, _), change in zip(moved, changes, strict=True)]
    return _as_stored(request, filled(fresh) + rewritten)


def _move(request: Append, stamp: Stamp, stored: Row[Any], seq: int, row: dict[str, Any]) -> dict[str, Any]:
    """Return the change that moves a message that is *stored*, deleted or not, to its new seq, with its new content."""
    change = _change(request, row, stored) | {"seq": seq, "archived_at": row["archived_at"], "deleted_at": None}
    return change | {"updated_at": stored.updated_at} if _is_of_this_call(stored, stamp) else change


def _request(connection: Connection, stamp: Stamp, session_id: str, user_id: str | None, new: Batch) -> Append:
    # In place, as copies of very many rows would be what the garbage collector works on; another attempt does the same.
    for row in new.rows:
        row["created_at"] = row["created_at"] or stamp.now
        row["archived_at"] = stamp.now if new.archived else None
        row |= index_of(connection).columns(row["name"], row["content"])
    fresh = stamp.attempt == 1 and not new.given
    appends = new.known == "append"
    question = resending.question_of(new.rows) if appends and new.since_seq is None else None
    return Append(
        session_id, user_id, new.rows, stamp.now, fresh, appends, question, new.unchanged, new.expected_revision
    )


def _append_at_once(connection: Connection, stamp: Stamp, request: Append, new: Batch) -> list[Appended] | None:
    """Append in the database's fastest way, or return None where this append is none for it."""
    merges = new.merges and not request.only_unknown
    if stamp.attempt > 1 or merges or not _fits(request, new):
        return None
    if request.only_unknown and new.since_seq is None and resending.may_be_conversation(request.rows):
        return None
    return database_of(connection).append_at_once(connection, request)


def _fits(request: Append, new: Batch) -> bool:
    """Tell whether there is nothing to write but a number of messages that one statement takes."""
    return 0 < len(request.rows) <= AT_ONCE and new.is_for_messages


def _append_to_new(connection: Connection, stamp: Stamp, request: Append, new: Batch) -> list[Appended] | None:
    """Append to a session that is created for it, or return None where there is one already."""
    if not request.fresh or not _fits(request, new):
        return None
    if not session_rows.begin(connection, stamp, request.session_id, request.user_id):
        return None
    return database_of(connection).append_at_once(connection, request)


def _append(connection: Connection, stamp: Stamp, request: Append, new: Batch) -> list[Appended]:
    """Append in several statements of one transaction, under the session's row lock."""
    count = len(request.rows)
    taken = _take_seqs(connection, stamp, request, new)
    before = taken.last_seq - count
    known = _known(connection, request, _candidates(stamp, request, new))
    is_first = not any(_is_of_this_call(row, stamp) for row in known.values())
    if new.after is not None and is_first:
        branches.go_on_from(connection, request.session_id, new.after, before)
    if request.only_unknown and is_first:
        known = resending.resent(connection, request, known, new.since_seq)
    fresh = [row for row in request.rows if row["uuid"] not in known]
    revision = taken.revision - _return_seqs(connection, stamp, request, known, count - len(fresh))
    if fresh:
        database_of(connection).fill(connection, request.session_id, enumerate(fresh, start=before + 1), revision)
        index_of(connection).add(connection, request.session_id, before, fresh)
    return filled(enumerate(fresh, start=before + 1)) + _overwrite(connection, stamp, request, known, revision)


def _candidates(stamp: Stamp, request: Append, new: Batch) -> Collection[UUID]:
    """Return the uuids that may be stored: those that the caller gave, and when this was sent before, all."""
    return new.given if stamp.attempt == 1 else {row["uuid"] for row in request.rows}


def _take_seqs(connection: Connection, stamp: Stamp, request: Append, new: Batch) -> Row[Any]:
    """Lock the session, creating or undeleting it, move its last seq and its revision on, and return its row."""
    taken = _taken(connection, stamp, request)
    session_rows.own(connection, stamp, request.session_id, taken.user_id, request.user_id)
    if new.metadata is not None:
        session_rows.patch(connection, taken, new.metadata)
    if new.state is not None:
        states.put(connection, stamp, session_states, request.session_id, new.state)
    return taken


def _taken(connection: Connection, stamp: Stamp, request: Append) -> Row[Any]:
    """Return the row of the session, with its seqs taken; one that is not there has the revision 0."""
    expected = request.expected_revision is not None and not _is_written(connection, stamp, request)
    taken: Any = connection.execute(_TAKE_SEQS[expected], request.parameters).first()
    if taken is not None:
        row: Row[Any] = taken
        return row
    begun = session_rows.begin(connection, stamp, request.session_id, request.user_id)
    if not begun and (expected or isinstance(request.user_id, ownership.Tenant)):  # whom the database may hide it from
        session_rows.expect(session_rows.lock(connection, request.session_id), stamp, request.expected_revision)
    return _taken(connection, stamp, request)


def _is_written(connection: Connection, stamp: Stamp, request: Append) -> bool:
    """Tell whether an earlier attempt of this call has moved the session on, which is as locked from here on."""
    if stamp.attempt == 1:
        return False
    written_at = select(sessions.c.updated_at).where(sessions.c.session_id == request.session_id).with_for_update()
    return connection.execute(written_at).scalar() == stamp.now


def _return_seqs(connection: Connection, stamp: Stamp, request: Append, known: dict[UUID, Row[Any]], count: int) -> int:
    """Give back *count* seqs that were taken for *known* messages, and the write where an earlier attempt did it.

    Return how many writes were given back.
    """
    writes = int(any(_is_of_this_call(row, stamp) for row in known.values()))
    if count or writes:
        connection.execute(_RETURN_SEQS, {"session": request.session_id, "count": count, "writes": writes})
    return writes


def _known(connection: Connection, request: Append, candidates: Iterable[UUID]) -> dict[UUID, Row[Any]]:
    """Return which of *candidates* the session has already, deleted ones too."""
    columns = [messages.c[name] for name in ("uuid", "seq", "created_at", "updated_at", "metadata", "deleted_at")]
    known: dict[UUID, Row[Any]] = {}
    for chunk in chunked(list(candidates)):
        query = select(*columns).where(messages.c.session_id == request.session_id, messages.c.uuid.in_(chunk))
        known |= {row.uuid: row for row in connection.execute(query)}
    return known


def _overwrite(
    connection: Connection, stamp: Stamp, request: Append, known: dict[UUID, Row[Any]], revision: int
) -> list[Appended]:
    """Give stored messages their new content; deleted ones stay as they are, and so does what this very call stored."""
    live = [(row, known[row["uuid"]]) for row in request.rows if row["uuid"] in known]
    live = [(row, stored) for row, stored in live if stored.deleted_at is None]
    settled = {uuid for uuid, stored in known.items() if uuid in request.unchanged or _is_of_this_call(stored, stamp)}
    done = [_as_it_is(stored) for _, stored in live if stored.uuid in settled]
    due = [(row, stored) for row, stored in live if stored.uuid not in settled]
    changes = [_change(request, row, stored) | {"changed_revision": revision} for row, stored in due]
    index_of(connection).replace(connection, request.session_id, [stored.seq for _, stored in due])
    _rewrite(connection, changes)
    return done + [_rewritten(stored, change, stored.seq) for (_, stored), change in zip(due, changes, strict=True)]


def _rewrite(connection: Connection, changes: Sequence[dict[str, Any]]) -> None:
    if changes:
        _rewriting(tuple(name for name in changes[0] if name in messages.c)).run(connection, changes)


@cache
def _rewriting(names: Sequence[str]) -> Prepared:
    at_key = (messages.c.session_id == bindparam("of_session"), messages.c.seq == bindparam("at_seq"))
    return Prepared(update(messages).where(*at_key), column_keys=names)


def _rewritten(stored: Row[Any], change: dict[str, Any], seq: int) -> Appended:
    return Appended(stored.uuid, seq, stored.created_at, change["updated_at"], change["metadata"])


def _as_it_is(stored: Row[Any]) -> Appended:
    return Appended(stored.uuid, stored.seq, stored.created_at, stored.updated_at, stored.metadata)


def _is_of_this_call(stored: Row[Any], stamp: Stamp) -> bool:
    """Tell whether an earlier attempt stored a message as it is, though the answer was lost."""
    written_at: datetime = stored.updated_at or stored.created_at
    return stamp.attempt > 1 and written_at == stamp.now


def _change(request: Append, row: dict[str, Any], stored: Row[Any]) -> dict[str, Any]:
    """Return what `_rewrite` takes to write *row* over a stored message."""
    return {
        "of_session": request.session_id,
        "at_seq": stored.seq,
        **{name: value for name, value in row.items() if name not in (*_KEPT, "archived_at")},
        "metadata": merged_text(stored.metadata, row["metadata"], (request.session_id, stored.seq, stored.uuid)),
        "updated_at": request.now,
    }


_written_of = itemgetter(*WRITTEN)


def _as_stored(request: Append, appended: Sequence[Appended]) -> list[Message]:
    """Return the messages that are stored, in the order of the request's rows."""
    rows = (
        (*_written_of(row), stored.seq, stored.created_at, stored.updated_at, stored.metadata)
        for row, stored in _paired(request.rows, appended)
    )
    return read(rows, request.session_id)


def _paired(rows: Sequence[dict[str, Any]], appended: Sequence[Appended]) -> Iterable[tuple[dict[str, Any], Appended]]:
    """Return each of *rows* that is stored with what became of it."""
    if len(rows) == len(appended) and all(row["uuid"] is each.uuid for row, each in zip(rows, appended, strict=True)):
        return zip(rows, appended, strict=True)
    by_uuid = {each.uuid: each for each in appended}
    return ((row, by_uuid[row["uuid"]]) for row in rows if row["uuid"] in by_uuid)
