"""The migrations lead to the very tables that first use creates."""

import os
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event, inspect, text

from tests.support import at_once
from zep_memory_plugin import Message, SchemaOutdated, SessionManager
from zep_memory_plugin.migrations import configuration, upgrade
from zep_memory_plugin.migrations.__main__ import main
from zep_memory_plugin.running.schema import REVISION
from zep_memory_plugin.tables import metadata, tables_of


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest) -> str:
    """A database without tables."""
    fixture = {"sqlite": "sqlite_url", "postgres": "postgres_url"}[request.param]
    return str(request.getfixturevalue(fixture))


def engine_of(url: str) -> Engine:
    return create_engine(url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")


def structure(engine: Engine) -> dict[str, object]:
    """Describe every table of ours, as the database itself does."""
    inspector = inspect(engine)
    return {
        name: (
            [{key: repr(value) for key, value in column.items()} for column in inspector.get_columns(name)],
            inspector.get_pk_constraint(name),
            inspector.get_foreign_keys(name),
            sorted(inspector.get_unique_constraints(name), key=str),
        )
        for name in sorted(inspector.get_table_names())
    }


def structure_at(url: str) -> dict[str, object]:
    """Describe every table of ours in the database at *url*."""
    engine = engine_of(url)
    described = structure(engine)
    engine.dispose()
    return described


def own_words(engine: Engine) -> dict[str, str]:
    """Return the database's own text of each index, and SQLite's of each table, white space folded."""
    catalogue = {
        "sqlite": "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL",
        "postgresql": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()",
    }
    with engine.connect() as connection:
        rows = connection.execute(text(catalogue[engine.dialect.name]))
        return {name: " ".join(words.split()) for name, words in rows}


def upgrade_of(url: str) -> None:
    """Upgrade the database in a connection of its own."""
    engine = engine_of(url)
    with engine.connect() as connection:
        upgrade(connection)
    engine.dispose()


def die_in_upgrade(url: str) -> None:
    """Upgrade the database in a process that ends without a word before the table of summaries is made."""
    engine = engine_of(url)

    @event.listens_for(engine, "before_cursor_execute")
    def _die(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "CREATE TABLE zep_summaries" in statement:
            os._exit(9)

    with engine.connect() as connection:
        upgrade(connection)


def drop_tables(engine: Engine) -> None:
    """Drop every table of ours: a virtual one before those that it consists of, messages before sessions."""
    cascade = " CASCADE" if engine.dialect.name == "postgresql" else ""
    with engine.connect() as connection:
        for name in sorted(inspect(connection).get_table_names()):
            connection.execute(text(f"DROP TABLE IF EXISTS {name}{cascade}"))


def of_another_database(difference: tuple[Any, ...]) -> bool:
    """Tell whether *difference* is about a table that Postgres does not have."""
    return difference[0] == "add_table" and difference[1] not in tables_of("postgresql")


def test_upgrade_from_empty_equals_the_tables_of_first_use(empty_url: str) -> None:
    """Columns, keys and indexes agree in the database's own words."""
    engine = engine_of(empty_url)
    upgrade_of(empty_url)
    migrated = structure(engine), own_words(engine)
    drop_tables(engine)

    with SessionManager(empty_url) as manager:
        manager.list_sessions()

    assert (structure(engine), own_words(engine)) == migrated
    engine.dispose()


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
    before = structure_at(empty_url)

    main([empty_url])

    assert structure_at(empty_url) == before
    assert REVISION in capsys.readouterr().out


def test_another_revision_is_refused_with_the_command_that_upgrades(empty_url: str) -> None:
    """Neither reading nor writing touches tables of another version."""
    with SessionManager(empty_url) as manager:
        manager.list_sessions()
    engine = engine_of(empty_url)
    with engine.connect() as connection:
        connection.execute(text("UPDATE zep_schema_version SET version_num = '9999'"))
    engine.dispose()

    with SessionManager(empty_url) as manager, pytest.raises(SchemaOutdated) as caught:
        manager.list_sessions()

    assert caught.value.found == "9999"
    assert caught.value.needed == REVISION
    assert "python -m zep_memory_plugin.migrations" in str(caught.value)


def test_tables_of_before_changes_were_told_are_completed_by_the_next_call(empty_url: str) -> None:
    """Nothing that they hold is lost, and all of it is told as what was appended first."""
    with SessionManager(empty_url) as manager:
        manager.add_memory("a", [Message(role="user", content="of before")])
    engine = engine_of(empty_url)
    with engine.connect() as connection:
        connection.execute(text("DROP INDEX ix_zep_messages_changed"))
        for column in ("appended_revision", "changed_revision"):
            connection.execute(text(f"ALTER TABLE zep_messages DROP COLUMN {column}"))
    engine.dispose()

    with SessionManager(empty_url) as manager:
        manager.add_memory("a", [Message(role="user", content="of now")])
        manager.delete_messages("a", [str(manager.list_messages("a")[0].uuid)])
        told = manager.changes("a").changes
        found = manager.search_memory("now", session_id="a")

    assert [(change.kind, change.message.content) for change in told] == [
        ("appended", "of now"),
        ("deleted", "of before"),
    ]
    assert [result.message.content for result in found if result.message] == ["of now"]


def test_upgrades_at_once_are_made_once(empty_url: str) -> None:
    """Who comes second waits for the first, and finds nothing left to do."""
    with at_once.processes(upgrade_of, [(empty_url,)] * 3) as calls:
        at_once.results(calls)

    with SessionManager(empty_url) as manager:
        assert manager.list_sessions() == []


def test_an_upgrade_that_is_killed_leaves_nothing_behind(empty_url: str) -> None:
    """All of it is one transaction, also on SQLite: the next one begins anew."""
    process = at_once.FORKSERVER.Process(target=die_in_upgrade, args=(empty_url,))
    process.start()
    process.join()

    assert process.exitcode == 9
    assert structure_at(empty_url) == {}
    main([empty_url])
    with SessionManager(empty_url) as manager:
        assert manager.list_sessions() == []
