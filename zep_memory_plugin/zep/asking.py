"""Asking a server, over HTTP or in this process, for blocking and for async callers."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import quote

import httpx

from .exceptions import APIError, AuthError, NotFoundError
from .models import Fields

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ask(Generic[T]):
    """A request, and what its answer is read as."""

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    body: Fields | None = None
    parameters: dict[str, int | None] | None = None
    missing: str = "No query results found"

    def request(self, client: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """Return the request as *client* sends it; parameters that are None are left out."""
        parameters = {name: value for name, value in (self.parameters or {}).items() if value is not None}
        return client.build_request(self.method, self.path, json=self.body, params=parameters)

    def result(self, response: httpx.Response) -> T:
        """Return what *response* says, or raise what it refuses with."""
        data: dict[str, int | str] = {"status_code": response.status_code, "message": response.text}
        if response.status_code == 404:
            raise NotFoundError(self.missing)
        if response.status_code == 401:
            raise AuthError("Authentication error", data)
        if not response.is_success:
            raise APIError("API error", data)
        return self.read(response)


class Asker:
    """Sends what is asked, in both colours."""

    def __init__(self, client: httpx.Client, aclient: httpx.AsyncClient) -> None:
        self._client, self._aclient = client, aclient

    def ask(self, ask: Ask[T]) -> T:
        """Return the answer to *ask*.

        Raises:
            ConnectionError: the server cannot be reached.
        """
        try:
            response = self._client.send(ask.request(self._client))
        except httpx.NetworkError as error:
            raise ConnectionError("Failed to connect to server") from error
        return ask.result(response)

    async def aask(self, ask: Ask[T]) -> T:
        """Return the answer to *ask*. See `ask`."""
        try:
            response = await self._aclient.send(ask.request(self._aclient))
        except httpx.NetworkError as error:
            raise ConnectionError("Failed to connect to server") from error
        return ask.result(response)


class InProcess(httpx.BaseTransport):
    """Lets a blocking client ask an ASGI application in this process, on a thread that has an event loop."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport
        self._loop = asyncio.new_event_loop()
        self._closed = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="zep-client", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        """Answer until this is closed, and leave nothing of the loop behind."""
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._closed.wait())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer of the application."""
        return asyncio.run_coroutine_threadsafe(self._answer(request), self._loop).result()

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        again = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
        response = await self._transport.handle_async_request(again)
        return httpx.Response(response.status_code, headers=response.headers, content=await response.aread())

    def close(self) -> None:
        """End the thread and its loop."""
        with suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(self._closed.set)
        self._thread.join()


def part(value: str, name: str = "session_id") -> str:
    """Return an id as a part of a path, with every sign that means something there escaped.

    Raises:
        ValueError: it is blank.
    """
    if value is None or not value.strip():
        raise ValueError(f"{name} must be provided")
    return quote(value, safe="").replace(".", "%2E")
