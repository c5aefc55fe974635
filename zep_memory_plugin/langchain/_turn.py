"""What a turn's input asks and what its output answers, in the shapes that runnables take and give."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise, takewhile
from operator import add
from typing import Any, Literal

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    BaseMessageChunk,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
    convert_to_messages,
)
from langchain_core.prompt_values import PromptValue

from ..core import foreign
from ..errors import InvalidInput
from ..models import Memory
from ..types import SummaryAs
from ._pairs import with_results
from ._window import told, with_summary

_INTERRUPT = "__interrupt__"
"""Names, among the updates of a graph, that it was interrupted. Written out, as LangGraph may not be installed."""

_ALL = "__remove_all__"
"""The id by which a graph removes all messages."""

PARSED = "parsed"
"""Names what was parsed of an answer, in the output of LangChain's models with a schema, and in a message."""

_STATES = ("output", "messages")
"""Keys at which the state of a graph and other outputs have their messages, before other keys with messages."""

_ANSWERS = ("output", "answer", "text", "response", "result", "output_text")
"""Keys at which LangChain's chains have the text of an answer."""


@dataclass(frozen=True, slots=True)
class TurnInput:
    """The new messages of a turn."""

    instructions: list[BaseMessage]
    """System messages at the start: given with every turn, hence not stored."""

    messages: list[BaseMessage]

    @classmethod
    def of(cls, messages: list[BaseMessage]) -> "TurnInput":
        """Return what *messages* ask, apart from the instructions in front of it."""
        instructions = list(takewhile(lambda message: isinstance(message, SystemMessage), messages))
        return cls(instructions, messages[len(instructions) :])

    def after(self, memory: Memory, summary_as: SummaryAs) -> list[BaseMessage]:
        """Return all that a model is given."""
        return [*self.instructions, *told(memory, self.messages, summary_as)]

    def history(self, memory: Memory, summary_as: SummaryAs) -> list[BaseMessage]:
        """Return the messages of *memory* with every tool call's results, but for those that the turn brings."""
        return with_summary(memory.summary, with_results(memory.messages, self.messages), summary_as)


@dataclass(frozen=True, slots=True)
class MessageKeys:
    """Where in its input and output a runnable has the question, the history and the answer."""

    input: str | None
    history: str | None
    output: str | None
    summary_as: SummaryAs = "system"

    def turn_input(self, value: Any) -> TurnInput:
        """Return what the input *value* asks: text, a message, a list of messages, or a dict with one of these.

        A command to a graph asks nothing: it lets the graph go on with what it was asked.
        """
        if is_command(value):
            return TurnInput([], [])
        if isinstance(value, Mapping):
            value = value[self._input_key(value)]
        elif self.history is not None:
            raise InvalidInput("input", f"is of type {type(value).__name__}; with history_messages_key it is a dict")
        return TurnInput.of(question_messages(value))

    def with_history(self, value: Any, turn: TurnInput, memory: Memory) -> Any:
        """Return the input *value*, which asks *turn*, with what is shown of the session in it."""
        if is_command(value):
            return value
        if not isinstance(value, Mapping):
            return turn.after(memory, self.summary_as)
        if self.history is None:
            return {**value, self._input_key(value): turn.after(memory, self.summary_as)}
        return {**value, self.history: turn.history(memory, self.summary_as)}

    def answer(self, output: Any, value: Any) -> list[BaseMessage]:
        """Return what *output* answers, without what it repeats of the input *value*, as the state of a graph does."""
        messages = self._answer_of(output) if isinstance(output, Mapping) else answer_messages(output)
        before = value[self._input_key(value)] if isinstance(value, Mapping) else value
        return [message for message in _after(before, messages) if not is_note(message)]

    def _answer_of(self, output: Mapping[Any, Any]) -> list[BaseMessage]:
        """Return what a dict answers.

        1. What is at the key that was named for it.
        2. Else the messages that one of its keys has: those of the state of a graph, or what a model said beside what
           was parsed of it.
        3. Else the text at a key with the name of an answer. (`{"answer": "yes", "sources": […]}`)
        4. Else all of it is data.
        """
        key = self.output if self.output in output else _answer_key(output)
        if key is None:
            return [_data_message(output)]
        return [*answer_messages(output[key]), *_results_of_parsing(output, key)]

    def _input_key(self, value: Mapping[str, Any]) -> str:
        """Return the key of the input *value* that holds the question; that of the history is another."""
        parts = {name: part for name, part in value.items() if name != self.history}
        key = self.input or (next(iter(parts)) if len(parts) == 1 else "input")
        if key not in parts:
            names = sorted(map(str, parts))
            raise InvalidInput("input_messages_key", f"is {self.input!r}; the input has the keys {names}")
        return key


def question_messages(value: Any) -> list[BaseMessage]:
    """Return *value*, a question in any of its shapes (text, a message, a list of messages, a prompt), as messages."""
    if isinstance(value, PromptValue):
        return value.to_messages()
    return _messages(value) if isinstance(value, list | tuple) else [_question(value)]


def answer_messages(value: Any) -> list[BaseMessage]:
    """Return *value*, an answer in any shape, as messages: what is neither text nor messages is data."""
    if value is None:
        return []
    if isinstance(value, str | BaseMessage):
        return [_answer(value)]
    if isinstance(value, list | tuple) and (not value or _holds_messages(value)):
        return [_answer(item) for item in value]
    return [_data_message(value)]


def _answer_key(output: Mapping[Any, Any]) -> Any:
    """Return the key at which *output* has messages, or the text of an answer, if there is one."""
    with_messages = (key for key in (*_STATES, *output) if key in output and _holds_messages(output[key]))
    with_text = (key for key in _ANSWERS if isinstance(output.get(key), str))
    return next(with_messages, None) or next(with_text, None)


def _answer(value: Any) -> BaseMessage:
    if isinstance(value, BaseMessage):
        return value
    return AIMessage(str(value)) if isinstance(value, str) else _data_message(value)


def _data_message(value: Any) -> AIMessage:
    """Return the message that answers with data: its text as JSON, and the data itself."""
    return AIMessage(foreign.text_of(value), additional_kwargs={PARSED: value})


def _holds_messages(value: Any) -> bool:
    items = value if isinstance(value, list | tuple) else [value]
    return any(isinstance(item, BaseMessage) for item in items)


def _results_of_parsing(output: Mapping[Any, Any], key: str) -> list[BaseMessage]:
    """Return the results of the calls by which a model gave the data that *output* has beside its message at *key*.

    No tool answers these calls, and without a result they would look interrupted.
    """
    said = output[key]
    if PARSED not in output or not isinstance(said, AIMessage):
        return []
    failed = output[PARSED] is None
    text = foreign.text_of(output.get("parsing_error") if failed else output[PARSED])
    status: Literal["success", "error"] = "error" if failed else "success"
    return [ToolMessage(text, tool_call_id=call["id"], name=call["name"], status=status) for call in said.tool_calls]


def _question(value: Any) -> BaseMessage:
    """Return *value* as a message. An object that looks like a stored message is data, and is not accepted for one."""
    if isinstance(value, BaseMessage):
        return value
    if isinstance(value, str):
        return HumanMessage(str(value))
    raise InvalidInput(
        "input",
        f"is of type {type(value).__name__}; allowed are text, a message, a list of messages or a dict with one",
    )


def _messages(values: Sequence[Any]) -> list[BaseMessage]:
    """Return *values* as messages, taken as models take them but for stored objects, which LangChain would revive."""
    for value in values:
        if not (isinstance(value, BaseMessage | str) or _has_role(value)):
            raise InvalidInput("input", f"holds a {type(value).__name__} that is no message")
    try:
        return convert_to_messages(values)
    except (NotImplementedError, TypeError, ValueError):
        pass  # their words are the message's
    raise InvalidInput("input", "holds what is no message; a dict needs a role and content")


def _has_role(value: Any) -> bool:
    """Tell whether *value* is a pair of role and text, or a dict of role and content."""
    if isinstance(value, dict):
        return isinstance(value.get("role"), str) and "lc" not in value
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str)


def _after(before: Any, messages: list[BaseMessage]) -> list[BaseMessage]:
    """Return those of *messages* that answer what came *before*, a list of messages where it may be repeated.

    1. What is not a list is not repeated. (Before: "q". Messages: a.)
    2. Messages that begin with all that came before go on after it. (Before: h, q. Messages: h, q, a.)
    3. Else they go on after the question, the last that came before. (Before: h, q. Messages: a summary of h, q, a.)
    4. Without the question, nothing is repeated. (Before: h, q. Messages: a.)
    """
    if not isinstance(before, list) or not before:
        return messages
    if len(before) <= len(messages) and all(map(_is_same, messages, before)):
        return messages[len(before) :]
    positions = reversed(range(len(messages)))
    question = next((position for position in positions if _is_same(messages[position], before[-1])), None)
    return messages if question is None else messages[question + 1 :]


def _is_same(one: BaseMessage, other: BaseMessage) -> bool:
    return one.type == other.type and one.content == other.content


def is_command(value: Any) -> bool:
    """Tell whether *value* is a command to a graph, such as to resume; LangGraph may not be installed."""
    graph = sys.modules.get("langgraph.types")
    return graph is not None and isinstance(value, graph.Command)


def is_note(message: BaseMessage) -> bool:
    """Tell whether *message* is an instruction to a graph or a note of it to itself, no part of the conversation."""
    if isinstance(message, ToolMessage):  # what a person says in the place of a tool is marked, and said all the same
        return False
    return isinstance(message, RemoveMessage) or bool(message.additional_kwargs.get("lc_source"))


def merge(chunks: list[Any]) -> Any:
    """Return what the *chunks* of a stream amount to; where they do not add up, the last one.

    1. Updates of a graph, with `stream_mode="updates"`: the messages that they come to.
    2. Pieces of messages and their metadata, with `stream_mode="messages"`: the messages.
    3. Text and pieces of a message: the whole one.
    4. Whole messages: all of them.
    5. Data of a parser, which grows: the last.
    6. Anything else: its sum, as of the dicts that a parallel runnable streams.
    """
    if all(map(_is_update, chunks)) and any(map(_tells_of_messages, chunks)):
        return _messages_of_updates(chunks)
    if all(isinstance(chunk, tuple) and len(chunk) == 2 and isinstance(chunk[0], BaseMessage) for chunk in chunks):
        return _messages_of_pieces(chunk for chunk, metadata in chunks if not metadata.get("lc_source"))
    first = chunks[0]
    if isinstance(first, str):
        return "".join(chunks)
    if isinstance(first, AIMessageChunk):
        return first + chunks[1:]
    if isinstance(first, BaseMessage) and not isinstance(first, BaseMessageChunk):
        return chunks
    return _grown(chunks) if isinstance(first, list | int | float) or first is None else _sum(chunks)


def _grown(chunks: list[Any]) -> Any:
    """Return the last of *chunks* where each has all that came before, as parsers stream data; else their sum."""
    lists = [chunk for chunk in chunks if isinstance(chunk, list)]
    parts = len(lists) == len(chunks) and any(later[: len(one)] != one for one, later in pairwise(lists))
    return _sum(chunks) if parts else chunks[-1]


def _sum(chunks: list[Any]) -> Any:
    try:
        return reduce(add, chunks)
    except Exception:  # whatever the objects of a stream raise, its last one is an answer
        return chunks[-1]


def _is_update(chunk: Any) -> bool:
    """Tell whether *chunk* is what nodes of a graph have changed, as a graph streams it; or that it was interrupted."""
    if not isinstance(chunk, Mapping) or not chunk:
        return False
    return all(update is None or isinstance(update, Mapping) or key == _INTERRUPT for key, update in chunk.items())


def _tells_of_messages(chunk: Mapping[str, Any]) -> bool:
    return any(key == _INTERRUPT or (update and "messages" in update) for key, update in chunk.items())


def _messages_of_updates(chunks: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Return the messages that the updates come to, a later one of the same id instead of the earlier."""
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


def _messages_of_pieces(chunks: Iterable[BaseMessage]) -> list[Any]:
    """Return the messages of their pieces, as a graph streams them; a whole one comes instead of its pieces."""
    messages: dict[Any, Any] = {}
    for number, chunk in enumerate(chunks):
        key = chunk.id or number
        piece = isinstance(chunk, BaseMessageChunk) and isinstance(messages.get(key), BaseMessageChunk)
        messages[key] = messages[key] + chunk if piece else chunk
    return list(messages.values())
