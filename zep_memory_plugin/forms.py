"""A framework's own messages as rows that every framework reads, and back: what adapters do alike.

What is here knows no framework. A message comes and goes as JSON objects, as its framework writes them, and a `Form`
says where in them what is. A row holds one result of a tool, so a message with several is cut into pieces, each its
JSON with some of its parts; they are put together again when they are read.
"""

import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from .core import checks, foreign, jsontext, pairing
from .core.usage import with_usage
from .models import ChangeState, Memory, Message, State, Summary, ToolCall
from .types import SummaryAs, role_type_of

logger = logging.getLogger(__name__)

Json = dict[str, Any]

_IDS = UUID("6f3a1c52-3f0b-5d0e-8a44-2f7d1b9c0e61")
"""Namespace of the uuids that stand for the ids of frameworks. Stored uuids depend on it: it never changes."""

_MORE = "+"
"""Ends the native format of a piece that belongs to the message of the row before."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a part of a message says to every framework; all of it None when only its own can read it."""

    text: str | None = None
    call: ToolCall | None = None
    result_of: str | None = None
    """The id of the call that was answered by the text."""
    name: str | None = None
    """Who speaks, or the tool that was called."""
    role: str | None = None
    """Who speaks where that is not the role of the message."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a framework writes its messages."""

    name: str
    """The native format of its rows. It is stored: it never changes."""
    part: Callable[[Json], Part]
    """Returns what a part of a message says."""
    messages: Callable[[list[Message]], list[Json]]
    """Returns the messages, mostly one, that rows of any framework stand for: one, or all results of an answer, or an
    answer and the calls that belong to it."""
    path: tuple[str, ...] = ("content",)
    """Where in a message its parts are."""
    words: str = "text"
    """The type of a part with words of the user."""
    reported: tuple[tuple[str, ...], str, str] | None = None
    """Where in a message the tokens are that a provider reports: the way there, and the keys of input and output."""

    def parts(self, message: Json) -> list[Json]:
        """Return the list in *message* that holds its parts."""
        value = _at(message, self.path)
        return value if isinstance(value, list) else []

    def with_parts(self, message: Json, parts: list[Json]) -> Json:
        """Return *message* with other *parts*."""
        *outer, last = self.path
        for key in outer:
            return {**message, key: {**message[key], last: parts}}
        return {**message, last: parts}


@contextmanager
def needing(distribution: str) -> Iterator[None]:
    """Say which *distribution* to install, where an import in the block finds that it is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ImportError(f"this adapter needs {error.name}; `pip install {distribution}` gets it") from error


def to_rows(form: Form, message: Json, role: str) -> list[Message]:
    """Return the rows of *message*, whose parts are said in *role* unless they say otherwise.

    What a provider reports of all of it is with the last one.
    """
    *others, last = _rows(form, message, role)
    metadata = with_usage(last.metadata, **_reported(form, message))
    return [*others, last if metadata is None else last.model_copy(update={"metadata": metadata})]


def _reported(form: Form, message: Json) -> dict[str, object]:
    """Return the tokens of *message* that a provider has reported, and the cost if it tells of that."""
    if form.reported is None:
        return {}
    path, taken_in, put_out = form.reported
    told = _at(message, path)
    names = {"input_tokens": taken_in, "output_tokens": put_out, "cost": "cost"}
    return {name: told.get(theirs) for name, theirs in names.items()} if isinstance(told, dict) else {}


def _at(message: Json, path: Iterable[str]) -> object:
    """Return what is in *message* at the end of *path*, or None."""
    value: object = message
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _rows(form: Form, message: Json, role: str) -> list[Message]:
    parts = form.parts(message)
    pieces = _pieces([(part, form.part(part)) for part in parts])
    if len(pieces) < 2:
        return [kept(form, row([part for piece in pieces for _, part in piece], role), message)]
    rows: list[Message] = []
    for piece in pieces:
        native = form.with_parts(message, [part for part, _ in piece])
        rows.append(kept(form, row([said for _, said in piece], role), native, more=_MORE if rows else ""))
    return rows


def _pieces(parts: list[tuple[Json, Part]]) -> list[list[tuple[Json, Part]]]:
    """Return *parts* in runs of which each is one row."""
    pieces: list[list[tuple[Json, Part]]] = []
    before = Part()
    for part, says in parts:
        if pieces and (_is_silent(says) or _is_silent(before) or _goes_on(before, says)):
            pieces[-1].append((part, says))
        else:
            pieces.append([(part, says)])
        before = before if _is_silent(says) else says
    return pieces


def _is_silent(part: Part) -> bool:
    return part == Part(role=part.role)


def _goes_on(before: Part, part: Part) -> bool:
    return before.result_of is None and part.result_of is None and before.role == part.role


def row(parts: Iterable[Part], role: str) -> Message:
    """Return the columns of a message that says *parts*, which are of one row, in *role*."""
    parts = list(parts)
    texts = [part.text for part in parts if part.text is not None]
    calls = [part.call for part in parts if part.call is not None]
    results = [part.result_of for part in parts if part.result_of is not None]
    names = [part.name for part in parts if part.name]
    roles = ["tool"] if results else [part.role for part in parts if part.role is not None]
    return Message(
        role=[*roles, role][0][: checks.LONGEST_ROLE],
        content="\n".join(texts),
        name=names[0][: checks.LONGEST_NAME] if names else None,
        tool_calls=calls or None,
        tool_call_id=results[0][: checks.LONGEST_NAME] if results else None,
    )


def parts_of(row: Message) -> list[Part]:
    """Return what *row* says, part by part: a result, or text and then calls."""
    if row.tool_call_id is not None:
        return [Part(row.content, result_of=row.tool_call_id, name=row.name)]
    text = [Part(row.content)] if row.content or not row.tool_calls else []
    return text + [Part(call=call) for call in row.tool_calls or ()]


def kept(form: Form, row: Message, message: Json, *, more: str = "") -> Message:
    """Return *row* with its native form: all of *message*, or nothing where the columns say as much."""
    texts = (row.role, row.content, row.name or "", row.tool_call_id or "")
    is_neutral = not more and all(map(jsontext.is_plain, texts)) and form.messages([row]) == [message]
    native = "" if is_neutral else native_text(message)
    return row.model_copy(update={"native_format": form.name + more, "native": native})


def is_more(row: Message) -> bool:
    """Tell whether *row* is a piece that belongs to the message of the row before."""
    return (row.native_format or "").endswith(_MORE)


def emptied(form: Form, row: Message) -> Message:
    """Return what overwrites *row*, a piece of a message that has fewer pieces now."""
    return Message(role="assistant", uuid=row.uuid, native_format=form.name + _MORE, native="{}")


def plain(message: Json) -> Json:
    """Return *message* with the nearest to what JSON lacks in it, itself where it lacks nothing."""
    made = foreign.Plain()
    data: Json = made.of(message)
    return data if made.lossy else message


def native_text(value: object) -> str:
    """Return *value* as JSON text that a text column takes, also NaN, NUL, lone surrogates and what JSON lacks."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=foreign.readable)
    return text if jsontext.is_plain(text) else json.dumps(value, separators=(",", ":"), default=foreign.readable)


def told(form: Form, memory: Memory, summary_as: SummaryAs) -> list[Json]:
    """Return *memory* as messages: its summary is what the system says after the message at its head, or the user."""
    rows, summary = memory.messages, memory.summary
    if summary is None:
        return from_rows(form, rows)
    start = 1 if rows and rows[0].role_type == "system" else 0
    if summary_as == "system":
        return from_rows(form, [*rows[:start], Message(role="system", content=summary.content), *rows[start:]])
    messages = from_rows(form, rows)
    position = next((index for index, each in enumerate(messages) if each.get("role") == "user"), None)
    if position is None:
        return from_rows(form, [*rows[:start], Message(role="user", content=recap(summary)), *rows[start:]])
    return [*messages[:position], _recalling(form, summary, messages[position]), *messages[position + 1 :]]


def recap(summary: Summary) -> str:
    """Return *summary* as words in front of what the user says."""
    return f"Earlier in this conversation:\n{summary.content}"


def _recalling(form: Form, summary: Summary, message: Json) -> Json:
    """Return *message* with *summary* in front of its words."""
    *_, last = form.path
    if isinstance(message[last], str):
        return {**message, last: f"{recap(summary)}\n\n{message[last]}"}
    return form.with_parts(message, [{"type": form.words, "text": recap(summary)}, *form.parts(message)])


def from_rows(form: Form, rows: Iterable[Message]) -> list[Json]:
    """Return the messages that *rows* hold, as *form* writes them, whoever wrote the rows."""
    return [message for _, message in read(form, rows)]


def read(form: Form, rows: Iterable[Message]) -> list[tuple[Message, Json]]:
    """Return the messages that *rows* hold, as *form* writes them, each with the last of its rows."""
    read: list[tuple[Message, Json]] = []
    foreign: list[Message] = []
    names: dict[str, str] = {}
    for each in pairing.identified(list(rows)):
        names |= {call.id: call.name for call in each.tool_calls or () if call.id is not None}
        own = _own(form, each)
        if own is None:
            foreign.append(_named(each, names))
            continue
        read += _read(form, foreign)
        if is_more(each) and read and not foreign:
            whole = read.pop()[1]
            own = form.with_parts(whole, [*form.parts(whole), *form.parts(own)])
        foreign = []
        read.append((each, own))
    return read + _read(form, foreign)


async def read_newest(
    form: Form, count: int | None, look: Callable[[int | None], Awaitable[list[Message]]]
) -> list[Message]:
    """Return the newest rows that *look* gives so many of, until these hold more than *count* messages, or are all.

    Of the first message there may be a part only, of the others there is all.
    """
    limit = None if count is None else count + 1
    while True:
        rows = await look(limit)
        if limit is None or len(rows) < limit or len(read(form, rows)) > (count or 0):
            return rows
        limit *= 2


def _own(form: Form, row: Message) -> Json | None:
    """Return the message, or the piece of one, that *row* holds in this form, if it does."""
    if row.native is None or row.native_format not in (form.name, form.name + _MORE):
        return None
    if not row.native:
        return form.messages([row])[0]
    try:
        own = json.loads(row.native)
    except (ValueError, RecursionError):
        own = None
    if not isinstance(own, dict):
        logger.warning("message %s has a native form that cannot be read", row.uuid)
        return None
    return own


def _named(row: Message, names: dict[str, str]) -> Message:
    """Return *row*, if it is the result of a tool with the name that the call has."""
    if row.tool_call_id is None or row.name or row.tool_call_id not in names:
        return row
    return row.model_copy(update={"name": names[row.tool_call_id]})


def _read(form: Form, rows: list[Message]) -> list[tuple[Message, Json]]:
    return [(group[-1], message) for group in groups(readable(rows, form.name)) for message in form.messages(group)]


def readable(rows: Iterable[Message], name: str) -> list[Message]:
    """Return *rows* without what a model said that another framework than that of the native format *name* alone reads.

    As its reasoning: to all others that would be an answer without words.
    """
    return [row for row in rows if row.native_format in (None, name) or not _is_wordless(row)]


def _is_wordless(row: Message) -> bool:
    return _side(row) == "assistant" and not row.content and not row.tool_calls


def groups(rows: Iterable[Message]) -> list[list[Message]]:
    """Return *rows* of other frameworks in groups that are one message in many: an answer with its calls, results."""
    groups: list[list[Message]] = []
    for row in rows:
        is_more = _side(row) == "tool" or (_side(row) == "assistant" and not row.content)
        if groups and is_more and _side(groups[-1][-1]) == _side(row):
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def _side(row: Message) -> str:
    return row.role_type or role_type_of(row.role)


def arguments(value: object) -> Json | str:
    """Return what a tool is called with as a column takes it: an object, or text where it is none, or holds NaN."""
    if isinstance(value, str):
        try:
            parsed = json.loads(value or "{}")
        except (ValueError, RecursionError):
            return value
        return arguments(parsed) if isinstance(parsed, dict) else value
    if not isinstance(value, dict):
        return {} if value is None else native_text(value)
    try:
        jsontext.dumps(value)
    except ValueError:
        return native_text(value)
    return value


def arguments_text(call: ToolCall) -> str:
    """Return what a tool is called with as JSON text, or as the text that a model wrote instead."""
    return call.args if isinstance(call.args, str) else native_text(call.args)


def arguments_object(call: ToolCall) -> Json:
    """Return what a tool is called with as an object, in which what is none stands as `arguments`."""
    return call.args if isinstance(call.args, dict) else {"arguments": call.args}


def text_of(value: object) -> str:
    """Return *value* as the text that other frameworks are shown: itself, or as JSON."""
    return value if isinstance(value, str) else native_text(value)


def state_of(state: State | None, name: str) -> Json:
    """Return what the framework *name* keeps in the state of a session or a user, which several may share."""
    parts = json.loads(state.content) if state is not None else None
    part = parts.get(name) if isinstance(parts, dict) else None
    return part if isinstance(part, dict) else {}


def with_state(state: State | None, name: str, part: Json) -> str:
    """Return the text of a *state* in which the framework *name* keeps another *part*."""
    parts = json.loads(state.content) if state is not None else None
    return native_text((parts if isinstance(parts, dict) else {}) | {name: part})


def changing(name: str, change: Callable[[Json], Json]) -> ChangeState:
    """Return what changes in a state only what the framework *name* keeps there."""
    return lambda state: with_state(state, name, change(state_of(state, name)))


def uuid_of(*names: str) -> UUID:
    """Return the uuid that always stands for *names*."""
    return uuid5(_IDS, "\0".join(names).encode("unicode_escape").decode("ascii"))
