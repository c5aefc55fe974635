"""A write whose connection breaks is sent again, and ends as if nothing had happened."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest
from pydantic import BaseModel

from tests.support.colours import SyncCaller
from tests.support.proxy import Proxy, When
from tests.support.shared_database import SharedDatabase
from tests.support.signatures import METHODS, call
from tests.support.signatures import fill as fill_scene
from tests.support.tables import Tables
from zep_memory_plugin import Message, Session, SessionManager, Summary, User

UUIDS = [uuid5(UUID(int=0), str(number)) for number in range(10)]
SESSION = "session"
OWNER = "owner"


def messages(*numbers: int) -> list[Message]:
    """Return messages whose uuids the caller chose."""
    return [Message(role="user", content=f"text {number}", uuid=UUIDS[number]) for number in numbers]


def fill(manager: SessionManager) -> None:
    """Store one session that has everything, and one that is deleted."""
    manager.add_user(User(user_id=OWNER, metadata={"a": 1}))
    manager.add_memory(SESSION, messages(0, 1, 2, 3), user_id=OWNER)
    manager.add_summary(SESSION, Summary(content="what was said", uuid=UUIDS[9]), until_uuid=UUIDS[1])
    manager.delete_messages(SESSION, [UUIDS[3]])
    manager.set_state(SESSION, "[1]")
    manager.add_memory("deleted", messages(0, 1), user_id=OWNER)
    manager.delete_session("deleted")


Write = tuple[str, tuple[Any, ...], dict[str, Any]]

TWO = [Message(role="user", content="a question"), Message(role="assistant", content="an answer")]
CHANGED = Message(role="user", content="changed", uuid=UUIDS[1], metadata={"b": 2})

WRITES: dict[str, Write] = {
    "append": ("add_memory", (SESSION, TWO), {}),
    "append by the owner": ("add_memory", (SESSION, TWO), {"user_id": OWNER}),
    "append known uuids": ("add_memory", (SESSION, [*messages(0, 3), *TWO]), {}),
    "append known uuids with metadata": ("add_memory", (SESSION, [CHANGED, *TWO]), {}),
    "append what may be known": ("add_memory", (SESSION, [*messages(0, 3), *TWO]), {"known": "append"}),
    "append what is known and goes on": ("add_memory", (SESSION, [*messages(0, 1, 2), *TWO]), {"known": "append"}),
    "append within a turn": ("add_memory", (SESSION, [*messages(2), *TWO]), {"known": "append", "since_seq": 1}),
    "append to what is deleted": ("add_memory", ("deleted", messages(0, 1, 2)), {"known": "append"}),
    "append to the archive": ("add_memory", (SESSION, TWO), {"status": "archived"}),
    "append to a new session": ("add_memory", ("new", TWO), {"user_id": "new owner"}),
    "append what is expected": ("add_memory", (SESSION, TWO), {"expected_revision": 3}),
    "append with metadata": ("add_memory", (SESSION, TWO), {"metadata": {"b": 2}, "expected_revision": 3}),
    "append with a state": ("add_memory", (SESSION, TWO), {"state": "[2]"}),
    "set a state": ("set_state", (SESSION, "[2]"), {"expected_revision": 1}),
    "set the state of a user": ("set_user_state", (OWNER, "[2]"), {"expected_revision": 0}),
    "change a state": ("change_state", (SESSION, lambda state: f"[{state.content}, 2]"), {}),
    "change the state of a user": ("change_user_state", (OWNER, lambda state: "[2]"), {}),
    "say what one thinks of a message": ("add_feedback", (SESSION, UUIDS[1], 1), {"comment": "right"}),
    "append to a deleted session": ("add_memory", ("deleted", TWO), {}),
    "add a session": ("add_session", (Session(session_id="new", user_id=OWNER, metadata={"a": 1}),), {}),
    "add a session again": ("add_session", (Session(session_id=SESSION, title="new"),), {}),
    "move a session": ("move_session", (SESSION, "new owner"), {}),
    "update a session that is expected": (
        "update_session",
        (Session(session_id=SESSION, title="new"),),
        {"expected_revision": 3},
    ),
    "replace what is expected": ("replace_memory", (SESSION, TWO), {"expected_revision": 3}),
    "delete by Zep's name": ("delete_memory", (SESSION,), {}),
    "delete what is expected": ("delete_session", (SESSION,), {"expected_revision": 3}),
    "update a session": ("update_session", (Session(session_id=SESSION, metadata={"b": [2]}),), {}),
    "delete a session": ("delete_session", (SESSION,), {}),
    "restore a session": ("restore_session", ("deleted",), {}),
    "replace": ("replace_memory", (SESSION, [*messages(2, 3), *TWO]), {}),
    "archive": ("archive_messages", (SESSION, 2), {}),
    "delete a slice": ("delete_slice", (SESSION, 1, 2), {}),
    "clear": ("clear_memory", (SESSION,), {}),
    "rewind": ("rewind_session", (SESSION, UUIDS[0]), {}),
    "switch the branch": ("switch_branch", (SESSION, UUIDS[0]), {}),
    "fork": ("fork_session", (SESSION, "new"), {"until_uuid": UUIDS[1]}),
    "expire": ("expire_sessions", (timedelta(0),), {}),
    "hold": ("hold_session", (SESSION,), {}),
    "hold a user": ("hold_user", (OWNER,), {}),
    "release": ("release_session", (SESSION,), {}),
    "release a user": ("release_user", (OWNER,), {}),
    "rename": ("rename_session", (SESSION, "new"), {}),
    "update a message": ("update_message", (SESSION, UUIDS[1]), {"metadata": {"b": 2}, "content": "changed"}),
    "delete messages": ("delete_messages", (SESSION, UUIDS[:2]), {}),
    "add a summary": ("add_summary", (SESSION, Summary(content="all that was said")), {}),
    "add a user": ("add_user", (User(user_id="new", email="new@example.org"),), {}),
    "update a user": ("update_user", (User(user_id=OWNER, email="owner@example.org", metadata={"b": 2}),), {}),
    "delete a user": ("delete_user", (OWNER,), {}),
    "erase a user": ("erase_user", (OWNER,), {}),
    "purge": ("purge", (), {}),
    "index anew": ("rebuild_search", (), {}),
}
"""A call of each kind, by what it does."""


MADE_UP = {"id", "seq", "salt", "digest", "digests"}
"""Fields that differ from one run to the next."""


def comparable(value: object) -> object:
    """Return *value* without what differs from one run to the next: moments, made-up uuids, what is `MADE_UP`."""
    if isinstance(value, BaseModel):
        return {name: comparable(field) for name, field in value if name not in MADE_UP}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if isinstance(value, datetime):
        return "a moment"
    if isinstance(value, UUID):
        return value if value in UUIDS else "a uuid"
    return value


def everything(manager: SessionManager) -> object:
    """Return all that callers can see."""
    sessions = manager.list_sessions()
    return comparable(
        [
            manager.list_users(),
            sessions,
            manager.list_sessions(deleted=True),
            [manager.list_messages(session.session_id) for session in sessions],
            [manager.list_summaries(session.session_id) for session in sessions],
        ]
    )


IN_ONE_STATEMENT = {
    "append",
    "append by the owner",
    "append known uuids",
    "append what is expected",
    "append to a deleted session",
    "append to the archive",
}
"""The writes that have no COMMIT on the wire."""

APPENDS = {"add_memory", "replace_memory"}

Runner = Callable[[str, Write, Callable[[], None]], object]


def run_blocking(url: str, write: Write, when_connected: Callable[[], None]) -> object:
    method, arguments, options = write
    with SessionManager(url) as manager:
        manager.get_user(OWNER)
        when_connected()
        return getattr(manager, method)(*arguments, **options)


def run_awaiting(url: str, write: Write, when_connected: Callable[[], None]) -> object:
    method, arguments, options = write

    async def main() -> object:
        async with SessionManager(url.replace("postgresql:", "postgresql+asyncpg:")) as manager:
            await manager.aget_user(OWNER)
            when_connected()
            return await getattr(manager, f"a{method}")(*arguments, **options)

    return asyncio.run(main())


class Scene:
    """A database that is filled anew for each write, and the proxy through which that goes."""

    def __init__(self, database: SharedDatabase, beside: SessionManager, proxy: Proxy, run: Runner) -> None:
        self._database = database
        self._beside = beside
        self._proxy = proxy
        self._run = run

    def outcome(self, name: str, when: When | None) -> object:
        """Return what a write returns, and all there is afterwards; unless *when* is None, its connection is cut."""

        def cut() -> None:
            if when is not None:
                self._proxy.cut(when, b"INSERT INTO zep_messages" if name in IN_ONE_STATEMENT else b"COMMIT")

        self._database.empty()
        fill(self._beside)
        cuts = self._proxy.cuts
        returned = self._run(self._proxy.url_for(self._database.url), WRITES[name], cut)
        assert self._proxy.cuts == cuts + (when is not None)
        self._check_seqs(name, returned)
        return comparable(returned), everything(self._beside)

    def _check_seqs(self, name: str, returned: object) -> None:
        method, arguments, _ = WRITES[name]
        if isinstance(returned, list) and method in APPENDS:
            stored = self._beside.list_messages(arguments[0])
            assert all(message in stored for message in returned)


@pytest.mark.parametrize("method", sorted({*METHODS} - {method for method, _, _ in WRITES.values()} - {"close"}))
def test_what_is_not_among_the_writes_writes_nothing(sqlite_url: str, method: str) -> None:
    """A new method that fails here is a write: add calls of it to `WRITES`."""
    with SessionManager(sqlite_url) as manager, Tables(sqlite_url) as tables:
        memory = SyncCaller(manager, tables)
        fill_scene(memory)
        before = tables.snapshot()

        call(memory, method)

        assert tables.snapshot() == before


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("run", [run_blocking, run_awaiting], ids=["psycopg", "asyncpg"])
def test_a_write_whose_connection_breaks_ends_as_if_it_had_not(
    shared_postgres_url: str, shared_database: SharedDatabase, run: Runner, name: str
) -> None:
    """Before the server hears of it, or after it has done it and nobody heard the answer."""
    with Proxy.to(shared_postgres_url) as proxy, SessionManager(shared_postgres_url) as beside:
        scene = Scene(shared_database, beside, proxy, run)
        undisturbed = scene.outcome(name, None)

        assert scene.outcome(name, "before") == undisturbed
        assert scene.outcome(name, "after") == undisturbed
