"""A tool with which a model looks up what its user said in earlier conversations."""

from collections.abc import Mapping
from typing import Any

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, Field

from ..context import user_of
from ..core import recall
from ..manager import SessionManager, manager_of
from ..models import SearchResult
from ._config import named_session, with_context

_NOT_IN_ARTIFACT: dict[str, Any] = {"neighbours": True, "message": {"native", "native_format"}}
"""What of a result the artifact leaves out: it is kept with the tool message, for as long as that."""

ToolOutput = tuple[str, list[dict[str, Any]]]
"""What the model is shown, and for the program the results as JSON."""


class SearchMemoryInput(BaseModel):
    """What the model says when it calls the tool: nothing about whose memory that is."""

    query: str = Field(
        description="What to look for: the words that were probably said, or a question, in any language."
    )


def search_memory_tool(manager: SessionManager, *, limit: int = 5, include_current: bool = False) -> BaseTool:
    """Return the tool "search_memory", which finds what the user of a run said, and was told, in earlier sessions.

    The run names the user: by `user_id` in its context or in `config["configurable"]`, or by the `use_session` around
    it. The model does not, and can reach the sessions of nobody else. A call without a user raises `InvalidInput`.

    The model is given at most *limit* messages, best first, each as a line of its date, role and text, of which it sees
    the first 1,000 characters; the tool message's artifact has the same messages whole, each a `SearchResult` as JSON.
    The session of the run is left out, as the model sees it anyway; *include_current* has it searched too, for agents
    that see only the end of it. What the tool itself answered before is never found.
    """
    search = _SearchMemory(manager_of(manager), limit, include_current)
    return StructuredTool.from_function(
        search.run,
        search.arun,
        name=recall.NAME,
        description=recall.DESCRIPTION,
        args_schema=SearchMemoryInput,
        response_format="content_and_artifact",
    )


class _SearchMemory:
    def __init__(self, manager: SessionManager, limit: int, include_current: bool) -> None:
        self._manager = manager
        self._limit = limit
        self._include_current = include_current

    def run(self, query: str, config: RunnableConfig) -> ToolOutput:
        """Return the messages that best answer *query*: the best of more and more, until enough may be shown."""
        run = with_context(config.get("configurable", {}))
        user_id, most, results = _user_of(run), 2 * self._limit, list[SearchResult]()
        while query.strip() and len(results) < self._limit:
            best = self._manager.search_memory(query, user_id=user_id, limit=most)
            results = [result for result in best if self._is_shown(result, run)][: self._limit]
            if len(best) < most:
                break
            most *= 4
        return _output(results)

    async def arun(self, query: str, config: RunnableConfig) -> ToolOutput:
        """Return the messages that best answer *query*: the best of more and more, until enough may be shown.

        See `run`.
        """
        run = with_context(config.get("configurable", {}))
        user_id, most, results = _user_of(run), 2 * self._limit, list[SearchResult]()
        while query.strip() and len(results) < self._limit:
            best = await self._manager.asearch_memory(query, user_id=user_id, limit=most)
            results = [result for result in best if self._is_shown(result, run)][: self._limit]
            if len(best) < most:
                break
            most *= 4
        return _output(results)

    def _is_shown(self, result: SearchResult, run: Mapping[str, Any]) -> bool:
        current = None if self._include_current else named_session(run)
        return recall.is_told(result, current.session_id if current else None)


def _user_of(run: Mapping[str, Any]) -> str:
    return recall.checked_user(
        user_of(run.get("user_id")),
        'give the run a context with a user_id or config={"configurable": {"user_id": "alice"}}, '
        'or make the call inside `with use_session("alice-1", user_id="alice"):`',
    )


def _output(results: list[SearchResult]) -> ToolOutput:
    artifact = [result.model_dump(mode="json", exclude=_NOT_IN_ARTIFACT, exclude_none=True) for result in results]
    return recall.told(results), artifact
