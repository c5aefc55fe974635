"""Code written for zep-python 1.5 with one import changed: embedded, and over HTTP."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy
import pytest
from pydantic import BaseModel

from tests.clients.seeds import plant
from tests.clients.serving import free_port, served
from tests.clients.table import ROWS, SERVED
from zep_memory_plugin import SessionManager
from zep_memory_plugin.server import new_token
from zep_memory_plugin.zep import (
    APIError,
    AuthError,
    CreateUserRequest,
    Memory,
    Message,
    NotFoundError,
    Session,
    ZepClient,
)

ROWS_SCRIPT = Path(__file__).parents[1] / "clients" / "rows.py"

SECRET = "a secret that nobody guesses, of 32 bytes and more"


@pytest.fixture
def client(database_url: str) -> Iterator[ZepClient]:
    """Return a client without a server."""
    with ZepClient(database_url) as client:
        yield client


def judged(where: str) -> dict[str, str | None]:
    """Return what the rows say of our client: a problem, or None."""
    command = [sys.executable, ROWS_SCRIPT, where, "zep_memory_plugin.zep"]
    environment = os.environ | ({"ZEP_API_KEY": new_token(SECRET)} if where.startswith("http") else {})
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110, env=environment)
    assert ended.returncode == 0, ended.stderr
    return {line["row"]: line["problem"] for line in map(json.loads, ended.stdout.splitlines())}


def test_every_row_holds_without_a_server(database_url: str) -> None:
    plant(database_url)

    assert judged(database_url) == {row: None for row in ROWS if row not in SERVED}


def test_every_row_holds_over_http(sqlite_url: str) -> None:
    plant(sqlite_url)
    with served(sqlite_url, ZEP_AUTH_SECRET=SECRET) as (url, _):
        assert judged(url) == dict.fromkeys(ROWS)


USED = """
import asyncio, sys
from zep_memory_plugin.zep import Memory, Message, ZepClient

said = Memory(messages=[Message(role="human", content="hi")])

async def use(url):
    async with ZepClient(url) as client:
        await client.memory.aadd_memory("a", said)
        client.memory.add_memory("a", said)

for url in sys.argv[1:]:
    with ZepClient(url) as client:
        client.memory.add_memory("a", said)
    asyncio.run(use(url))
"""


def test_a_client_that_is_closed_leaves_nothing_open(sqlite_url: str) -> None:
    """Neither a loop nor a socket, of which Python tells when it is asked to."""
    with served(sqlite_url) as (url, _):
        command = [sys.executable, "-W", "always::ResourceWarning", "-c", USED, sqlite_url, url]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=100)

    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_manager_that_is_given_is_asked_and_stays_open(database_url: str) -> None:
    with SessionManager(database_url) as manager:
        with ZepClient(manager) as client:
            client.memory.add_memory("a", Memory(messages=[Message(role="human", content="hi")]))

        assert [message.content for message in manager.list_messages("a")] == ["hi"]


def test_both_colours_see_one_database(client: ZepClient) -> None:
    client.memory.add_session(Session(session_id="a"))

    async def main() -> list[str]:
        return [session.session_id for session in await client.memory.alist_sessions()]

    assert asyncio.run(main()) == ["a"]


def test_a_blocking_call_works_inside_a_running_loop(client: ZepClient) -> None:
    async def main() -> Session:
        return client.memory.add_session(Session(session_id="a"))

    assert asyncio.run(main()).session_id == "a"


@pytest.mark.parametrize("session_id", ["a/b", "a?b", "a#b", "100%", "a%2Fb", "..", ".", "a+b", "ä b"])
def test_an_id_with_any_sign_is_one_session(client: ZepClient, session_id: str) -> None:
    client.memory.add_session(Session(session_id=session_id))
    client.memory.add_memory(session_id, Memory(messages=[Message(role="human", content="hi")]))

    assert client.memory.get_session(session_id).session_id == session_id
    assert [session.session_id for session in client.memory.list_sessions()] == [session_id]


def test_what_is_refused_says_what_the_server_said(client: ZepClient) -> None:
    client.memory.add_session(Session(session_id="a"))

    with pytest.raises(APIError) as refused:
        client.memory.add_session(Session(session_id="a"))
    with pytest.raises(NotFoundError, match="No session found for session b"):
        client.memory.get_session("b")

    assert refused.value.response_data == {
        "status_code": 400,
        "message": "bad request: session already exists with session_id: a\n",
    }


def test_a_server_that_asks_for_a_token_gets_it(tmp_path: Path) -> None:
    with served(f"sqlite:///{tmp_path / 'zep.db'}", ZEP_AUTH_SECRET=SECRET) as (url, process):
        with ZepClient(url) as stranger, pytest.raises(AuthError, match="no token found"):
            stranger.memory.list_sessions()
        with ZepClient(url, new_token(SECRET)) as client:
            assert client.memory.list_sessions() == []
            process.terminate()
            process.wait()
            with pytest.raises(ConnectionError):
                client.memory.list_sessions()


def test_where_no_server_answers_there_is_no_client() -> None:
    with pytest.raises(APIError, match="no server answers"):
        ZepClient(f"http://127.0.0.1:{free_port()}")


class Mood(BaseModel):
    """Of an application."""

    name: str


FOREIGN = {
    "at": datetime(2026, 11, 26, tzinfo=UTC),
    "price": Decimal("1.5"),
    "score": numpy.float32(0.5),
    "vector": numpy.array([1, 2]),
    "tags": {"one"},
    "raw": b"bytes",
    "mood": Mood(name="glad"),
    "failed": ValueError("no"),
    "never": float("nan"),
}
READABLE = {
    "at": "2026-11-26T00:00:00Z",
    "price": "1.5",
    "score": 0.5,
    "vector": [1, 2],
    "tags": ["one"],
    "raw": {"base64": "Ynl0ZXM="},
    "mood": {"name": "glad"},
    "failed": "ValueError: no",
    "never": None,
}


def test_metadata_that_json_lacks_is_kept_readable(client: ZepClient) -> None:
    """By the rule of all adapters, in both colours; the original raises a TypeError."""

    async def by_await() -> None:
        await client.user.aadd(CreateUserRequest(user_id="bob", metadata=FOREIGN))
        await client.memory.aadd_session(Session(session_id="b", user_id="bob", metadata=FOREIGN))
        await client.memory.aadd_memory("b", Memory(messages=[Message(role="user", content="x", metadata=FOREIGN)]))

    client.user.add(CreateUserRequest(user_id="ann", metadata=FOREIGN))
    client.memory.add_session(Session(session_id="a", user_id="ann", metadata=FOREIGN))
    client.memory.add_memory("a", Memory(messages=[Message(role="user", content="x", metadata=FOREIGN)]))
    asyncio.run(by_await())

    for user_id, session_id in (("ann", "a"), ("bob", "b")):
        (message,) = client.message.get_session_messages(session_id)
        assert client.user.get(user_id).metadata == READABLE
        assert client.memory.get_session(session_id).metadata == READABLE
        assert message.metadata == READABLE
        updated = client.message.update_message_metadata(session_id, str(message.uuid), {"metadata": {"seen": FOREIGN}})
        seen = {name: value for name, value in READABLE.items() if value is not None}  # None takes a key out
        assert updated.metadata == {**READABLE, "seen": seen}
