"""The schema: SQLAlchemy Core tables and indexes, and nothing else.

Tables carry the prefix `zep_`, because the database is the application's own and may well have a `users` table.

Every unique key of messages and summaries leads with `session_id`, and the only foreign key joins messages to their
session, so the same tables can be partitioned or distributed by session.
"""

import struct
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    DDL,
    REAL,
    BigInteger,
    BindParameter,
    Column,
    ColumnElement,
    DateTime,
    Dialect,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
    cast,
    event,
    type_coerce,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateColumn
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine, UserDefinedType

from .moments import microseconds, moment_of

PREFIX = "zep_"

Processor = Callable[[Any], Any]


def _to_microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else microseconds(moment)


def _from_microseconds(value: int | None) -> datetime | None:
    try:
        return None if value is None else moment_of(value)
    except (OverflowError, TypeError):  # garbled; whoever reads the row goes on without it
        return None


def _in_utc(moment: datetime | None) -> datetime | None:
    try:
        return None if moment is None else moment.astimezone(UTC)
    except (OverflowError, ValueError):  # infinity; whoever reads the row goes on without it
        return None


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, aware and in UTC: `timestamptz` on Postgres, microseconds since 1970 on SQLite."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(DateTime(timezone=True))
        return dialect.type_descriptor(BigInteger())

    # Processors instead of `process_result_value`, of which SQLAlchemy makes two calls for each value that is read.

    def bind_processor(self, dialect: Dialect) -> Any:
        return super().bind_processor(dialect) if dialect.name == "postgresql" else _to_microseconds

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        return _in_utc if dialect.name == "postgresql" else _from_microseconds


def _to_bytes(value: uuid.UUID | None) -> bytes | None:
    return None if value is None else value.bytes


def _from_bytes(value: bytes | None) -> uuid.UUID | None:
    try:
        return None if value is None else uuid.UUID(bytes=value)
    except (TypeError, ValueError):  # garbled; whoever reads the row goes on without it
        return None


class CompactUuid(TypeDecorator[uuid.UUID]):
    """A UUID in 16 bytes: `uuid` on Postgres, a blob on SQLite."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(Uuid())
        return dialect.type_descriptor(LargeBinary(16))

    def bind_processor(self, dialect: Dialect) -> Any:
        return super().bind_processor(dialect) if dialect.name == "postgresql" else _to_bytes

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        return super().result_processor(dialect, coltype) if dialect.name == "postgresql" else _from_bytes


class _Sent(FunctionElement[bytes]):
    """An array as Postgres sends it in binary form, which drivers would turn into a list of numbers; else as it is."""

    inherit_cache = True

    def __init__(self, array: ColumnElement[Any], kind: TypeEngine[bytes]) -> None:
        super().__init__(array)
        self.type = kind


@compiles(_Sent, "postgresql")
def _in_binary_form(sent: _Sent, compiler: Any, **options: Any) -> str:
    return f"array_send({compiler.process(sent.clauses, **options)})"


@compiles(_Sent, "sqlite")
def _as_it_is(sent: _Sent, compiler: Any, **options: Any) -> str:
    return str(compiler.process(sent.clauses, **options))


_ARRAY_HEADER = 20
"""Bytes of a binary array before its elements: dimensions, flags, type, length and lower bound."""


class FloatVector(TypeDecorator[bytes]):
    """32-bit floats, in Python and on SQLite as the bytes of a little-endian array, on Postgres `real[]`."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(ARRAY(REAL))
        return dialect.type_descriptor(LargeBinary())

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "postgresql":
            return value
        return list(struct.unpack(f"<{len(value) // 4}f", value))

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[bytes]:
        return _Sent(column, self)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        return _from_sent if dialect.name == "postgresql" else None


def _from_sent(sent: bytes | None) -> bytes | None:
    """Return the floats of an array: each comes as its length, four bytes, and itself, big-endian."""
    if sent is None:
        return None
    elements = bytes(sent[_ARRAY_HEADER:])
    floats = bytearray(len(elements) // 2)
    for byte in range(4):
        floats[byte::4] = elements[7 - byte :: 8]
    return bytes(floats)


class TermNumbers(UserDefinedType[str]):
    """The numbers of terms, an `integer[]`, written as Postgres reads one, which drivers would take longer to write."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Return the name of the type."""
        return "INTEGER[]"

    def bind_expression(self, bindvalue: BindParameter[str]) -> ColumnElement[str]:
        """Send text, which drivers know."""
        return cast(type_coerce(bindvalue, Text), TermNumbers)


@compiles(CreateColumn, "sqlite")
def _of_sqlite(create: CreateColumn, compiler: Any, **options: Any) -> str | None:
    """Leave a column of ours out that another database has; the columns of the application are its own affair."""
    column = create.element
    if column.table.metadata is metadata and column.info.get("dialect", "sqlite") != "sqlite":
        return None
    return compiler.visit_create_column(create, **options)  # type: ignore[no-any-return]  # it is typed as Any


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _beside(table: Table, statement: str, dialect: str | None = None) -> None:
    """Run *statement* when *table* is created, perhaps in one kind of database alone.

    As DDL, because SQLAlchemy's own form loads every dialect that it names, at import.
    """
    ddl = DDL(statement).execute_if(dialect=dialect)  # type: ignore[no-untyped-call]  # SQLAlchemy's is untyped
    event.listen(table, "after_create", ddl)


def _partial_index(table: Table, columns: str, *, where: str, name: str | None = None) -> str:
    """Index only the rows of *table* that meet *where*, so that the others cost nothing; return the statement."""
    name = f"ix_{table.name}_{name or columns.replace(', ', '_')}"
    statement = f"CREATE INDEX {name} ON {table.name} ({columns}) WHERE {where}"
    _beside(table, statement)
    return statement


users = Table(
    f"{PREFIX}users",
    metadata,
    Column("user_id", String(255), primary_key=True),
    Column("id", BigInteger, Identity(), nullable=False, index=True),
    Column("uuid", CompactUuid, nullable=False),
    Column("email", Text),
    Column("first_name", Text),
    Column("last_name", Text),
    Column("metadata", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

sessions = Table(
    f"{PREFIX}sessions",
    metadata,
    Column("session_id", String(255), primary_key=True),
    Column("id", BigInteger, Identity(), nullable=False, index=True),
    Column("uuid", CompactUuid, nullable=False),
    Column("user_id", String(255)),
    Column("title", Text),
    Column("metadata", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("last_active_at", UtcDateTime, nullable=False),
    Column("active_hour", BigInteger, nullable=False),
    Column("added_at", UtcDateTime),
    Column("deleted_at", UtcDateTime),
    Column("last_deleted_at", UtcDateTime),
    Column("purged_at", UtcDateTime),
    Column("last_seq", BigInteger, nullable=False, default=0),
    Column("revision", BigInteger, nullable=False, default=0),
)
"""What was soft-deleted up to `purged_at` is gone, though a purge may still be about to remove it.

`last_deleted_at` is the last `deleted_at`, also of one that a write has revived since, until it is restored.
`added_at` is when the application added the session; one that began with its first message has none until then.
`active_hour` is that of `last_active_at`, for the indexes: a column that every append changes would make each of them
write to all of the table's.
"""

_partial_index(sessions, "user_id, id", where="user_id IS NOT NULL")

# Each listing by activity is a range of one of these, in which only the sessions of one hour are left to sort.
for _name, _condition in (("active", "deleted_at IS NULL"), ("deleted_active", "deleted_at IS NOT NULL")):
    _partial_index(sessions, "active_hour", where=_condition, name=_name)
    _of_user = f"{_condition} AND user_id IS NOT NULL"
    _partial_index(sessions, "user_id, active_hour", where=_of_user, name=f"user_{_name}")

# As `sqlite_with_rowid` it would make SQLAlchemy import modules of SQLite that a program on Postgres never needs.
_WITHOUT_ROWID = {"sqlite": {"with_rowid": False}}

messages = Table(
    f"{PREFIX}messages",
    metadata,
    Column("session_id", String(255), ForeignKey(sessions.c.session_id), nullable=False),
    Column("seq", BigInteger, nullable=False, autoincrement=False),
    Column("appended_revision", BigInteger),
    Column("uuid", CompactUuid, nullable=False),
    Column("role", Text, nullable=False),
    Column("role_type", String(9), nullable=False),
    Column("name", Text),
    Column("content", Text, nullable=False),
    Column("tool_calls", Text),
    Column("tool_call_id", Text),
    Column("token_count", Integer, nullable=False),
    Column("metadata", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime),
    Column("deleted_at", UtcDateTime),
    Column("archived_at", UtcDateTime),
    Column("native_format", Text),
    Column("native", Text),
    Column("changed_revision", BigInteger),
    Column("terms", TermNumbers, info={"dialect": "postgresql"}),
    PrimaryKeyConstraint("session_id", "seq"),
    UniqueConstraint("session_id", "uuid"),
    info=_WITHOUT_ROWID,
)
"""Postgres searches messages by the numbers of their terms, which no reader of a message sees.

`appended_revision` is the revision of the session that a message came with, and grows with its seq; one that came in
between others has none. `changed_revision` is that of its last change since, and NULL before the first one.
"""

CREATE_CHANGED_INDEX = _partial_index(
    messages, "session_id, changed_revision, seq", where="changed_revision IS NOT NULL", name="changed"
)

summaries = Table(
    f"{PREFIX}summaries",
    metadata,
    Column("session_id", String(255), nullable=False),
    Column("seq", BigInteger, nullable=False, autoincrement=False),
    Column("uuid", CompactUuid, nullable=False),
    Column("content", Text, nullable=False),
    Column("token_count", Integer, nullable=False),
    Column("metadata", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("deleted_at", UtcDateTime),
    PrimaryKeyConstraint("session_id", "seq"),
    info=_WITHOUT_ROWID,
)

_PRIVATE_COLUMNS = {
    users: ("email", "first_name", "last_name", "metadata"),
    sessions: ("title", "metadata"),
    messages: ("name", "content", "tool_calls", "tool_call_id", "metadata", "native"),
    summaries: ("content", "metadata"),
}
"""Columns with text of conversations and people, of which Postgres' statistics would keep samples after an erasure."""

for _table, _names in _PRIVATE_COLUMNS.items():
    for _name in _names:
        _beside(_table, f"ALTER TABLE {_table.name} ALTER COLUMN {_name} SET STATISTICS 0", dialect="postgresql")

for _table in (sessions, messages, summaries):
    _partial_index(_table, "deleted_at", where="deleted_at IS NOT NULL")

listing_ids = Table(
    f"{PREFIX}listing_ids",
    metadata,
    Column("table_name", Text, primary_key=True),
    Column("last_id", BigInteger, nullable=False),
    info={"dialect": "sqlite"},
)
"""The last listing id that was given out, by table: what an identity column is on Postgres."""

# Of live messages only, so that deleting them writes nothing there. A longer list of pending entries, in kB, would make
# every search slower, by 8 ms with 1024, a shorter one imports: of the 38 us a message with this, 1024 would leave 28.
_beside(
    messages,
    f"CREATE INDEX ix_{PREFIX}messages_terms ON {PREFIX}messages USING gin (terms) "
    "WITH (fastupdate = on, gin_pending_list_limit = 256) WHERE deleted_at IS NULL",
    dialect="postgresql",
)

MESSAGE_INDEX = f"{PREFIX}message_index"
"""The FTS5 table with the terms of each message, deleted ones too, that SQLite searches more than one session by."""

CREATE_MESSAGE_INDEX = (
    f"CREATE VIRTUAL TABLE {MESSAGE_INDEX} USING fts5(terms, content='', detail=none, columnsize=0, tokenize='ascii')"
)

SEQ_BITS = 32
"""A message's rowid there is its session's id, shifted left by so much, and its seq."""


unindexed = Table(
    f"{PREFIX}unindexed",
    metadata,
    Column("first", Integer, primary_key=True),
    Column("count", BigInteger, nullable=False),
    info={"dialect": "sqlite"},
)
"""Messages that are not in the FTS5 table yet: rowids from `first` on. Many are put there at once, which is cheaper."""

_beside(unindexed, f"DROP TABLE IF EXISTS {MESSAGE_INDEX}")  # as it may be there where only this table was dropped
_beside(unindexed, CREATE_MESSAGE_INDEX)

message_embeddings = Table(
    f"{PREFIX}message_embeddings",
    metadata,
    Column("session_id", String(255), nullable=False),
    Column("seq", BigInteger, nullable=False, autoincrement=False),
    Column("uuid", CompactUuid, nullable=False),
    Column("embedding", FloatVector, nullable=False),
    PrimaryKeyConstraint("session_id", "seq"),
    info=_WITHOUT_ROWID,
)
"""What each message means, as a vector of length 1; rows come after the message, where there is an embedder.

A row is that of the message with its seq *and* its uuid, as a seq may be used again once a session was purged.
"""

branches = Table(
    f"{PREFIX}branches",
    metadata,
    Column("session_id", String(255), nullable=False),
    Column("seq", BigInteger, nullable=False, autoincrement=False),
    Column("parent_seq", BigInteger, nullable=False),
    PrimaryKeyConstraint("session_id", "seq"),
    info=_WITHOUT_ROWID,
)
"""Where a message follows another one than that of the seq before; written only when a conversation is rewound."""

SUPERSEDED = datetime(9999, 1, 1, tzinfo=UTC)
"""Stands as `deleted_at` of what a conversation has left for another branch: a deletion that never comes."""

session_states = Table(
    f"{PREFIX}session_states",
    metadata,
    Column("session_id", String(255), primary_key=True),
    Column("content", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)
"""What an application keeps of each session beside its messages; each append rewrites the session's own row."""

user_states = Table(
    f"{PREFIX}user_states",
    metadata,
    Column("user_id", String(255), primary_key=True),
    Column("content", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)
"""What an application keeps of each user."""

for _table in (session_states, user_states):
    _beside(_table, f"ALTER TABLE {_table.name} ALTER COLUMN content SET STATISTICS 0", dialect="postgresql")

session_holds = Table(
    f"{PREFIX}session_holds",
    metadata,
    Column("session_id", String(255), primary_key=True),
    Column("held_at", UtcDateTime, nullable=False),
)
"""Sessions that are not to be deleted or purged."""

user_holds = Table(
    f"{PREFIX}user_holds",
    metadata,
    Column("user_id", String(255), primary_key=True),
    Column("held_at", UtcDateTime, nullable=False),
)
"""Users who are not to be erased, and whose sessions are not to be deleted or purged."""

leases = Table(
    f"{PREFIX}leases",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("holder", CompactUuid, nullable=False),
    Column("until", UtcDateTime, nullable=False),
)
"""Who does what is to be done by one of several machines, and until when nobody else does."""

erasures = Table(
    f"{PREFIX}erasures",
    metadata,
    Column("digest", String(64), nullable=False),
    Column("erased_at", UtcDateTime, nullable=False),
    Column("salt", String(32), nullable=False),
    Column("receipt", Text),
    PrimaryKeyConstraint("digest", "erased_at"),
)
"""The ledger: who was erased when, by a digest of their id, so that no backup and no old export brings them back."""

schema_version = Table(
    f"{PREFIX}schema_version",
    metadata,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name=f"{PREFIX}schema_version_pkc"),
)
"""The revision of the tables, in the form in which Alembic keeps it."""


def tables_of(dialect: str) -> list[Table]:
    """Return the tables that a database of *dialect* has, parents first."""
    return [table for table in metadata.sorted_tables if table.info.get("dialect", dialect) == dialect]


def columns_of(table: Table, dialect: str) -> list[Column[Any]]:
    """Return the columns that *table* has in a database of *dialect*."""
    return [column for column in table.c if column.info.get("dialect", dialect) == dialect]
