"""Importing: records by the thousand, each thousand stored in a unit of its own."""

import json
from collections.abc import Sequence
from typing import Any

from .. import units
from ..core import checks, importing
from ..core.importing import Stored
from ..core.records import Record, Row, decoded
from ..errors import InvalidInput
from ..flows.application import Application
from ..flows.screening import screened_rows
from ..models import TransferReport
from ..types import TransferProgress, TransferSource
from ..units import Ask, Flow
from .files import Source
from .formats import HEADER, VERSION


class _Import:
    """An import under way: what became of its records so far."""

    def __init__(self, app: Application, progress: TransferProgress | None) -> None:
        self._app = app
        self._progress = progress
        self._stored = Stored()

    def store(self, records: Sequence[Record], share: float | None) -> Flow[None]:
        """Store *records*, after which the import has come to a *share* of all there is."""
        if not records:
            return
        screened: list[Record] = yield from _screened(self._app, records)
        part: Stored = yield units.write(importing.store, screened, self._stored.left_out)
        self._stored.new += part.new
        self._stored.known += part.known
        self._stored.refused += part.refused
        self._stored.erased += part.erased
        if self._progress is not None:
            done = self._stored.new["message"] + self._stored.known["message"]
            self._progress(done, round(done / share) if share else None)

    def report(self) -> TransferReport:
        """Return what became of all."""
        new = self._stored.new
        return TransferReport(
            users=new["user"],
            sessions=new["session"],
            messages=new["message"],
            summaries=new["summary"],
            known=self._stored.known.total(),
            refused=self._stored.refused,
            erased=self._stored.erased,
        )


def _screened(app: Application, records: Sequence[Record]) -> Flow[list[Record]]:
    """Return *records* with their messages as the application wants them to be stored."""
    if app.before_store is None:
        return list(records)
    others = [record for record in records if record.kind != "message"]
    by_session: dict[str, list[Row]] = {}
    for record in records:
        if record.kind == "message":
            by_session.setdefault(record.row["session_id"], []).append(record.row)
    for session_id, rows in by_session.items():
        kept: list[Row] = yield from screened_rows(app, session_id, rows, only_known=True)
        others += [Record("message", row) for row in kept]
    return others


def import_lines(app: Application, source: TransferSource, progress: TransferProgress | None) -> Flow[TransferReport]:
    """Store what an export has written."""
    work = _Import(app, checks.told("progress", progress))
    file: Source = yield Ask(Source, (source,))
    try:
        while (records := (yield Ask(_records, (file,)))) is not None:
            yield from work.store(records, file.read / file.size if file.size else None)
    finally:
        file.close()
    return work.report()


def _records(file: Source) -> list[Record] | None:
    """Return the records of some lines, or None at the end."""
    lines = file.lines()
    if file.number == 0:
        raise InvalidInput("source", "is empty, and no export")
    records = (_record(number, line) for number, line in lines if line.strip())
    return [record for record in records if record is not None] if lines else None


def _record(number: int, line: bytes) -> Record | None:
    """Return the record of a line, or None for the header."""
    try:
        kind, fields = _read(line)
        if number > 1:
            return decoded(kind, fields)
        _check_header(kind, fields)
        return None
    except InvalidInput as error:
        problem = str(error)
    raise InvalidInput("source", f"has a line {number} that is not accepted: {problem}")


def _read(line: bytes) -> tuple[str, Any]:
    try:
        read = json.loads(line)
    except (ValueError, RecursionError):
        raise InvalidInput("it", "is not JSON") from None
    if not isinstance(read, dict) or len(read) != 1:
        raise InvalidInput("it", "is not an object with one key")
    return next(iter(read.items()))


def _check_header(kind: str, about: Any) -> None:
    if kind != HEADER or not isinstance(about, dict):
        raise InvalidInput("it", "does not begin an export of this package")
    if about.get("format") != VERSION:
        raise InvalidInput("it", f"is of format {about.get('format')!r}; this version reads {VERSION}")
