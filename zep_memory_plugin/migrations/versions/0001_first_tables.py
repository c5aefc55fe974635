"""The first tables: users, sessions, messages, summaries."""

import sqlalchemy as sa
from alembic import op

from zep_memory_plugin.tables import CompactUuid, UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    _users()
    _sessions()
    _messages()
    _summaries()
    if op.get_context().dialect.name == "sqlite":
        _listing_ids()


def _users() -> None:
    op.create_table(
        "zep_users",
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("uuid", CompactUuid, nullable=False),
        sa.Column("email", sa.Text),
        sa.Column("first_name", sa.Text),
        sa.Column("last_name", sa.Text),
        sa.Column("metadata", sa.Text),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_zep_users"),
    )
    op.create_index("ix_zep_users_id", "zep_users", ["id"])


def _sessions() -> None:
    op.create_table(
        "zep_sessions",
        sa.Column("session_id", sa.String(255), nullable=False),
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("uuid", CompactUuid, nullable=False),
        sa.Column("user_id", sa.String(255)),
        sa.Column("metadata", sa.Text),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.Column("deleted_at", UtcDateTime),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("session_id", name="pk_zep_sessions"),
    )
    op.create_index("ix_zep_sessions_id", "zep_sessions", ["id"])
    _partial_index("zep_sessions", ["user_id", "id"], where="user_id IS NOT NULL")
    _deleted_index("zep_sessions")


def _messages() -> None:
    op.create_table(
        "zep_messages",
        sa.Column("session_id", sa.String(255), nullable=False),
        sa.Column("seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("uuid", CompactUuid, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("role_type", sa.String(9), nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("tool_calls", sa.Text),
        sa.Column("tool_call_id", sa.Text),
        sa.Column("token_count", sa.Integer, nullable=False),
        sa.Column("metadata", sa.Text),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime),
        sa.Column("deleted_at", UtcDateTime),
        sa.Column("archived_at", UtcDateTime),
        sa.Column("native_format", sa.Text),
        sa.Column("native", sa.Text),
        sa.PrimaryKeyConstraint("session_id", "seq", name="pk_zep_messages"),
        sa.UniqueConstraint("session_id", "uuid", name="uq_zep_messages_session_id_uuid"),
        sa.ForeignKeyConstraint(["session_id"], ["zep_sessions.session_id"], name="fk_zep_messages_session_id"),
        sqlite_with_rowid=False,
    )
    _deleted_index("zep_messages")


def _summaries() -> None:
    op.create_table(
        "zep_summaries",
        sa.Column("session_id", sa.String(255), nullable=False),
        sa.Column("seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("uuid", CompactUuid, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("token_count", sa.Integer, nullable=False),
        sa.Column("metadata", sa.Text),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("deleted_at", UtcDateTime),
        sa.PrimaryKeyConstraint("session_id", "seq", name="pk_zep_summaries"),
        sqlite_with_rowid=False,
    )
    _deleted_index("zep_summaries")


def _listing_ids() -> None:
    op.create_table(
        "zep_listing_ids",
        sa.Column("table_name", sa.Text, nullable=False),
        sa.Column("last_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("table_name", name="pk_zep_listing_ids"),
    )


def _deleted_index(table: str) -> None:
    _partial_index(table, ["deleted_at"], where="deleted_at IS NOT NULL")


def _partial_index(table: str, columns: list[str], *, where: str) -> None:
    condition = sa.text(where)
    name = f"ix_{table}_{'_'.join(columns)}"
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)
