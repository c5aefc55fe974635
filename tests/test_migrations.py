"""The migrations lead to the very tables that first use creates."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, inspect, text

from zep_memory_plugin import SchemaOutdated, SessionManager
from zep_memory_plugin.migrations import configuration, upgrade
from zep_memory_plugin.migrations.__main__ import main
from zep_memory_plugin.schema import REVISION
from zep_memory_plugin.tables import messages, metadata, sessions, tables_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest) -> str:
    """A database without tables."""
    fixture = {"sqlite": "sqlite_url", "postgres": "postgres_url"}[request.param]
    return str(request.getfixturevalue(fixture))


def engine_of(url: str) -> Engine:
    return create_engine(url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")


def structure(engine: Engine) -> dict[str, object]:
    """Describe every table of ours, as the database itself does."""
    there = inspect(engine)
    return {
        name: (
            [{key: str(value) for key, value in column.items()} for column in there.get_columns(name)],
            there.get_pk_constraint(name),
            there.get_foreign_keys(name),
            sorted(there.get_unique_constraints(name), key=str),
            sorted(((index["name"], index["column_names"]) for index in there.get_indexes(name)), key=str),
        )
        for name in sorted(there.get_table_names())
    }


def sqlite_text(engine: Engine) -> dict[str, str]:
    """Return SQLite's own text of each table and index, white space folded."""
    with engine.connect() as connection:
        found = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
        return {name: " ".join(sql.split()) for name, sql in found}


def of_another_database(difference: tuple[Any, ...]) -> bool:
    """Tell whether *difference* is about a table that Postgres does not have."""
    return difference[0] == "add_table" and difference[1] not in tables_of("postgresql")


def test_upgrade_from_empty_equals_the_tables_of_first_use(empty_url: str, request: pytest.FixtureRequest) -> None:
    """Columns, keys and indexes agree in the database's own words."""
    upgraded = engine_of(empty_url)
    with upgraded.connect() as connection:
        upgrade(connection)
    by_migration = structure(upgraded)
    sql_by_migration = sqlite_text(upgraded) if upgraded.dialect.name == "sqlite" else {}
    with upgraded.connect() as connection:
        for name in by_migration:  # a virtual table goes before its own tables, messages before sessions
            connection.execute(text(f"DROP TABLE IF EXISTS {name}" + (" CASCADE" if not sql_by_migration else "")))

    with SessionManager(empty_url) as manager:
        manager.list_sessions()

    assert structure(upgraded) == by_migration
    assert sql_by_migration == {} or sqlite_text(upgraded) == sql_by_migration
    upgraded.dispose()


def test_alembic_sees_no_difference_to_the_tables(postgres_url: str) -> None:
    """A migration made by autogenerate would be empty, but for what the metadata does not know."""
    engine = engine_of(postgres_url)
    with engine.connect() as connection:
        upgrade(connection)
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()

    # Partial indexes are made beside the metadata, and some tables are for SQLite alone.
    unknown = [difference for difference in differences if difference[0] == "remove_index"]
    assert [d for d in differences if d not in unknown and not of_another_database(d)] == []


def test_first_use_stamps_the_newest_revision() -> None:
    """The revision that first use writes down is the head of the migrations."""
    assert ScriptDirectory.from_config(configuration()).get_current_head() == REVISION


def test_upgrade_of_a_current_database_changes_nothing(empty_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command can be run again."""
    with SessionManager(empty_url) as manager:
        manager.list_sessions()
    before = structure(engine_of(empty_url))

    main([empty_url])

    assert structure(engine_of(empty_url)) == before
    assert REVISION in capsys.readouterr().out


def test_another_revision_is_refused_with_the_command_that_upgrades(empty_url: str) -> None:
    """Neither reading nor writing touches tables of another version."""
    with SessionManager(empty_url) as manager:
        manager.list_sessions()
    with engine_of(empty_url).connect() as connection:
        connection.execute(text("UPDATE zep_schema_version SET version_num = '9999'"))

    with SessionManager(empty_url) as manager, pytest.raises(SchemaOutdated) as caught:
        manager.list_sessions()

    assert caught.value.found == "9999"
    assert caught.value.needed == REVISION
    assert "python -m zep_memory_plugin.migrations" in str(caught.value)


def test_an_upgrade_makes_messages_of_an_older_version_searchable(empty_url: str) -> None:
    """The index of search is filled from messages that were stored before there was one."""
    with engine_of(empty_url).connect() as connection:
        upgrade(connection, "0001")
        store_old_messages(connection)

    main([empty_url])

    assert found_at(empty_url, "what is animal2x1") == ("s2", 1)


def test_an_upgrade_fills_the_numbers_of_terms(postgres_url: str) -> None:
    """What had its terms in a column of another type is found by their numbers."""
    with engine_of(postgres_url).connect() as connection:
        upgrade(connection, "0003")
        store_old_messages(connection)
        connection.execute(text("UPDATE zep_messages SET terms = 'an anim old'"))

    main([postgres_url])

    assert found_at(postgres_url, "what is animal1x2") == ("s1", 2)


def store_old_messages(connection: Connection) -> None:
    """Store two messages in each of two sessions, which nothing has put into an index."""
    connection.execute(
        sessions.insert(),
        [
            {"session_id": f"s{number}", "id": number, "uuid": uuid4(), "created_at": NOW, "updated_at": NOW}
            | {"last_seq": 2}
            for number in (1, 2)
        ],
    )
    connection.execute(
        messages.insert(),
        [
            {"session_id": f"s{number}", "seq": seq, "uuid": uuid4(), "role": "user", "role_type": "user"}
            | {"content": f"an animal{number}x{seq} of old", "token_count": 4, "created_at": NOW}
            for number in (1, 2)
            for seq in (1, 2)
        ],
    )


def found_at(url: str, question: str) -> tuple[str, int | None]:
    """Return where the best answer to *question* is."""
    with SessionManager(url) as manager:
        (found, *_) = manager.search_memory(question)
        return found.session_id, found.message and found.message.seq
