"""What a model is shown of a session, as LangChain's messages: the newest turns, and a summary of the others."""

from collections.abc import Iterator, Sequence
from itertools import chain, takewhile

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from ..core.windows import fitting
from ..forms import recap
from ..models import Memory, Summary
from ..types import SummaryAs, TokenCounter, WindowBounds
from ._pairs import with_results
from ._tokens import all_tokens


def told(memory: Memory, following: Sequence[BaseMessage], summary_as: SummaryAs) -> list[BaseMessage]:
    """Return *memory* as messages, with its summary, and then those *following*."""
    return with_summary(memory.summary, [*with_results(memory.messages, following), *following], summary_as)


def with_summary(summary: Summary | None, messages: Sequence[BaseMessage], summary_as: SummaryAs) -> list[BaseMessage]:
    """Return *messages* with a *summary* after the system message at their head, or in the first question."""
    if summary is None:
        return [*messages]
    head = _instructions(messages[:1])
    if summary_as == "system":
        return [*head, SystemMessage(summary.content), *messages[len(head) :]]
    asked = next((index for index, each in enumerate(messages) if isinstance(each, HumanMessage)), None)
    if asked is None:
        return [*head, HumanMessage(recap(summary)), *messages[len(head) :]]
    return [*messages[:asked], _recalling(summary, messages[asked]), *messages[asked + 1 :]]


def _recalling(summary: Summary, question: BaseMessage) -> BaseMessage:
    """Return a copy of *question* with *summary* in front of its words."""
    words, content = f"{recap(summary)}\n\n", question.content
    recalling = words + content if isinstance(content, str) else [{"type": "text", "text": words}, *content]
    return question.model_copy(update={"content": recalling})


def leaves_out(messages: Sequence[BaseMessage], bounds: WindowBounds, counter: TokenCounter) -> bool:
    """Tell whether some of the *messages* of a thread are not in its window."""
    earlier, _ = _turns(messages[len(_instructions(messages)) :])
    return fitting(_newest_first(earlier, counter), bounds) is not None


def windowed(
    memory: Memory,
    messages: Sequence[BaseMessage],
    bounds: WindowBounds,
    counter: TokenCounter,
    summary_as: SummaryAs,
) -> list[BaseMessage]:
    """Return *messages*, of a thread, after what the window has of their earlier turns and of the *memory* before them.

    The turn that they end with is not counted. System messages in front of the thread's stay at the head, where alone
    some models take them.
    """
    instructions = _instructions(messages)
    earlier, current = _turns(messages[len(instructions) :])
    before = ((row.role_type == "user", row.token_count or 0) for row in reversed(memory.messages))
    count = fitting(chain(_newest_first(earlier, counter), before), bounds)
    if count is not None:
        memory = _newest(memory, max(0, count - len(earlier)))
        earlier = earlier[max(0, len(earlier) - count) :]
    return [*instructions, *told(memory, [*earlier, *current], summary_as)]


def _turns(messages: Sequence[BaseMessage]) -> tuple[Sequence[BaseMessage], Sequence[BaseMessage]]:
    """Return *messages* up to the last question, and from there on."""
    questions = [position for position, message in enumerate(messages) if isinstance(message, HumanMessage)]
    start = questions[-1] if questions else 0
    return messages[:start], messages[start:]


def _newest(memory: Memory, count: int) -> Memory:
    """Return *memory* with only so many of its newest messages, and the system message at its head."""
    rows = memory.messages
    kept = rows[len(rows) - count :]
    head = [row for row in rows[:1] if row.role_type == "system" and len(kept) < len(rows)]
    return memory.model_copy(update={"messages": [*head, *kept]})


def _instructions(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    return list(takewhile(lambda message: isinstance(message, SystemMessage), messages))


def _newest_first(messages: Sequence[BaseMessage], counter: TokenCounter) -> Iterator[tuple[bool, int]]:
    """Yield of each of *messages*, from the newest on, whether a turn begins with it, and its tokens."""
    return ((isinstance(each, HumanMessage), all_tokens(each, counter)) for each in reversed(messages))
