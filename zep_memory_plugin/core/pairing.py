"""Tool calls and their results, which no model accepts without each other: one rule for every adapter."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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
    following = list(following)
    shown: list[Message | None] = []
    waiting: dict[str, list[int]] = {}
    for row in identified(rows, sum(not call_id for call_id in following)):
        if not _is_result(row):
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


def _is_result(row: Message) -> bool:
    return row.role_type == "tool" and row.role != "function"


def _missing(row: Message) -> list[Message]:
    """Return what stands for the results of the calls of *row* until they come."""
    if row.role_type != "assistant":
        return []
    calls = (call for call in row.tool_calls or () if call.id)
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


@dataclass(frozen=True, slots=True)
class _Call:
    """A call that waits for its result."""

    row: int
    position: int
    name: str
    id: str
    made: bool
    """Whether the model gave it none, and the id was made here."""


def identified(rows: Sequence[Message], answered_later: int = 0) -> list[Message]:
    """Return *rows* in which each call, and each result of one, has an id, as some models give none.

    A result without one, or with one that is no call's, belongs to the first call of its turn that waits for a result
    and is of its name, where it has one. So many calls without an id as are *answered_later* stay without.
    """
    if not any(map(_lacks_id, rows)):
        return list(rows)
    results: dict[int, str] = {}
    waiting: list[_Call] = []
    for number, row in enumerate(rows):
        if row.role_type == "user":
            waiting = []
        elif not _is_result(row):
            waiting += _calls(row, number)
        elif call := _call_of(row, waiting):
            waiting.remove(call)
            results[number] = call.id
    later = [call for call in waiting if call.made][:answered_later]
    return [_with_ids(row, number, results.get(number), later) for number, row in enumerate(rows)]


def _lacks_id(row: Message) -> bool:
    return not row.tool_call_id if _is_result(row) else any(not call.id for call in row.tool_calls or ())


def _calls(row: Message, number: int) -> list[_Call]:
    """Return the calls of the row *number*, each with an id: its own, or one made of its place."""
    made = f"call_{row.uuid.hex if row.uuid else number}"
    return [
        _Call(number, position, call.name, call.id or f"{made}_{position}", not call.id)
        for position, call in enumerate(row.tool_calls or ())
    ]


def _call_of(row: Message, waiting: Sequence[_Call]) -> _Call | None:
    """Return which of the calls *waiting* the result *row* belongs to, if any."""
    own = [call for call in waiting if not call.made and call.id[: checks.LONGEST_NAME] == row.tool_call_id]
    others = [call for call in waiting if call.made or not row.tool_call_id]
    names = {row.name, row.tool_call_id} - {None, ""}
    of_name = [call for call in others if call.name in names]
    return next(iter(own or of_name or ([] if row.name else others)), None)


def _with_ids(row: Message, number: int, result_of: str | None, later: Sequence[_Call]) -> Message:
    """Return *row* with ids for its calls, but for those that are answered *later*, or as the *result_of* a call."""
    if result_of is not None:
        return row.model_copy(update={"tool_call_id": result_of[: checks.LONGEST_NAME]})
    if not _lacks_id(row) or _is_result(row):
        return row
    ids = {call.position: call.id for call in _calls(row, number) if call not in later}
    calls = [
        call.model_copy(update={"id": ids.get(position, call.id)}) for position, call in enumerate(row.tool_calls or ())
    ]
    return row.model_copy(update={"tool_calls": calls})
