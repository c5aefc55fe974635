"""Tool calls and their results, which no model accepts without each other."""

from collections.abc import Iterable

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

NO_RESULT = "There is no result: the call was interrupted, or its result was not kept."
"""What a model is told about a call that nobody answered."""


def paired(history: Iterable[BaseMessage], following: Iterable[BaseMessage] = ()) -> list[BaseMessage]:
    """Return *history* with each tool call followed by its results, as models want it.

    A call without a result gets an error for one, unless it is answered in *following*; a result without a call is
    left out.
    """
    told: list[BaseMessage | None] = []
    waiting: dict[str, list[int]] = {}
    for message in history:
        if not isinstance(message, ToolMessage):
            told.append(message)
        elif waiting.get(message.tool_call_id):
            told[waiting[message.tool_call_id].pop(0)] = message
        if isinstance(message, AIMessage):
            for no_result in _no_results(message):
                waiting.setdefault(no_result.tool_call_id, []).append(len(told))
                told.append(no_result)
    for message in following:
        if isinstance(message, ToolMessage) and waiting.get(message.tool_call_id):
            told[waiting[message.tool_call_id].pop(0)] = None
    return [message for message in told if message is not None]


def _no_results(message: AIMessage) -> list[ToolMessage]:
    calls = [*message.tool_calls, *message.invalid_tool_calls]
    return [
        ToolMessage(NO_RESULT, tool_call_id=call["id"], name=call["name"], status="error")
        for call in calls
        if call["id"] is not None
    ]
