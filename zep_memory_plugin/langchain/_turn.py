"""What a turn's input asks and what its output answers, in the shapes that runnables take and give."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    BaseMessageChunk,
    HumanMessage,
    SystemMessage,
    convert_to_messages,
)
from langchain_core.prompt_values import PromptValue

from ..errors import InvalidInput
from ._pairs import paired


@dataclass(frozen=True, slots=True)
class Question:
    """The new messages of a turn."""

    instructions: list[BaseMessage]
    """System messages at the start: given with every turn, hence not stored."""

    messages: list[BaseMessage]

    @classmethod
    def of(cls, messages: list[BaseMessage]) -> "Question":
        """Return the question that *messages* put."""
        told = (index for index, message in enumerate(messages) if not isinstance(message, SystemMessage))
        start = next(told, len(messages))
        return cls(messages[:start], messages[start:])

    def after(self, history: list[BaseMessage]) -> list[BaseMessage]:
        """Return all that a model is to be told."""
        return [*self.instructions, *self.history(history), *self.messages]

    def history(self, history: list[BaseMessage]) -> list[BaseMessage]:
        """Return *history* without what the question repeats, every tool call with its results."""
        repeated = {message.id for message in self.messages if message.id}
        return paired((message for message in history if message.id not in repeated), self.messages)


@dataclass(frozen=True, slots=True)
class Keys:
    """Where in its input and output a runnable has the question, the history and the answer."""

    input: str | None
    history: str | None
    output: str | None

    def question(self, value: Any) -> Question:
        """Return what the input *value* asks.

        Raises:
            InvalidInput: it is none of text, a message, a list of messages, and a dict with one of these.
        """
        if isinstance(value, Mapping):
            value = value[_key("input", self.input, value)]
        elif self.history is not None:
            raise InvalidInput("input", f"is of type {type(value).__name__}; with history_messages_key it is a dict")
        return Question.of(asked(value))

    def told(self, value: Any, question: Question, history: list[BaseMessage]) -> Any:
        """Return the input *value* with *history* in it."""
        if not isinstance(value, Mapping):
            return question.after(history)
        if self.history is None:
            return {**value, _key("input", self.input, value): question.after(history)}
        return {**value, self.history: question.history(history)}

    def answer(self, output: Any, told: Any) -> list[BaseMessage]:
        """Return what *output* answers; what it repeats of the input *told* is left out, as with a graph's state.

        Raises:
            InvalidInput: it is none of text, a message, a list of messages, and a dict with one of these.
        """
        if isinstance(output, Mapping):
            output = output[_key("output", self.output, output)]
        messages = answered(output)
        before = told[_key("input", self.input, told)] if isinstance(told, Mapping) else told
        return messages[len(before) :] if _repeats(messages, before) else messages


def asked(value: Any) -> list[BaseMessage]:
    """Return *value*, a question in any of its shapes, as messages.

    Raises:
        InvalidInput: it is none of text, a message, a prompt and a list of messages.
    """
    if isinstance(value, PromptValue):
        return value.to_messages()
    return _messages(value) if isinstance(value, list | tuple) else [_message("input", value, HumanMessage)]


def answered(value: Any) -> list[BaseMessage]:
    """Return *value*, an answer in any of its shapes, as messages.

    Raises:
        InvalidInput: it is none of text, a message and a list of messages.
    """
    items = value if isinstance(value, list | tuple) else [value]
    return [_message("output", item, AIMessage) for item in items]


def _key(side: str, given: str | None, value: Mapping[str, Any]) -> str:
    """Return the key of *value* that holds messages: the one *given*, the only one, or the one named as its side."""
    key = given or (next(iter(value)) if len(value) == 1 else side)
    if key not in value:
        raise InvalidInput(f"{side}_messages_key", f"is {given!r}; the {side} has the keys {sorted(map(str, value))}")
    return key


def _message(side: str, value: Any, kind: type[HumanMessage | AIMessage]) -> BaseMessage:
    """Return *value* as a message. An object that looks like a stored message is data, and is not accepted for one."""
    if isinstance(value, BaseMessage):
        return value
    if isinstance(value, str):
        return kind(str(value))
    raise InvalidInput(
        side, f"is of type {type(value).__name__}; allowed are text, a message, a list of messages or a dict with one"
    )


def _messages(values: Sequence[Any]) -> list[BaseMessage]:
    """Return *values* as messages, taken as models take them but for stored objects, which LangChain would revive."""
    for value in values:
        if not (isinstance(value, BaseMessage | str) or _has_role(value)):
            raise InvalidInput("input", f"holds a {type(value).__name__} that is no message")
    try:
        return convert_to_messages(values)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise InvalidInput("input", "holds what is no message") from error


def _has_role(value: Any) -> bool:
    """Tell whether *value* is a pair of role and text, or a dict of role and content."""
    if isinstance(value, dict):
        return isinstance(value.get("role"), str) and "lc" not in value
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str)


def _repeats(messages: list[BaseMessage], before: Any) -> bool:
    """Tell whether *messages* begin with those *before*, as the state of a graph does."""
    if not isinstance(before, list) or len(before) > len(messages):
        return False
    return all(new.type == old.type and new.content == old.content for new, old in zip(messages, before, strict=False))


def merged(chunks: list[Any]) -> Any:
    """Return what the *chunks* of a stream amount to; where they do not add up, the last one."""
    first = chunks[0]
    if isinstance(first, str):
        return "".join(chunks)
    if isinstance(first, AIMessageChunk):
        return first + chunks[1:]
    if isinstance(first, BaseMessage) and not isinstance(first, BaseMessageChunk):
        return chunks
    try:
        return reduce(add, chunks)
    except TypeError:
        return chunks[-1]
