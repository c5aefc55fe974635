"""What goes in and comes out, as a type checker sees it. Checked, never run."""

from datetime import UTC, datetime, timedelta
from typing import assert_type
from uuid import UUID

from zep_memory_plugin import (
    Memory,
    Message,
    Metadata,
    PurgeReport,
    RoleType,
    SearchResult,
    Session,
    Summary,
    ToolCall,
    User,
)

TEXT = "6b1e7a52-9f0c-4d1e-8a55-0d6f7c3b2a10"

metadata: Metadata = {"mood": "glad", "scores": [1, 2.5, None, True], "deep": {"a": {}}}

user = User(
    user_id="alice", email="alice@example.org", first_name="Alice", last_name=None, metadata=metadata, uuid=TEXT
)
assert_type(user.user_id, str)
assert_type(user.uuid, UUID)
assert_type(user.email, str | None)
assert_type(user.id, int)
assert_type(user.metadata, Metadata | None)
assert_type(user.created_at, datetime)

session = Session(session_id="a", user_id="alice", metadata={"topic": "tea"}, uuid=UUID(TEXT))
assert_type(session.session_id, str)
assert_type(session.uuid, UUID)
assert_type(session.deleted_at, datetime | None)

call = ToolCall(id="1", name="look", args={"at": ["Lisbon", 1, None]})
assert_type(call.name, str)
ToolCall(name="look", args="no JSON")

message = Message(
    role="user",
    content="I like Lisbon.",
    name="Alice",
    tool_calls=[call],
    tool_call_id="1",
    token_count=4,
    metadata=metadata,
    uuid=TEXT,
    role_type="user",
    created_at=datetime.now(UTC),
    native_format="other",
    native="{}",
)
assert_type(message.content, str)
assert_type(message.uuid, UUID)
assert_type(message.role_type, RoleType)
assert_type(message.tool_calls, list[ToolCall] | None)
assert_type(message.seq, int)
message.uuid = UUID(TEXT)
message.uuid = TEXT
message.uuid = None

summary = Summary(content="Alice likes Lisbon.", seq=1, metadata=None, uuid=TEXT)
assert_type(summary.content, str)
assert_type(summary.uuid, UUID)
assert_type(summary.seq, int)

memory = Memory(messages=[message], summary=summary)
assert_type(memory.messages, list[Message])
assert_type(memory.summary, Summary | None)

result = SearchResult(session_id="a", message=message)
assert_type(result.message, Message | None)
assert_type(result.summary, Summary | None)
assert_type(result.score, float)
assert_type(result.neighbours, list[Message])

report = PurgeReport(started_at=datetime.now(UTC), finished_at=datetime.now(UTC))
assert_type(report.rows, int)
assert_type(report.older_than, timedelta)

# What is wrong is an error to the checker already.
Message(content="no role")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Message(role="user", role_type="critic")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Message(role="user", uuid=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Session(session_id="a", color="red")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
