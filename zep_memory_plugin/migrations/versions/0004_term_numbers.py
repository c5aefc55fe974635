"""The terms of messages on Postgres as numbers, which take half of the space, and are merged less often."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from zep_memory_plugin.core.search.rebuilding import rebuild_on

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Put the new column in the place of the old one, which takes its index along, fill it and index it.

    What may be out of date of the embeddings goes; the messages are embedded again with the next write.
    """
    if op.get_context().dialect.name == "postgresql":
        op.drop_column("zep_messages", "terms")
        op.add_column("zep_messages", sa.Column("terms", postgresql.ARRAY(sa.Integer)))
        rebuild_on(op.get_bind())
        op.create_index(
            "ix_zep_messages_terms",
            "zep_messages",
            ["terms"],
            postgresql_using="gin",
            postgresql_with={"fastupdate": "on", "gin_pending_list_limit": "1024"},
            postgresql_where=sa.text("deleted_at IS NULL"),
        )
        # Of messages that got new content from an append: it left them as they were.
        op.execute(
            "DELETE FROM zep_message_embeddings AS e USING zep_messages AS m "
            "WHERE m.session_id = e.session_id AND m.seq = e.seq AND m.updated_at IS NOT NULL"
        )
