"""A tool with which a model looks up what its user said in earlier conversations."""

from collections.abc import Mapping
from typing import Any

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, Field

from ..context import user_of
from ..errors import InvalidInput
from ..manager import SessionManager
from ..models import Message, SearchResult
from ._config import named_session, with_context

NAME = "search_memory"

DESCRIPTION = (
    "Search what the user and you said in earlier conversations. Use it when the user refers to something that is not "
    "in this conversation, or when facts or preferences that they mentioned before would help. "
    "Returns the passages that fit best, each with its date and who said it."
)

NOTHING_FOUND = "Nothing was found in earlier conversations."

LONGEST_PASSAGE = 1_000
"""Characters of a message that the model is shown."""

_NOT_IN_ARTIFACT: dict[str, Any] = {"neighbours": True, "message": {"native", "native_format"}}
"""What of a result the artifact leaves out: it is kept with the tool message, for as long as that."""

ToolOutput = tuple[str, list[dict[str, Any]]]
"""What the model is shown, and for the program the results as JSON."""


class SearchMemoryInput(BaseModel):
    """What the model says when it calls the tool: nothing about whose memory that is."""

    query: str = Field(
        description="What to look for: the words that were probably said, or a question, in any language."
    )


def search_memory_tool(manager: SessionManager, *, k: int = 5, include_current: bool = False) -> BaseTool:
    """Return the tool "search_memory", which finds what the user of a run said, and was told, in earlier sessions.

    The run names the user: by `user_id` in its context or in `config["configurable"]`, or by the `use_session` around
    it. The model does not, and can reach the sessions of nobody else. A call without a user raises `InvalidInput`.

    The model is given at most *k* messages, best first, each as a line of its date, role and text, of which it sees the
    first 1,000 characters; the tool message's artifact has the same messages whole, each a `SearchResult` as JSON. The
    session of the run is left out, as the model sees it anyway; *include_current* has it searched too, for agents that
    see only the end of it. What the tool itself answered before is never found.
    """
    search = _SearchMemory(manager, k, include_current)
    return StructuredTool.from_function(
        search.run,
        search.arun,
        name=NAME,
        description=DESCRIPTION,
        args_schema=SearchMemoryInput,
        response_format="content_and_artifact",
    )


class _SearchMemory:
    def __init__(self, manager: SessionManager, k: int, include_current: bool) -> None:
        self._manager = manager
        self._k = k
        self._include_current = include_current

    def run(self, query: str, config: RunnableConfig) -> ToolOutput:
        """Return the messages that best answer *query*: the best of more and more, until enough may be shown."""
        run = with_context(config.get("configurable", {}))
        user_id, limit, results = _user_of(run), 2 * self._k, list[SearchResult]()
        while query.strip() and len(results) < self._k:
            best = self._manager.search_memory(query, user_id=user_id, limit=limit)
            results = [result for result in best if self._is_shown(result, run)][: self._k]
            if len(best) < limit:
                break
            limit *= 4
        return _output(results)

    async def arun(self, query: str, config: RunnableConfig) -> ToolOutput:
        """Return the messages that best answer *query*: the best of more and more, until enough may be shown.

        See `run`.
        """
        run = with_context(config.get("configurable", {}))
        user_id, limit, results = _user_of(run), 2 * self._k, list[SearchResult]()
        while query.strip() and len(results) < self._k:
            best = await self._manager.asearch_memory(query, user_id=user_id, limit=limit)
            results = [result for result in best if self._is_shown(result, run)][: self._k]
            if len(best) < limit:
                break
            limit *= 4
        return _output(results)

    def _is_shown(self, result: SearchResult, run: Mapping[str, Any]) -> bool:
        message = result.message
        if message is None or (message.role_type == "tool" and message.name == NAME):
            return False
        current = None if self._include_current else named_session(run)
        return current is None or result.session_id != current.session_id


def _user_of(run: Mapping[str, Any]) -> str:
    user_id = user_of(run.get("user_id"))
    if user_id is None:
        raise InvalidInput(
            "user_id",
            'is missing; give the run a context with a user_id or config={"configurable": {"user_id": "alice"}}, '
            'or make the call inside `with use_session("alice-1", user_id="alice"):`',
        )
    return user_id


def _output(results: list[SearchResult]) -> ToolOutput:
    lines = [_line(result.message) for result in results if result.message is not None]
    artifact = [result.model_dump(mode="json", exclude=_NOT_IN_ARTIFACT, exclude_none=True) for result in results]
    return "\n".join(lines) or NOTHING_FOUND, artifact


def _line(message: Message) -> str:
    """Return *message* on one line, however many it has, so that none can pass for several."""
    text = " ".join(message.content.split())
    shortened = text if len(text) <= LONGEST_PASSAGE else f"{text[:LONGEST_PASSAGE]}…"
    day = message.created_at and f"{message.created_at:%Y-%m-%d}"
    return f"{day} {message.role_type}: {shortened}"
