"""The files of exports and imports: opened, written to and read from in threads, between units of work."""

import os
from collections.abc import Iterator
from contextlib import suppress
from io import IOBase
from itertools import islice
from pathlib import Path
from typing import IO

from ..errors import InvalidInput
from ..types import LinesOfBytes, TransferSource, TransferTarget

LINES_AT_ONCE = 1_000
"""Lines that are read at a time."""

BYTES_AT_ONCE = 8 * 1024 * 1024
"""Bytes after which no more lines are read at a time: one may be long."""


class Target:
    """What is written to: a path gets its file only when that is complete, a file that is open gets all at once."""

    def __init__(self, target: TransferTarget) -> None:
        self._path = None if _is_open(target, "target") else Path(os.fspath(target))  # type: ignore[arg-type]
        self._unfinished = None if self._path is None else self._path.with_name(f"{self._path.name}.part")
        self._file: IO[bytes] = target if self._unfinished is None else self._unfinished.open("wb")  # type: ignore[assignment]

    def write(self, text: str) -> None:
        """Write *text*, lone surrogates as what stands for them in JSON."""
        self._file.write(text.encode(errors="backslashreplace"))

    def finish(self) -> None:
        """Make sure that all is written, and give the file its name."""
        self._file.flush()
        if self._path is not None and self._unfinished is not None:
            os.fsync(self._file.fileno())
            self._file.close()
            self._unfinished.replace(self._path)
            self._unfinished = None

    def discard(self) -> None:
        """Remove what was not finished."""
        if self._unfinished is not None:
            self._file.close()
            with suppress(OSError):
                self._unfinished.unlink()


class Source:
    """What is read from, line by line."""

    def __init__(self, source: TransferSource) -> None:
        self._own = not _is_open(source, "source")
        self._file = _opened(source)
        self.number = 0
        self.read = 0
        """Lines and bytes that were read so far."""

    @property
    def size(self) -> int | None:
        """How many bytes there are in all, where a file can tell."""
        try:
            return os.fstat(self._file.fileno()).st_size or None  # type: ignore[attr-defined]  # not all have one
        except (OSError, AttributeError):  # no file, but something like one
            return None

    def lines(self) -> list[tuple[int, bytes]]:
        """Return some lines, each with its number, and none at the end."""
        return list(islice(self._until_many_bytes(), LINES_AT_ONCE))

    def _until_many_bytes(self) -> Iterator[tuple[int, bytes]]:
        start = self.read
        while self.read - start < BYTES_AT_ONCE and (line := self._file.readline()):
            self.number += 1
            self.read += len(line)
            yield self.number, line

    def close(self) -> None:
        """Close the file that was opened here."""
        if self._own and isinstance(self._file, IOBase):
            self._file.close()


def _opened(source: TransferSource) -> LinesOfBytes:
    return Path(source).open("rb") if isinstance(source, str | os.PathLike) else source


def _is_open(value: object, field: str) -> bool:
    """Tell whether *value* is an open file, rather than the path of one."""
    if isinstance(value, str | os.PathLike):
        return False
    if hasattr(value, "write" if field == "target" else "readline"):
        return True
    raise InvalidInput(field, f"is of type {type(value).__name__}; give a path, or a file that is open for bytes")
