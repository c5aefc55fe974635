"""The Postgres of Zep's open-source server, by its tables of version 0.27.2; it has no calls of tools."""

import psycopg

from ..spoken import Said, Talks

_OF_EACH = """
    uuid uuid PRIMARY KEY DEFAULT gen_random_uuid(), created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz DEFAULT now(), deleted_at timestamptz
"""
TABLES = f"""
    CREATE TABLE users ({_OF_EACH}, id bigserial, user_id varchar NOT NULL UNIQUE, email varchar,
        first_name varchar, last_name varchar, metadata jsonb);
    CREATE TABLE session ({_OF_EACH}, id bigserial, session_id varchar NOT NULL UNIQUE, metadata jsonb,
        user_id varchar REFERENCES users (user_id) ON DELETE CASCADE);
    CREATE TABLE message ({_OF_EACH}, id bigserial, role varchar NOT NULL, content varchar NOT NULL,
        session_id varchar NOT NULL REFERENCES session (session_id) ON DELETE CASCADE,
        token_count bigint NOT NULL, metadata jsonb);
    CREATE TABLE summary ({_OF_EACH}, content varchar, metadata jsonb, token_count bigint NOT NULL,
        session_id varchar NOT NULL REFERENCES session (session_id) ON DELETE CASCADE,
        summary_point_uuid uuid NOT NULL UNIQUE REFERENCES message (uuid) ON DELETE CASCADE);
    CREATE INDEX memstore_session_id_idx ON message (session_id);
    CREATE INDEX memstore_id_idx ON message (id);
    CREATE INDEX sumstore_session_id_idx ON summary (session_id);
"""
_INSERT = "INSERT INTO message (session_id, role, content, token_count) VALUES (%s, %s, %s, 50)"
_ROLES = {"user": "human", "assistant": "ai", "tool": "tool"}


def fill(place: str, talks: Talks) -> None:
    """Store *talks*."""
    with psycopg.connect(place) as connection:
        connection.execute(TABLES)
        for session, said in talks:
            connection.execute("INSERT INTO session (session_id) VALUES (%s)", [session])
            rows = [(session, _ROLES[each.role], each.text) for each in said]
            connection.cursor().executemany(_INSERT, rows)


def read(place: str) -> Talks:
    """Read each session as the server does, by the ids of its messages."""
    roles = {theirs: ours for ours, theirs in _ROLES.items()}
    with psycopg.connect(place) as connection:
        for (session,) in connection.execute("SELECT session_id FROM session ORDER BY 1").fetchall():
            rows = connection.execute("SELECT role, content FROM message WHERE session_id = %s ORDER BY id", [session])
            yield session, [Said(roles[role], content) for role, content in rows]
