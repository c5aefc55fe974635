"""Conversations of pydantic-ai on ours."""

import asyncio
import json
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
from pydantic_ai import Agent, DeferredToolRequests, DeferredToolResults
from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import ConversationConflict, ConversationEntry, ConversationRecord
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import (
    BinaryImage,
    ImageUrl,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    RetryFeedbackPart,
    RetryInfo,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.ui.vercel_ai import VercelAIAdapter
from pydantic_ai.usage import RequestUsage, RunUsage

from zep_memory_plugin import (
    Message,
    SessionManager,
    SessionOwnedByAnotherUser,
    Summary,
    ToolCall,
    use_session,
)
from zep_memory_plugin.core import jsontext
from zep_memory_plugin.pydantic_ai import ZepConversationStore

Store = ZepConversationStore


def run(call: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(call)


@pytest.fixture
def manager(database_url: str) -> Iterator[SessionManager]:
    with SessionManager(database_url) as manager:
        yield manager


@pytest.fixture
def store(manager: SessionManager) -> Store:
    return ZepConversationStore(manager)


def said(*texts: str) -> list[ModelMessage]:
    """Return messages that a user and a model say in turn."""
    return [
        ModelResponse([TextPart(text)]) if position % 2 else ModelRequest([UserPromptPart(text)])
        for position, text in enumerate(texts)
    ]


def saved(store: Store, messages: list[ModelMessage], name: str = "c", **options: Any) -> Conversation:
    """Save a new conversation with *messages*, and return it."""
    conversation = Conversation(conversation_id=name, messages=messages)
    run(store.save(conversation, **options))
    return conversation


def words(messages: list[ModelMessage]) -> list[str]:
    return [str(part.content) for message in messages for part in message.parts]  # type: ignore[union-attr]


def conversation() -> list[ModelMessage]:
    """Return messages with all that they can hold."""
    picture: list[Any] = [
        "look",
        ImageUrl("https://example.com/a.png"),
        BinaryImage(b"\x89PNG\x00", media_type="image/png"),
    ]
    calls = [ToolCallPart("weather", {"city": "Lisbon"}, "1"), ToolCallPart("weather", '{"city": "Oslo"}', "2")]
    answered = [
        ToolReturnPart("weather", {"degrees": 21}, "1"),
        ToolReturnPart("weather", "no such city", "2", outcome="failed"),
    ]
    usage = RequestUsage(input_tokens=3, output_tokens=4)
    return [
        ModelRequest([SystemPromptPart("be kind"), UserPromptPart(picture)], instructions="now", run_id="r"),
        ModelResponse([ThinkingPart("hm", signature="s"), TextPart("I look"), *calls], usage=usage, model_name="m"),
        ModelRequest(
            [
                *answered,
                UserPromptPart("well?"),
                RetryFeedbackPart("again", retry=RetryInfo(cause="model_retry", attempt=1, max_retries=2)),
            ]
        ),
        ModelResponse([TextPart("21 \0 and \ud83d")], provider_details={"a": [1]}, metadata={"b": 2}),
        ModelResponse([ThinkingPart("only a thought")]),
    ]


def test_messages_come_back_as_they_were(store: Store) -> None:
    """And entries link them, whatever part of them is read."""
    saved(store, conversation())

    loaded, entries = run(store.load("c")), run(store.load_entries("c"))
    assert loaded.messages == conversation_like(loaded.messages)
    assert [entry.parent_id for entry in entries] == [None, *(entry.id for entry in entries[:-1])]
    for limit in range(len(entries) + 2):
        assert run(store.load_entries("c", limit=limit)) == entries[max(len(entries) - limit, 0) :]
        assert run(store.read_history(entries[-1].id, limit=limit)) == entries[max(len(entries) - limit, 0) :]
    for entry in entries:
        assert run(store.read_entry(str(entry.id))) == entry


def conversation_like(messages: list[ModelMessage]) -> list[ModelMessage]:
    """Return the conversation with the moments that *messages* have."""
    like = conversation()
    for made, read in zip(like, messages, strict=True):
        made.timestamp = read.timestamp
        for part, other in zip(made.parts, read.parts, strict=True):
            if hasattr(part, "timestamp"):
                part.timestamp = other.timestamp  # type: ignore[union-attr]
    return like


def test_a_message_is_as_many_rows_as_others_have_messages_for_it(manager: SessionManager, store: Store) -> None:
    saved(store, conversation())

    rows = [(row.role_type, row.content, row.tool_call_id, row.name) for row in manager.list_messages("c")]
    assert rows == [
        ("system", "be kind", None, None),
        ("user", "look", None, None),
        ("assistant", "I look", None, None),
        ("tool", '{"degrees":21}', "1", "weather"),
        ("tool", "no such city", "2", "weather"),
        ("user", "well?\nagain", None, None),
        ("assistant", jsontext.clean("21 \0 and \ud83d"), None, None),
        ("assistant", "", None, None),
    ]


def test_what_other_frameworks_wrote_is_a_conversation(manager: SessionManager, store: Store) -> None:
    """Which is gone on with, and branched."""
    calls = [ToolCall(id="1", name="weather", args={"city": "Lisbon"}), ToolCall(id="2", name="weather", args="{")]
    rows = [
        Message(role="system", content="be kind"),
        Message(role="human", content="warm?"),
        Message(role="ai", content="I look", tool_calls=calls),
        Message(role="tool", content="21", tool_call_id="1"),
        Message(role="tool", content="4", tool_call_id="2"),
        Message(role="ai", content="", native_format="other", native='{"thought": 1}'),
        Message(role="ai", content="yes"),
    ]
    manager.add_memory("c", rows, user_id="alice")

    loaded = run(store.load("c", scope="alice"))
    assert [type(message) for message in loaded.messages] == [
        ModelRequest,
        ModelRequest,
        ModelResponse,
        ModelRequest,
        ModelResponse,
    ]
    assert loaded.messages[2].parts == [
        TextPart("I look"),
        ToolCallPart("weather", {"city": "Lisbon"}, "1"),
        ToolCallPart("weather", "{", "2"),
    ]
    assert [part.tool_name for part in loaded.messages[3].parts] == ["weather", "weather"]
    assert run(store.load("c", scope="bob")) is None
    assert loaded.messages == run(store.load("c")).messages
    assert run(store.load("c", limit=2)).messages == loaded.messages[-2:]

    loaded.messages += said("thanks")
    run(store.save(loaded))
    run(store.branch("c", at=2, expected_revision=loaded.revision))
    assert [row.content for row in manager.list_messages("c")] == ["be kind", "warm?"]


def test_what_another_framework_said_since_is_a_conflict_and_is_loaded(manager: SessionManager, store: Store) -> None:
    outdated = saved(store, said("one", "two"))
    manager.add_memory("c", [Message(role="user", content="three")])

    outdated.messages += said("never")
    with pytest.raises(ConversationConflict):
        run(store.save(outdated))
    loaded = run(store.load("c"))
    loaded.messages += said("four")
    run(store.save(loaded))

    assert words(run(store.load("c")).messages) == ["one", "two", "three", "four"]
    assert run(store.read_record("c")).branches == []


def test_a_branch_that_another_framework_left_is_one_to_come_back_to(manager: SessionManager, store: Store) -> None:
    saved(store, said("one", "two", "three", "four"))
    entries = run(store.load_entries("c"))
    manager.rewind_session("c", entries[1].id)
    manager.add_memory("c", [Message(role="user", content="other")])

    record = run(store.read_record("c"))
    back = run(store.branch("c", from_entry=entries[3].id, expected_revision=record.revision))

    assert record.branches == [entries[3].id]
    assert words(back.messages) == ["one", "two", "three", "four"]
    assert [row.content for row in manager.list_messages("c")] == ["one", "two", "three", "four"]


def test_a_branch_of_what_was_cleared_is_forgotten(manager: SessionManager, store: Store) -> None:
    conversation = saved(store, said("one", "two"))
    run(store.branch("c", at=1, expected_revision=conversation.revision))
    manager.clear_memory("c")

    record = run(store.read_record("c"))
    assert (record.head_id, record.branches) == (None, [])
    assert run(store.load("c")).messages == []


def test_a_title_or_a_summary_is_no_conflict(manager: SessionManager, store: Store) -> None:
    conversation = saved(store, said("one", "two"))
    session = manager.get_session("c")
    manager.update_session(session.model_copy(update={"title": "Trip"}))
    manager.add_summary("c", Summary(content="short"))

    conversation.messages += said("three")
    run(store.save(conversation))
    assert words(run(store.load("c")).messages) == ["one", "two", "three"]


def test_of_two_that_save_at_once_one_has_a_conflict(store: Store) -> None:
    saved(store, said("one", "two"))

    async def main() -> list[Any]:
        copies = [await store.load("c") for _ in range(5)]
        for number, copy in enumerate(copies):
            assert copy is not None
            copy.messages += said(f"three {number}")
        return await asyncio.gather(*(store.save(copy) for copy in copies if copy), return_exceptions=True)

    outcomes = run(main())
    assert [type(outcome) for outcome in outcomes if not isinstance(outcome, list)] == [ConversationConflict] * 4
    assert len(run(store.load("c")).messages) == 3


def test_the_other_branches_are_those_of_the_session(manager: SessionManager, store: Store) -> None:
    """An answer is regenerated; the first one is neither lost nor read."""
    conversation = saved(store, said("question", "first"))
    again = run(store.branch("c", at=1, expected_revision=conversation.revision))
    again.messages.append(ModelResponse([TextPart("second")]))
    run(store.save(again))

    assert [row.content for row in manager.list_messages("c")] == ["question", "second"]
    assert {branch.preview: branch.is_active for branch in manager.list_branches("c")} == {
        "first": False,
        "second": True,
    }


def test_the_first_question_is_edited(manager: SessionManager, store: Store) -> None:
    conversation = saved(store, said("question", "answer"))
    anew = run(store.branch("c", at=0, expected_revision=conversation.revision))
    anew.messages += said("other question")
    run(store.save(anew))

    assert [row.content for row in manager.list_messages("c")] == ["other question"]
    assert len(run(store.read_record("c")).branches) == 1


def test_a_fork_is_a_session_of_its_own(manager: SessionManager, store: Store) -> None:
    """Also of a branch that was left; it outlives what it is a fork of."""
    conversation = saved(store, conversation_with_calls(), scope="alice")
    entries = run(store.load_entries("c"))
    run(store.branch("c", at=1, expected_revision=conversation.revision))
    fork = run(store.fork("c", from_entry=entries[-1].id, new_conversation_id="f", scope="bob"))
    run(store.delete("c"))

    assert run(store.load("f", scope="bob")).messages == fork.messages == [entry.message for entry in entries]
    assert run(store.load_entries("f")) == entries
    assert manager.get_session("f").user_id == "bob"
    assert run(store.read_entry(str(entries[0].id))) == entries[0]
    assert (run(store.read_record("f")).forked_from, run(store.read_record("f")).forked_at) == ("c", entries[-1].id)
    with pytest.raises(UserError):
        run(store.fork("c", new_conversation_id="g"))


def conversation_with_calls() -> list[ModelMessage]:
    return conversation()[:3]


def test_a_fork_of_what_goes_meanwhile_is_a_conflict(manager: SessionManager, store: Store) -> None:
    saved(store, said("one"))
    (entry,) = run(store.load_entries("c"))
    manager.delete_session("c")

    for conversation_id in ("c", "f"):
        record = ConversationRecord(conversation_id=conversation_id, head_id=entry.id, forked_from="c")
        with pytest.raises(ConversationConflict):
            run(store.write_record(record, expected_revision=None))
    assert manager.list_sessions() == []


def test_a_deleted_conversation_leaves_its_id_and_nothing_else(manager: SessionManager, store: Store) -> None:
    """Its messages can be restored until somebody uses the id."""
    conversation = saved(store, said("old", "answer"), scope="alice")
    run(store.branch("c", at=1, expected_revision=conversation.revision))
    (old, *_) = run(store.load_entries("c"))
    run(store.delete("c", scope="bob"))
    assert run(store.load("c")) is not None

    run(store.delete("c", scope="alice"))
    run(store.delete("c"))
    assert (run(store.load("c")), run(store.list_conversations())) == (None, [])
    with pytest.raises(ConversationConflict):
        run(store.delete_record("c", expected_revision=str(conversation.revision)))
    with pytest.raises(LookupError):
        run(store.read_entry(str(old.id)))

    saved(store, said("new"))
    assert words(run(store.load("c")).messages) == ["new"]
    assert run(store.read_record("c")).branches == []
    assert [branch.preview for branch in manager.list_branches("c")] == ["new"]


def test_the_id_of_a_deleted_conversation_stays_its_owners_until_a_purge(manager: SessionManager, store: Store) -> None:
    """Who could take it might have it restored."""
    saved(store, said("old"), scope="alice")
    run(store.delete("c"))

    with pytest.raises(SessionOwnedByAnotherUser):
        saved(store, said("new"), scope="bob")
    manager.purge()
    saved(store, said("new"), scope="bob")
    assert run(store.read_record("c")).scope == "bob"


def test_a_fork_may_take_the_id_of_a_deleted_fork(store: Store) -> None:
    """Of which it shares the entries."""
    saved(store, said("one", "two"))
    run(store.fork("c", new_conversation_id="f"))
    run(store.delete("f"))
    run(store.fork("c", new_conversation_id="f"))

    assert words(run(store.load("f")).messages) == ["one", "two"]


def test_conversations_are_listed_by_owner_and_last_save(store: Store) -> None:
    for name, scope in (("a", "alice"), ("b", "bob"), ("c", "alice")):
        saved(store, said("one"), name, scope=scope)
    first = run(store.load("a"))
    first.messages += said("two")
    run(store.save(first))

    def listed(**options: Any) -> list[str]:
        return [record.conversation_id for record in run(store.list_conversations(**options))]

    assert listed(scope="alice") == ["a", "c"]
    assert listed() == ["a", "c", "b"]
    assert listed(limit=2) == ["a", "c"]
    assert listed(scope="nobody") == []


def test_an_owner_is_who_use_session_says(manager: SessionManager, store: Store) -> None:
    """And a tenant sees nothing of others."""
    with use_session("elsewhere", user_id="alice"):
        saved(store, said("one"))
    tenant = ZepConversationStore(manager.as_user("bob"))

    assert run(store.load("c", scope="alice")).messages
    assert (run(tenant.load("c")), run(tenant.list_conversations())) == (None, [])


def test_usage_and_deferred_calls_are_kept(store: Store) -> None:
    """A call that waits for an approval is answered by another process."""
    agent = Agent(TestModel(), output_type=[str, DeferredToolRequests])

    @agent.tool_plain(requires_approval=True)
    def delete_file(name: str) -> str:
        return f"deleted {name}"

    paused = run(agent.run("delete it", conversation=Conversation(conversation_id="c")))
    run(store.save(paused))
    loaded = run(store.load("c"))
    requests = loaded.deferred_tool_requests
    results = DeferredToolResults(approvals={call.tool_call_id: True for call in requests.approvals})
    done = run(agent.run(conversation=loaded, deferred_tool_results=results))
    run(store.save(done))

    assert requests == paused.conversation.deferred_tool_requests
    assert loaded.usage == paused.conversation.usage != RunUsage()
    assert "deleted a" in str(done.output)
    assert run(store.load("c")).deferred_tool_requests is None


def test_an_entry_that_nobody_has_is_not_found(store: Store) -> None:
    saved(store, said("one"))

    for missing in ("00000000-0000-7000-8000-000000000000", "no uuid", ""):
        with pytest.raises(LookupError):
            run(store.read_entry(missing))
        with pytest.raises(LookupError):
            run(store.read_history(missing))
    assert run(store.read_history(None)) == []


def test_an_entry_of_another_branch_than_the_shown_one_is_gone_on_from(store: Store) -> None:
    """As by an application that writes records by itself."""
    conversation = saved(store, said("one", "two"))
    first, _ = run(store.load_entries("c"))
    entry = ConversationEntry(parent_id=first.id, message=ModelResponse([TextPart("other")]))
    record = run(store.read_record("c"))
    record.head_id, record.revision = entry.id, "next"
    run(store.write_record(record, new_entries=[entry], expected_revision=conversation.revision))

    assert words(run(store.load("c")).messages) == ["one", "other"]
    assert run(store.load("c")).revision == "next"


async def streamed(messages: list[ModelMessage], info: AgentInfo) -> Any:
    """Answer with the number of the question, and how many messages were shown."""
    yield f"answer {len(messages)}"


def request(*texts: str, trigger: str = "submit-message", message_id: str | None = None) -> bytes:
    """Return what a chat in a browser sends, of which the newest message is the user's."""
    messages = [
        {
            "id": f"m{position}",
            "role": "assistant" if position % 2 else "user",
            "parts": [{"type": "text", "text": text}],
        }
        for position, text in enumerate(texts)
    ]
    return json.dumps({"id": "c", "trigger": trigger, "messages": messages, "messageId": message_id}).encode()


def chat(store: Store, body: bytes, user_id: str = "alice") -> str:
    """Answer a request and return what is sent to the browser."""

    async def main() -> str:
        adapter: Any = VercelAIAdapter(
            Agent(FunctionModel(stream_function=streamed)),
            VercelAIAdapter.build_run_input(body),
            conversation_store=store,
            conversation_scope=user_id,
        )
        return "".join([part async for part in adapter.encode_stream(adapter.run_stream())])

    return run(main())


def test_a_chat_in_a_browser_is_kept_and_an_answer_is_given_again(manager: SessionManager, store: Store) -> None:
    """By the front end's adapter, to which the store is all that it needs."""
    first = chat(store, request("hello"))
    chat(store, request("hello", "answer 1", "and now?"))
    chat(store, request("hello", "answer 1", "and then?"))
    edited = [row.content for row in manager.list_messages("c")]
    regenerated = chat(store, request("hello", trigger="regenerate-message", message_id="m1"))
    refused = chat(store, request("hello"), user_id="bob")

    (record,) = run(store.list_conversations(scope="alice"))
    assert ["data-conversation-saved" in answer for answer in (first, regenerated, refused)] == [True, True, False]
    assert "was not found" in refused
    assert edited == ["hello", "answer 1", "and then?", "answer 3"]
    assert [row.content for row in manager.list_messages("c")] == ["hello", "answer 1"]
    assert [[row.content for row in manager.branch_messages("c", tip)] for tip in record.branches] == [
        ["hello", "answer 1", "and now?", "answer 3"],
        ["hello", "answer 1", "and then?", "answer 3"],
    ]
