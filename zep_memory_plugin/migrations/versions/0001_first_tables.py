"""The first tables: users, sessions, messages, summaries, and what search keeps of messages."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

MOMENT = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")
UUID = sa.LargeBinary(16).with_variant(sa.Uuid(), "postgresql")
VECTOR = sa.LargeBinary().with_variant(postgresql.ARRAY(sa.REAL), "postgresql")
TEXTS = {
    "zep_users": ("email", "first_name", "last_name", "metadata"),
    "zep_sessions": ("title", "metadata"),
    "zep_messages": ("name", "content", "tool_calls", "tool_call_id", "metadata", "native"),
    "zep_summaries": ("content", "metadata"),
    "zep_session_states": ("content",),
    "zep_user_states": ("content",),
}
"""Columns of which the planner keeps no samples: they would outlive an erasure."""


def upgrade() -> None:
    """Create the tables."""
    _users()
    _sessions()
    _messages()
    _summaries()
    _embeddings()
    _create_keyed_table("zep_branches", sa.Column("parent_seq", sa.BigInteger, nullable=False))
    _states("zep_session_states", "session_id")
    _states("zep_user_states", "user_id")
    _holds("zep_session_holds", "session_id")
    _holds("zep_user_holds", "user_id")
    _leases()
    _erasures()
    if op.get_context().dialect.name == "sqlite":
        _for_sqlite()
    else:
        _for_postgres()


def _leases() -> None:
    op.create_table(
        "zep_leases",
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("holder", UUID, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_zep_leases"),
    )


def _erasures() -> None:
    op.create_table(
        "zep_erasures",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("erased_at", MOMENT, nullable=False),
        sa.Column("salt", sa.String(32), nullable=False),
        sa.Column("receipt", sa.Text),
        sa.PrimaryKeyConstraint("digest", "erased_at", name="pk_zep_erasures"),
    )


def _users() -> None:
    op.create_table(
        "zep_users",
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("uuid", UUID, nullable=False),
        sa.Column("email", sa.Text),
        sa.Column("first_name", sa.Text),
        sa.Column("last_name", sa.Text),
        sa.Column("metadata", sa.Text),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_zep_users"),
    )
    op.create_index("ix_zep_users_id", "zep_users", ["id"])


def _sessions() -> None:
    op.create_table(
        "zep_sessions",
        sa.Column("session_id", sa.String(255), nullable=False),
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("uuid", UUID, nullable=False),
        sa.Column("user_id", sa.String(255)),
        sa.Column("title", sa.Text),
        sa.Column("metadata", sa.Text),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("last_active_at", MOMENT, nullable=False),
        sa.Column("active_hour", sa.BigInteger, nullable=False),
        sa.Column("added_at", MOMENT),
        sa.Column("deleted_at", MOMENT),
        sa.Column("last_deleted_at", MOMENT),
        sa.Column("purged_at", MOMENT),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("session_id", name="pk_zep_sessions"),
    )
    op.create_index("ix_zep_sessions_id", "zep_sessions", ["id"])
    op.execute("CREATE INDEX ix_zep_sessions_user_id_id ON zep_sessions (user_id, id) WHERE user_id IS NOT NULL")
    _index_activity()
    _index_deleted("zep_sessions")


def _index_activity() -> None:
    """Make what listings by activity are ranges of: all sessions or a user's, live or deleted."""
    for name, condition in (("active", "deleted_at IS NULL"), ("deleted_active", "deleted_at IS NOT NULL")):
        op.execute(f"CREATE INDEX ix_zep_sessions_{name} ON zep_sessions (active_hour) WHERE {condition}")
        op.execute(
            f"CREATE INDEX ix_zep_sessions_user_{name} ON zep_sessions (user_id, active_hour) "
            f"WHERE {condition} AND user_id IS NOT NULL"
        )


def _messages() -> None:
    _create_keyed_table(
        "zep_messages",
        sa.Column("appended_revision", sa.BigInteger),
        sa.Column("uuid", UUID, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("role_type", sa.String(9), nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("tool_calls", sa.Text),
        sa.Column("tool_call_id", sa.Text),
        sa.Column("token_count", sa.Integer, nullable=False),
        sa.Column("metadata", sa.Text),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT),
        sa.Column("deleted_at", MOMENT),
        sa.Column("archived_at", MOMENT),
        sa.Column("native_format", sa.Text),
        sa.Column("native", sa.Text),
        sa.Column("changed_revision", sa.BigInteger),
        sa.UniqueConstraint("session_id", "uuid", name="uq_zep_messages_session_id_uuid"),
        sa.ForeignKeyConstraint(["session_id"], ["zep_sessions.session_id"], name="fk_zep_messages_session_id"),
    )
    _index_deleted("zep_messages")
    op.execute(
        "CREATE INDEX ix_zep_messages_changed ON zep_messages (session_id, changed_revision, seq) "
        "WHERE changed_revision IS NOT NULL"
    )


def _summaries() -> None:
    _create_keyed_table(
        "zep_summaries",
        sa.Column("uuid", UUID, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("token_count", sa.Integer, nullable=False),
        sa.Column("metadata", sa.Text),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("deleted_at", MOMENT),
    )
    _index_deleted("zep_summaries")


def _embeddings() -> None:
    _create_keyed_table(
        "zep_message_embeddings",
        sa.Column("uuid", UUID, nullable=False),
        sa.Column("embedding", VECTOR, nullable=False),
    )


def _states(name: str, key: str) -> None:
    op.create_table(
        name,
        sa.Column(key, sa.String(255), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint(key, name=f"pk_{name}"),
    )


def _holds(name: str, key: str) -> None:
    op.create_table(
        name,
        sa.Column(key, sa.String(255), nullable=False),
        sa.Column("held_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint(key, name=f"pk_{name}"),
    )


def _for_sqlite() -> None:
    op.create_table(
        "zep_listing_ids",
        sa.Column("table_name", sa.Text, nullable=False),
        sa.Column("last_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("table_name", name="pk_zep_listing_ids"),
    )
    op.create_table(
        "zep_unindexed",
        sa.Column("first", sa.Integer, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("first", name="pk_zep_unindexed"),
    )
    op.execute(
        "CREATE VIRTUAL TABLE zep_message_index "
        "USING fts5(terms, content='', detail=none, columnsize=0, tokenize='ascii')"
    )


def _for_postgres() -> None:
    op.execute("ALTER TABLE zep_messages ADD COLUMN terms INTEGER[]")
    op.execute(
        "CREATE INDEX ix_zep_messages_terms ON zep_messages USING gin (terms) "
        "WITH (fastupdate = on, gin_pending_list_limit = 256) WHERE deleted_at IS NULL"
    )
    for table, columns in TEXTS.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS 0")


def _create_keyed_table(name: str, *columns: sa.schema.SchemaItem) -> None:
    """Create a table whose key is a session and a seq."""
    op.create_table(
        name,
        sa.Column("session_id", sa.String(255), nullable=False),
        sa.Column("seq", sa.BigInteger, autoincrement=False, nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("session_id", "seq", name=f"pk_{name}"),
        sqlite_with_rowid=False,
    )


def _index_deleted(table: str) -> None:
    op.execute(f"CREATE INDEX ix_{table}_deleted_at ON {table} (deleted_at) WHERE deleted_at IS NOT NULL")
