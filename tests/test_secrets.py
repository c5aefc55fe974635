"""Text of a conversation, passwords and words of a driver stay out of errors, logs and `repr`."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from tests.support.colours import DRIVERS, Backend, Caller
from tests.support.errors import held_by
from tests.support.logs import warned
from tests.support.messages import said
from tests.support.postgres import PostgresServer
from zep_memory_plugin import (
    DatabaseUnavailable,
    InvalidInput,
    Memory,
    Message,
    SessionManager,
    Summary,
    ToolCall,
    ZepMemoryError,
)

CANARY = "canary-7c1f"
PASSWORD = "hunter2-7c1f"
DEADLINE = 60.0  # seconds


@pytest.fixture(params=DRIVERS, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Return one backend of every driver."""
    return request.param


@pytest.fixture(autouse=True)
def everything_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Log from DEBUG on, as an application does that looks for a fault."""
    caplog.set_level(logging.DEBUG)


@pytest.mark.parametrize(
    "shown",
    [
        Message(
            role="user",
            content=CANARY,
            tool_calls=[ToolCall(name="f", args={"a": CANARY})],
            metadata={"a": CANARY},
            native=CANARY,
            native_format="x",
        ),
        ToolCall(name="f", args={"a": CANARY}),
        Summary(content=CANARY, metadata={"a": CANARY}),
        Memory(messages=[Message(role="user", content=CANARY)], summary=Summary(content=CANARY)),
    ],
    ids=lambda shown: type(shown).__name__,
)
def test_a_model_does_not_show_what_was_said(shown: object) -> None:
    assert CANARY not in repr(shown)
    assert CANARY not in str(shown)
    assert CANARY not in f"{[shown]}"


BAD_CALLS: dict[str, Callable[[Caller], object]] = {
    "constructor": lambda memory: Message(role="user", content=[CANARY]),
    "constructor, tool calls": lambda memory: Message(role="user", tool_calls=[CANARY]),
    "constructor, role type": lambda memory: Message(role="user", role_type=CANARY),
    "constructor, summary": lambda memory: Summary(content={"a": CANARY}),
    "assignment": lambda memory: setattr(said("")[0], "content", [CANARY]),
    "metadata": lambda memory: memory.add_memory("a", [Message(role="user", content=CANARY, metadata={"a": {1}})]),
    "metadata of another type": lambda memory: memory.add_memory("a", [Message(role="user", metadata=[CANARY])]),
    "a long name": lambda memory: memory.add_memory("a", [Message(role="user", name=CANARY * 1000)]),
    "a long text": lambda memory: memory.add_memory("a", said(CANARY * 2_000_000)),
    "arguments": lambda memory: memory.add_memory(
        "a", [Message(role="ai", tool_calls=[ToolCall(name="f", args={"a": CANARY, "b": object()})])]
    ),
    "a message that is none": lambda memory: memory.add_memory("a", [CANARY]),
    "messages that are none": lambda memory: memory.add_memory("a", CANARY),
    "new content": lambda memory: memory.update_message("a", memory.list_messages("a")[0].uuid, content=[CANARY]),
    "a summary": lambda memory: memory.add_summary("a", Summary(content=CANARY, seq=99)),
    "a summary that is none": lambda memory: memory.add_summary("a", CANARY),
}


@pytest.mark.parametrize("call", BAD_CALLS.values(), ids=BAD_CALLS)
def test_a_refused_call_does_not_repeat_what_was_said(
    memory: Caller, call: Callable[[Caller], object], caplog: pytest.LogCaptureFixture
) -> None:
    memory.add_memory("a", said(CANARY))

    with pytest.raises(InvalidInput) as caught:
        call(memory)

    assert CANARY not in held_by(caught.value)
    assert CANARY not in caplog.text


def test_a_statement_that_fails_does_not_repeat_what_it_was_sent(
    open_fresh: Callable[[], Caller], caplog: pytest.LogCaptureFixture
) -> None:
    memory = open_fresh()
    memory.add_memory("a", said(CANARY))
    memory.tables.run("ALTER TABLE zep_messages RENAME COLUMN content TO elsewhere")

    for call in (
        lambda: memory.add_memory("a", said(CANARY)),
        lambda: memory.add_memory(CANARY, said(CANARY)),
        lambda: memory.list_messages(CANARY),
    ):
        with pytest.raises(ZepMemoryError) as caught:
            call()
        assert str(caught.value).startswith("the database refused the statement")
        assert CANARY not in held_by(caught.value)

    assert CANARY not in caplog.text


def test_a_row_that_is_refused_is_not_repeated(
    open_fresh: Callable[[], Caller], caplog: pytest.LogCaptureFixture
) -> None:
    memory = open_fresh()
    memory.add_memory("a", said("one"))
    if memory.tables.on_sqlite:
        memory.tables.run("CREATE UNIQUE INDEX only_one ON zep_messages (role)")
    else:
        memory.tables.run("ALTER TABLE zep_messages ADD CONSTRAINT short CHECK (length(content) < 5)")

    with pytest.raises(ZepMemoryError) as caught:
        memory.add_memory("a", said(CANARY))

    assert CANARY not in held_by(caught.value)
    assert "short" not in str(caught.value)
    assert CANARY not in caplog.text


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+asyncpg"])
def test_text_that_the_encoding_lacks_is_not_repeated(
    postgres_server: PostgresServer, scheme: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A UnicodeEncodeError has all of the text, not the one character alone."""
    url = postgres_server.create_database(encoding="LATIN1")
    with SessionManager(f"{scheme}:{url.partition(':')[2]}") as manager:
        for call in (
            lambda: asyncio.run(manager.aadd_memory("a", said(f"{CANARY} \u2192"))),
            lambda: manager.add_memory("a", said(f"{CANARY} \u2192")),
        ):
            with pytest.raises(ZepMemoryError) as caught:
                call()
            assert CANARY not in held_by(caught.value)
    postgres_server.drop_database(url)

    assert CANARY not in caplog.text


def test_a_driver_that_the_application_gave_logs_nothing_that_is_stored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Of aiosqlite, all statements with their parameters would be in the log otherwise."""

    async def run() -> None:
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'zep.db'}", hide_parameters=True)
        async with SessionManager(engine) as manager:
            (stored,) = await manager.aadd_memory("a", said(CANARY))
            await manager.aupdate_message("a", stored.uuid or "", content=CANARY)
            await manager.aadd_summary("a", Summary(content=CANARY))
        await engine.dispose()

    asyncio.run(run())

    assert CANARY not in caplog.text


@pytest.fixture
def open_fresh(backend: Backend, request: pytest.FixtureRequest) -> Callable[[], Caller]:
    """Return a function that opens a manager on a database that is dropped after the test."""
    fixture = "sqlite_url" if backend.url_fixture == "sqlite_url" else "postgres_url"
    url = backend.url(request.getfixturevalue(fixture))

    def open_fresh() -> Caller:
        caller = backend.open(url)
        request.addfinalizer(caller.close)
        return caller

    return open_fresh


SECRET_URLS = [
    f"postgresql://user:{PASSWORD}@127.0.0.1:1/nowhere",
    f"postgresql+asyncpg://user:{PASSWORD}@127.0.0.1:1/nowhere",
    f"postgresql://user@127.0.0.1:1/nowhere?password={PASSWORD}&sslpassword={PASSWORD}",
]


@pytest.mark.parametrize("url", SECRET_URLS, ids=["psycopg", "asyncpg", "query"])
def test_an_unreachable_database_keeps_its_password(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with SessionManager(url) as manager:
        assert PASSWORD not in repr(manager)
        assert "127.0.0.1" in repr(manager)
        for call in (lambda: manager.list_sessions(), lambda: asyncio.run(manager.alist_sessions())):
            with pytest.raises(DatabaseUnavailable) as caught:
                call()
            assert PASSWORD not in held_by(caught.value)
            assert "127.0.0.1" not in str(caught.value)

    assert PASSWORD not in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://user@127.0.0.1:{PASSWORD}/db",
        f"postgresql://user:{PASSWORD}@127.0.0.1:port/db",
        f"nothing:{PASSWORD}",
        PASSWORD,
        "",
        f"postgresql+unknown://user:{PASSWORD}@127.0.0.1/db",
        f"sqlite+unknown:///{PASSWORD}.db",
        f"mysql://user:{PASSWORD}@127.0.0.1/db",
        f"unknown://user:{PASSWORD}@127.0.0.1/db",
    ],
)
def test_a_url_that_is_none_is_not_repeated(url: str) -> None:
    with pytest.raises(InvalidInput, match="database") as caught:
        SessionManager(url)

    assert PASSWORD not in held_by(caught.value).replace(repr(url), "")  # which the caller's own frame has


def test_an_engine_of_the_application_keeps_its_password() -> None:
    url = f"postgresql+psycopg://user:{PASSWORD}@127.0.0.1:1/nowhere"

    for engine in (create_engine(url), create_async_engine(url)):
        assert PASSWORD not in repr(SessionManager(engine))


def test_a_purge_process_logs_no_password(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        with warned() as failed:
            async with SessionManager(SECRET_URLS[1]) as manager:
                purging = asyncio.create_task(manager.apurge_every(timedelta(days=1)))
                await asyncio.wait_for(failed.wait(), DEADLINE)
                purging.cancel()

    asyncio.run(run())

    assert "purge failed" in caplog.text
    assert PASSWORD not in caplog.text
