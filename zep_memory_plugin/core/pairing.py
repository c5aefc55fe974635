"""Tool calls and their results, which no model accepts without each other: one rule for every adapter."""

from collections.abc import Iterable, Sequence

from ..models import Message
from . import checks

NO_RESULT = "There is no result: the call was interrupted, or its result was not kept."
"""What a model is told about a call that nobody answered."""


def paired(rows: Sequence[Message], following: Iterable[str] = ()) -> list[Message]:
    """Return *rows* with each tool call followed by its results, as models want it.

    A call without a result gets a row without seq for one, unless its id is among the results *following*; a result
    without a call is left out.
    """
    if not any(row.tool_calls or row.role_type == "tool" for row in rows):
        return list(rows)
    shown: list[Message | None] = []
    waiting: dict[str, list[int]] = {}
    for row in rows:
        if row.role_type != "tool" or row.role == "function":
            shown.append(row)
        elif waiting.get(row.tool_call_id or ""):
            shown[waiting[row.tool_call_id or ""].pop(0)] = row
        for missing in _missing(row):
            waiting.setdefault(missing.tool_call_id or "", []).append(len(shown))
            shown.append(missing)
    for call_id in following:
        if waiting.get(call_id[: checks.LONGEST_NAME]):
            shown[waiting[call_id[: checks.LONGEST_NAME]].pop(0)] = None
    return [row for row in shown if row is not None]


def _missing(row: Message) -> list[Message]:
    """Return what stands for the results of the calls of *row* until they come."""
    if row.role_type != "assistant":
        return []
    calls = (call for call in row.tool_calls or () if call.id is not None)
    return [
        Message(
            role="tool",
            role_type="tool",
            content=NO_RESULT,
            name=call.name or None,
            tool_call_id=(call.id or "")[: checks.LONGEST_NAME],
        )
        for call in calls
    ]
