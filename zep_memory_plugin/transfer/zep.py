"""What Zep's open-source server keeps in Postgres, as the lines of an export: the tables of its versions 0.11 to 0.27.

Ids, uuids, times, metadata and what is soft-deleted come along, so that to import twice doubles nothing. Embeddings and
document collections do not. The server may go on meanwhile: all is read as it is at one moment.
"""

import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError

from ..errors import InvalidInput
from ..running.engines import make_engine, source_of
from ..types import role_type_of
from .formats import Lines

_QUERIES: Mapping[str, str] = {
    "user": """
        SELECT uuid, user_id, email, first_name, last_name, metadata, created_at, updated_at
          FROM users WHERE deleted_at IS NULL ORDER BY id
    """,
    "session": """
        SELECT uuid, session_id, user_id, metadata, created_at, updated_at, deleted_at,
               (SELECT count(*) FROM message WHERE message.session_id = session.session_id) AS last_seq,
               (SELECT max(created_at) FROM message WHERE message.session_id = session.session_id) AS last_active_at
          FROM session ORDER BY id
    """,
    "message": """
        SELECT uuid, session_id, row_number() OVER (PARTITION BY session_id ORDER BY id) AS seq, role, content,
               token_count, metadata, created_at, deleted_at
          FROM message ORDER BY session_id, id
    """,
    "summary": """
        SELECT summary.uuid, summary.session_id, coalesce(summary.content, '') AS content, summary.token_count,
               summary.metadata, summary.created_at, summary.deleted_at,
               (SELECT count(*) FROM message AS earlier
                 WHERE earlier.session_id = point.session_id AND earlier.id <= point.id) AS seq
          FROM summary JOIN message AS point ON point.uuid = summary.summary_point_uuid
         ORDER BY summary.session_id, point.id
    """,
}
"""What is read of each kind; the order of messages is that of their ids, which have gaps."""

ROWS_AT_ONCE = 1_000
"""Rows that are in memory."""


class ZepLines:
    """The lines, as a file that is open for bytes: what `import_memory` reads."""

    def __init__(self, database: str) -> None:
        self._engine = make_engine(source_of(database, "full"))
        self._lines = _lines(self._engine)

    def readline(self) -> bytes:
        """Return the next line, and nothing at the end.

        Raises:
            InvalidInput: the database has no tables of Zep's.
        """
        problem = "cannot be read"
        try:
            return next(self._lines, b"")
        except ProgrammingError:
            problem = "has no tables of Zep's open-source server, version 0.11 to 0.27"
        except SQLAlchemyError:
            pass
        raise InvalidInput("source", problem)  # without the driver's error, whose words may hold a password

    def close(self) -> None:
        """Close the connections."""
        with suppress(SQLAlchemyError):
            self._lines.close()
        self._engine.dispose()


def _lines(engine: Engine) -> Generator[bytes, None, None]:
    yield Lines().head().encode()
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        for kind, query in _QUERIES.items():
            for row in _rows(connection, query):
                yield json.dumps({kind: _fields(kind, row)}).encode() + b"\n"


def _rows(connection: Connection, query: str) -> Iterator[Mapping[str, Any]]:
    rows = connection.execution_options(stream_results=True, max_row_buffer=ROWS_AT_ONCE).execute(text(query))
    return (dict(row._asdict()) for row in rows)


def _fields(kind: str, row: Mapping[str, Any]) -> dict[str, Any]:
    fields = {name: _value(value) for name, value in row.items() if value is not None}
    return {**fields, "role_type": role_type_of(row["role"])} if kind == "message" else fields


def _value(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value if isinstance(value, int | dict) else str(value)
