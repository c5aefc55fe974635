"""What may come in. Every function returns the checked value or raises `InvalidInput`."""

import inspect
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast, get_args
from uuid import UUID

from pydantic import BaseModel

from .. import uuids
from ..errors import InvalidInput, shown
from ..models import BeforeStore, ChangeState
from ..moments import moment_of
from ..types import JsonScalar, KnownRule, MessageStatus, RoleType, SessionOrder, SummaryAs, TokenCounter
from . import jsontext
from .ownership import Tenant

LONGEST_ID = 255
"""Characters of a session id or user id."""

LONGEST_ROLE = 64
"""Characters of a message's role."""

LONGEST_NAME = 1024
"""Characters of names, email addresses and tool call ids."""

LARGEST_METADATA = 64 * 1024
"""Bytes of a metadata object as JSON."""

DEEPEST_METADATA = 32
"""Levels of a metadata object."""

DEEPEST_ARGUMENTS = 100
"""Levels of the arguments of a tool call; every JSON reader there is gets that deep."""

LARGEST_MESSAGE = 16 * 1024 * 1024
"""Bytes of a message's content, tool calls or native form, each."""

LARGEST_STATE = 1024 * 1024
"""Bytes of the state of a session or user."""

LARGEST_BATCH = 10_000
"""Messages of one append."""

EARLIEST = datetime.min.replace(tzinfo=UTC) + timedelta(days=1)
LATEST = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
"""A day within what a datetime holds: in any timezone a driver can read it, and asyncpg takes the ends for infinity."""

LARGEST_INTEGER = 2**63 - 1
LARGEST_TOKEN_COUNT = 2**31 - 1
_LARGEST_JSON_INTEGER_BITS = 4096
_ACTIVITY_CURSOR = re.compile("(-?[0-9]{1,18})-([0-9]{1,19})")
_CONTROL_OR_SURROGATE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

F = TypeVar("F")
M = TypeVar("M")


def session_id(value: object) -> str:
    """Check the id of a session."""
    return _id("session_id", value)


def user_id(value: object, field: str = "user_id") -> str:
    """Check the id of a user."""
    return _id(field, value)


def optional_user_id(value: object) -> str | None:
    """Check the id of a user, which may be None."""
    return None if value is None else _id("user_id", value)


def _id(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidInput(field, f"is {_type(value)}, not text")
    if not 1 <= len(value) <= LONGEST_ID:
        raise InvalidInput(field, f"{shown(value)} has {len(value)} characters; allowed are 1 to {LONGEST_ID}")
    if _CONTROL_OR_SURROGATE.search(value) is not None:
        raise InvalidInput(field, f"{shown(value)} holds a control character or half a surrogate pair")
    return value if isinstance(value, Tenant) else str(value)


def short_text(field: str, value: str | None, longest: int = LONGEST_NAME) -> str | None:
    """Check a text of bounded length, which may be None."""
    if value is not None and len(value) > longest:
        raise InvalidInput(field, f"has {len(value)} characters; allowed are {longest}")
    return value


def texts(fields: Sequence[str], values: Sequence[object]) -> None:
    """Check that each of *values* is text, or, but for the first two, None: a message may be made without checks."""
    for position, (field, value) in enumerate(zip(fields, values, strict=True)):
        if not isinstance(value, str) and (value is not None or position < 2):
            raise InvalidInput(field, f"is {_type(value)}, not text")


def optional_text(field: str, value: object) -> str | None:
    """Check a text, which may be None."""
    if value is not None and not isinstance(value, str):
        raise InvalidInput(field, f"is {_type(value)}, not text")
    return value


def size(field: str, text: str | None, largest: int = LARGEST_MESSAGE) -> str | None:
    """Check the bytes of *text*."""
    if text is not None and len(text) * 4 > largest and (used := len(text.encode(errors="replace"))) > largest:
        raise InvalidInput(field, f"has {used} bytes; allowed are {largest}")
    return text


def several(field: str, values: Iterable[M]) -> Iterable[M]:
    """Check that there may be several values: a text or a model is one."""
    if isinstance(values, str | bytes | BaseModel) or not isinstance(values, Iterable):
        raise InvalidInput(field, f"is {_type(values)}, not a list or another iterable")
    return values


def model(field: str, value: object, kind: type[M]) -> M:
    """Check that *value* is a model of *kind*."""
    if not isinstance(value, kind):
        raise InvalidInput(field, f"is {_type(value)}, not a {kind.__name__}")
    return value


def age(field: str, value: object, until: datetime) -> datetime:
    """Check a time of zero or more, and return the moment that lies so long before *until*."""
    if not isinstance(value, timedelta) or value < timedelta(0):
        raise InvalidInput(field, "is no timedelta of zero or more")
    if value > until - datetime.min.replace(tzinfo=UTC):
        raise InvalidInput(field, "reaches back before the year 1")
    return until - value


def limit(value: object, field: str = "limit") -> int | None:
    """Check a number of rows; None is no limit."""
    return None if value is None else _count(field, value)


def cursor(value: object) -> int:
    """Check the position after which a listing goes on; None is its beginning."""
    return 0 if value is None else _count("cursor", value)


def activity_cursor(value: object) -> tuple[datetime, int] | None:
    """Check the cursor of a listing by activity: the moment and id of the last session seen, or None."""
    if value is None:
        return None
    parts = _ACTIVITY_CURSOR.fullmatch(value) if isinstance(value, str) else None
    try:
        if parts is not None:
            return moment_of(int(parts[1])), _count("cursor", int(parts[2]))
    except OverflowError:
        pass
    raise InvalidInput("cursor", f"is {shown(value)}, not the activity_cursor of a session")


def session_order(value: object, field: str = "order") -> SessionOrder:
    """Check the order of a listing of sessions, or the moment of them that counts."""
    if value not in ("added", "active"):
        raise InvalidInput(field, f"is {shown(value)}; allowed are 'added' and 'active'")
    return value


def title(value: object) -> str | None:
    """Check the title of a session, and return it as a text column takes it."""
    checked = short_text("title", optional_text("title", value))
    return None if checked is None else jsontext.clean(checked)


def state(value: object) -> str | None:
    """Check a state, JSON text that may be None."""
    text = size("state", optional_text("state", value), LARGEST_STATE)
    try:
        if text is not None:
            json.loads(text)
    except (RecursionError, ValueError):
        raise InvalidInput("state", "is no JSON text") from None
    if text is not None and not jsontext.is_plain(text):
        raise InvalidInput("state", "holds half a surrogate pair; write it as an escape")
    return text


def revision(value: object) -> int | None:
    """Check the revision that a session is expected to have; None is any."""
    return None if value is None else _count("expected_revision", value)


def positive(field: str, value: object) -> int:
    """Check a whole number of at least 1."""
    if (number := _count(field, value)) == 0:
        raise InvalidInput(field, "is 0; allowed are whole numbers from 1")
    return number


def number(field: str, value: object, largest: int) -> int:
    """Check a whole number from 0 to *largest*."""
    if _count(field, value) > largest:
        raise InvalidInput(field, f"is {shown(value)}; allowed are whole numbers from 0 to {largest}")
    return cast("int", value)


def _count(field: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidInput(field, f"is {_type(value)}, not a whole number")
    if not 0 <= value <= LARGEST_INTEGER:
        raise InvalidInput(field, f"is {shown(value)}; allowed are whole numbers from 0 to 2**63 - 1")
    return value


def status(value: object) -> MessageStatus | None:
    """Check the status of messages; None is any."""
    if value not in (None, "active", "archived"):
        raise InvalidInput("status", f"is {shown(value)}; allowed are 'active', 'archived' and None")
    return value


def role_type(value: object) -> RoleType:
    """Check who speaks."""
    if value not in get_args(RoleType):
        raise InvalidInput("role_type", f"is {shown(value)}; allowed are {', '.join(get_args(RoleType))}")
    return cast("RoleType", value)


def known_rule(value: object) -> KnownRule:
    """Check what becomes of messages that a session knows."""
    if value not in ("update", "append"):
        raise InvalidInput("known", f"is {shown(value)}; allowed are 'update' and 'append'")
    return value


def position(field: str, value: object) -> int | None:
    """Check a position among messages: from 0 the oldest, from -1 down the newest, or None."""
    if value is None:
        return None
    return -_count(field, -value) if isinstance(value, int) and value < 0 else _count(field, value)


def token_counter(value: TokenCounter) -> TokenCounter:
    """Check a function of the application that counts tokens: it is called while messages are checked, not awaited."""
    if inspect.iscoroutinefunction(value) or not callable(value):
        raise InvalidInput(
            "token_counter", f"is {_type(value)}; give a function from text to int that does not await, or a name"
        )
    return value


def before_store(value: BeforeStore | None) -> BeforeStore | None:
    """Check a function of the application that is asked before messages are stored."""
    if value is not None and (isinstance(value, type) or not callable(value)):
        raise InvalidInput(
            "before_store", f"is {_type(value)}; give a function from a session id and messages to messages"
        )
    return value


def told(field: str, value: F) -> F:
    """Check a function of the application, or None, that is told something on the way, and not awaited."""
    if value is not None and (inspect.iscoroutinefunction(value) or not callable(value)):
        raise InvalidInput(field, f"is {_type(value)}; give a function that does not await, or None")
    return value


def change(value: ChangeState) -> ChangeState:
    """Check a function of the application that says what becomes of a state."""
    if inspect.iscoroutinefunction(value) or not callable(value):
        raise InvalidInput(
            "change", f"is {_type(value)}; give a function from a state, or None, to text that does not await"
        )
    return value


def summary_as(value: SummaryAs) -> SummaryAs:
    """Check who tells a model the summary of a session."""
    if value not in get_args(SummaryAs):
        raise InvalidInput("summary_as", f"is {shown(value)}; allowed are 'system' and 'user'")
    return value


def token_count(value: int, field: str = "token_count") -> int:
    """Check a number of tokens."""
    if not 0 <= value <= LARGEST_TOKEN_COUNT:
        raise InvalidInput(field, f"is {shown(value)}; allowed are whole numbers from 0 to 2**31 - 1")
    return value


def uuid(value: object) -> UUID:
    """Check the uuid of a message."""
    if isinstance(value, UUID):
        return value
    if isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            pass
    raise InvalidInput("uuid", f"is {shown(value)}, not a UUID")


def message_id(value: object) -> UUID:
    """Check what names a message, its uuid or the id that a framework gave it, and return the uuid."""
    if isinstance(value, str) and value:
        return uuids.uuid_of(value)
    return uuid(value)


def moment(field: str, value: object) -> datetime:
    """Check a moment and return it in UTC."""
    if not isinstance(value, datetime):
        raise InvalidInput(field, f"is {_type(value)}, not a datetime")
    if value.tzinfo is None or value.utcoffset() is None:
        raise InvalidInput(field, "has no timezone; give a timezone, such as datetime.now(timezone.utc)")
    if not EARLIEST <= value <= LATEST:
        raise InvalidInput(field, f"is {value.isoformat()}; allowed is {EARLIEST.date()} to {LATEST.date()} in UTC")
    return value.astimezone(UTC)


def metadata(value: object) -> str | None:
    """Check a metadata object and return it as JSON text."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InvalidInput("metadata", f"is {_type(value)}, not an object")
    _json_values(value)
    return size("metadata", jsontext.dumps(value), LARGEST_METADATA)


def arguments(value: object) -> dict[str, Any] | str:
    """Check the arguments of a tool call: an object that is not too deep, or text."""
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        raise InvalidInput("tool_calls", f"hold arguments that are {_type(value)}, neither an object nor text")
    level: list[Any] = [value]
    for _ in range(DEEPEST_ARGUMENTS):
        level = _parts(level)
        if not level:
            return value
    raise InvalidInput("tool_calls", f"hold arguments that are nested more than {DEEPEST_ARGUMENTS} levels deep")


def _parts(level: list[Any]) -> list[Any]:
    """Return the objects and lists that those of one level hold, each once."""
    parts = (part for item in level for part in (item.values() if isinstance(item, dict) else item))
    return list({id(part): part for part in parts if isinstance(part, dict | list | tuple)}.values())


def _json_values(value: dict[Any, Any]) -> None:
    """Walk through *value* without recursion, which a deep or circular object would exhaust.

    What can be reached in several ways counts each time, as it would be written each time.
    """
    waiting: list[tuple[str, Any, int]] = [("metadata", value, 1)]
    left = LARGEST_METADATA
    while waiting:
        path, item, level = waiting.pop()
        left -= max(1, len(item)) if isinstance(item, str | dict | list) else 1
        if left < 0:
            raise InvalidInput("metadata", f"has more than {LARGEST_METADATA} bytes")
        if isinstance(item, dict | list) and level > DEEPEST_METADATA:
            raise InvalidInput("metadata", f"is nested more than {DEEPEST_METADATA} levels deep")
        if isinstance(item, dict):
            waiting += [(f"{path}[{_key(path, key)}]", entry, level + 1) for key, entry in item.items()]
        elif isinstance(item, list):
            waiting += [(f"{path}[{index}]", entry, level + 1) for index, entry in enumerate(item)]
        else:
            _json_scalar(path, item)


def _key(path: str, key: object) -> str:
    if not isinstance(key, str):
        raise InvalidInput(shown(path), f"has the key {shown(key)}; keys are text")
    return shown(key)


def _json_scalar(path: str, item: object) -> None:
    if item is None or isinstance(item, str | bool):
        return
    if isinstance(item, int) and item.bit_length() <= _LARGEST_JSON_INTEGER_BITS:
        return
    if isinstance(item, float) and math.isfinite(item):
        return
    problem = "a number that JSON cannot hold" if isinstance(item, int | float) else f"{_type(item)}, no JSON type"
    raise InvalidInput(path if len(path) < LONGEST_ID else "metadata", f"is {problem}")


def metadata_filter(value: object) -> dict[str, JsonScalar] | None:
    """Check a filter on metadata: an object of plain values, each to be equal to that of the same key."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise InvalidInput("metadata", f"is {_type(value)}, not an object")
    return {_filter_text("key", key): _filter_value(entry) for key, entry in value.items()}


def _filter_value(value: object) -> JsonScalar:
    if isinstance(value, str):
        return _filter_text("value", value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and -LARGEST_INTEGER - 1 <= value <= LARGEST_INTEGER:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise InvalidInput(
        "metadata", f"is filtered by {_type(value)}; allowed are text, 64-bit numbers, booleans and None"
    )


def _filter_text(part: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidInput("metadata", f"is filtered by a {part} that is {_type(value)}, not text")
    if jsontext.clean(value) != value:
        raise InvalidInput("metadata", f"is filtered by a {part} that holds NUL or half a surrogate pair")
    return value


def _type(value: object) -> str:
    return "None" if value is None else f"of type {type(value).__name__}"
