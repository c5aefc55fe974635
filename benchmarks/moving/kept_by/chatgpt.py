"""The `conversations.json` of ChatGPT's data export, in which a call is a message to a tool."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..spoken import Call, Said, Talks


def fill(place: str, talks: Talks) -> None:
    """Write *talks*."""
    with Path(place).open("w") as file:
        for number, (session, said) in enumerate(talks):
            file.write(",\n" if number else "[")
            json.dump(_conversation(session, said), file)
        file.write("]")


def _conversation(session: str, said: list[Said]) -> dict[str, Any]:
    names = ["root", *(f"{session}-{number}" for number in range(len(said)))]
    mapping: dict[str, Any] = {"root": {"id": "root", "message": None, "parent": None, "children": names[1:2]}}
    for name, parent, each in zip(names[1:], names, said, strict=False):
        mapping[name] = {"id": name, "message": _message(name, each), "parent": parent, "children": []}
    return {"title": "A talk", "mapping": mapping, "current_node": names[-1], "conversation_id": session}


def _message(name: str, said: Said) -> dict[str, Any]:
    text, recipient = said.text, "all"
    for call in said.calls:
        text, recipient = json.dumps(call.args), call.name
    return {
        "id": name,
        "author": {"role": said.role, "name": None, "metadata": {}},
        "create_time": 1_700_000_000.5,
        "content": {"content_type": "text", "parts": [text]},
        "metadata": {},
        "recipient": recipient,
    }


def read(place: str) -> Talks:
    """Read each conversation along its branch."""
    conversations = json.loads(Path(place).read_text())
    for conversation in sorted(conversations, key=lambda each: each["conversation_id"]):
        branch = list(_branch(conversation["mapping"], conversation["current_node"]))
        yield conversation["conversation_id"], [_said(message) for message in reversed(branch)]


def _branch(mapping: dict[str, Any], last: str) -> Iterator[dict[str, Any]]:
    while message := mapping[last]["message"]:
        yield message
        last = mapping[last]["parent"]


def _said(message: dict[str, Any]) -> Said:
    role, (text,), recipient = message["author"]["role"], message["content"]["parts"], message["recipient"]
    if recipient == "all":
        return Said(role, text)
    return Said(role, calls=(Call(message["id"], recipient, text),))
