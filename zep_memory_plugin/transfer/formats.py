"""How rows are written: JSON Lines, which can be read back, and Markdown and CSV for people."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from ..core.records import encoded, undamaged
from ..running.schema import REVISION
from ..types import TransferFormat

HEADER = "zep_memory_plugin"
"""The key of the first line of an export."""

VERSION = 1
"""The version of the format, which a change that older readers would not understand makes larger."""

Rows = Iterable[Any]


class Format(Protocol):
    """One way to write rows; it may remember what came before."""

    def head(self) -> str:
        """Return what comes first."""
        ...

    def rows(self, kind: str, rows: Rows) -> str:
        """Return *rows* of a *kind*: those of sessions come before what is in them."""
        ...


class Lines:
    """A JSON object on each line, whose one key says what it is."""

    def head(self) -> str:
        about = {"format": VERSION, "schema": REVISION, "exported_at": datetime.now(UTC).isoformat()}
        return _line({HEADER: about})

    def rows(self, kind: str, rows: Rows) -> str:
        return "".join(_line({kind: encoded(kind, row._mapping)}) for row in rows)


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"


class Markdown:
    """A heading for each session, and below it who said what."""

    def __init__(self) -> None:
        self._sessions: dict[str, Any] = {}
        self._current: str | None = None

    def head(self) -> str:
        return "# Conversations\n"

    def rows(self, kind: str, rows: Rows) -> str:
        if kind == "session":
            self._sessions = {row.session_id: row for row in rows}
            return ""
        return "".join(self._said(row) for row in rows) if kind == "message" else ""

    def _said(self, row: Any) -> str:
        heading = "" if row.session_id == self._current else self._heading(row.session_id)
        self._current = row.session_id
        role, name = undamaged(row.role), undamaged(row.name)
        who = f"{role} ({name})" if name else role
        calls = "".join(f"\n\n    {call}" for call in _lines(undamaged(row.tool_calls))) if row.tool_calls else ""
        return f"{heading}\n**{_inline(who)}**, {_minute(row.created_at)}\n\n{_quoted(undamaged(row.content))}{calls}\n"

    def _heading(self, session_id: str) -> str:
        session = self._sessions.get(session_id)
        owner = f" of {_inline(undamaged(session.user_id))}" if session is not None and session.user_id else ""
        return f"\n## {_inline(session_id)}{owner}\n"


def _inline(text: str) -> str:
    """Return *text* as Markdown shows it, without what would make it more than text."""
    return "".join(f"\\{each}" if each in "\\`*_{}[]<>()#+-.!|~" else each for each in " ".join(text.split()))


def _quoted(text: str) -> str:
    """Return *text* as a quotation, whose markup stays within it and whose tags are text."""
    return "\n".join(f"> {line}".rstrip() for line in text.replace("<", "&lt;").splitlines() or [""])


def _lines(text: str) -> Sequence[str]:
    return text.splitlines()


def _minute(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "at some time"


class Table:
    """A line for each message, for a spreadsheet, which is kept from taking a text for a formula."""

    columns = ("session_id", "seq", "created_at", "role", "name", "content")

    def head(self) -> str:
        return self._lines([self.columns])

    def rows(self, kind: str, rows: Rows) -> str:
        if kind != "message":
            return ""
        return self._lines([[_cell(undamaged(getattr(row, name))) for name in self.columns] for row in rows])

    def _lines(self, rows: Iterable[Sequence[object]]) -> str:
        text = io.StringIO()
        csv.writer(text).writerows(rows)
        return text.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


FORMATS: Mapping[TransferFormat, Callable[[], Format]] = {"jsonl": Lines, "markdown": Markdown, "csv": Table}
