"""Tables in a schema and with a prefix of the application's choice."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, event, inspect, text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.support.messages import said, texts
from tests.test_using import blocking_of, disposed, driver_of
from zep_memory_plugin import InvalidInput, Session, SessionManager, Summary, User
from zep_memory_plugin.migrations.__main__ import main as upgrade
from zep_memory_plugin.tables import tables_of


def names(url: str, schema: str | None = None) -> set[str]:
    """Return the tables that are there, but for those that SQLite's index of words keeps."""
    with disposed(create_engine(blocking_of(url))) as engine:
        return {name for name in inspect(engine).get_table_names(schema) if "message_index" not in name}


def ours(url: str, prefix: str = "zep_") -> set[str]:
    return {f"{prefix}{table.name.removeprefix('zep_')}" for table in tables_of(url.partition(":")[0])}


def with_query(url: str, query: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{query}"


def everything(manager: SessionManager) -> None:
    """Do what a manager does, each in its way to the database."""
    manager.add_user(User(user_id="alice", metadata={"a": 1}))
    manager.add_memory("s", said("a whale", "a dog"), user_id="alice")
    manager.add_memory("s", said("two"), user_id="alice")
    manager.add_memory("long", said(*map(str, range(2_500))))
    manager.update_session(Session(session_id="s", metadata={"k": "v"}))
    manager.add_summary("s", Summary(content="in short"))
    assert texts(manager.last_messages("s", 2)) == ["a dog", "two"]
    found = manager.search_memory("whale")[0].message
    assert found is not None
    assert found.content == "a whale"
    assert manager.list_sessions(metadata={"k": "v"})[0].session_id == "s"
    manager.fork_session("s", "fork")
    manager.replace_memory("fork", said("new"))
    manager.rewind_session("long", manager.list_messages("long", 1)[0].uuid or "")
    manager.archive_messages("s", 1)
    manager.delete_session("fork")
    assert manager.rebuild_search() == 2_507  # what is deleted too
    assert manager.purge(timedelta(0)).sessions == 1
    manager.delete_user("alice")
    assert manager.stats().messages == 1
    assert texts(manager.list_messages("long")) == ["0"]


async def aeverything(manager: SessionManager) -> None:
    await manager.aadd_memory("async", said("one"))
    await manager.aadd_memory("async", said("two"))
    assert texts(await manager.alist_messages("async")) == ["one", "two"]
    assert (await manager.asearch_memory("two"))[0].session_id == "async"
    await manager.aclose()


@pytest.fixture(params=["sqlite_url", "postgres_url"], ids=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """Return the URL of an empty database that only this test has."""
    return request.getfixturevalue(request.param)


def test_a_prefix_of_ones_own_is_that_of_every_table(url: str) -> None:
    with SessionManager(url, table_prefix="chat_") as manager:
        everything(manager)
        asyncio.run(aeverything(SessionManager(driver_of(url, "asyncpg"), table_prefix="chat_")))

    assert names(url) == ours(url, "chat_")


def test_prefixes_do_not_meet(url: str) -> None:
    """Nor do indexes, whose names a schema has once."""
    managers = [SessionManager(url, table_prefix=prefix) for prefix in ("a_", "b_", "zep_")]
    for number, manager in enumerate(managers):
        manager.add_memory("s", said(f"of {number}"))
    for number, manager in enumerate(managers):
        assert texts(manager.list_messages("s")) == [f"of {number}"]
        manager.close()

    assert names(url) == ours(url, "a_") | ours(url, "b_") | ours(url)


@pytest.mark.parametrize("schema", ["chat", 'of "Alice"; --', "select"])
def test_a_schema_of_ones_own_has_every_table(schema: str, postgres_url: str) -> None:
    with SessionManager(postgres_url, schema=schema) as manager:
        everything(manager)
        asyncio.run(aeverything(SessionManager(driver_of(postgres_url, "asyncpg"), schema=schema)))

    assert names(postgres_url, schema) == ours(postgres_url)
    assert names(postgres_url) == set()


def test_a_schema_and_a_prefix_go_together_and_stand_in_a_url(postgres_url: str) -> None:
    with SessionManager(with_query(postgres_url, "schema=chat&table_prefix=c_")) as manager:
        everything(manager)

    assert names(postgres_url, "chat") == ours(postgres_url, "c_")


@pytest.mark.parametrize("translated", [True, False], ids=["by the engine", "by argument"])
def test_engines_of_the_application_have_it_too(translated: bool, postgres_url: str) -> None:
    options: Any = {"schema_translate_map": {None: "tenant"}} if translated else {}
    argument: Any = {} if translated else {"schema": "tenant"}
    with disposed(create_engine(blocking_of(postgres_url)).execution_options(**options)) as engine:
        with SessionManager(postgres_url) as other:
            other.add_memory("s", said("of the app itself"))
        everything(SessionManager(engine, **argument))
        with engine.connect() as connection:
            assert connection.execute(text("SELECT session_id FROM zep_sessions")).scalars().all() == ["s"]

    async def run() -> None:
        awaited = create_async_engine(driver_of(postgres_url, "asyncpg")).execution_options(**options)
        manager = SessionManager(awaited, **argument)
        await aeverything(manager)
        await awaited.dispose()

    asyncio.run(run())
    assert names(postgres_url, "tenant") == ours(postgres_url)
    assert names(postgres_url) == ours(postgres_url)


def test_a_connection_that_is_lent_has_it_too(url: str) -> None:
    with SessionManager(url, table_prefix="chat_") as manager, disposed(create_engine(blocking_of(url))) as engine:
        manager.add_memory("before", said("one"))
        with engine.begin() as connection, manager.using(connection):
            manager.add_memory("s", said("one"))
            connection.execute(text("CREATE TABLE zep_sessions (mine TEXT)"))
        manager.add_memory("s", said("two"))

        assert texts(manager.list_messages("s")) == ["one", "two"]
    assert names(url) == ours(url, "chat_") | {"zep_sessions"}


def test_an_append_is_still_one_statement(postgres_url: str) -> None:
    sent: list[str] = []
    with disposed(create_engine(blocking_of(postgres_url))) as engine:
        manager = SessionManager(engine, schema="chat", table_prefix="c_")
        manager.add_memory("s", said("one"))
        event.listen(engine, "before_cursor_execute", lambda c, u, statement, *_: sent.append(statement))

        manager.add_memory("s", said("two"))

    assert len([statement for statement in sent if "chat" in statement or "zep_" in statement]) == 1


def test_the_command_of_the_migrations_finds_them(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    query = "schema=chat&table_prefix=c_" if url.startswith("postgresql") else "table_prefix=c_"
    named = with_query(url, query)
    with SessionManager(named) as manager:
        manager.add_memory("s", said("one"))

    upgrade([named])

    assert "is at schema revision" in capsys.readouterr().out
    with SessionManager(named) as manager:
        assert texts(manager.list_messages("s")) == ["one"]


def test_emptied_tables_are_made_right_under_their_names(url: str) -> None:
    with SessionManager(url, table_prefix="chat_") as manager:
        manager.add_memory("s", said("one"))
        with disposed(create_engine(blocking_of(url))) as engine, engine.begin() as connection:
            connection.execute(text("DROP TABLE chat_message_embeddings"))
        manager.close()
    with SessionManager(url, table_prefix="chat_") as manager:
        assert texts(manager.list_messages("s")) == ["one"]

    assert names(url) == ours(url, "chat_")


BAD: list[dict[str, Any]] = [
    {"table_prefix": "Chat_"},
    {"table_prefix": ""},
    {"table_prefix": 'a"; DROP TABLE x; --'},
    {"table_prefix": "a" * 31},
    {"table_prefix": 5},
    {"schema": ""},
    {"schema": "a" * 64},
    {"schema": "a\0b"},
    {"schema": 5},
]


@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_names_that_are_none_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(bad))):
        SessionManager("postgresql://nowhere/db", **bad)


def test_sqlite_has_no_schemas(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="table_prefix"):
        SessionManager(f"sqlite:///{tmp_path / 'zep.db'}", schema="chat")
