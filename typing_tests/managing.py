"""A manager in the blocking colour, every method of it, as a type checker sees it. Checked, never run."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import assert_type
from uuid import UUID

from sqlalchemy import URL, create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from zep_memory_plugin import (
    DEFAULT_MAX_TOKENS,
    Branch,
    Change,
    Changes,
    ChangeState,
    CurrentSession,
    Durability,
    ErasureCheck,
    ErasureReceipt,
    Feedback,
    Hold,
    KnownRule,
    LedgerReport,
    LentConnection,
    Memory,
    Message,
    MessageStatus,
    Operation,
    Pooler,
    PurgeProgress,
    PurgeReport,
    RetentionProgress,
    RetentionReport,
    RetentionRule,
    Session,
    SessionManager,
    SessionOrder,
    State,
    Stats,
    Summary,
    SummaryAs,
    TokenCounter,
    TransferFormat,
    TransferProgress,
    TransferReport,
    TransferSource,
    TransferTarget,
    Usage,
    UsageKey,
    User,
    Watcher,
    WindowBounds,
    current_session,
    use_session,
)

SessionManager()
SessionManager("sqlite:///chat.db")
SessionManager(URL.create("postgresql", database="chat"))
SessionManager(create_engine("sqlite:///chat.db"))
SessionManager(create_async_engine("postgresql+asyncpg://localhost/chat"))
SessionManager("sqlite://", durability="never")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

durability: Durability = "normal"
pooler: Pooler = "transaction"
summary_as: SummaryAs = "user"
SessionManager("sqlite://", summary_as="assistant")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

with SessionManager(
    "sqlite://", message_window=20, durability=durability, pooler=pooler, summary_as=summary_as
) as manager:
    assert_type(manager.summary_as, SummaryAs)
    assert_type(manager, SessionManager)
    assert_type(manager.as_user("alice"), SessionManager)
assert_type(manager.token_counter, TokenCounter)
assert_type(manager.flush(), None)
assert_type(manager.close(), None)


def changed(state: State | None) -> str:
    return "{}" if state is None else state.content


@contextmanager
def timed(operation: Operation) -> Iterator[None]:
    assert_type(operation.host, str | None)
    yield


def watch(manager: SessionManager) -> None:
    watcher: Watcher = timed
    assert_type(manager.watch(watcher), None)
    assert_type(manager.watch(None), None)


def past(manager: SessionManager) -> None:
    assert_type(manager.list_messages("a", as_of=3), list[Message])
    assert_type(manager.get_memory("a", as_of=datetime(2026, 1, 1, tzinfo=UTC)), Memory)


def summed(manager: SessionManager) -> None:
    by: UsageKey = "session"
    when = datetime(2026, 1, 1, tzinfo=UTC)
    rows: list[Usage] = manager.usage(by, user_id="alice", start_date=when, end_date=when)
    assert_type(rows[0].day, date | None)
    assert_type(manager.add_feedback("a", "text", 1, comment="right", user_id="alice"), Message)
    said: list[Feedback] = manager.list_feedback(10, user_id="alice", start_date=when, end_date=when)
    assert_type(said[0].score, float)


def lend(manager: SessionManager, connection: LentConnection) -> None:
    with manager.using(connection):
        manager.get_session("a")


def sessions(manager: SessionManager) -> None:
    order: SessionOrder = "active"
    assert_type(manager.add_session(Session(session_id="a"), exist_ok=True, create_user=True), Session)
    assert_type(manager.get_session("a", user_id="alice", with_state=True).state, State | None)
    assert_type(manager.find_session("text", user_id="alice"), Session)
    assert_type(manager.update_session(Session(session_id="a"), user_id="alice", expected_revision=3), Session)
    assert_type(manager.move_session("a", "alice", from_user_id="guest"), Session)
    assert_type(manager.delete_session("a", user_id="alice", expected_revision=4), None)
    assert_type(manager.expire_sessions(timedelta(days=90)), int)
    assert_type(
        manager.expire_sessions(
            timedelta(days=90), since="added", user_id="alice", metadata={"kind": "trial"}, batch_size=10, dry_run=True
        ),
        int,
    )
    assert_type(manager.hold_session("a", user_id="alice"), None)
    assert_type(manager.release_session("a", user_id="alice"), None)
    assert_type(manager.hold_user("alice"), None)
    assert_type(manager.release_user("alice"), None)
    assert_type(manager.list_holds(), list[Hold])
    assert_type(manager.delete_memory("a", user_id="alice"), None)
    assert_type(manager.restore_session("a", user_id="alice"), Session)
    assert_type(manager.list_sessions(10, 0, user_id="alice", metadata={"paid": True}, deleted=True), list[Session])
    assert_type(manager.list_sessions(10, "1-1", order=order, with_preview=True)[0].activity_cursor, str | None)
    when = datetime(2026, 1, 1, tzinfo=UTC)
    assert_type(manager.list_sessions(start_date=when, end_date=when, with_state=True), list[Session])
    assert_type(
        manager.list_all_sessions(10, user_id=None, metadata={"seats": 2}, deleted=True), Iterator[list[Session]]
    )
    assert_type(manager.count_messages(["a", "b"], status="archived", user_id="alice"), dict[str, int])
    assert_type(manager.rename_session("a", "b", user_id="alice"), Session)
    assert_type(manager.activity(7, user_id="alice"), dict[date, int])
    assert_type(manager.fork_session("a", "b", until_uuid="text", user_id="alice"), Session)


def memory(manager: SessionManager) -> None:
    status: MessageStatus = "archived"
    known: KnownRule = "append"
    batch = (Message(role="user", content=text) for text in ("one", "two"))
    assert_type(manager.add_memory("a", batch, user_id="alice", status=status), list[Message])
    assert_type(manager.add_memory("a", [], known=known, since_seq=3, metadata={"a": 1}), list[Message])
    assert_type(manager.add_memory("a", manager.get_memory("b"), expected_revision=3), list[Message])
    assert_type(manager.add_memory("a", [], state="{}", after="text"), list[Message])
    assert_type(manager.get_state("a", user_id="alice"), State | None)
    assert_type(manager.set_state("a", "{}", user_id="alice", expected_revision=0), State)
    assert_type(manager.get_user_state("alice"), State | None)
    assert_type(manager.set_user_state("alice", "{}", expected_revision=0).revision, int)
    change: ChangeState = changed
    assert_type(manager.change_state("a", change, user_id="alice"), State)
    assert_type(manager.change_user_state("alice", lambda state: "{}" if state is None else state.content), State)
    assert_type(manager.replace_memory("a", [], user_id="alice", status="active", expected_revision=3), list[Message])
    assert_type(manager.get_memory("a", lastn=5, max_tokens=4000, user_id="alice"), Memory)
    assert_type(manager.clear_memory("a", user_id="alice"), None)
    assert_type(manager.rewind_session("a", "text", user_id="alice"), None)
    assert_type(manager.list_branches("a", user_id="alice"), list[Branch])
    assert_type(manager.replace_memory("a", [], metadata={"a": 1}, state="{}"), list[Message])
    assert_type(manager.branch_messages("a", "text", 10, user_id="alice"), list[Message])
    assert_type(manager.switch_branch("a", "text", user_id="alice"), None)
    manager.add_memory("a", [], status="gone")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def messages(manager: SessionManager, uuid: UUID) -> None:
    assert_type(manager.list_messages("a", 10, 0, deleted=True, user_id="alice"), list[Message])
    bounds: WindowBounds = {"limit": 10, "turns": 4, "max_tokens": DEFAULT_MAX_TOKENS}
    newest = manager.last_messages("a", **bounds, whole_turns=True, until_seq=9, user_id="alice")
    assert_type(newest, list[Message])
    assert_type(manager.last_messages("a", 10, turns=4, max_tokens=100), list[Message])
    assert_type(manager.prompt_memory("a", 4000, limit=40, turns=20, until_seq=9, user_id="alice"), Memory)
    messages = manager.prompt_messages("a", 4000, limit=40, turns=20, until_seq=9, user_id="alice")
    assert_type(messages, list[Message])
    assert_type(manager.get_message("a", uuid, user_id="alice"), Message)
    assert_type(manager.update_message("a", str(uuid), metadata={"a": 1}, content="two", user_id="alice"), Message)
    assert_type(manager.delete_messages("a", [uuid, str(uuid)], user_id="alice"), None)
    assert_type(manager.slice_messages("a", -20, None, status="active", user_id="alice"), list[Message])
    assert_type(manager.delete_slice("a", 0, 10, status="active", user_id="alice"), list[Message])
    assert_type(manager.archive_messages("a", 10, until_seq=9, after_seq=1, user_id="alice"), list[Message])


def summaries(manager: SessionManager, uuid: UUID) -> None:
    assert_type(manager.add_summary("a", Summary(content="short"), until_uuid=uuid, user_id="alice"), Summary)
    assert_type(manager.list_summaries("a", 10, 0, user_id="alice"), list[Summary])


def users(manager: SessionManager) -> None:
    assert_type(manager.add_user(User(user_id="alice")), User)
    assert_type(manager.get_user("alice"), User)
    assert_type(manager.update_user(User(user_id="alice", email="a@example.org")), User)
    assert_type(manager.delete_user("alice"), None)
    receipt: ErasureReceipt = manager.erase_user("alice")
    assert_type(receipt.digests, dict[str, str])
    check: ErasureCheck = manager.verify_erased("alice", words=["Lima"])
    assert_type(check.is_erased, bool)
    assert_type(manager.export_ledger("erasures.jsonl"), int)
    assert_type(manager.apply_ledger("erasures.jsonl"), LedgerReport)
    assert_type(manager.list_users(10, 0, metadata={"plan": "paid"}), list[User])
    assert_type(manager.list_all_users(10, metadata=None), Iterator[list[User]])
    assert_type(manager.get_user_sessions("alice", 10, 0), list[Session])


def purging(manager: SessionManager) -> None:
    def show(report: PurgeReport) -> None:
        print(report.rows)

    progress: PurgeProgress = show
    assert_type(manager.purge(), PurgeReport)
    assert_type(manager.purge(timedelta(days=30), batch_size=10, dry_run=True, progress=progress), PurgeReport)
    assert_type(manager.changes("a", 10, "now", user_id="alice"), Changes)
    assert_type(manager.changes("a", cursor=1).changes, list[Change])
    assert_type(manager.follow_changes("a", 1, interval=timedelta(seconds=1), user_id="alice"), Iterator[Changes])
    assert_type(manager.follow("a", 0, interval=timedelta(seconds=1), user_id="alice"), Iterator[Message])
    assert_type(manager.purge_every(timedelta(hours=1)), None)
    rules = (RetentionRule(older_than=timedelta(days=age), metadata={"kind": "trial"}) for age in (30, 90))
    assert_type(manager.retain(rules, timedelta(days=7), dry_run=True), RetentionReport)
    assert_type(manager.retain([]).purged, PurgeReport)
    retained: RetentionProgress = print
    assert_type(manager.retain_every(timedelta(hours=1), rules, dry_run=True, progress=retained), None)
    assert_type(manager.purge_every(timedelta(hours=1), batch_size=10, dry_run=True, progress=progress), None)
    assert_type(manager.stats(), Stats)


def transferring(manager: SessionManager) -> None:
    def show(done: int, total: int | None) -> None:
        print(done, total)

    target: TransferTarget = "all.jsonl"
    source: TransferSource = "all.jsonl"
    file_format: TransferFormat = "markdown"
    progress: TransferProgress = show
    assert_type(manager.export_memory(target, deleted=True, progress=progress), TransferReport)
    assert_type(manager.export_memory(target, session_id="a", user_id="b", file_format=file_format), TransferReport)
    assert_type(manager.import_memory(source, progress=progress), TransferReport)


with use_session("a", user_id="alice") as session:
    assert_type(session, CurrentSession)
    assert_type(session.user_id, str | None)
    assert_type(current_session(), CurrentSession | None)
