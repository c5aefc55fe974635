"""Rows of a session as messages that a model accepts, with every tool call's results."""

from collections.abc import Callable, Iterable, Sequence

from langchain_core.messages import BaseMessage, ToolMessage

from .. import forms
from ..core import pairing
from ..models import Message
from ._messages import NATIVE_FORMAT, from_row


def with_results(
    rows: Sequence[Message],
    following: Iterable[BaseMessage] = (),
    *,
    read: Callable[[Message], BaseMessage] = from_row,
) -> list[BaseMessage]:
    """Return the messages that *read* makes of *rows*, before those *following*, each tool call with its results.

    A call without a result gets an error for one, unless it is answered in *following*.
    """
    answered = [message.tool_call_id for message in following if isinstance(message, ToolMessage)]
    paired = pairing.paired(forms.readable(rows, NATIVE_FORMAT), answered)
    return [read(row) if row.seq is not None else _in_place_of_result(row) for row in paired]


def _in_place_of_result(row: Message) -> BaseMessage:
    return from_row(row).model_copy(update={"status": "error"})
