"""`client.user`: the owners of sessions."""

from collections.abc import AsyncIterator, Iterator

import httpx

from .asking import Ask, Asker, part
from .memory import sessions_of
from .models import CreateUserRequest, Session, UpdateUserRequest, User

__all__ = ["CreateUserRequest", "UpdateUserRequest", "User", "UserClient"]

Users = list[User]
Sessions = list[Session]


class UserClient:
    """The owners of sessions."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    def add(self, user: CreateUserRequest) -> User:
        """Add a user."""
        return self._asker.ask(_add(user))

    async def aadd(self, user: CreateUserRequest) -> User:
        """Add a user."""
        return await self._asker.aask(_add(user))

    def get(self, user_id: str) -> User:
        """Return a user."""
        return self._asker.ask(_get(user_id))

    async def aget(self, user_id: str) -> User:
        """Return a user."""
        return await self._asker.aask(_get(user_id))

    def update(self, user: UpdateUserRequest) -> User:
        """Overwrite the fields that are given and not empty, and merge metadata."""
        return self._asker.ask(_update(user))

    async def aupdate(self, user: UpdateUserRequest) -> User:
        """Overwrite the fields that are given and not empty, and merge metadata."""
        return await self._asker.aask(_update(user))

    def delete(self, user_id: str) -> None:
        """Erase a user and all sessions of theirs, at once."""
        self._asker.ask(_delete(user_id))

    async def adelete(self, user_id: str) -> None:
        """Erase a user and all sessions of theirs, at once."""
        await self._asker.aask(_delete(user_id))

    def list_chunked(self, chunk_size: int = 100) -> Iterator[Users]:
        """Yield all users in lists of at most *chunk_size*, each exactly once."""
        cursor = 0
        while chunk := self.list(chunk_size, cursor):
            yield chunk
            cursor = chunk[-1].id or cursor

    async def alist_chunked(self, chunk_size: int = 100) -> AsyncIterator[Users]:
        """Yield all users in lists of at most *chunk_size*, each exactly once."""
        cursor = 0
        while chunk := await self.alist(chunk_size, cursor):
            yield chunk
            cursor = chunk[-1].id or cursor

    def get_sessions(self, user_id: str) -> Sessions:
        """Return the sessions of a user; an unknown one has none."""
        return self._asker.ask(_get_sessions(user_id))

    async def aget_sessions(self, user_id: str) -> Sessions:
        """Return the sessions of a user; an unknown one has none."""
        return await self._asker.aask(_get_sessions(user_id))

    async def alist(self, limit: int | None = None, cursor: int | None = None) -> Users:
        """Return users in the order in which they were added, those after the id *cursor*."""
        return await self._asker.aask(_list(limit, cursor))

    def list(self, limit: int | None = None, cursor: int | None = None) -> Users:
        """Return users in the order in which they were added, those after the id *cursor*."""
        return self._asker.ask(_list(limit, cursor))


def _user_of(response: httpx.Response) -> User:
    return User.model_validate(response.json())


def _users_of(response: httpx.Response) -> list[User]:
    return [User.model_validate(each) for each in response.json()]


def _nothing_of(response: httpx.Response) -> None:
    return None


def _add(user: CreateUserRequest) -> Ask[User]:
    return Ask("POST", "/user", _user_of, user.body())


def _get(user_id: str) -> Ask[User]:
    return Ask("GET", f"/user/{part(user_id, 'user_id')}", _user_of)


def _update(user: UpdateUserRequest) -> Ask[User]:
    return Ask("PATCH", f"/user/{part(user.user_id, 'user_id')}", _user_of, user.body())


def _delete(user_id: str) -> Ask[None]:
    return Ask("DELETE", f"/user/{part(user_id, 'user_id')}", _nothing_of)


def _list(limit: int | None, cursor: int | None) -> Ask[list[User]]:
    return Ask("GET", "/user", _users_of, parameters={"limit": limit, "cursor": cursor})


def _get_sessions(user_id: str) -> Ask[list[Session]]:
    return Ask("GET", f"/user/{part(user_id, 'user_id')}/sessions", sessions_of)
