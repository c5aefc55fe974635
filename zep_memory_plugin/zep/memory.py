"""`client.memory`: sessions, their memory, and search."""

from collections.abc import AsyncIterator, Iterator

import httpx

from .asking import Ask, Asker, part
from .models import Memory, MemorySearchPayload, MemorySearchResult, Message, Session, Summary

__all__ = ["Memory", "MemoryClient", "MemorySearchPayload", "MemorySearchResult", "Message", "Session", "Summary"]

TYPES, SCOPES = ("similarity", "mmr"), ("messages", "summary")


class MemoryClient:
    """Sessions, their memory, and search."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    def get_session(self, session_id: str) -> Session:
        """Return a session."""
        return self._asker.ask(_get_session(session_id))

    async def aget_session(self, session_id: str) -> Session:
        """Return a session."""
        return await self._asker.aask(_get_session(session_id))

    def add_session(self, session: Session) -> Session:
        """Add a session."""
        return self._asker.ask(_add_session(session))

    async def aadd_session(self, session: Session) -> Session:
        """Add a session."""
        return await self._asker.aask(_add_session(session))

    def update_session(self, session: Session) -> Session:
        """Merge the metadata of *session* into what is stored."""
        return self._asker.ask(_update_session(session))

    async def aupdate_session(self, session: Session) -> Session:
        """Merge the metadata of *session* into what is stored."""
        return await self._asker.aask(_update_session(session))

    def list_sessions(self, limit: int | None = None, cursor: int | None = None) -> list[Session]:
        """Return sessions in the order in which they were added, those after the id *cursor*."""
        return self._asker.ask(_list_sessions(limit, cursor))

    async def alist_sessions(self, limit: int | None = None, cursor: int | None = None) -> list[Session]:
        """Return sessions in the order in which they were added, those after the id *cursor*."""
        return await self._asker.aask(_list_sessions(limit, cursor))

    def list_all_sessions(self, chunk_size: int = 100) -> Iterator[list[Session]]:
        """Yield all sessions in lists of at most *chunk_size*, each exactly once."""
        cursor = 0
        while chunk := self.list_sessions(chunk_size, cursor):
            yield chunk
            cursor = chunk[-1].id or cursor

    async def alist_all_sessions(self, chunk_size: int = 100) -> AsyncIterator[list[Session]]:
        """Yield all sessions in lists of at most *chunk_size*, each exactly once."""
        cursor = 0
        while chunk := await self.alist_sessions(chunk_size, cursor):
            yield chunk
            cursor = chunk[-1].id or cursor

    def get_memory(self, session_id: str, lastn: int | None = None) -> Memory:
        """Return the newest messages, and the latest summary."""
        return self._asker.ask(_get_memory(session_id, lastn))

    async def aget_memory(self, session_id: str, lastn: int | None = None) -> Memory:
        """Return the newest messages, and the latest summary."""
        return await self._asker.aask(_get_memory(session_id, lastn))

    def add_memory(self, session_id: str, memory_messages: Memory) -> str:
        """Append messages to a session, which is created when need be."""
        return self._asker.ask(_add_memory(session_id, memory_messages))

    async def aadd_memory(self, session_id: str, memory_messages: Memory) -> str:
        """Append messages to a session, which is created when need be."""
        return await self._asker.aask(_add_memory(session_id, memory_messages))

    def delete_memory(self, session_id: str) -> str:
        """Delete a session and all that is in it."""
        return self._asker.ask(_delete_memory(session_id))

    async def adelete_memory(self, session_id: str) -> str:
        """Delete a session and all that is in it."""
        return await self._asker.aask(_delete_memory(session_id))

    def search_memory(
        self, session_id: str, search_payload: MemorySearchPayload, limit: int | None = None
    ) -> list[MemorySearchResult]:
        """Return what best answers *search_payload* in a session, best first."""
        return self._asker.ask(_search_memory(session_id, search_payload, limit))

    async def asearch_memory(
        self, session_id: str, search_payload: MemorySearchPayload, limit: int | None = None
    ) -> list[MemorySearchResult]:
        """Return what best answers *search_payload* in a session, best first."""
        return await self._asker.aask(_search_memory(session_id, search_payload, limit))


def session_of(response: httpx.Response) -> Session:
    """Read a session."""
    return Session.model_validate(response.json())


def sessions_of(response: httpx.Response) -> list[Session]:
    """Read sessions."""
    return [Session.model_validate(each) for each in response.json()]


def text_of(response: httpx.Response) -> str:
    """Read a text."""
    return response.text


def _memory_of(response: httpx.Response) -> Memory:
    return Memory.model_validate(response.json())


def _results_of(response: httpx.Response) -> list[MemorySearchResult]:
    return [MemorySearchResult.model_validate(each) for each in response.json()]


def _get_session(session_id: str) -> Ask[Session]:
    missing = f"No session found for session {session_id}"
    return Ask("GET", f"/sessions/{part(session_id)}", session_of, missing=missing)


def _checked(session: Session) -> str:
    if session is None:
        raise ValueError("session must be provided")
    return part(session.session_id, "session.session_id")


def _add_session(session: Session) -> Ask[Session]:
    _checked(session)
    return Ask("POST", "/sessions", session_of, session.body(), missing=f"Failed to add session {session.session_id}")


def _update_session(session: Session) -> Ask[Session]:
    missing = f"Failed to update session {_checked(session)}"
    return Ask("PATCH", f"/sessions/{_checked(session)}", session_of, session.body(), missing=missing)


def _list_sessions(limit: int | None, cursor: int | None) -> Ask[list[Session]]:
    return Ask("GET", "/sessions", sessions_of, parameters={"limit": limit, "cursor": cursor})


def _get_memory(session_id: str, lastn: int | None) -> Ask[Memory]:
    missing = f"No memory found for session {session_id}"
    return Ask("GET", f"/sessions/{part(session_id)}/memory", _memory_of, None, {"lastn": lastn}, missing)


def _add_memory(session_id: str, memory: Memory) -> Ask[str]:
    return Ask("POST", f"/sessions/{part(session_id)}/memory", text_of, memory.body())


def _delete_memory(session_id: str) -> Ask[str]:
    return Ask("DELETE", f"/sessions/{part(session_id)}/memory", text_of)


def _search_memory(session_id: str, payload: MemorySearchPayload, limit: int | None) -> Ask[list[MemorySearchResult]]:
    path = f"/sessions/{part(session_id)}/search"
    if payload is None:
        raise ValueError("search_payload must be provided")
    if payload.search_type not in TYPES or payload.search_scope not in SCOPES:
        raise ValueError(f"search_type must be one of {TYPES}, search_scope one of {SCOPES}")
    return Ask("POST", path, _results_of, payload.body(), {"limit": limit})
