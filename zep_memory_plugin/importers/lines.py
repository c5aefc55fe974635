"""Sessions and messages as the lines of an export, made one by one while they are read."""

import json
from collections.abc import Generator, Iterable, Iterator
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

from ..core.records import same_uuid
from ..core.tokens import estimated_tokens
from ..models import Message
from ..transfer.formats import Lines as Written
from ..types import Metadata, role_type_of

Fields = dict[str, Any]


class Said(NamedTuple):
    """A message of somebody else's store."""

    session_id: str
    key: object
    """What the store knows the message by; that is how one without a uuid of its own is known again."""

    message: Message
    created_at: datetime | None = None
    archived: bool = False


class Begun(NamedTuple):
    """A session of somebody else's store, as far as anything is known of it beside its messages."""

    session_id: str
    created_at: datetime | None = None
    updated_at: datetime | None = None
    metadata: Metadata | None = None


class Lines:
    """The lines, as a file that is open for bytes: what `import_memory` reads. Close it afterwards, or use `with`."""

    def __init__(self, store: str, records: Iterable[Begun | Said], user_id: str | None = None) -> None:
        self._lines = _lines(store, iter(records), user_id)

    def readline(self) -> bytes:
        """Return the next line, and nothing at the end."""
        return next(self._lines, b"")

    def close(self) -> None:
        """Read no further."""
        self._lines.close()

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _lines(store: str, records: Iterator[Begun | Said], user_id: str | None) -> Generator[bytes, None, None]:
    yield Written().head().encode()
    if user_id is not None:
        yield _line("user", {"user_id": user_id})
    for session_id, group in groupby(records, key=lambda record: record.session_id):
        seq, is_begun, uuids = 0, False, set[UUID]()
        for record in group:
            if isinstance(record, Begun) or not is_begun:
                begun = record if isinstance(record, Begun) else Begun(session_id, record.created_at)
                yield _line("session", _session(begun, user_id))
                is_begun = True
            if isinstance(record, Said):
                seq += 1
                uuid = record.message.uuid
                if uuid is None or uuid in uuids:
                    uuid = same_uuid(store, session_id, record.key)
                uuids.add(uuid)
                yield _line("message", _message(record, uuid, seq))


def _session(begun: Begun, user_id: str | None) -> Fields:
    fields = {**begun._asdict(), "user_id": user_id, "uuid": same_uuid("session", begun.session_id)}
    return {name: _plain(value) for name, value in fields.items() if value is not None}


def _message(said: Said, uuid: UUID, seq: int) -> Fields:
    message = said.message
    fields: Fields = {
        "session_id": said.session_id,
        "seq": seq,
        "uuid": uuid,
        "role": message.role,
        "role_type": message.role_type or role_type_of(message.role),
        "name": message.name,
        "content": message.content,
        "tool_calls": [call.model_dump() for call in message.tool_calls] if message.tool_calls else None,
        "tool_call_id": message.tool_call_id,
        "token_count": estimated_tokens(message.content) if message.token_count is None else message.token_count,
        "metadata": message.metadata,
        "created_at": said.created_at or message.created_at,
        "native_format": message.native_format,
        "native": message.native,
    }
    if said.archived:
        fields["archived_at"] = fields["created_at"]
    return {name: _plain(value) for name, value in fields.items() if value is not None}


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float | dict | list) else _text(value)


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _line(kind: str, fields: Fields) -> bytes:
    return json.dumps({kind: fields}).encode() + b"\n"
