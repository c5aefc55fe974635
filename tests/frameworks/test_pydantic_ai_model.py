"""Whatever is done, our store says what pydantic-ai's own store in memory says: all but ids and revisions."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import ConversationRecord, ConversationStore, InMemoryConversationStore
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, UserPromptPart
from pydantic_ai.usage import RunUsage

from tests.support.shared_database import SharedDatabase
from tests.test_properties import CHECKS
from zep_memory_plugin import SessionManager
from zep_memory_plugin.pydantic_ai import ZepConversationStore

names = st.sampled_from(["one", "two", "three"])
scopes = st.sampled_from([None, None, "alice", "bob"])
owned = st.sampled_from(["one", "three"])
"""Conversations whose scope a fork is given: without one it has that of what it is a fork of."""

counts = st.integers(0, 5)
texts = st.lists(st.sampled_from(["a", "b", "c"]), max_size=3)
FIXED = settings(CHECKS, derandomize=True, database=None, stateful_step_count=20)
"""The same calls in every run; more of others: `derandomize=False, max_examples=1_000`."""

Pair = tuple[Any, Any]
OWNERS = {"one": "alice", "two": None, "three": "bob"}
"""The scope of each conversation that begins: with us a deleted one stays its owner's until a purge."""


def said(text: str) -> ModelMessage:
    return ModelRequest([UserPromptPart(text)]) if text == "a" else ModelResponse([TextPart(text)])


class Stores(RuleBasedStateMachine):
    """Ours and the one in memory, which get the same calls in turn."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.manager = SessionManager(url)
        self.stores: tuple[ConversationStore, ...] = (ZepConversationStore(self.manager), InMemoryConversationStore())
        self.held: dict[str, Pair] = {}
        self.twin: dict[str | None, str | None] = {None: None}
        """The id of each of our entries in the other store."""

    def teardown(self) -> None:
        self.runner.run(self.manager.aclose())
        self.runner.close()

    def both(self, call: Callable[[int, ConversationStore], Awaitable[Any]]) -> Pair:
        """Make a call on each store and return what came of it, or how it failed, which has to be alike."""
        outcomes = [self.runner.run(_outcome(call(number, store))) for number, store in enumerate(self.stores)]
        ours, theirs = outcomes
        assert type(ours) is type(theirs), outcomes
        return ours, theirs

    def hold(self, pair: Pair) -> None:
        """Keep two conversations, which have to be equal, to go on with."""
        if isinstance(pair[0], Conversation):
            ours, theirs = pair
            kept = ("messages", "usage", "conversation_id", "deferred_tool_requests")
            assert [getattr(ours, name) for name in kept] == [getattr(theirs, name) for name in kept]
            self.held[ours.conversation_id] = pair

    def save(self, name: str, scope: str | None, pair: Pair) -> None:
        if self.runner.run(self.stores[1].read_record(name)) is None:
            scope = OWNERS[name]
        ours, theirs = self.both(lambda number, store: store.save(pair[number], scope=scope))
        if isinstance(ours, list):
            assert [entry.message for entry in ours] == [entry.message for entry in theirs]
            self.twin |= {one.id: other.id for one, other in zip(ours, theirs, strict=True)}
            assert [self.twin[entry.parent_id] for entry in ours] == [entry.parent_id for entry in theirs]
            self.held[name] = pair

    def new(self, name: str) -> Pair:
        return Conversation(conversation_id=name), Conversation(conversation_id=name)

    @initialize(texts=texts)
    def begin(self, texts: list[str]) -> None:
        """Begin with something to work on."""
        self.go_on("one", "alice", ["a", "b", *texts])
        self.go_on("two", None, ["a", "c"])

    @rule(name=names, scope=scopes, limit=st.none() | counts)
    def load(self, name: str, scope: str | None, limit: int | None) -> None:
        self.hold(self.both(lambda _, store: store.load(name, scope=scope, limit=limit)))

    @rule(name=names, scope=scopes, texts=texts)
    def go_on(self, name: str, scope: str | None, texts: list[str]) -> None:
        """Say more in the conversation as it was last held, which may be outdated by now."""
        pair, new = self.held.get(name) or self.new(name), [said(text) for text in texts]
        for conversation in pair:
            conversation.messages.extend(new)
            conversation.usage += RunUsage(requests=1)
        self.save(name, scope, pair)

    @rule(name=names, texts=texts)
    def begin_anew(self, name: str, texts: list[str]) -> None:
        """Save what was not loaded, which no store may have."""
        messages = [said(text) for text in texts]
        pair = self.new(name)
        for conversation in pair:
            conversation.messages.extend(messages)
        self.save(name, None, pair)

    @rule(name=names, keep=counts, texts=texts)
    def rewrite(self, name: str, keep: int, texts: list[str]) -> None:
        """Save other messages after the first ones, as what compacts a history does."""
        pair, new = self.held.get(name) or self.new(name), [said(text) for text in texts]
        for conversation in pair:
            conversation.messages[keep:] = new
            conversation.new_message_index = None
        self.save(name, None, pair)

    @rule(name=names, scope=scopes, at=counts)
    def branch(self, name: str, scope: str | None, at: int) -> None:
        self.branched(name, scope, lambda number: {"at": at})

    @rule(name=names, scope=scopes, position=st.integers(0, 30))
    def branch_from_an_entry(self, name: str, scope: str | None, position: int) -> None:
        """Which may be of this conversation, of another one or gone."""
        self.branched(name, scope, lambda number: {"from_entry": self.entry(position)[number]})

    def branched(self, name: str, scope: str | None, point: Callable[[int], dict[str, Any]]) -> None:
        pair = self.held.get(name) or self.new(name)
        call = partial(_branch, name, scope, pair, point)
        self.hold(self.both(call))

    @rule(name=names, new=owned, source=scopes, at=st.none() | counts)
    def fork(self, name: str, new: str, source: str | None, at: int | None) -> None:
        ids = {"new_conversation_id": new, "scope": OWNERS[new], "source_scope": source}
        self.hold(self.both(lambda _, store: store.fork(name, at=at, **ids)))  # type: ignore[arg-type]

    @rule(name=names, new=owned, position=st.integers(0, 30))
    def fork_from_an_entry(self, name: str, new: str, position: int) -> None:
        entry = self.entry(position)
        ids = {"new_conversation_id": new, "scope": OWNERS[new]}
        self.hold(self.both(lambda number, store: store.fork(name, from_entry=entry[number], **ids)))  # type: ignore[arg-type]

    @rule(name=names, scope=scopes)
    def delete(self, name: str, scope: str | None) -> None:
        self.both(lambda _, store: store.delete(name, scope=scope))

    def entry(self, position: int) -> tuple[str, str]:
        entries = [(ours, theirs) for ours, theirs in self.twin.items() if ours is not None and theirs is not None]
        return entries[position % len(entries)] if entries else ("none", "none")

    @rule(position=st.integers(0, 30))
    def read_an_entry(self, position: int) -> None:
        ids = self.entry(position)
        ours, theirs = self.both(lambda number, store: store.read_entry(str(ids[number])))
        if ours is not None:
            assert (self.twin[ours.id], self.twin[ours.parent_id]) == (theirs.id, theirs.parent_id)
            assert ours.message == theirs.message

    @rule(scope=scopes, limit=st.none() | counts)
    def list_conversations(self, scope: str | None, limit: int | None) -> None:
        ours, theirs = self.both(lambda _, store: store.list_conversations(scope=scope, limit=limit))
        assert len(ours) == len(theirs)
        assert ours == sorted(ours, key=lambda record: record.updated_at, reverse=True)
        if limit is None:
            assert {record.conversation_id for record in ours} == {record.conversation_id for record in theirs}

    @rule(name=names, limit=st.none() | counts)
    def load_entries(self, name: str, limit: int | None) -> None:
        ours, theirs = self.both(lambda _, store: store.load_entries(name, limit=limit))
        assert [(self.twin[entry.id], self.twin[entry.parent_id], entry.message) for entry in ours or ()] == [
            (entry.id, entry.parent_id, entry.message) for entry in theirs or ()
        ]

    @invariant()
    def records_agree(self) -> None:
        for name in ("one", "two", "three"):
            ours, theirs = self.both(partial(_record, name))
            assert self.comparable(ours) == (theirs and vars(theirs) | {"revision": "", "updated_at": ""})

    def comparable(self, record: ConversationRecord | None) -> dict[str, Any] | None:
        """Return our record with the entries of the other store."""
        if record is None:
            return None
        ids = {name: self.twin[getattr(record, name)] for name in ("head_id", "forked_at")}
        return (
            vars(record)
            | ids
            | {"branches": [self.twin[each] for each in record.branches], "revision": "", "updated_at": ""}
        )


async def _outcome(call: Awaitable[Any]) -> Any:
    try:
        return await call
    except (UserError, LookupError) as error:
        return error if isinstance(error, UserError) else None


async def _record(name: str, _: int, store: ConversationStore) -> ConversationRecord | None:
    return await store.read_record(name)


async def _branch(
    name: str,
    scope: str | None,
    pair: Pair,
    point: Callable[[int], dict[str, Any]],
    number: int,
    store: ConversationStore,
) -> Conversation:
    return await store.branch(name, expected_revision=pair[number].revision, scope=scope, **point(number))


@pytest.mark.timeout(600)
def test_sqlite_does_what_the_store_in_memory_does() -> None:
    run_state_machine_as_test(partial(Stores, "sqlite://"), settings=settings(FIXED, max_examples=25))


@pytest.mark.timeout(600)
def test_postgres_does_what_the_store_in_memory_does(shared_postgres_url: str, shared_database: SharedDatabase) -> None:
    class OnPostgres(Stores):
        def __init__(self) -> None:
            shared_database.empty()
            super().__init__(shared_postgres_url)

    run_state_machine_as_test(OnPostgres, settings=settings(FIXED, max_examples=5))
