"""LangChain's messages."""

from collections.abc import Iterable

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from ..spoken import Call, Said

_ROLES = {"human": "user", "ai": "assistant", "tool": "tool"}


def message(said: Said) -> BaseMessage:
    """Return what was *said* as LangChain has it."""
    if said.result_of is not None:
        return ToolMessage(said.text, tool_call_id=said.result_of)
    if said.role == "user":
        return HumanMessage(said.text)
    return AIMessage(said.text, tool_calls=[{"id": c.id, "name": c.name, "args": c.args} for c in said.calls])


def all_said(messages: Iterable[BaseMessage]) -> list[Said]:
    """Return what LangChain has read."""
    return [_said(each) for each in messages]


def _said(message: BaseMessage) -> Said:
    calls = tuple(Call(c["id"], c["name"], c["args"]) for c in getattr(message, "tool_calls", ()))
    return Said(_ROLES[message.type], str(message.text), calls, getattr(message, "tool_call_id", None))
