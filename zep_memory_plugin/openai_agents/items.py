"""Items of the OpenAI Agents SDK as rows that every framework reads, and back; this needs no SDK."""

from .. import forms
from ..forms import Form, Json, Part
from ..models import Message, ToolCall


def to_row(item: Json) -> Message:
    """Return the row of *item*, which only this SDK can read where it is neither said, called nor answered."""
    item, role, parts = forms.plain(item), "assistant", list[Part]()
    match item:
        case {"type": "function_call", "call_id": str(id_), "name": str(name)}:
            parts = [Part(call=ToolCall(id=id_, name=name, args=forms.arguments(item.get("arguments"))))]
        case {"type": "function_call_output", "call_id": str(id_)}:
            parts = [Part(_text(item.get("output")), result_of=id_)]
        case {"role": str(role), "content": content}:
            parts = [Part(_text(content))]
    return forms.kept(FORM, forms.row(parts, role), item)


def _text(content: object) -> str:
    """Return what *content*, text or a list of parts, says in words."""
    if not isinstance(content, list):
        return forms.text_of(content)
    return "\n".join(text for part in content if (text := _part(part).text) is not None)


def _part(part: Json) -> Part:
    match part:
        case {"text": str(text)} | {"refusal": str(text)}:
            return Part(text)
    return Part()


def _items(rows: list[Message]) -> list[Json]:
    return [_item(row, part) for row in rows for part in forms.parts_of(row)]


def _item(row: Message, part: Part) -> Json:
    if part.result_of is not None:
        return {"type": "function_call_output", "call_id": part.result_of, "output": part.text}
    if call := part.call:
        arguments = forms.arguments_text(call)
        return {"type": "function_call", "call_id": call.id or "", "name": call.name, "arguments": arguments}
    role = row.role if row.role_type in ("system", None) else "assistant" if row.role_type == "assistant" else "user"
    return {"role": role, "content": part.text}


FORM = Form("openai_agents", _part, _items, words="input_text")
"""How the SDK writes items."""
