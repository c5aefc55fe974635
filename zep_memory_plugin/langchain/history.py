"""A session as the chat message history that LangChain's older classes take."""

from collections.abc import Callable, Sequence

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import BaseMessage

from ..manager import SessionManager
from ..models import SearchResult
from ._session import SessionMessages, Window


class ZepChatMessageHistory(BaseChatMessageHistory):
    """The messages of one session, kept by a manager that is made once and shared.

    Making one does no I/O, so a function that makes one per call is cheap. Reading returns the newest *limit* messages,
    of at most *max_tokens* tokens together; both None is everything. With *whole_turns* what is returned starts at a
    message of the user where it can, and holds at least the last turn. A history with a *user_id* gives new sessions
    that owner and refuses sessions of others.
    """

    def __init__(
        self,
        session_id: str,
        manager: SessionManager,
        *,
        user_id: str | None = None,
        limit: int | None = None,
        max_tokens: int | None = None,
        whole_turns: bool = True,
    ) -> None:
        super().__init__()
        self._session = SessionMessages(manager, session_id, user_id)
        self._window = Window(limit, max_tokens, whole_turns)

    @property
    def session_id(self) -> str:
        """The session whose messages these are."""
        return self._session.session_id

    def __repr__(self) -> str:
        return f"ZepChatMessageHistory({self.session_id!r}, {self._session.manager!r})"

    @property
    def messages(self) -> list[BaseMessage]:
        """The messages, oldest first; assigning a list replaces them all, and deletes the summaries."""
        return self.get_messages()

    @messages.setter
    def messages(self, messages: Sequence[BaseMessage]) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self._session.replace(messages)

    def get_messages(self) -> list[BaseMessage]:
        """Return the messages, oldest first.

        Raises:
            SessionOwnedByAnotherUser: the session belongs to someone else.
        """
        self._session.check_owner()
        return self._session.read(self._window)

    async def aget_messages(self) -> list[BaseMessage]:
        """Return the messages, oldest first. See `get_messages`."""
        await self._session.acheck_owner()
        return await self._session.aread(self._window)

    def search(self, query: str, k: int = 4) -> list[SearchResult]:
        """Return the *k* messages of the session that best answer *query*, best first, with their scores.

        Looks in all of the session, whatever the window. An empty query finds nothing.

        Raises:
            SessionOwnedByAnotherUser: the session belongs to someone else.
        """
        return self._session.search(query, k)

    async def asearch(self, query: str, k: int = 4) -> list[SearchResult]:
        """Return the *k* messages of the session that best answer *query*, best first. See `search`."""
        return await self._session.asearch(query, k)

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Append *messages*, all or none.

        A message whose id the session has already gets the new content and keeps its place.

        Raises:
            InvalidInput: a message is out of bounds.
            SessionOwnedByAnotherUser: the session belongs to someone else.
        """
        self._session.add(messages)

    async def aadd_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Append *messages*, all or none. See `add_messages`."""
        await self._session.aadd(messages)

    async def aadd_message(self, message: BaseMessage) -> None:
        """Append *message*. See `add_messages`."""
        await self._session.aadd([message])

    def clear(self) -> None:
        """Delete all messages and summaries, until a purge only softly, and keep the session."""
        self._session.clear()

    async def aclear(self) -> None:
        """Delete all messages and summaries, until a purge only softly, and keep the session. See `clear`."""
        await self._session.aclear()


def history_factory(
    manager: SessionManager, *, limit: int | None = None, max_tokens: int | None = None, whole_turns: bool = True
) -> Callable[..., ZepChatMessageHistory]:
    """Return the function that `RunnableWithMessageHistory` asks for the history of a session, and perhaps of a user.

    The wrapper passes the session id alone, or both when its `history_factory_config` names `session_id` and `user_id`.
    New code is better served by `with_session_memory`, which needs no such function.
    """

    def history(session_id: str, user_id: str | None = None) -> ZepChatMessageHistory:
        return ZepChatMessageHistory(
            session_id, manager, user_id=user_id, limit=limit, max_tokens=max_tokens, whole_turns=whole_turns
        )

    return history
