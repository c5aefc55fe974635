"""The ledger of erasures out to a file, which outlives a backup that is restored, and in again."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from .. import units
from ..core import erasure, ledger, purge
from ..core.ledger import Entry
from ..errors import InvalidInput
from ..models import LedgerReport
from ..types import TransferSource, TransferTarget
from ..units import Ask, Flow
from .files import Source, Target

HEADER = "zep_memory_plugin_ledger"
"""The key of the first line of a ledger."""

VERSION = 1
_HEAD = {HEADER: {"format": VERSION}}


def export_ledger(target: TransferTarget) -> Flow[int]:
    """Write all entries to *target*, a line each, and count them."""
    file: Target = yield Ask(Target, (target,))
    count, last = 0, None
    try:
        yield Ask(file.write, (_line(_HEAD),))
        while page := (yield units.read(ledger.entries_after, last)):
            yield Ask(file.write, ("".join(map(_entry_line, page)),))
            count, last = count + len(page), page[-1]
        yield Ask(file.finish, ())
    finally:
        file.discard()
    return count


def _entry_line(entry: Entry) -> str:
    fields = {"salt": entry.salt, "digest": entry.digest, "erased_at": entry.erased_at.isoformat()}
    return _line({"erased": fields})


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":")) + "\n"


def apply_ledger(source: TransferSource | None) -> Flow[LedgerReport]:
    """Take in the entries of *source*, if any, and erase again who is in the ledger."""
    report = LedgerReport()
    if source is not None:
        report.entries = yield from _take_in(source)
    cursor = ""
    while page := (yield units.read(erasure.users_after, cursor)):
        for user_id, erased_at in (yield units.read(ledger.moments, page)).items():
            rows: int | None = yield units.write(erasure.erase_again, user_id, erased_at)
            if rows is None:
                report.held.append(user_id)
            elif rows:
                report.users.append(user_id)
                report.rows += rows
        cursor = page[-1]
    report.kept_text_in = list((yield from purge.reclaim()))
    return report


def _take_in(source: TransferSource) -> Flow[int]:
    file: Source = yield Ask(Source, (source,))
    new = 0
    try:
        while lines := (yield Ask(file.lines, ())):
            new += yield units.write(ledger.take_in, list(_entries(lines)))
    finally:
        file.close()
    if not file.number:
        raise InvalidInput("source", "is empty, and no ledger")
    return new


def _entries(lines: Sequence[tuple[int, bytes]]) -> Iterator[Entry]:
    read = (_entry(number, line) for number, line in lines)
    return (entry for entry in read if entry is not None)


def _entry(number: int, line: bytes) -> Entry | None:
    """Return the entry of a line, or None for the first."""
    try:
        return _read(number, line)
    except InvalidInput as error:
        problem = str(error)
    raise InvalidInput("source", f"has a line {number} that is not accepted: {problem}")


def _read(number: int, line: bytes) -> Entry | None:
    try:
        read = json.loads(line)
    except (ValueError, RecursionError):
        raise InvalidInput("it", "is not JSON") from None
    if number == 1:
        if read != _HEAD:
            raise InvalidInput("it", "does not begin a ledger of this version of the package")
        return None
    if not isinstance(read, dict) or read.keys() != {"erased"}:
        raise InvalidInput("it", "is no entry of a ledger")
    return ledger.read(read["erased"])
