"""What an SQLite database has of words beside its rows: in its index, and in the bytes of its files."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, text

from ...tables import MESSAGE_INDEX, SEQ_BITS, messages, sessions
from ..naming import names_of
from ..protocol import Trace

BYTES_AT_ONCE = 1 << 20

_MASK = (1 << SEQ_BITS) - 1
_OF_NO_MESSAGE = text(f"""
    SELECT count(*) FROM (SELECT DISTINCT doc FROM temp.index_entries) AS entry WHERE NOT EXISTS (
        SELECT 1 FROM {sessions.name} JOIN {messages.name} USING (session_id)
         WHERE {sessions.name}.id = entry.doc >> {SEQ_BITS} AND seq = entry.doc & {_MASK})
""")  # noqa: S608 - names of ours


def traces(connection: Connection, words: Sequence[str], kept: Sequence[str]) -> Iterator[Trace]:
    """Yield what is found in each place; *kept* is where old pages are that could not be written over."""
    yield _index(connection)
    yield Trace("log", len(kept), f"old pages in {' and '.join(kept)}")
    path = next(row.file for row in connection.exec_driver_sql("PRAGMA database_list") if row.name == "main")
    if path:
        sought = [word.encode(errors="surrogatepass") for word in words]
        yield _file(Path(path), sought)


def _index(connection: Connection) -> Trace:
    """Look for what is in the index of messages that are not there."""
    index = names_of(connection).of(MESSAGE_INDEX)
    connection.exec_driver_sql(f"CREATE VIRTUAL TABLE temp.index_entries USING fts5vocab(main, {index}, instance)")
    try:
        count = connection.execute(_OF_NO_MESSAGE).scalar_one()
    finally:
        connection.exec_driver_sql("DROP TABLE temp.index_entries")
    return Trace("index", count, f"{count} entries of no message in the index")


def _file(path: Path, words: Sequence[bytes]) -> Trace:
    """Look through all pages, free ones too, of a copy: to close the file itself would take away the locks on it."""
    with TemporaryDirectory(dir=path.parent) as folder:
        copy = Path(folder) / "copy"
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        count = _occurrences(copy, words)
    return Trace("file", count, f"{count} occurrences in the pages of the file", holds_rows=True)


def _occurrences(path: Path, words: Sequence[bytes]) -> int:
    """Count the occurrences of *words* in a file, those across the border of two parts of it, too."""
    longest = max(map(len, words))
    count, rest = 0, b""
    with path.open("rb") as file:
        while part := file.read(BYTES_AT_ONCE):
            whole = rest + part
            rest = whole[-longest + 1 :] if longest > 1 else b""
            count += sum(whole.count(word) - rest.count(word) for word in words)
    return count + sum(rest.count(word) for word in words)
