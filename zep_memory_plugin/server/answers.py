"""What goes out: sessions, messages, summaries and users in the shapes of Zep's own server."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NotRequired  # that of the standard library will do from Python 3.12 on
from uuid import UUID

from starlette.responses import PlainTextResponse, Response
from typing_extensions import TypedDict

from ..models import Message, SearchResult, Session, Summary, User
from ..types import Metadata

NO_UUID = UUID(int=0)


class SessionAnswer(TypedDict):
    """A session."""

    uuid: str
    id: int
    created_at: str
    updated_at: str
    deleted_at: None
    session_id: str
    metadata: Metadata | None
    user_id: str | None


class MessageAnswer(TypedDict):
    """A message."""

    uuid: str
    created_at: str
    updated_at: str
    role: str
    content: str
    metadata: NotRequired[Metadata]
    token_count: int


class SummaryAnswer(TypedDict):
    """A summary."""

    uuid: str
    created_at: str
    content: str
    recent_message_uuid: str
    metadata: NotRequired[Metadata]
    token_count: int


class MemoryAnswer(TypedDict):
    """The newest messages, oldest first, and the latest summary where there is one."""

    messages: list[MessageAnswer]
    summary: NotRequired[SummaryAnswer]


class MessagesAnswer(TypedDict):
    """A page of messages."""

    messages: list[MessageAnswer]
    total_count: int
    row_count: int


class ResultAnswer(TypedDict):
    """What a search came upon: a message or a summary, and how well it answers; higher is better."""

    message: MessageAnswer | None
    summary: SummaryAnswer | None
    metadata: None
    dist: float
    embedding: None


class UserAnswer(TypedDict):
    """A user; what is empty is left out."""

    uuid: str
    id: int
    created_at: str
    updated_at: str
    deleted_at: None
    user_id: str
    email: NotRequired[str]
    first_name: NotRequired[str]
    last_name: NotRequired[str]
    metadata: NotRequired[Metadata]


Answer = SessionAnswer | MessageAnswer | MemoryAnswer | MessagesAnswer | UserAnswer
Answers = Sequence[SessionAnswer] | Sequence[UserAnswer] | Sequence[ResultAnswer]


def in_json(answer: Answer | Answers, status: int = 200) -> Response:
    """Return *answer* as JSON in ASCII, which holds any text that is stored, half a surrogate pair too."""
    return Response(json.dumps(answer, separators=(",", ":")) + "\n", status, media_type="application/json")


def ok() -> Response:
    """Return the answer of what has nothing to say."""
    return PlainTextResponse("OK")


def refusal(status: int, problem: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error: plain text, as Zep's clients expect."""
    return PlainTextResponse(f"{problem}\n", status, headers)


def session_answer(session: Session) -> SessionAnswer:
    """Return *session* as Zep's clients read it."""
    return {
        "uuid": str(session.uuid),
        "id": session.id or 0,
        "created_at": _moment(session.created_at),
        "updated_at": _moment(session.updated_at),
        "deleted_at": None,
        "session_id": session.session_id,
        "metadata": session.metadata,
        "user_id": session.user_id,
    }


def message_answer(message: Message) -> MessageAnswer:
    """Return *message* as Zep's clients read it."""
    answer: MessageAnswer = {
        "uuid": str(message.uuid or NO_UUID),
        "created_at": _moment(message.created_at),
        "updated_at": _moment(message.updated_at or message.created_at),
        "role": message.role,
        "content": message.content,
        "token_count": message.token_count or 0,
    }
    if message.metadata:
        answer["metadata"] = message.metadata
    return answer


def summary_answer(summary: Summary, recent_message: UUID | None = None) -> SummaryAnswer:
    """Return *summary*, which covers everything up to *recent_message*, as Zep's clients read it."""
    answer: SummaryAnswer = {
        "uuid": str(summary.uuid or NO_UUID),
        "created_at": _moment(summary.created_at),
        "content": summary.content,
        "recent_message_uuid": str(recent_message or NO_UUID),
        "token_count": summary.token_count or 0,
    }
    if summary.metadata:
        answer["metadata"] = summary.metadata
    return answer


def result_answer(result: SearchResult) -> ResultAnswer:
    """Return *result* as Zep's clients read it."""
    return {
        "message": message_answer(result.message) if result.message else None,
        "summary": summary_answer(result.summary) if result.summary else None,
        "metadata": None,
        "dist": result.score,
        "embedding": None,
    }


def user_answer(user: User) -> UserAnswer:
    """Return *user* as Zep's clients read it."""
    answer: UserAnswer = {
        "uuid": str(user.uuid),
        "id": user.id or 0,
        "created_at": _moment(user.created_at),
        "updated_at": _moment(user.updated_at),
        "deleted_at": None,
        "user_id": user.user_id,
    }
    if user.email:
        answer["email"] = user.email
    if user.first_name:
        answer["first_name"] = user.first_name
    if user.last_name:
        answer["last_name"] = user.last_name
    if user.metadata:
        answer["metadata"] = user.metadata
    return answer


def _moment(moment: datetime | None) -> str:
    """Return *moment*, which is in UTC, as RFC 3339 has it."""
    return "" if moment is None else moment.isoformat().replace("+00:00", "Z")
