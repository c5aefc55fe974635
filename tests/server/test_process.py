"""The process that serves: what becomes of what it acknowledged when it is told to stop, or killed."""

import asyncio
import signal
import socket
import threading
import urllib.request
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path

import pytest
from starlette.types import Message

from tests.clients.serving import served
from zep_memory_plugin import SessionManager
from zep_memory_plugin.server import Settings, create_app
from zep_memory_plugin.server.layers.sizes import Sizes

WRITERS = 8


def written(url: str, session_id: str, number: int) -> None:
    """Append a message over HTTP; returns when that was acknowledged."""
    body = b'{"messages": [{"role": "human", "content": "%d"}]}' % number
    request = urllib.request.Request(
        f"{url}/api/v1/sessions/{session_id}/memory", body, {"content-type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.read() == b"OK"


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_what_was_acknowledged_outlives_the_server(tmp_path: Path, ending: signal.Signals) -> None:
    """Writers go on until the server is gone; each then finds all that it was told was stored, in order."""
    database = f"sqlite:///{tmp_path / 'zep.db'}"
    acknowledged = [0] * WRITERS

    def write(writer: int) -> None:
        while True:
            try:
                written(url, f"s{writer}", acknowledged[writer])
            except (OSError, HTTPException):  # the server is gone: before the answer, or in the middle of it
                return
            acknowledged[writer] += 1

    with served(database) as (url, process):
        threads = [threading.Thread(target=write, args=(writer,)) for writer in range(WRITERS)]
        for thread in threads:
            thread.start()
        while min(acknowledged) < 20:
            process.poll()
            threads[0].join(0.01)
        process.send_signal(ending)
        for thread in threads:
            thread.join()

    with SessionManager(database) as manager:
        stored = [[int(message.content) for message in manager.list_messages(f"s{w}")] for w in range(WRITERS)]
    assert all(contents == list(range(len(contents))) for contents in stored)
    assert all(0 <= len(contents) - told <= 1 for contents, told in zip(stored, acknowledged, strict=True))


def test_two_workers_serve_one_database(tmp_path: Path) -> None:
    with served(f"sqlite:///{tmp_path / 'zep.db'}", "--workers", "2") as (url, _):
        for number in range(40):
            written(url, "a", number)
        with urllib.request.urlopen(f"{url}/api/v1/sessions/a/memory?lastn=100") as answer:
            assert answer.read().count(b'"uuid"') == 40


def test_a_thousand_who_never_finish_asking_keep_nobody_waiting(tmp_path: Path) -> None:
    """Half of them have said nothing, half have said that a body follows."""
    begun = (
        b"POST /api/v1/sessions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"
    )
    with served(f"sqlite:///{tmp_path / 'zep.db'}") as (url, _), ExitStack() as sockets:
        port = int(url.rpartition(":")[2])
        for number in range(1000):
            connection = sockets.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            if number % 2:
                connection.sendall(begun)

        written(url, "a", 0)


def test_a_body_that_never_ends_is_given_up(tmp_path: Path) -> None:
    app = Sizes(create_app(Settings(database=f"sqlite:///{tmp_path / 'zep.db'}", purge_every=None)), 1000, patience=0)
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    path = "/api/v1/sessions"
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
    asyncio.run(app({**scope, "headers": headers}, receive, send))

    assert sent[0]["status"] == 408
