"""The schema: SQLAlchemy Core tables and indexes, and nothing else.

Tables carry the prefix `zep_`, because the database is the application's own and may well have a `users` table.

Every unique key of messages and summaries leads with `session_id`, and the only foreign key joins messages to their
session, so the same tables can be partitioned or distributed by session.
"""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
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
    event,
)
from sqlalchemy.types import TypeEngine

PREFIX = "zep_"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """Return *moment* as SQLite stores it."""
    return (moment - _EPOCH) // _MICROSECOND


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, aware and in UTC: `timestamptz` on Postgres, microseconds since 1970 on SQLite."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(DateTime(timezone=True))
        return dialect.type_descriptor(BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return microseconds(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if dialect.name == "postgresql":
            return cast("datetime", value).astimezone(UTC)
        return _EPOCH + timedelta(microseconds=value)


class CompactUuid(TypeDecorator[uuid.UUID]):
    """A UUID in 16 bytes: `uuid` on Postgres, a blob on SQLite."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(Uuid())
        return dialect.type_descriptor(LargeBinary(16))

    def process_bind_param(self, value: uuid.UUID | None, dialect: Dialect) -> Any:
        return value if value is None or dialect.name == "postgresql" else value.bytes

    def process_result_value(self, value: Any, dialect: Dialect) -> uuid.UUID | None:
        return value if value is None or dialect.name == "postgresql" else uuid.UUID(bytes=value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _partial_index(table: Table, columns: str, *, where: str) -> None:
    """Index only the rows of *table* that meet *where*, so that the others cost nothing.

    As DDL, because SQLAlchemy's own form loads every dialect that it names, at import.
    """
    name = f"ix_{table.name}_{columns.replace(', ', '_')}"
    statement = f"CREATE INDEX {name} ON {table.name} ({columns}) WHERE {where}"
    event.listen(table, "after_create", DDL(statement))  # type: ignore[no-untyped-call]  # SQLAlchemy's is untyped


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
    Column("metadata", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("deleted_at", UtcDateTime),
    Column("last_seq", BigInteger, nullable=False, default=0),
)
_partial_index(sessions, "user_id, id", where="user_id IS NOT NULL")

messages = Table(
    f"{PREFIX}messages",
    metadata,
    Column("session_id", String(255), ForeignKey(sessions.c.session_id), nullable=False),
    Column("seq", BigInteger, nullable=False, autoincrement=False),
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
    PrimaryKeyConstraint("session_id", "seq"),
    UniqueConstraint("session_id", "uuid"),
    sqlite_with_rowid=False,
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
    sqlite_with_rowid=False,
)

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
