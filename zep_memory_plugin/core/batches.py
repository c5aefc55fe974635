"""Messages on their way in: checked, cleaned, counted and given ids, before any I/O."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import index
from typing import Any, SupportsIndex
from uuid import UUID

from ..errors import InvalidInput
from ..models import Message, ToolCall, role_type_of
from ..uuids import new_uuid
from . import checks, jsontext

TokenCounter = Callable[[str], int]

NATIVE_FORMAT = "zep_memory_plugin"
"""Names our own native form, kept for messages whose text a text column cannot hold as it is."""

_TEXTS = ("role", "content", "name", "tool_call_id")


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages that were checked and wait to be appended: rows without session and seq, each uuid once."""

    rows: list[dict[str, Any]]
    given: frozenset[UUID]
    """The uuids that the caller chose, which may be stored already."""

    merges: bool
    """Whether a message with a uuid of the caller brings metadata, to be merged into what is stored."""

    archived: bool
    """Whether what is new is stored as archived."""


def estimated_tokens(text: str) -> int:
    """Estimate the tokens of *text* as a quarter of its characters, rounded up."""
    return (len(text) + 3) // 4


def batch(new: Iterable[Message], token_counter: TokenCounter, status: object = "active") -> Batch:
    """Check *new* and make ids for it; no I/O."""
    archived = checks.status(status) == "archived"
    rows: list[dict[str, Any]] = []
    places: dict[UUID, int] = {}
    for count, message in enumerate(checks.several("messages", new), start=1):
        if count > checks.LARGEST_BATCH:
            raise InvalidInput("messages", f"are more than {checks.LARGEST_BATCH}; append them in several calls")
        row = written(message, token_counter)
        if message.uuid is None:
            rows.append(row)
            continue
        place = places.setdefault(row["uuid"], len(rows))
        _merge_into(row, rows[place : place + 1])
        rows[place : place + 1] = [row]
    merges = any(rows[place]["metadata"] for place in places.values())
    return Batch(rows, frozenset(places), merges, archived)


def written(message: Message, token_counter: TokenCounter) -> dict[str, Any]:
    """Check *message* and return its columns, but for what the session gives it."""
    checks.model("message", message, Message)
    tool_calls = _tool_calls_text(message.tool_calls)
    checks.short_text("role", message.role, checks.LONGEST_ROLE)
    checks.short_text("name", message.name)
    checks.short_text("tool_call_id", message.tool_call_id)
    checks.short_text("native_format", message.native_format)
    texts = (message.role, message.content, message.name, message.tool_call_id)
    cleaned = tuple([_cleaned(text) for text in texts])
    native_format, native = _native(message, texts, cleaned)
    role, content, name, tool_call_id = cleaned
    return {
        "uuid": message.uuid or new_uuid(),
        "role": role,
        "role_type": message.role_type or role_type_of(message.role),
        "name": name,
        "content": checks.size("content", content),
        "tool_calls": checks.size("tool_calls", tool_calls),
        "tool_call_id": tool_call_id,
        "token_count": _token_count(message, tool_calls, token_counter),
        "metadata": checks.metadata(message.metadata),
        "created_at": None if message.created_at is None else checks.moment("created_at", message.created_at),
        "native_format": native_format,
        "native": checks.size("native", native),
    }


def _native(
    message: Message, texts: tuple[str | None, ...], cleaned: tuple[str | None, ...]
) -> tuple[str | None, str | None]:
    """Return the writer's own form, or ours when cleaning the *texts* changed them."""
    if message.native_format == NATIVE_FORMAT:
        raise InvalidInput("native_format", f"is {NATIVE_FORMAT!r}, which this package keeps to itself")
    if message.native is not None:
        return _cleaned(message.native_format), _cleaned(message.native)
    if cleaned == texts:
        return None, None
    changed = {name: text for name, text, clean in zip(_TEXTS, texts, cleaned, strict=True) if text != clean}
    return NATIVE_FORMAT, jsontext.dumps(changed)


def _cleaned(text: str | None) -> str | None:
    return None if text is None else jsontext.clean(text)


def _tool_calls_text(calls: list[ToolCall] | None) -> str | None:
    if calls is None:
        return None
    plain = [{"id": call.id, "name": call.name, "args": checks.arguments(call.args)} for call in calls]
    try:
        return jsontext.dumps(plain)
    except (TypeError, ValueError) as error:
        raise InvalidInput("tool_calls", "hold arguments that are not JSON") from error


def _token_count(message: Message, tool_calls: str | None, token_counter: TokenCounter) -> int:
    if message.token_count is not None:
        return checks.token_count(message.token_count)
    return counted(message.content, token_counter) + (counted(tool_calls, token_counter) if tool_calls else 0)


def counted(text: str, token_counter: TokenCounter) -> int:
    """Count the tokens of *text*, and check what the application's function says."""
    tokens: object = token_counter(text)
    if type(tokens) is not int and not isinstance(tokens, SupportsIndex):  # the latter alone takes as long as the rest
        raise InvalidInput("token_counter", f"returned a {type(tokens).__name__}, not a whole number")
    return checks.token_count(index(tokens), "token_counter")


def _merge_into(row: dict[str, Any], earlier: list[dict[str, Any]]) -> None:
    """Let *row* take the place of an *earlier* one of the same batch and uuid, if there is one, metadata merged."""
    for replaced in earlier:
        row["metadata"] = merged_text(replaced["metadata"], row["metadata"])


def merged_text(old: str | None, new: str | None) -> str | None:
    """Return two metadata objects, each as JSON text, merged into one."""
    return checks.metadata(jsontext.merged(jsontext.loads(old), jsontext.loads(new)))
