"""A proxy in front of Postgres that counts round trips, adds latency and cuts connections.

It reads the messages of the client, so it knows which prepared statement an execution is of;
encryption would hide that, so a server that offers it needs ``sslmode=disable`` in the URL.
"""

import contextlib
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Literal, Self
from urllib.parse import urlsplit

When = Literal["before", "amid", "after", "amid the answer"]

CHUNK = 65536
PROTOCOL_3 = 3 << 16
FIRST_REQUEST = 1234 << 16  # requests for encryption, which may precede the start, pose as protocol 1234
TERMINATE = b"X\x00\x00\x00\x04"
READY_FOR_QUERY = b"Z\x00\x00\x00\x05"  # followed by one byte, the state of the transaction


class Proxy:
    """A listener on loopback that passes bytes to a Postgres server and back, from `with` to its end."""

    def __init__(self, target_host: str, target_port: int, *, delay: float = 0.0) -> None:
        self.delay = delay  # seconds before each round trip
        self.round_trips = 0
        self.cuts = 0
        self._target = (target_host, target_port)
        self._lock = threading.Lock()
        self._random = random.Random(3)
        self._cut: _Cut | None = None
        self._connections: list[_Connection] = []
        self._closing = False
        self._away = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="proxy", daemon=True)

    @classmethod
    def to(cls, url: str, *, delay: float = 0.0) -> Self:
        """Return a proxy to the server of *url*."""
        parts = urlsplit(url)
        return cls(parts.hostname or "127.0.0.1", parts.port or 5432, delay=delay)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def url_for(self, url: str) -> str:
        """Return *url* changed to lead through this proxy."""
        parts = urlsplit(url)
        credentials, at, _ = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{credentials}{at}127.0.0.1:{self.port}").geturl()

    def reset(self) -> None:
        """Count round trips from zero again."""
        with self._lock:
            self.round_trips = 0

    def cut(self, when: When, marker: bytes = b"INSERT", *, times: int | None = 1, probability: float = 1.0) -> None:
        """Drop the connections that execute a statement whose text contains *marker*.

        "before": the server never sees the execution. "after": the server executes and answers,
        the client hears nothing of it. "amid": the server gets half of what the client sends; "amid the answer": the
        client gets half of what the server first sends. Each of the following executions is cut with *probability*,
        *times* of them at most; None means no end.
        """
        with self._lock:
            self._cut = _Cut(when, marker, times, probability)

    def stop_cutting(self) -> None:
        """Let everything through again."""
        with self._lock:
            self._cut = None

    def go_away(self) -> None:
        """Drop all connections, and each new one at once, until `come_back`."""
        self._away = True
        for connection in self._connections:
            connection.close()

    def come_back(self) -> None:
        """Let connections through again."""
        self._away = False

    def close(self) -> None:
        """Drop all connections and stop listening."""
        if self._closing:
            return
        self._closing = True
        socket.create_connection(("127.0.0.1", self.port)).close()  # wakes the accepting thread
        self._thread.join()
        self._listener.close()
        for connection in self._connections:
            connection.close()

    def begin_round_trip(self) -> None:
        """Count a round trip and let its latency pass."""
        with self._lock:
            self.round_trips += 1
        if self.delay:
            time.sleep(self.delay)

    def choose_cut(self, statements: list[bytes]) -> When | None:
        """Return how to cut the connection that executes *statements*, or None to spare it."""
        with self._lock:
            if not (self._cut and self._cut.takes(statements, self._random)):
                return None
            self.cuts += 1
            return self._cut.when

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            if self._closing:
                client.close()
                return
            if self._away:
                client.close()
            else:
                self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target)
        except OSError:
            client.close()
            return
        self._connections.append(_Connection(self, client, server))


class _Cut:
    """An order to cut connections, and how much of it is left."""

    def __init__(self, when: When, marker: bytes, times: int | None, probability: float) -> None:
        self.when: When = when
        self._marker = marker
        self._times = times
        self._probability = probability

    def takes(self, statements: list[bytes], chance: random.Random) -> bool:
        if self._times == 0 or not any(self._marker in statement for statement in statements):
            return False
        if chance.random() >= self._probability:
            return False
        if self._times is not None:
            self._times -= 1
        return True


class _Connection:
    """One connection of a client, with a thread for each direction."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._messages = _ClientMessages()
        self._server_spoke = True
        self._swallowing = False
        self._halving = False
        for side in (client, server):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._thread = threading.Thread(target=self._serve, name="proxy connection", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hang up on both sides and wait until that is done."""
        self._hang_up()
        self._thread.join()

    def _serve(self) -> None:
        downward = threading.Thread(target=self._run, args=(self._pass_down,), name="proxy answers", daemon=True)
        with self._client, self._server:
            downward.start()
            self._run(self._pass_up)
            downward.join()

    def _run(self, transfer: Callable[[], None]) -> None:
        # When one side hangs up, in a transfer or between two, so do we on the other.
        with contextlib.suppress(OSError):
            transfer()
        self._hang_up()

    def _hang_up(self) -> None:
        for side in (self._client, self._server):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    def _pass_up(self) -> None:
        while data := self._client.recv(CHUNK):
            if self._server_spoke and data != TERMINATE:
                self._server_spoke = False
                self._proxy.begin_round_trip()
            match self._proxy.choose_cut(self._messages.executed_in(data)):
                case "before":
                    return
                case "amid":
                    self._server.sendall(data[: len(data) // 2])
                    return
                case "after":
                    self._swallowing = True
                case "amid the answer":
                    self._halving = True
            self._server.sendall(data)

    def _pass_down(self) -> None:
        swallowed = b""
        while data := self._server.recv(CHUNK):
            self._server_spoke = True
            if self._halving:
                self._client.sendall(data[: len(data) // 2])
                return
            if not self._swallowing:
                self._client.sendall(data)
                continue
            swallowed = (swallowed + data)[-len(READY_FOR_QUERY) - 1 :]
            if swallowed.startswith(READY_FOR_QUERY):
                return


class _ClientMessages:
    """The messages in the bytes of a client, and the statements that it has prepared."""

    def __init__(self) -> None:
        self._rest = b""
        self._started = False
        self._prepared: dict[bytes, bytes] = {}

    def executed_in(self, data: bytes) -> list[bytes]:
        """Return the texts of the statements whose execution *data* completes."""
        self._rest += data
        statements = (self._statement(kind, body) for kind, body in self._split())
        return [statement for statement in statements if statement is not None]

    def _statement(self, kind: bytes, body: bytes) -> bytes | None:
        match kind:
            case b"Q":
                return body
            case b"P":
                name, text, _ = body.split(b"\0", 2)
                self._prepared[name] = text
            case b"B":
                _, name, _ = body.split(b"\0", 2)
                return self._prepared.get(name)
        return None

    def _split(self) -> Iterator[tuple[bytes, bytes]]:
        # A message is a kind, its length without the kind, and a body; those before the start have no kind.
        while len(self._rest) >= (start := 4 + len(self._kind())):
            (length,) = struct.unpack_from("!I", self._rest, start - 4)
            end = start - 4 + length
            if len(self._rest) < end:
                return
            kind, body = self._kind(), self._rest[start:end]
            self._rest = self._rest[end:]
            self._started = self._started or _starts(body)
            yield kind, body

    def _kind(self) -> bytes:
        return self._rest[:1] if self._started else b""


def _starts(body: bytes) -> bool:
    protocol: int = struct.unpack_from("!I", body)[0]
    return PROTOCOL_3 <= protocol < FIRST_REQUEST
