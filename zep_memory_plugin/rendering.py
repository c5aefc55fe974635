"""How sessions and messages look to people: HTML for notebooks, a line or two for terminals.

Everything that was said is escaped: as HTML, markup is text; in a terminal, control characters are shown by their
names. Colours work on light and dark pages.
"""

import json
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

from .types import RoleType, role_type_of

if TYPE_CHECKING:
    from .models import Memory, Message, SearchResult, Session, Summary, ToolCall, User

LONGEST_SNIPPET = 300
"""Characters of the part of a long message that shows why it was found."""

BEFORE_WORDS = 60
"""Characters of it before the first word that it is about."""

LONGEST_LINE = 100
"""Characters of a message that a terminal shows."""

LONGEST_OPEN = 4_000
"""Characters of a message that a notebook shows unfolded."""

COLOURS = {"user": "#3b82f6", "assistant": "#16a34a", "system": "#a855f7", "tool": "#d97706", "other": "#6b7280"}

_UNITS = (("year", 365 * 86_400), ("month", 30 * 86_400), ("day", 86_400), ("hour", 3_600), ("minute", 60))

_CELL = "text-align:left;padding:.2em .8em .2em 0;vertical-align:top"
_PALE = "opacity:.65;font-size:.85em"
_WRAPPED = "overflow-wrap:anywhere"
_TEXT = "white-space:pre-wrap;overflow-wrap:anywhere"


def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """Say how long *moment* is past: `"5 minutes ago"`, or `"just now"` within the minute and for the future."""
    if moment is None:
        return ""
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    for unit, length in _UNITS:
        count = int(seconds // length)
        if count >= 1:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def printable(text: str) -> str:
    """Return *text* with control characters and changes of direction as escapes, so that a terminal obeys none."""
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and character != "\N{ZERO WIDTH JOINER}":
        return character.encode("unicode_escape", "surrogatepass").decode("ascii")
    return character


def shortened(text: str, length: int = LONGEST_LINE) -> str:
    """Return *text* as one line of at most *length* characters."""
    line = printable(" ".join(text[: 4 * length].split()))
    return line if len(line) <= length and len(text) <= 4 * length else line[: length - 1] + "…"


def snippet_of(text: str, highlights: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return where the part of *text* with most *highlights* starts and ends, at the ends of words."""
    if len(text) <= LONGEST_SNIPPET:
        return 0, len(text)
    start = max(0, _densest(highlights) - BEFORE_WORDS)
    end = min(len(text), start + LONGEST_SNIPPET)
    return _after_space(text, start, end) if start else 0, _before_space(text, start, end) if end < len(text) else end


def _densest(highlights: Sequence[tuple[int, int]]) -> int:
    """Return the start of the highlight after which most others follow within a snippet."""
    starts = [start for start, _ in highlights]
    counts = [
        bisect_left(starts, start + LONGEST_SNIPPET - BEFORE_WORDS) - number for number, start in enumerate(starts)
    ]
    return starts[counts.index(max(counts))] if counts else 0


def _after_space(text: str, start: int, end: int) -> int:
    space = text.find(" ", start, min(end, start + BEFORE_WORDS))
    return start if space < 0 else space + 1


def _before_space(text: str, start: int, end: int) -> int:
    space = text.rfind(" ", end - BEFORE_WORDS, end)
    return end if space < 0 else space


def message_text(message: "Message") -> str:
    """Return `"#3 user: where to?"`, with the names of tools that are called."""
    parts = [shortened(message.content)] if message.content else []
    parts += [f"calls {shortened(call.name)}" for call in message.tool_calls or []]
    return f"{_heading(message)}: {'; '.join(parts)}"


def session_text(session: "Session") -> str:
    """Return the session's id and user, its state and age."""
    return ", ".join(part for part in (shortened(session.session_id), *_facts(session)) if part)


def memory_text(memory: "Memory") -> str:
    """Return the summary and the messages, a line each."""
    summary = [summary_text(memory.summary)] if memory.summary else []
    return "\n".join([*summary, *map(message_text, memory.messages)]) or "no messages"


def summary_text(summary: "Summary") -> str:
    """Return the beginning of the summary and where it ends."""
    return f"summary up to #{summary.seq}: {shortened(summary.content)}"


def result_text(result: "SearchResult") -> str:
    """Return the score, the session, and what was found."""
    content = message_text(result.message) if result.message else ""
    summary = summary_text(result.summary) if result.summary else ""
    return f"{result.score:.3f} {shortened(result.session_id)} {content}{summary}"


def user_text(user: "User") -> str:
    """Return the user's id, name and address."""
    name = " ".join(filter(None, (user.first_name, user.last_name)))
    return ", ".join(shortened(part) for part in (user.user_id, name, user.email) if part)


def message_html(message: "Message") -> str:
    """Return a block with the role's colour; tool calls, metadata and very long text are folded."""
    colour = COLOURS[_role_type(message)]
    head = f'<b style="color:{colour}">{escape(_heading(message))}</b> {_age(message.created_at)}'
    body = [_body(message), *map(_call, message.tool_calls or []), _metadata(message.metadata)]
    return (
        f'<div style="border-left:3px solid {colour};padding:.1em .8em;margin:.4em 0;text-align:left;{_WRAPPED}">'
        f"<div>{head}</div>{''.join(body)}</div>"
    )


def memory_html(memory: "Memory") -> str:
    """Return the summary, folded, and the messages below each other."""
    summary = summary_html(memory.summary) if memory.summary else ""
    return f"<div>{summary}{''.join(map(message_html, memory.messages)) or 'no messages'}</div>"


def summary_html(summary: "Summary") -> str:
    """Return the summary, folded."""
    return _folded(f"Summary up to #{summary.seq}", _pre(summary.content))


def session_html(session: "Session") -> str:
    """Return the session's id, what is known of it, and its metadata, folded."""
    facts = " · ".join(escape(fact) for fact in _facts(session) if fact)
    head = f'<b>{escape(session.session_id)}</b> <span style="{_PALE}">{facts}</span>'
    return f'<div style="{_WRAPPED}">{head}{_metadata(session.metadata)}</div>'


def result_html(result: "SearchResult") -> str:
    """Return the score and session above what was found."""
    head = f'<span style="{_PALE}">{result.score:.3f} · {escape(result.session_id)}</span>'
    content = message_html(result.message) if result.message else ""
    summary = summary_html(result.summary) if result.summary else ""
    return f'<div style="{_WRAPPED}">{head}{content}{summary}</div>'


def user_html(user: "User") -> str:
    """Return the user's id, name and address, and the metadata, folded."""
    return f'<div style="{_WRAPPED}">{escape(user_text(user))}{_metadata(user.metadata)}</div>'


def sessions_html(sessions: Sequence["Session"]) -> str:
    """Return a table with a row for each session."""
    rows = [
        (
            f"<b>{escape(session.session_id)}</b>",
            escape(session.user_id or ""),
            _age(session.created_at),
            _age(session.updated_at),
            _metadata(session.metadata),
        )
        for session in sessions
    ]
    return _table(("session", "user", "created", "updated", "metadata"), rows)


def stacked(parts: Iterable[str]) -> str:
    """Return the HTML of *parts* below each other."""
    return f"<div>{''.join(parts)}</div>"


def _role_type(message: "Message") -> RoleType:
    return message.role_type or role_type_of(message.role)


def _heading(message: "Message") -> str:
    number = "" if message.seq is None else f"#{message.seq} "
    name = f" ({shortened(message.name)})" if message.name else ""
    return f"{number}{shortened(message.role)}{name}"


def _facts(session: "Session") -> tuple[str, ...]:
    return (
        f"of {shortened(session.user_id)}" if session.user_id else "",
        f"written {ago(session.updated_at)}" if session.updated_at else "",
        f"deleted {ago(session.deleted_at)}" if session.deleted_at else "",
    )


def _age(moment: datetime | None) -> str:
    if moment is None:
        return ""
    return f'<span style="{_PALE}" title="{escape(moment.isoformat(" ", "seconds"))}">{ago(moment)}</span>'


def _body(message: "Message") -> str:
    """Return the content: folded where it is a tool's, or very long."""
    if _role_type(message) == "tool" or len(message.content) > LONGEST_OPEN:
        return _folded(shortened(message.content), _pre(message.content))
    return f'<div style="{_TEXT}">{escape(message.content)}</div>' if message.content else ""


def _call(call: "ToolCall") -> str:
    return _folded(f"calls {shortened(call.name)}", _pre(call.args if isinstance(call.args, str) else _json(call.args)))


def _metadata(metadata: Mapping[str, object] | None) -> str:
    return _folded("metadata", _pre(_json(metadata))) if metadata else ""


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def _pre(text: str) -> str:
    return f'<pre style="{_TEXT};background:none;margin:.3em 0;max-height:30em;overflow:auto">{escape(text)}</pre>'


def _folded(title: str, inside: str) -> str:
    return f'<details><summary style="{_PALE};cursor:pointer">{escape(title)}</summary>{inside}</details>'


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th style="{_CELL}">{escape(each)}</th>' for each in heads)
    body = "".join("<tr>" + "".join(f'<td style="{_CELL}">{cell}</td>' for cell in row) + "</tr>" for row in rows)
    return f'<div style="overflow-x:auto"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


HTML: Mapping[str, Callable[..., str]] = {
    "Memory": memory_html,
    "Message": message_html,
    "SearchResult": result_html,
    "Session": session_html,
    "Summary": summary_html,
    "User": user_html,
}

TEXT: Mapping[str, Callable[..., str]] = {
    "Memory": memory_text,
    "Message": message_text,
    "SearchResult": result_text,
    "Session": session_text,
    "Summary": summary_text,
    "User": user_text,
}


def of(model: object, ways: Mapping[str, Callable[..., str]]) -> str | None:
    """Return *model* as that of *ways*, `HTML` or `TEXT`, that is for its class, or None where none is."""
    return next((ways[each.__name__](model) for each in type(model).__mro__ if each.__name__ in ways), None)
