"""A tool with which a model looks up what its user said in earlier conversations."""

from llama_index.core.tools import FunctionTool

from ..context import current_session, user_of
from ..core import recall
from ..manager import SessionManager
from ..models import SearchResult
from .registry import DEFAULT_NAME, named_manager


def search_memory_tool(
    manager: SessionManager | str = DEFAULT_NAME,
    *,
    user_id: str | None = None,
    limit: int = 5,
    include_current: bool = False,
) -> FunctionTool:
    """Return the tool "search_memory", which finds what a user said, and was told, in earlier sessions.

    *manager* is a `SessionManager` or the name under which one is registered. The user is *user_id*, by default that of
    the `use_session` around the run. The model does not name it, and can reach the sessions of nobody else. A call
    without a user raises `InvalidInput`.

    The model is given at most *limit* messages, best first, each as a line of its date, role and text, of which it sees
    the first 1,000 characters. The session of `use_session` is left out, as the model sees it anyway; *include_current*
    has it searched too, for agents that see only the end of it. What the tool itself answered before is never found.
    """
    search = _SearchMemory(named_manager(manager), user_id, limit, include_current)
    return FunctionTool.from_defaults(
        search.run, async_fn=search.arun, name=recall.NAME, description=recall.DESCRIPTION
    )


class _SearchMemory:
    def __init__(self, manager: SessionManager, user_id: str | None, limit: int, include_current: bool) -> None:
        self._manager = manager
        self._user_id = user_id
        self._limit = limit
        self._include_current = include_current

    def run(self, query: str) -> str:
        """Return the messages that best answer *query*: the best of more and more, until enough may be shown."""
        user_id, most, results = self._user(), 2 * self._limit, list[SearchResult]()
        while query.strip() and len(results) < self._limit:
            best = self._manager.search_memory(query, user_id=user_id, limit=most)
            results = [result for result in best if self._is_shown(result)][: self._limit]
            if len(best) < most:
                break
            most *= 4
        return recall.told(results)

    async def arun(self, query: str) -> str:
        """Return the messages that best answer *query*: the best of more and more, until enough may be shown.

        See `run`.
        """
        user_id, most, results = self._user(), 2 * self._limit, list[SearchResult]()
        while query.strip() and len(results) < self._limit:
            best = await self._manager.asearch_memory(query, user_id=user_id, limit=most)
            results = [result for result in best if self._is_shown(result)][: self._limit]
            if len(best) < most:
                break
            most *= 4
        return recall.told(results)

    def _user(self) -> str:
        return recall.checked_user(
            user_of(self._user_id),
            'give the tool a user_id, or make the call inside `with use_session("alice-1", user_id="alice"):`',
        )

    def _is_shown(self, result: SearchResult) -> bool:
        current = None if self._include_current else current_session()
        return recall.is_told(result, current.session_id if current else None)
