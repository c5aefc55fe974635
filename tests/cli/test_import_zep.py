"""What the server of Zep left in its Postgres is taken over: every session with its order, times and metadata."""

import psycopg
import pytest

from tests.cli.conftest import Command
from zep_memory_plugin import SessionManager

# The columns of its version 0.27.2, as far as they hold what is imported.
ROWS = """
    uuid uuid PRIMARY KEY DEFAULT gen_random_uuid(), created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz DEFAULT now(), deleted_at timestamptz
"""
TABLES = f"""
    CREATE TABLE users ({ROWS}, id bigserial, user_id varchar NOT NULL UNIQUE, email varchar, first_name varchar,
        last_name varchar, metadata jsonb);
    CREATE TABLE session ({ROWS}, id bigserial, session_id varchar NOT NULL UNIQUE, metadata jsonb,
        user_id varchar REFERENCES users (user_id));
    CREATE TABLE message ({ROWS}, id bigserial, session_id varchar NOT NULL REFERENCES session (session_id),
        role varchar NOT NULL, content varchar NOT NULL, token_count bigint NOT NULL, metadata jsonb);
    CREATE TABLE summary ({ROWS}, session_id varchar NOT NULL, content varchar, metadata jsonb,
        token_count bigint NOT NULL, summary_point_uuid uuid NOT NULL UNIQUE REFERENCES message (uuid));
    INSERT INTO users (user_id, email, metadata) VALUES ('alice', 'a@x.org', '{{"plan": "paid"}}');
    INSERT INTO session (session_id, user_id, metadata, created_at) VALUES
        ('one', 'alice', '{{"topic": {{"a": [1, 2]}}}}', '2023-05-01 12:00+02'), ('two', NULL, NULL, now());
    INSERT INTO session (session_id, deleted_at) VALUES ('gone', now());
    SELECT setval('message_id_seq', 100);
    INSERT INTO message (session_id, role, content, token_count, metadata, created_at)
    SELECT CASE number % 2 WHEN 0 THEN 'one' ELSE 'two' END, CASE number % 4 WHEN 0 THEN 'human' ELSE 'ai' END,
           'text ' || number, 3, '{{"n": 1}}', '2023-05-01 12:00Z'
      FROM generate_series(1, 3000) AS number;
    INSERT INTO summary (session_id, content, token_count, summary_point_uuid)
    SELECT 'one', 'in short', 2, uuid FROM message WHERE content = 'text 20';
"""


@pytest.fixture
def zep(postgres_url: str) -> str:
    """Return the URL of a database as Zep's server has left it."""
    with psycopg.connect(postgres_url) as connection:
        connection.execute(TABLES)  # type: ignore[arg-type]  # it is our own text
    return postgres_url


def test_everything_of_zep_is_taken_over_and_once(command: Command, zep: str, sqlite_url: str) -> None:
    command("upgrade", "--create", "-d", sqlite_url)

    first = command("import", zep, "--from", "zep", "-d", sqlite_url)
    again = command("import", zep, "--from", "zep", "-d", sqlite_url)

    assert first.err == "imported 1 users, 3 sessions, 3000 messages, 1 summaries; 0 were there already\n"
    assert again.err == "imported 0 users, 0 sessions, 0 messages, 0 summaries; 3005 were there already\n"
    with SessionManager(sqlite_url) as manager:
        one = manager.list_messages("one")
        assert [message.content for message in one] == [f"text {number}" for number in range(2, 3001, 2)]
        assert [message.seq for message in one] == list(range(1, 1501))
        assert {(message.role, message.role_type) for message in one} == {("human", "user"), ("ai", "assistant")}
        assert {str(message.created_at) for message in one} == {"2023-05-01 12:00:00+00:00"}
        assert manager.get_session("one").metadata == {"topic": {"a": [1, 2]}}
        assert manager.get_session("one").user_id == "alice"
        assert str(manager.get_session("one").last_active_at) == "2023-05-01 12:00:00+00:00"
        assert manager.get_user("alice").metadata == {"plan": "paid"}
        assert [session.session_id for session in manager.list_sessions(deleted=True)] == ["gone"]
        assert [(summary.content, summary.seq) for summary in manager.list_summaries("one")] == [("in short", 10)]


def test_it_is_taken_over_into_the_same_database(command: Command, zep: str) -> None:
    """The tables of ours stand beside those of Zep."""
    command("upgrade", "-d", zep)

    assert command("import", zep, "--from", "zep", "-d", zep).code == 0
    with SessionManager(zep) as manager:
        assert manager.count_messages(["one", "two"]) == {"one": 1500, "two": 1500}


def test_a_database_without_its_tables_is_one_line(command: Command, postgres_url: str, sqlite_url: str) -> None:
    command("upgrade", "--create", "-d", sqlite_url)

    ended = command("import", postgres_url, "--from", "zep", "-d", sqlite_url)

    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "has no tables of Zep's" in ended.err
