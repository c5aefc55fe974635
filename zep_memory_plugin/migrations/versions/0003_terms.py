"""The terms of messages on Postgres: a column of theirs instead of a table, which took twice the space."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the column and index it for live messages; the next revision makes another of it, and fills that."""
    if op.get_context().dialect.name == "postgresql":
        op.add_column("zep_messages", sa.Column("terms", postgresql.TSVECTOR))
        op.drop_table("zep_message_terms")
        op.create_index(
            "ix_zep_messages_terms",
            "zep_messages",
            ["terms"],
            postgresql_using="gin",
            postgresql_with={"fastupdate": "on", "gin_pending_list_limit": "256"},
            postgresql_where=sa.text("deleted_at IS NULL"),
        )
