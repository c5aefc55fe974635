"""A manager in the async colour, every method of it, as a type checker sees it. Checked, never run."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import assert_type
from uuid import UUID

from zep_memory_plugin import (
    Branch,
    ChangeKind,
    Changes,
    ErasureCheck,
    ErasureReceipt,
    Feedback,
    Hold,
    LedgerReport,
    Memory,
    Message,
    PurgeReport,
    RetentionReport,
    RetentionRule,
    SearchResult,
    Session,
    SessionManager,
    SessionResult,
    State,
    Stats,
    Summary,
    TransferReport,
    Usage,
    User,
)


async def main(uuid: UUID) -> None:
    async with SessionManager("sqlite+aiosqlite:///chat.db") as manager:
        assert_type(manager, SessionManager)
    assert_type(await manager.aflush(), None)
    assert_type(await manager.aclose(), None)


async def sessions(manager: SessionManager) -> None:
    assert_type(await manager.aadd_session(Session(session_id="a"), exist_ok=True, create_user=True), Session)
    assert_type(await manager.amove_session("a", "alice", from_user_id="guest"), Session)
    assert_type(await manager.adelete_memory("a", user_id="alice"), None)
    assert_type(await manager.aget_session("a", user_id="alice"), Session)
    assert_type(await manager.afind_session("text"), Session)
    assert_type(await manager.aupdate_session(Session(session_id="a"), user_id="alice"), Session)
    assert_type(await manager.adelete_session("a", user_id="alice"), None)
    assert_type(await manager.aexpire_sessions(timedelta(days=90)), int)
    assert_type(await manager.ahold_session("a"), None)
    assert_type(await manager.arelease_session("a"), None)
    assert_type(await manager.ahold_user("alice"), None)
    assert_type(await manager.arelease_user("alice"), None)
    assert_type(await manager.alist_holds(), list[Hold])
    assert_type(await manager.arestore_session("a", user_id="alice"), Session)
    assert_type(await manager.alist_sessions(10, 0, user_id="alice", metadata={"paid": True}), list[Session])
    page = await manager.achanges(user_id="alice")
    assert_type(page, Changes)
    assert_type(page.changes[0].kind, ChangeKind)
    assert_type(manager.afollow_changes(user_id="alice"), AsyncIterator[Changes])
    assert_type(manager.afollow("a", after_seq=0), AsyncIterator[Message])
    assert_type(manager.alist_all_sessions(10, metadata={"seats": 2}), AsyncIterator[list[Session]])
    async for chunk in manager.alist_all_sessions():
        assert_type(chunk, list[Session])
    assert_type(await manager.acount_messages(["a", "b"], status="archived", user_id="alice"), dict[str, int])
    assert_type(await manager.arename_session("a", "b", user_id="alice"), Session)
    assert_type(await manager.aactivity(7), dict[date, int])
    assert_type(await manager.afork_session("a", "b", until_uuid="text", user_id="alice"), Session)


async def memory(manager: SessionManager) -> None:
    assert_type(await manager.aadd_memory("a", [], user_id="alice", known="append", since_seq=3), list[Message])
    assert_type(await manager.aget_state("a", user_id="alice"), State | None)
    assert_type(await manager.aset_state("a", "{}", user_id="alice", expected_revision=0), State)
    assert_type(await manager.aget_user_state("alice"), State | None)
    assert_type(await manager.aset_user_state("alice", "{}", expected_revision=0), State)
    assert_type(await manager.achange_state("a", lambda state: "{}", user_id="alice"), State)
    assert_type(await manager.achange_user_state("alice", lambda state: "{}"), State)
    assert_type(await manager.areplace_memory("a", [], user_id="alice", status="active"), list[Message])
    assert_type(await manager.aget_memory("a", lastn=5, user_id="alice"), Memory)
    assert_type(await manager.aclear_memory("a", user_id="alice"), None)
    assert_type(await manager.arewind_session("a", "text", user_id="alice"), None)
    assert_type(await manager.alist_branches("a", user_id="alice"), list[Branch])
    assert_type(await manager.abranch_messages("a", "text"), list[Message])
    assert_type(await manager.aswitch_branch("a", "text", user_id="alice"), None)


async def messages(manager: SessionManager, uuid: UUID) -> None:
    assert_type(await manager.alist_messages("a", 10, 0, user_id="alice"), list[Message])
    assert_type(
        await manager.alast_messages("a", 10, turns=4, max_tokens=100, whole_turns=True, until_seq=9), list[Message]
    )
    assert_type(await manager.aprompt_memory("a", 4000, limit=40, turns=20, until_seq=9, user_id="alice"), Memory)
    assert_type(await manager.aprompt_messages("a", 4000, turns=20, user_id="alice"), list[Message])
    assert_type(await manager.aget_message("a", uuid, user_id="alice"), Message)
    assert_type(await manager.aupdate_message("a", str(uuid), metadata={"a": 1}, user_id="alice"), Message)
    assert_type(await manager.adelete_messages("a", [uuid, str(uuid)], user_id="alice"), None)
    assert_type(await manager.aslice_messages("a", -20, None, status="active", user_id="alice"), list[Message])
    assert_type(await manager.adelete_slice("a", 0, 10, status="active", user_id="alice"), list[Message])
    assert_type(await manager.aarchive_messages("a", 10, until_seq=9, after_seq=1, user_id="alice"), list[Message])


async def summaries(manager: SessionManager, uuid: UUID) -> None:
    assert_type(await manager.aadd_summary("a", Summary(content="short"), until_uuid=uuid, user_id="alice"), Summary)
    assert_type(await manager.alist_summaries("a", 10, 0, user_id="alice"), list[Summary])


async def users(manager: SessionManager) -> None:
    assert_type(await manager.aadd_user(User(user_id="alice")), User)
    assert_type(await manager.aget_user("alice"), User)
    assert_type(await manager.aupdate_user(User(user_id="alice", email="a@example.org")), User)
    assert_type(await manager.ausage("user"), list[Usage])
    assert_type(await manager.aadd_feedback("a", "text", 0.5), Message)
    assert_type(await manager.alist_feedback(), list[Feedback])
    assert_type(await manager.adelete_user("alice"), None)
    assert_type(await manager.aerase_user("alice"), ErasureReceipt)
    assert_type(await manager.averify_erased("alice"), ErasureCheck)
    assert_type(await manager.aexport_ledger("erasures.jsonl"), int)
    assert_type(await manager.aapply_ledger(), LedgerReport)
    assert_type(await manager.alist_users(10, 0, metadata={"plan": "paid"}), list[User])
    assert_type(manager.alist_all_users(10), AsyncIterator[list[User]])
    assert_type(await manager.aget_user_sessions("alice", 10, 0), list[Session])


async def the_rest(manager: SessionManager) -> None:
    assert_type(await manager.asearch_memory("Lisbon", user_id="alice", limit=3), list[SearchResult])
    assert_type(await manager.asearch_sessions("Lisbon", user_id="alice", turns=2), list[SessionResult])
    assert_type(await manager.arebuild_search(), int)
    assert_type(await manager.apurge(timedelta(days=30), dry_run=True), PurgeReport)
    rules = [RetentionRule(older_than=timedelta(days=90), since="added", user_id="alice")]
    assert_type(await manager.aretain(rules), RetentionReport)
    assert_type(await manager.aretain_every(timedelta(hours=1), rules, timedelta(days=7)), None)
    assert_type(await manager.apurge_every(timedelta(hours=1), timedelta(days=30), batch_size=10), None)
    assert_type(await manager.astats(), Stats)
    assert_type(await manager.aexport_memory("all.jsonl", user_id="alice"), TransferReport)
    assert_type(await manager.aimport_memory("all.jsonl"), TransferReport)
