"""What a turn's input asks and what its output answers, in the shapes that runnables take and give."""

from collections.abc import Iterable, Mapping, Sequence
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
    RemoveMessage,
    SystemMessage,
    convert_to_messages,
)
from langchain_core.prompt_values import PromptValue

from ..errors import InvalidInput
from ._pairs import paired

_INTERRUPT = "__interrupt__"
"""Names, among the updates of a graph, that it was interrupted. Written out, as LangGraph may not be installed."""

_ALL = "__remove_all__"
"""The id by which a graph removes all messages."""


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
            value = value[self._asked(value)]
        elif self.history is not None:
            raise InvalidInput("input", f"is of type {type(value).__name__}; with history_messages_key it is a dict")
        return Question.of(asked(value))

    def told(self, value: Any, question: Question, history: list[BaseMessage]) -> Any:
        """Return the input *value* with *history* in it."""
        if not isinstance(value, Mapping):
            return question.after(history)
        if self.history is None:
            return {**value, self._asked(value): question.after(history)}
        return {**value, self.history: question.history(history)}

    def answer(self, output: Any, told: Any) -> list[BaseMessage]:
        """Return what *output* answers; what it repeats of the input *told* is left out, as with a graph's state.

        Raises:
            InvalidInput: it is none of text, a message, a list of messages, and a dict with one of these.
        """
        if isinstance(output, Mapping):
            output = output[_key("output", self.output, output)]
        before = told[self._asked(told)] if isinstance(told, Mapping) else told
        return [message for message in _beyond(answered(output), before) if not _is_note(message)]

    def _asked(self, value: Mapping[str, Any]) -> str:
        """Return the key of the input *value* that holds the question; that of the history is another."""
        return _key("input", self.input, {name: part for name, part in value.items() if name != self.history})


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
    except (NotImplementedError, TypeError, ValueError):
        # Without its cause, which has the text in it.
        raise InvalidInput("input", "holds what is no message; a dict needs a role and content") from None


def _has_role(value: Any) -> bool:
    """Tell whether *value* is a pair of role and text, or a dict of role and content."""
    if isinstance(value, dict):
        return isinstance(value.get("role"), str) and "lc" not in value
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str)


def _beyond(messages: list[BaseMessage], before: Any) -> list[BaseMessage]:
    """Return those of *messages* that answer; the state of a graph has what came *before* in it, or what it made of it.

    Such a state is told by the question, the last that came before. It may have a summary in the place of the rest.
    """
    if not isinstance(before, list) or not before:
        return messages
    if len(before) <= len(messages) and all(map(_is_same, messages, before)):
        return messages[len(before) :]
    asked = next((place for place in reversed(range(len(messages))) if _is_same(messages[place], before[-1])), None)
    return messages if asked is None else messages[asked + 1 :]


def _is_same(one: BaseMessage, other: BaseMessage) -> bool:
    return one.type == other.type and one.content == other.content


def _is_note(message: BaseMessage) -> bool:
    """Tell whether *message* is an instruction to a graph or a note that it made for itself, and nothing said."""
    return isinstance(message, RemoveMessage) or bool(message.additional_kwargs.get("lc_source"))


def merged(chunks: list[Any]) -> Any:
    """Return what the *chunks* of a stream amount to; where they do not add up, the last one."""
    if all(_is_update(chunk) for chunk in chunks):
        return _updated(chunks)
    if all(isinstance(chunk, tuple) and len(chunk) == 2 and isinstance(chunk[0], BaseMessage) for chunk in chunks):
        return _by_message(chunk for chunk, told in chunks if not told.get("lc_source"))
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


def _is_update(chunk: Any) -> bool:
    """Tell whether *chunk* is what nodes of a graph have changed, as a graph streams it; or that it was interrupted."""
    if not isinstance(chunk, Mapping) or not chunk:
        return False
    return all(update is None or isinstance(update, Mapping) or key == _INTERRUPT for key, update in chunk.items())


def _updated(chunks: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Return the messages that the updates come to, one of a known id in the place of the earlier one."""
    messages: dict[Any, Any] = {}
    for update in (update for chunk in chunks for key, update in chunk.items() if key != _INTERRUPT and update):
        new = update.get("messages") or []
        for message in new if isinstance(new, list | tuple) else [new]:
            if not isinstance(message, RemoveMessage):
                messages[getattr(message, "id", None) or id(message)] = message
            elif message.id == _ALL:
                messages.clear()
            else:
                messages.pop(message.id, None)
    return list(messages.values())


def _by_message(chunks: Iterable[BaseMessage]) -> list[Any]:
    """Return the messages of their pieces, as a graph streams them; a whole one takes the place of its pieces."""
    messages: dict[Any, Any] = {}
    for number, chunk in enumerate(chunks):
        key = chunk.id or number
        piece = isinstance(chunk, BaseMessageChunk) and isinstance(messages.get(key), BaseMessageChunk)
        messages[key] = messages[key] + chunk if piece else chunk
    return list(messages.values())
