"""Messages on their way in: checked, cleaned, counted and given ids, before any I/O."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from ..errors import InvalidInput
from ..models import Memory, Message, ToolCall
from ..types import KnownRule, Metadata, TokenCounter, role_type_of
from ..units import SHORTLY
from ..uuids import new_uuid
from . import checks, damage, jsontext
from .tokens import counted

NATIVE_FORMAT = "zep_memory_plugin"
"""Names our own native form, kept for messages whose text a text column cannot hold as it is."""

TEXTS = ("role", "content", "name", "tool_call_id")
"""Fields that a text column may not hold as they are."""


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

    known: KnownRule = "update"
    """What becomes of messages whose uuid the session knows."""

    since_seq: int | None = None
    """With the rule "append", the seq after which the messages of the turn lie that goes on."""

    unchanged: set[UUID] = field(default_factory=set)
    """The uuids of messages that an attempt has found to be stored as they are."""

    expected_revision: int | None = None
    """The revision that the session must have."""

    metadata: Metadata | None = None
    """What is merged into the metadata of the session."""

    state: str | None = None
    """What becomes the state of the session."""

    after: UUID | None = None
    """The message of any branch that the first one follows, where that is not the last one."""

    @property
    def is_for_messages(self) -> bool:
        """Whether there is nothing to write but messages."""
        return self.metadata is None and self.state is None and self.after is None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not self.rows and self.is_for_messages


def batch(
    new: Iterable[Message] | Memory,
    token_counter: TokenCounter,
    status: object = "active",
    *,
    known: object = "update",
    since_seq: object = None,
    expected_revision: object = None,
    metadata: Metadata | None = None,
    state: object = None,
    after: object = None,
) -> Batch:
    """Check *new* and make ids for it; no I/O."""
    archived = checks.status(status) == "archived"
    rule = checks.known_rule(known)
    since = checks.limit(since_seq, "since_seq")
    expected = checks.revision(expected_revision)
    checks.metadata(metadata)
    with SHORTLY:
        rows, positions = _collected(new.messages if isinstance(new, Memory) else new, token_counter, rule)
    merges = any(rows[position]["metadata"] for position in positions.values())
    return Batch(
        rows,
        frozenset(positions),
        merges,
        archived,
        rule,
        since,
        expected_revision=expected,
        metadata=metadata,
        state=checks.state(state),
        after=None if after is None else checks.message_id(after),
    )


def _collected(
    new: Iterable[Message], token_counter: TokenCounter, rule: KnownRule
) -> tuple[list[dict[str, Any]], dict[UUID, int]]:
    """Return the rows of *new*, and where among them each uuid stands that was given.

    A uuid that is given twice is one row with the later content, or by the rule "append" two messages.
    """
    rows: list[dict[str, Any]] = []
    positions: dict[UUID, int] = {}
    for count, message in enumerate(checks.several("messages", new), start=1):
        if count > checks.LARGEST_BATCH:
            raise InvalidInput("messages", f"are more than {checks.LARGEST_BATCH}; append them in several calls")
        row = written(message, token_counter)
        if message.uuid is None:
            rows.append(row)
            continue
        if rule == "append" and row["uuid"] in positions:
            rows.append({**row, "uuid": new_uuid()})
            continue
        position = positions.setdefault(row["uuid"], len(rows))
        _merge_into(row, rows[position : position + 1])
        rows[position : position + 1] = [row]
    return rows, positions


def written(message: Message, token_counter: TokenCounter) -> dict[str, Any]:
    """Check *message* and return its columns, but for what the session gives it."""
    checks.model("message", message, Message)
    texts = (message.role, message.content, message.name, message.tool_call_id)
    checks.texts(TEXTS, texts)
    tool_calls = _tool_calls_text(message.tool_calls)
    checks.short_text("role", message.role, checks.LONGEST_ROLE)
    checks.short_text("name", message.name)
    checks.short_text("tool_call_id", message.tool_call_id)
    checks.short_text("native_format", message.native_format)
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
    changed = {name: text for name, text, clean in zip(TEXTS, texts, cleaned, strict=True) if text != clean}
    return NATIVE_FORMAT, jsontext.dumps(changed)


def _cleaned(text: str | None) -> str | None:
    return None if text is None else jsontext.clean(text)


def _tool_calls_text(calls: list[ToolCall] | None) -> str | None:
    if calls is None:
        return None
    plain = [{"id": call.id, "name": call.name, "args": checks.arguments(call.args)} for call in calls]
    try:
        return jsontext.dumps(plain)
    except (TypeError, ValueError):
        pass  # their words may be those of the arguments
    raise InvalidInput("tool_calls", "hold arguments that are not JSON")


def _token_count(message: Message, tool_calls: str | None, token_counter: TokenCounter) -> int:
    if message.token_count is not None:
        return checks.token_count(message.token_count)
    return counted(message.content, token_counter) + (counted(tool_calls, token_counter) if tool_calls else 0)


def _merge_into(row: dict[str, Any], earlier: list[dict[str, Any]]) -> None:
    """Let *row* replace an *earlier* one of the same batch and uuid, if there is one, metadata merged."""
    for replaced in earlier:
        row["metadata"] = merged_text(replaced["metadata"], row["metadata"], (row["uuid"],))


def merged_text(old: str | None, new: str | None, key: damage.RowKey) -> str | None:
    """Return two metadata objects of the message with *key*, each as JSON text, merged into one."""
    return checks.metadata(jsontext.merged(damage.json_object(old, "metadata of message", key), jsontext.loads(new)))
