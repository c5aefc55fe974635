"""Which messages of an append are said anew, and which the session has already: the rule "append".

Programs send a message again for several reasons. They send the whole conversation with each turn, with ids or without;
they ask again after a call that failed; or an id stands for two messages, as where a cache gives an answer once more,
or a gateway numbers all of its answers alike. So a message is known by its words, and by its id where it has the words
of before, or those of a question or an instruction that was edited. And:

1. A question that the session ends with is asked again because its call failed; it stands once, as does each of
   several. (Stored: q1. Sent: q1. Or: q1, q2, of which only q2 is new.)
2. What comes before the last question is the conversation that is sent again, up to the last message of it that is
   known, if the one before that is known as well. (Stored: q1, a1. Sent: q1, a1, q2. Only q2 is new.)
3. All else is new, whatever its id. (Stored: q1, a1. Sent: q1, which is asked twice. Or: q2, a1, which a cache gave.)
4. But messages with ids and words that the session ends with were sent again as they are, and so were answers with ids
   and words that it has after its last question.

Within a turn that goes on, whose messages are those after a seq, it is simpler: what is stored after that seq keeps its
seq and gets the content that comes, all else is new.

What is new and has a known uuid is stored under another one. A deleted message gives way: it keeps its text, but not
its uuid, so that the new message is known by that.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, Connection, Row, bindparam, select

from ..databases import Append
from ..models import Message
from ..tables import messages
from ..uuids import new_uuid
from . import revisions
from .messages import COLUMNS, OF_SESSION, WRITTEN

MORE = 100
"""How many messages beyond twice those that are sent the known ones are looked for among."""

_NEWEST = (
    select(*COLUMNS, messages.c.deleted_at)
    .where(OF_SESSION)
    .order_by(messages.c.seq.desc())
    .limit(bindparam("count", type_=BigInteger))
)
_AT_KEY = (messages.c.session_id == bindparam("session"), messages.c.seq == bindparam("at_seq"))
_RENAME = revisions.change(messages, *_AT_KEY, uuid=bindparam("other"))

_OF_THE_SENDING = frozenset({"id", "response_metadata"})
"""Parts of a native form that are no part of what is said."""


class Said(NamedTuple):
    """What a message is known by."""

    uuid: UUID | None
    role: str
    words: tuple[object, ...]

    @classmethod
    def of(cls, message: Message) -> "Said":
        """Return what *message* is known by."""
        calls = tuple(call.id for call in message.tool_calls or ())
        return _said(message.uuid, message.role_type or "", message.name, message.content, calls, message)

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "Said":
        """Return what the message of the columns of *row* is known by."""
        calls = () if row["tool_calls"] is None else tuple(call.get("id") for call in json.loads(row["tool_calls"]))
        return _said(row["uuid"], row["role_type"], row["name"], row["content"], calls, row)

    def is_same(self, other: "Said") -> bool:
        """Tell whether this is *other* once more, or what it was edited to."""
        return self.words == other.words or (self._is_editable and self.uuid == other.uuid and self.role == other.role)

    @property
    def _is_editable(self) -> bool:
        return self.uuid is not None and self.role in ("user", "system")


def _said(uuid: UUID | None, role: str, name: str | None, content: str, calls: tuple[object, ...], more: Any) -> Said:
    if role == "user":
        native = more.native if isinstance(more, Message) else more["native"]
        return Said(uuid, role, (role, content.strip(), name, _beyond_text(native)))
    result = more.tool_call_id if isinstance(more, Message) else more["tool_call_id"]
    return Said(uuid, role, (role, content.strip(), calls, result))


def _beyond_text(native: str | None) -> str | None:
    """Return what a framework's own form of a question holds beside its text, such as an image."""
    if native is None:
        return None
    try:
        form = json.loads(native)
        data = form.get("data", form)
        kept = {name: value for name, value in data.items() if name not in _OF_THE_SENDING}
    except (AttributeError, ValueError, RecursionError):
        return native
    return json.dumps(kept, sort_keys=True) if kept else None


def question_of(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the question of an append that begins with it, which may be one that the session ends with."""
    return rows[0]["content"] if rows and rows[0]["role_type"] == "user" else None


def may_be_conversation(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether an append may be a conversation that is sent again: something comes before its last question."""
    return any(row["role_type"] == "user" for row in rows[1:])


def positions_of_known(sent: Sequence[Said], stored: Sequence[Said]) -> list[int | None]:
    """Return the positions among *stored* of the messages at the start of *sent* that are sent again.

    One that is not known itself, but comes before a known one, has None.
    """
    if _are_all_at_the_end(sent, stored):
        return list(range(len(stored) - len(sent), len(stored)))
    questions = [position for position, each in enumerate(sent) if each.role == "user"]
    if not questions:
        return _positions_in_turn(sent, stored)
    first = _first_of_run(sent, questions[-1])
    again = _asked_again(sent[first : questions[-1] + 1], stored)
    if again:
        before = len(stored) - again
        return [*_aligned(sent[:first], stored[:before], padded=True), *range(before, len(stored))]
    return _aligned(sent[: questions[-1]], stored)


def before_question(history: Sequence[Message], sent: Sequence[Message]) -> list[Message]:
    """Return what of *history* lies before the first question of *sent*, which were stored after it was read.

    The rest is what they repeat, and what it was answered before it was asked again.
    """
    first = next((row.seq for row in sent if row.role_type == "user"), None)
    return [row for row in history if first is None or (row.seq or 0) < first]


def unrepeated(history: Sequence[Message], sent: Sequence[Message]) -> list[Message]:
    """Return what of *history* lies before the first question that *sent*, which is not stored yet, has once more."""
    positions = positions_of_known([Said.of(each) for each in sent], [Said.of(each) for each in history])
    known = (at for at in positions if at is not None and history[at].role_type == "user")
    return list(history[: next(known, len(history))])


def after_known(sent: Sequence[Message], stored: Sequence[Message]) -> list[Message]:
    """Return what of *sent*, which a conversation came to, follows what is *stored* of it."""
    positions = _aligned([Said.of(each) for each in sent], [Said.of(each) for each in stored])
    return list(sent[len(positions) :])


def _are_all_at_the_end(sent: Sequence[Said], stored: Sequence[Said]) -> bool:
    end = stored[len(stored) - len(sent) :] if 0 < len(sent) <= len(stored) else []
    return bool(end) and all(one == other and one.uuid for one, other in zip(sent, end, strict=True))


def _positions_in_turn(sent: Sequence[Said], stored: Sequence[Said]) -> list[int | None]:
    """Return where the answers at the start of *sent* stand after the last question of the session."""
    last = max((position for position, each in enumerate(stored) if each.role == "user"), default=-1)
    turn = {each: position for position, each in enumerate(stored) if position > last and each.uuid}
    return [turn[each] for each in takewhile(turn.__contains__, sent)]


def _first_of_run(sent: Sequence[Said], last: int) -> int:
    while last and sent[last - 1].role == "user":
        last -= 1
    return last


def _asked_again(questions: Sequence[Said], stored: Sequence[Said]) -> int:
    """Return how many of *questions* the session ends with."""
    for count in range(min(len(questions), len(stored)), 0, -1):
        if all(map(Said.is_same, questions[:count], stored[-count:])):
            return count
    return 0


def _aligned(sent: Sequence[Said], stored: Sequence[Said], *, padded: bool = False) -> list[int | None]:
    """Return where *sent* stands among *stored*, in order, up to the last message for which the one before stands, too.

    A first message stands by itself, unless it is a question by its words alone, and no answer comes with it: such are
    asked again.
    """
    found: list[int | None] = [None] * len(sent)
    before = len(stored)
    for position in reversed(range(len(sent))):
        at = _last_same(sent[position], stored, before)
        if at is not None and (before < len(stored) or _is_supported(sent, position, stored, at)):
            found[position] = before = at
    known = next((position for position in reversed(range(len(sent))) if found[position] is not None), -1)
    return found if padded else found[: known + 1]


def _is_supported(sent: Sequence[Said], position: int, stored: Sequence[Said], at: int) -> bool:
    if position:
        return _last_same(sent[position - 1], stored, at) is not None
    return sent[0].role != "user" or sent[0].uuid == stored[at].uuid or (len(sent) > 1 and sent[1].role != "user")


def _last_same(said: Said, stored: Sequence[Said], before: int) -> int | None:
    return next((position for position in reversed(range(before)) if said.is_same(stored[position])), None)


def resent(
    connection: Connection, request: Append, known: Mapping[UUID, Row[Any]], since_seq: int | None
) -> dict[UUID, Row[Any]]:
    """Return which stored messages *request* has once more, by uuid; its others are said anew.

    Changes the request in place, so that another attempt finds what the one before has stored: what is new gets another
    uuid where its own is taken, what is known the uuid and the columns of what is stored.
    """
    kept = _matched(connection, request) if since_seq is None else {}
    for row in request.rows[len(kept) :]:
        stored = known.get(row["uuid"])
        if stored is None:
            continue
        if stored.deleted_at is not None:
            _give_way(connection, request, stored)
        elif since_seq is not None and stored.seq > since_seq:
            kept[stored.uuid] = stored
        else:
            row["uuid"] = new_uuid()
    return kept


def _matched(connection: Connection, request: Append) -> dict[UUID, Row[Any]]:
    """Return the stored messages that the request begins with, whose rows alone are left at its start."""
    rows = request.rows
    parameters = {"session": request.session_id, "count": 2 * len(rows) + MORE}
    stored: list[Any] = list(connection.execute(_NEWEST, parameters))[::-1]
    sent, said = [Said.of_row(row) for row in rows], [Said.of_row(row._asdict()) for row in stored]
    positions = positions_of_known(sent, said)
    known = [(row, one, at) for row, one, at in zip(rows, sent, positions, strict=False) if at is not None]
    for row, one, at in known:
        if one.words == said[at].words:
            request.unchanged.add(stored[at].uuid)
            row.update({name: stored[at]._mapping[name] for name in WRITTEN})
    rows[: len(positions)] = [row for row, _, _ in known]
    return {stored[at].uuid: stored[at] for _, _, at in known}


def _give_way(connection: Connection, request: Append, deleted: Row[Any]) -> None:
    parameters = {"session": request.session_id, "at_seq": deleted.seq, "other": new_uuid()}
    connection.execute(_RENAME, parameters)
