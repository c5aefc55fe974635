"""Items of the OpenAI Agents SDK."""

import json
from collections.abc import Iterable
from typing import Any

from ..spoken import Call, Said


def item(said: Said) -> Any:
    """Return what was *said* as the SDK has it."""
    if said.result_of is not None:
        return {"type": "function_call_output", "call_id": said.result_of, "output": said.text}
    for call in said.calls:
        arguments = json.dumps(call.args)
        return {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": arguments}
    if said.role == "user":
        return {"role": "user", "content": said.text}
    text = {"type": "output_text", "text": said.text, "annotations": []}
    return {"id": "m", "type": "message", "role": "assistant", "status": "completed", "content": [text]}


def all_said(items: Iterable[Any]) -> list[Said]:
    """Return what the SDK has read."""
    return [_said(each) for each in items]


def _said(item: Any) -> Said:
    match item:
        case {"type": "function_call_output"}:
            return Said("tool", item["output"], result_of=item["call_id"])
        case {"type": "function_call"}:
            call = Call(item["call_id"], item["name"], json.loads(item["arguments"]))
            return Said("assistant", calls=(call,))
        case {"content": str(text)}:
            return Said(item["role"], text)
    return Said(item["role"], "".join(part["text"] for part in item["content"]))
