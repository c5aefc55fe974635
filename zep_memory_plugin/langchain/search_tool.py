"""A tool with which a model looks up what its user said in earlier conversations."""

from collections.abc import Mapping
from typing import Any

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, Field

from ..errors import InvalidInput
from ..manager import SessionManager
from ..models import Message, SearchResult
from ._config import named_session, named_user, with_context

NAME = "search_memory"

DESCRIPTION = (
    "Search what the user and you said in earlier conversations. Use it when the user refers to something that is not "
    "in this conversation, or when facts or preferences that they mentioned before would help. "
    "Returns the passages that fit best, each with its date and who said it."
)

NOTHING_FOUND = "Nothing was found in earlier conversations."

LONGEST_PASSAGE = 1_000
"""Characters of a message that the model is shown."""

_UNSHOWN: dict[str, Any] = {"neighbours": True, "message": {"native", "native_format"}}
"""What of a result the artifact leaves out: it is kept with the tool message, for as long as that."""

Answer = tuple[str, list[dict[str, Any]]]
"""What the model is shown, and for the program the results as JSON."""


class Question(BaseModel):
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

    def search(query: str, config: RunnableConfig) -> Answer:
        wanted = _Wanted(config, k, include_current)
        while query.strip() and not wanted.is_met:
            wanted.take(manager.search_memory(query, user_id=wanted.user_id, limit=wanted.limit))
        return wanted.answer()

    async def asearch(query: str, config: RunnableConfig) -> Answer:
        wanted = _Wanted(config, k, include_current)
        while query.strip() and not wanted.is_met:
            wanted.take(await manager.asearch_memory(query, user_id=wanted.user_id, limit=wanted.limit))
        return wanted.answer()

    return StructuredTool.from_function(
        search,
        asearch,
        name=NAME,
        description=DESCRIPTION,
        args_schema=Question,
        response_format="content_and_artifact",
    )


class _Wanted:
    """The *k* results that a run asks for, of more and more that were found, until enough of them may be shown."""

    def __init__(self, config: RunnableConfig, k: int, include_current: bool) -> None:
        named = with_context(config.get("configurable", {}))
        self.user_id = _user_of(named)
        self.limit = 2 * k
        self.is_met = k == 0
        self._k = k
        self._left_out = None if include_current else named_session(named)
        self._results: list[SearchResult] = []

    def take(self, found: list[SearchResult]) -> None:
        """Keep of *found*, which are the best so many of everything, those to be shown."""
        self._results = [result for result in found if self._is_shown(result)][: self._k]
        self.is_met = len(self._results) == self._k or len(found) < self.limit
        self.limit *= 4

    def _is_shown(self, result: SearchResult) -> bool:
        message = result.message
        if message is None or (message.role_type == "tool" and message.name == NAME):
            return False
        return self._left_out is None or result.session_id != self._left_out.session_id

    def answer(self) -> Answer:
        """Return the results for the model, and for the program."""
        lines = [_line(result.message) for result in self._results if result.message is not None]
        return "\n".join(lines) or NOTHING_FOUND, [
            result.model_dump(mode="json", exclude=_UNSHOWN, exclude_none=True) for result in self._results
        ]


def _user_of(configurable: Mapping[str, Any]) -> str:
    user_id = named_user(configurable)
    if user_id is None:
        raise InvalidInput(
            "user_id",
            'is missing; give the run a context with a user_id or config={"configurable": {"user_id": "alice"}}, '
            'or make the call inside `with use_session("alice-1", user_id="alice"):`',
        )
    return user_id


def _line(message: Message) -> str:
    """Return *message* on one line, however many it has, so that none can pass for several."""
    text = " ".join(message.content.split())
    shown = text if len(text) <= LONGEST_PASSAGE else f"{text[:LONGEST_PASSAGE]}…"
    day = message.created_at and f"{message.created_at:%Y-%m-%d}"
    return f"{day} {message.role_type}: {shown}"
