"""The client: where it asks, and the parts by which it is asked."""

import warnings
from types import TracebackType
from typing import Self

import httpx

from ..manager import SessionManager, manager_of
from .asking import Asker, InProcess
from .exceptions import APIError
from .memory import MemoryClient
from .message import MessageClient
from .user import UserClient

API = "/api/v1"
TIMEOUT = 10.0
"""Seconds that a server has to answer."""


class ZepClient:
    """Asks a server at the `http` or `https` URL *base_url*, with the token *api_key*, as zep-python 1.5 does.

    Given the URL of a database, or a `SessionManager`, it does without a server. A manager that is given stays open.

    Raises:
        APIError: there is no such server at the URL.
    """

    def __init__(self, base_url: str | SessionManager, api_key: str | None = None) -> None:
        headers = {} if api_key is None else {"authorization": f"Bearer {api_key}"}
        self._owned: SessionManager | None = None
        transport: InProcess | None = None
        atransport: httpx.ASGITransport | None = None
        if isinstance(base_url, str) and base_url.startswith(("http://", "https://")):
            root = base_url.rstrip("/")
        else:
            root, atransport = "http://in-process", self._in_process(base_url)
            transport = InProcess(atransport)
        self.base_url = f"{root}{API}"
        self.client = httpx.Client(base_url=self.base_url, headers=headers, timeout=TIMEOUT, transport=transport)
        self.aclient = httpx.AsyncClient(base_url=self.base_url, headers=headers, timeout=TIMEOUT, transport=atransport)
        self._check(f"{root}/healthz")
        asker = Asker(self.client, self.aclient)
        self.memory, self.message, self.user = MemoryClient(asker), MessageClient(asker), UserClient(asker)

    def _in_process(self, database: str | SessionManager) -> httpx.ASGITransport:
        from ..server import Settings, create_app  # an optional dependency

        if isinstance(database, str):
            self._owned = database = SessionManager(database)
        return httpx.ASGITransport(create_app(Settings(anonymous=True, purge_every=None), manager_of(database)))

    def _check(self, url: str) -> None:
        try:
            response = self.client.get(url)
        except httpx.TransportError as error:
            raise APIError(f"no server answers at {url}") from error
        if response.status_code != 200 or response.text != ".":
            raise APIError(f"what answers at {url} is no server of Zep's API")
        if "-" not in response.headers.get("x-zep-version", ""):
            warnings.warn(f"the server at {url} does not say that it is compatible", stacklevel=3)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def close(self) -> None:
        """Close what blocking callers use, and a database that was opened here."""
        self.client.close()
        if self._owned:
            self._owned.close()

    async def aclose(self) -> None:
        """Close what callers of both colours use, and a database that was opened here."""
        await self.aclient.aclose()
        self.client.close()
        if self._owned:
            await self._owned.aclose()
