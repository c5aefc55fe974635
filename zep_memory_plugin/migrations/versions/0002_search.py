"""Search: an index of the messages' terms, filled from what is stored, and a table for embeddings."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from zep_memory_plugin.core.search.rebuilding import rebuild_on
from zep_memory_plugin.tables import FloatVector

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the tables, and fill the index; that of Postgres changes its place in the next revision."""
    _embeddings()
    if op.get_context().dialect.name == "sqlite":
        _sqlite_index()
        rebuild_on(op.get_bind())
    else:
        _postgres_index()


def _sqlite_index() -> None:
    op.execute(
        "CREATE VIRTUAL TABLE zep_message_index "
        "USING fts5(terms, content='', detail=none, columnsize=0, tokenize='ascii')"
    )
    op.create_table(
        "zep_unindexed",
        sa.Column("first", sa.Integer, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("first", name="pk_zep_unindexed"),
    )


def _postgres_index() -> None:
    op.create_table(
        "zep_message_terms",
        sa.Column("session_id", sa.String(255), nullable=False),
        sa.Column("seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("terms", postgresql.TSVECTOR, nullable=False),
        sa.PrimaryKeyConstraint("session_id", "seq", name="pk_zep_message_terms"),
    )
    op.create_index(
        "ix_zep_message_terms_terms",
        "zep_message_terms",
        ["terms"],
        postgresql_using="gin",
        postgresql_with={"fastupdate": "on", "gin_pending_list_limit": "256"},
    )


def _embeddings() -> None:
    op.create_table(
        "zep_message_embeddings",
        sa.Column("session_id", sa.String(255), nullable=False),
        sa.Column("seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("embedding", FloatVector, nullable=False),
        sa.PrimaryKeyConstraint("session_id", "seq", name="pk_zep_message_embeddings"),
        sqlite_with_rowid=False,
    )
