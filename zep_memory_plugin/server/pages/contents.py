"""What a transcript shows of a message: its text, and what a framework keeps beside it: reasoning and pictures.

Frameworks write these into their own JSON in much the same words; what is in none of them shows nothing.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...models import Message
from ...types import role_type_of

LONGEST_OPEN = 6_000
"""Characters of a text that are shown unfolded."""

LONGEST_SHOWN = 200_000
"""Characters of a text that are shown at all; of more, how many are left out."""

LARGEST_PICTURE = 4 * 1024 * 1024
"""Characters of a picture that is shown in the page itself."""

_DEEPEST = 12
"""Levels of a framework's own JSON that are looked through."""

_THOUGHTS = ("reasoning", "thinking", "reasoning_content")
_PICTURES = ("image", "image_url", "input_image")
_TEXTS = ("reasoning", "thinking", "text", "reasoning_content", "content", "summary")
_KINDS = "png|jpe?g|gif|webp"
_FENCE = re.compile(r"^ {0,3}```[\w+#.-]{0,20}[ \t]*$", re.MULTILINE)
_IN_PAGE = re.compile(rf"data:image/(?:{_KINDS});base64,[A-Za-z0-9+/=\s]+", re.ASCII)


@dataclass(slots=True)
class Picture:
    """A picture: in the page itself, or at an address that is shown and not asked for."""

    source: str
    in_page: bool


@dataclass(slots=True)
class Piece:
    """A part of a text: words, or code."""

    text: str
    is_code: bool


@dataclass(slots=True)
class Contents:
    """A message as a transcript shows it."""

    message: Message
    role_type: str
    thoughts: list[str] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)

    @property
    def is_long(self) -> bool:
        """Whether its text is folded."""
        return self.role_type == "tool" or len(self.message.content) > LONGEST_OPEN


def contents_of(message: Message) -> Contents:
    """Return what is shown of *message*."""
    shown = Contents(message, message.role_type or role_type_of(message.role))
    for block in _objects(_native(message)):
        kind = block.get("type", block.get("block_type"))
        if kind in _THOUGHTS:
            shown.thoughts.append(_text(block))
        elif isinstance(thought := block.get("reasoning_content"), str):
            shown.thoughts.append(thought)
        elif kind in _PICTURES and (source := _source(block)):
            shown.pictures.append(Picture(source, _is_in_page(source)))
    shown.thoughts = [thought for thought in shown.thoughts if thought.strip()]
    return shown


def pieces_of(text: str) -> list[Piece]:
    """Return *text* in pieces: what is between lines of three backticks, and the name of a language, is code."""
    pieces = [Piece(part.strip("\n"), at % 2 == 1) for at, part in enumerate(_FENCE.split(text))]
    return [piece for piece in pieces if piece.text.strip()] or [Piece(text, is_code=False)]


def bounded(text: str) -> str:
    """Return *text*, or as much of it as a page can show."""
    left = len(text) - LONGEST_SHOWN
    return text if left <= 0 else f"{text[:LONGEST_SHOWN]}… and {left:,} more characters"


def _is_in_page(source: str) -> bool:
    return len(source) <= LARGEST_PICTURE and _IN_PAGE.fullmatch(source) is not None


def _native(message: Message) -> object:
    try:
        return json.loads(message.native) if message.native else None
    except (ValueError, RecursionError):
        return None


def _objects(value: object, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """Yield the objects in *value*, of those that are blocks only the outermost."""
    if depth > _DEEPEST:
        return
    if isinstance(value, dict):
        yield value
        if value.get("type", value.get("block_type")) in (*_THOUGHTS, *_PICTURES):
            return
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _objects(each, depth + 1)


def _text(block: object) -> str:
    if isinstance(block, str):
        return block
    if isinstance(block, list):
        return "\n".join(filter(None, map(_text, block)))
    if isinstance(block, dict):
        return next((text for name in _TEXTS if (text := _text(block.get(name)))), "")
    return ""


def _source(block: Mapping[str, Any]) -> str:
    """Return where the picture of a *block* is."""
    for value in (block.get("image_url"), block.get("url"), block.get("source"), block):
        if isinstance(value, str):
            return value
        if isinstance(value, dict) and (source := _address(value)):
            return source
    return ""


def _address(block: Mapping[str, Any]) -> str:
    if isinstance(address := block.get("url"), str):
        return address
    data = next((block[name] for name in ("base64", "data", "image") if isinstance(block.get(name), str)), "")
    kind = next((block[name] for name in ("mime_type", "media_type", "image_mimetype") if block.get(name)), "image/png")
    return data if data.startswith("data:") else f"data:{kind};base64,{data}" if data else ""
