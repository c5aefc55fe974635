"""A session as the chat message history that LangChain's older classes take."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from .. import forms
from ..context import session_of
from ..core import foreign
from ..core.windows import bounds
from ..errors import InvalidInput, SessionNotFound
from ..manager import SessionManager, manager_of
from ..models import Message, SearchResult
from ..types import DEFAULT_MAX_TOKENS, Metadata, WindowBounds
from ._former import unlike_former
from ._messages import NATIVE_FORMAT, dated_from_row, to_rows
from ._pairs import with_results


@unlike_former("ZepChatMessageHistory(session_id, SessionManager(database))", "url", "api_key", "memory_type", "lastn")
class ZepChatMessageHistory(BaseChatMessageHistory):
    """The messages of one session, kept by a manager that is made once and shared.

    Making one does no I/O, so a function that makes one per call is cheap. Reading returns all messages, as programs
    expect of a history; with *limit* messages, *turns* or *max_tokens* the newest whole turns within these bounds, at
    least the last one. A *window* such as `{"turns": 20}` says the same in one value. Every tool call comes with its
    results, as models want it: one that was interrupted gets an error for one, and a result without a call is left out;
    without *pair_calls* all comes as it is stored.

    Each message has an id, its own or the uuid that it is stored under, by which every method of a manager finds it,
    and in `response_metadata["created_at"]` when it was said.

    A history with a *user_id*, else that of the surrounding `use_session`, gives new sessions that owner. All of it
    raises `SessionOwnedByAnotherUser` for a session of another user.
    """

    def __init__(
        self,
        session_id: str,
        manager: SessionManager,
        *,
        user_id: str | None = None,
        window: WindowBounds | None = None,
        pair_calls: bool = True,
        limit: int | None = None,
        turns: int | None = None,
        max_tokens: int | None = None,
    ) -> None:
        super().__init__()
        self._pairs_calls = pair_calls
        self._window = _checked({"limit": limit, "turns": turns, "max_tokens": max_tokens, **(window or {})})
        self.session_id = session_id
        self._manager = manager_of(manager)
        self._user_id = user_id

    def __repr__(self) -> str:
        return f"ZepChatMessageHistory({self.session_id!r}, {self._manager!r})"

    @property
    def messages(self) -> list[BaseMessage]:
        """The messages, oldest first; assigning a list replaces them all, and deletes the summaries."""
        return self.get_messages()

    @messages.setter
    def messages(self, messages: Sequence[BaseMessage]) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self._manager.replace_memory(messages=to_rows(messages, self._manager.token_counter), **self._session)

    def get_messages(self) -> list[BaseMessage]:
        """Return the messages, oldest first."""
        rows = self._manager.last_messages(**self._window, whole_turns=True, **self._session)
        return self._shown(rows)

    async def aget_messages(self) -> list[BaseMessage]:
        """Return the messages, oldest first. See `get_messages`."""
        rows = await self._manager.alast_messages(**self._window, whole_turns=True, **self._session)
        return self._shown(rows)

    def search(self, query: str, k: int = 4) -> list[SearchResult]:
        """Return the *k* messages of the session that best answer *query*, best first.

        Looks in all of the session, whatever the window, and returns scores, too. An empty query finds nothing.
        """
        return self._manager.search_memory(query, limit=k, **self._session) if query.strip() else []

    async def asearch(self, query: str, k: int = 4) -> list[SearchResult]:
        """Return the *k* messages of the session that best answer *query*, best first. See `search`."""
        return await self._manager.asearch_memory(query, limit=k, **self._session) if query.strip() else []

    def add_messages(self, messages: Sequence[BaseMessage], metadata: Metadata | None = None) -> None:
        """Append *messages*, each with *metadata*, all or none.

        Of values in the metadata that JSON lacks, such as a datetime, the nearest to them that can be read is kept.
        What the session has already of them is stored once: a conversation that is sent again, a question whose call
        failed. All else is new, also under an id that the session knows for another message, or one that was deleted.

        Raises:
            InvalidInput: a message is out of bounds.
        """
        rows = to_rows(messages, self._manager.token_counter, foreign.readable(metadata))
        self._manager.add_memory(messages=rows, known="append", **self._session)

    async def aadd_messages(self, messages: Sequence[BaseMessage], metadata: Metadata | None = None) -> None:
        """Append *messages*, each with *metadata*, all or none. See `add_messages`."""
        rows = to_rows(messages, self._manager.token_counter, foreign.readable(metadata))
        await self._manager.aadd_memory(messages=rows, known="append", **self._session)

    # By hand: the twin of a method of this name is called otherwise in LlamaIndex.
    def add_message(self, message: BaseMessage, metadata: Metadata | None = None) -> None:
        """Append *message* with *metadata*. See `add_messages`."""
        self.add_messages([message], metadata)

    # By hand: as above.
    async def aadd_message(self, message: BaseMessage, metadata: Metadata | None = None) -> None:
        """Append *message* with *metadata*. See `add_messages`."""
        await self.aadd_messages([message], metadata)

    def add_user_message(self, message: HumanMessage | str, metadata: Metadata | None = None) -> None:
        """Append what the user says, with *metadata*. See `add_messages`."""
        self.add_message(HumanMessage(message) if isinstance(message, str) else message, metadata)

    def add_ai_message(self, message: AIMessage | str, metadata: Metadata | None = None) -> None:
        """Append what the model says, with *metadata*. See `add_messages`."""
        self.add_message(AIMessage(message) if isinstance(message, str) else message, metadata)

    def clear(self) -> None:
        """Delete all messages and summaries, until a purge only softly, and keep the session."""
        with suppress(SessionNotFound):
            self._manager.clear_memory(**self._session)

    async def aclear(self) -> None:
        """Delete all messages and summaries, until a purge only softly, and keep the session. See `clear`."""
        with suppress(SessionNotFound):
            await self._manager.aclear_memory(**self._session)

    @property
    def _session(self) -> dict[str, Any]:
        return asdict(session_of(self.session_id, self._user_id))

    def _shown(self, rows: list[Message]) -> list[BaseMessage]:
        """Return the messages of *rows*, as they were stored, or as a model wants them."""
        if self._pairs_calls:
            return with_results(rows, read=dated_from_row)
        return [dated_from_row(row) for row in forms.readable(rows, NATIVE_FORMAT)]


def _checked(window: WindowBounds) -> WindowBounds:
    if unknown := window.keys() - WindowBounds.__optional_keys__:
        raise InvalidInput("window", f"has no {', '.join(sorted(unknown))}; its bounds are limit, turns and max_tokens")
    return bounds(**window)


def history_factory(
    manager: SessionManager,
    *,
    limit: int | None = None,
    turns: int | None = None,
    max_tokens: int | None = DEFAULT_MAX_TOKENS,
) -> Callable[..., ZepChatMessageHistory]:
    """Return the function that `RunnableWithMessageHistory` asks for the history of a session, and perhaps of a user.

    What it shows a model is the newest whole turns, at most *turns* of them, *limit* messages and *max_tokens* tokens,
    with every tool call's results; without the summary, as that wrapper would lose a question when the history has
    become longer while it is asked. The wrapper passes the session id alone, or both when
    its `history_factory_config` names `session_id` and `user_id`. New code is better served by
    `with_session_memory`, which needs no such function.
    """

    kept_by, window = manager_of(manager), bounds(limit, turns, max_tokens)

    def history(session_id: str, user_id: str | None = None) -> ZepChatMessageHistory:
        return ZepChatMessageHistory(session_id, kept_by, user_id=user_id, window=window)

    return history
