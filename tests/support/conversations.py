"""A machine that does to managers, in whatever order, what can be done, and to a model; it wants the same of both.

There are two managers on one database, each called in both colours, in turns.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from io import BytesIO
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid5

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.support.colours import AsyncCaller, Caller, SyncCaller
from tests.support.model import Model, ModelMessage, ModelSession, ModelState, ModelSummary, ModelUser
from tests.support.tables import Tables
from zep_memory_plugin import (
    Branch,
    Hold,
    Memory,
    Message,
    RetentionRule,
    Session,
    SessionManager,
    State,
    Summary,
    User,
    ZepMemoryError,
)
from zep_memory_plugin.core.tokens import estimated_tokens

WINDOW = 3
SESSIONS = ["s1", "s2", "s3", "fork"]
USERS = ["alice", "bob"]
UUIDS = [uuid5(UUID(int=0), str(number)) for number in range(6)]
"""Few of each, so that they meet again."""

AT_ONCE = timedelta(0)

sessions = st.sampled_from(SESSIONS)
written_sessions = st.sampled_from(SESSIONS[:3])
"""Sessions that are made by writing to them; the last one is left to forks."""

uuids = st.sampled_from(UUIDS)
users = st.sampled_from([None, *USERS])
known_users = st.sampled_from(USERS)
contents = st.sampled_from(["", "a", "five.", "NUL \0", "half \ud83d", "é 文 😀"])
states = st.sampled_from(["[1]", '{"a": "é"}'])
metadata = st.none() | st.dictionaries(
    st.sampled_from(["a", 'b."c']),
    st.none() | st.integers(0, 3) | st.dictionaries(st.sampled_from(["e", "f"]), st.integers(0, 3), max_size=1),
    max_size=2,
)
messages = st.builds(
    Message,
    role=st.sampled_from(["user", "assistant"]),
    content=contents,
    uuid=st.none() | uuids,
    metadata=metadata,
)
batches = st.lists(messages, max_size=4)
bounds = st.sampled_from([(None, None), (1, 3), (0, 1), (-2, None), (-3, -1), (2, None)])
statuses = st.sampled_from([None, "active", "archived"])


def comparable(value: object) -> object:
    """Return of *value* what the manager and the model must agree on."""
    match value:
        case list():
            return [comparable(item) for item in value]
        case ModelSession():
            return ("session", value.session_id, value.user_id, value.metadata, value.deleted is not None)
        case Session():
            return ("session", value.session_id, value.user_id, value.metadata, value.deleted_at is not None)
        case ModelMessage():
            tokens = estimated_tokens(value.content)
            return (*_of_message(value), value.role, tokens, value.changed)
        case Message():
            return (*_of_message(value), value.role_type, value.token_count, value.updated_at is not None)
        case ModelSummary() | Summary():
            return ("summary", value.content)
        case ModelUser() | User():
            return ("user", value.user_id, value.email, value.metadata)
        case ModelState() | State():
            return ("state", value.content, value.revision)
        case Branch():
            return (_known(value.uuid), value.is_active)
        case Hold():
            return (value.session_id, value.user_id)
        case Memory():
            return (comparable(value.messages), comparable(value.summary))
        case tuple():
            return tuple(comparable(item) for item in value)
        case UUID():
            return _known(value)
        case int() | str() | dict():
            return value
    return None


def _known(uuid: UUID | None) -> object:
    return uuid if uuid in UUIDS else "made up"


def _of_message(message: ModelMessage | Message) -> tuple[object, ...]:
    return ("message", _known(message.uuid), message.role, message.content, message.metadata)


def outcome(call: Callable[[], object]) -> object:
    """Return what a call comes to: a value, or the error that it raises."""
    try:
        return comparable(call())
    except ZepMemoryError as error:
        return type(error)


class Hands:
    """Two managers on one database, each in both colours, which take turns."""

    def __init__(self, url: str, other_url: str) -> None:
        self.tables = Tables(url)
        self._urls = (url, other_url)
        self._runner = asyncio.Runner()
        self._open()

    def next(self) -> Caller:
        """Return whose turn it is."""
        self._turn += 1
        return self._hands[self._turn % len(self._hands)]

    def begin(self) -> None:
        """Begin with an empty database, and with the same one of them."""
        self.tables.empty()
        self._managers[0].rebuild_search()  # so that the index knows
        self._turn = 0

    def open_anew(self) -> None:
        """Close one manager in each colour, and open others."""
        self._close()
        self._open()

    def close(self) -> None:
        """Close everything."""
        self._close()
        self._runner.close()
        self.tables.close()

    def _open(self) -> None:
        self._turn = 0
        self._managers = [SessionManager(url, message_window=WINDOW, durability="normal") for url in self._urls]
        one, other = self._managers
        self._hands: list[Caller] = [
            SyncCaller(one, self.tables),
            AsyncCaller(other, self.tables, self._runner),
            SyncCaller(other, self.tables),
            AsyncCaller(one, self.tables, self._runner),
            SyncCaller(one, self.tables),
        ]

    def _close(self) -> None:
        one, other = self._managers
        one.close()
        self._runner.run(other.aclose())


class Conversations(RuleBasedStateMachine):
    """Managers and a model, to which the same is done."""

    calls = 0
    """Calls of a manager that were compared, in all walks."""

    def __init__(self, hands: Hands) -> None:
        super().__init__()
        self.hands = hands
        hands.begin()
        self.model = Model(WINDOW)
        self.touched = SESSIONS[0]

    def do(self, method: str, *arguments: Any, **options: Any) -> None:
        """Call *method* of both, and compare."""
        Conversations.calls += 1
        said, expected = (
            outcome(partial(getattr(store, method), *arguments, **options)) for store in (self.hands.next(), self.model)
        )
        assert said == expected, method
        self.touched = next((argument for argument in arguments if argument in SESSIONS), self.touched)

    def ask(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Return what *method* of a manager says, which the model says in another way."""
        Conversations.calls += 1
        return getattr(self.hands.next(), method)(*arguments, **options)

    @initialize(first=batches, second=batches, third=batches)
    def begin(self, first: list[Message], second: list[Message], third: list[Message]) -> None:
        """Begin with something to work on: most calls on an empty database say only that nothing is there."""
        known = [
            Message(
                role=("user", "assistant")[number % 2], content="a", uuid=UUIDS[number], metadata={"a": {"e": number}}
            )
            for number in range(4)
        ]
        self.do("add_user", User(user_id="alice"))
        self.do("add_memory", "s1", [*known, *first], user_id="alice")
        self.do("add_summary", "s1", Summary(content="said"), until_uuid=UUIDS[1])
        self.do("add_memory", "s2", [*known, *second])
        self.do("delete_messages", "s2", [UUIDS[1], UUIDS[3]])
        self.do("add_memory", "s3", [*known[2:], *third], user_id="bob")
        self.do("delete_session", "s3")

    @rule(session=written_sessions, user=users, metadata=metadata)
    def add_session(self, session: str, user: str | None, metadata: Any) -> None:
        self.do("add_session", Session(session_id=session, user_id=user, metadata=metadata))

    @rule(session=sessions, metadata=metadata)
    def update_session(self, session: str, metadata: Any) -> None:
        self.do("update_session", Session(session_id=session, metadata=metadata))

    @rule(session=sessions)
    def delete_session(self, session: str) -> None:
        self.do("delete_session", session)

    @rule(session=sessions)
    def restore_session(self, session: str) -> None:
        self.do("restore_session", session)

    @rule(session=written_sessions, batch=batches, user=users)
    def add_memory(self, session: str, batch: list[Message], user: str | None) -> None:
        self.do("add_memory", session, batch, user_id=user)

    @rule(session=written_sessions, batch=batches, user=users)
    def replace_memory(self, session: str, batch: list[Message], user: str | None) -> None:
        self.do("replace_memory", session, batch, user_id=user)

    @rule(session=sessions, uuid=uuids, metadata=metadata, content=st.none() | contents)
    def update_message(self, session: str, uuid: UUID, metadata: Any, content: str | None) -> None:
        self.do("update_message", session, uuid, metadata=metadata, content=content)

    @rule(session=sessions, chosen=st.lists(uuids, max_size=2))
    def delete_messages(self, session: str, chosen: list[UUID]) -> None:
        self.do("delete_messages", session, chosen)

    @rule(session=sessions, uuid=uuids)
    def rewind_session(self, session: str, uuid: UUID) -> None:
        self.do("rewind_session", session, uuid)

    @rule(session=sessions)
    def clear_memory(self, session: str) -> None:
        self.do("clear_memory", session)

    @rule(session=sessions, new=sessions, until=st.none() | uuids)
    def fork_session(self, session: str, new: str, until: UUID | None) -> None:
        self.do("fork_session", session, new, until_uuid=until)

    @rule(session=sessions, new=sessions)
    def rename_session(self, session: str, new: str) -> None:
        self.do("rename_session", session, new)

    @rule(session=sessions, uuid=uuids, content=st.sampled_from(["short", "longer", "é 文 😀"]))
    def add_summary(self, session: str, uuid: UUID, content: str) -> None:
        self.do("add_summary", session, Summary(content=content), until_uuid=uuid)

    @rule(session=sessions, user=known_users)
    def move_session(self, session: str, user: str) -> None:
        self.do("move_session", session, user)

    @rule(session=sessions)
    def delete_memory(self, session: str) -> None:
        self.do("delete_memory", session)

    @rule(session=sessions)
    def hold_session(self, session: str) -> None:
        self.do("hold_session", session)

    @rule(session=sessions)
    def release_session(self, session: str) -> None:
        self.do("release_session", session)

    @rule(user=known_users)
    def hold_user(self, user: str) -> None:
        self.do("hold_user", user)

    @rule(user=known_users)
    def release_user(self, user: str) -> None:
        self.do("release_user", user)

    @rule(session=sessions, state=states)
    def set_state(self, session: str, state: str) -> None:
        self.do("set_state", session, state)

    @rule(session=sessions, state=states)
    def change_state(self, session: str, state: str) -> None:
        expected = outcome(lambda: self.model.set_state(session, state))
        assert outcome(lambda: self.ask("change_state", session, lambda before: state)) == expected

    @rule(user=known_users, state=states)
    def set_user_state(self, user: str, state: str) -> None:
        self.do("set_user_state", user, state)

    @rule(user=known_users, state=states)
    def change_user_state(self, user: str, state: str) -> None:
        expected = outcome(lambda: self.model.set_user_state(user, state))
        assert outcome(lambda: self.ask("change_user_state", user, lambda before: state)) == expected

    @rule(session=sessions, uuid=uuids)
    def switch_branch(self, session: str, uuid: UUID) -> None:
        self.do("switch_branch", session, uuid)

    @rule(session=sessions, bound=bounds, status=statuses)
    def delete_slice(self, session: str, bound: tuple[int | None, int | None], status: Any) -> None:
        self.do("delete_slice", session, *bound, status=status)

    @rule(session=sessions, limit=st.integers(0, 3))
    def archive_messages(self, session: str, limit: int) -> None:
        self.do("archive_messages", session, limit)

    @rule(session=sessions, uuid=uuids, score=st.sampled_from([1, -1]))
    def add_feedback(self, session: str, uuid: UUID, score: int) -> None:
        self.do("add_feedback", session, uuid, score)

    @rule(user=known_users, email=st.sampled_from([None, "a@example.org"]), metadata=metadata)
    def add_user(self, user: str, email: str | None, metadata: Any) -> None:
        self.do("add_user", User(user_id=user, email=email, metadata=metadata))

    @rule(user=known_users, email=st.sampled_from([None, "b@example.org"]), metadata=metadata)
    def update_user(self, user: str, email: str | None, metadata: Any) -> None:
        self.do("update_user", User(user_id=user, email=email, metadata=metadata))

    @rule(user=known_users)
    def delete_user(self, user: str) -> None:
        self.do("delete_user", user)

    @rule(user=known_users)
    def erase_user(self, user: str) -> None:
        self.do("erase_user", user)

    @rule(user=users)
    def expire_sessions(self, user: str | None) -> None:
        would = self.ask("expire_sessions", AT_ONCE, user_id=user, dry_run=True)
        assert self.ask("expire_sessions", AT_ONCE, user_id=user) == self.model.expire_sessions(user_id=user) == would

    @rule(user=users)
    def retain(self, user: str | None) -> None:
        report = self.ask("retain", [RetentionRule(older_than=AT_ONCE, user_id=user)])
        assert report.expired == [self.model.expire_sessions(user_id=user)]

    @rule()
    def purge(self) -> None:
        would, report = self.ask("purge", dry_run=True), self.ask("purge")
        expected = self.model.purge()
        assert (report.sessions, report.messages, report.summaries) == expected
        assert (would.sessions, would.messages, would.summaries) == expected

    @rule()
    def apply_ledger(self) -> None:
        """Again, where nothing was restored."""
        expected = self.model.apply_ledger()
        assert sorted(self.ask("apply_ledger").users) == expected

    @rule()
    def export_ledger(self) -> None:
        assert self.ask("export_ledger", BytesIO()) >= self.model.knows_erased()

    @rule()
    def export_memory(self) -> None:
        """A new database that imports all of it is the same; this one stays as it is."""
        target = BytesIO()
        self.ask("export_memory", target, deleted=True)
        with SessionManager("sqlite://", message_window=WINDOW) as copy:
            copy.import_memory(BytesIO(target.getvalue()))
            for deleted in (False, True):
                assert comparable(copy.list_sessions(deleted=deleted)) == comparable(
                    self.model.list_sessions(deleted=deleted)
                )
            for session in SESSIONS:
                assert comparable(copy.get_memory(session)) == comparable(self.model.get_memory(session))
                assert comparable(copy.list_messages(session)) == comparable(self.model.list_messages(session))

    @rule()
    def rebuild_search(self) -> None:
        assert self.ask("rebuild_search") >= self.model.stats()["messages"]

    @rule(word=st.sampled_from(["five", "文"]))
    def search_memory(self, word: str) -> None:
        """Whatever stands around them is found, too."""
        content = {"five": "five.", "文": "é 文 😀"}[word]
        found = self.ask("search_memory", f'"{word}"', limit=200)
        said = [(one.session_id, one.message.content) for one in found if one.message]
        assert sorted(each for each in said if each[1] == content) == self.model.said(content)

    @rule()
    def search_sessions(self) -> None:
        found = self.ask("search_sessions", '"five"', limit=200)
        assert {one.session.session_id for one in found} == {session for session, _ in self.model.said("five.")}

    @rule()
    def flush(self) -> None:
        self.ask("flush")

    @rule()
    def close(self) -> None:
        self.hands.open_anew()

    @rule(session=sessions, uuid=uuids)
    def get_message(self, session: str, uuid: UUID) -> None:
        self.do("get_message", session, uuid)

    @rule(uuid=uuids)
    def find_session(self, uuid: UUID) -> None:
        self.do("find_session", uuid)

    @rule(session=sessions, uuid=uuids)
    def branch_messages(self, session: str, uuid: UUID) -> None:
        self.do("branch_messages", session, uuid)

    @rule(session=sessions, bound=bounds, status=statuses)
    def slice_messages(self, session: str, bound: tuple[int | None, int | None], status: Any) -> None:
        self.do("slice_messages", session, *bound, status=status)

    @rule(user=known_users, method=st.sampled_from(["get_user", "get_user_state", "get_user_sessions"]))
    def read_user(self, user: str, method: str) -> None:
        self.do(method, user)

    @rule(user=known_users)
    def verify_erased(self, user: str) -> None:
        there = any(one.user_id == user for one in [*self.model.list_users(), *self.model.every_session()])
        left = [] if there else self.ask("verify_erased", user).leftovers
        assert left == []

    @rule()
    def read_all(self) -> None:
        """What is told of everything at once."""
        self.do("list_users")
        self.do("list_holds")
        self.do("count_messages", SESSIONS)
        assert [one for chunk in self.ask("list_all_users", 1) for one in comparable([*chunk])] == comparable(
            self.model.list_users()
        )
        assert [one for chunk in self.ask("list_all_sessions", 2) for one in comparable([*chunk])] == comparable(
            self.model.list_sessions()
        )
        stats = self.ask("stats").to_dict()
        assert {name: stats[name] for name in self.model.stats()} == self.model.stats()
        assert sum(self.ask("activity", 2).values()) == self.model.stats()["messages"]
        assert sorted((each.session_id, each.score) for each in self.ask("list_feedback")) == self.model.rated()
        used = [(each.session_id, each.rated, each.score) for each in self.ask("usage", "session")]
        assert used == self.model.usage()

    @rule(session=sessions, method=st.sampled_from(["get_session", "get_state", "list_branches", "list_summaries"]))
    def read_session(self, session: str, method: str) -> None:
        self.do(method, session)

    @rule(session=sessions)
    def prompt_memory(self, session: str) -> None:
        shown = outcome(lambda: self.ask("prompt_memory", session, None))
        assert shown == outcome(lambda: self.model.prompt_memory(session))
        assert outcome(lambda: self.ask("prompt_messages", session, None)) == shown[0]  # type: ignore[index]

    @rule(session=sessions, limit=st.integers(1, 4))
    def copy_by_changes(self, session: str, limit: int) -> None:
        """Who stores what is appended or changed, and removes all else, page by page, has what the session has."""
        copy: dict[UUID, Message] = {}
        page = self.ask("changes", session, limit)
        while page.changes:
            for change in page.changes:
                copy.pop(change.message.uuid, None)
                if change.kind in ("appended", "changed"):
                    copy[change.message.uuid] = change.message
            page = self.ask("changes", session, limit, page.cursor)
        assert sorted(copy.values(), key=lambda message: message.seq) == self.ask("list_messages", session)

    @rule(session=sessions)
    def last_messages(self, session: str) -> None:
        self.do("last_messages", session, 2)
        self.do("last_messages", session, 2, whole_turns=True)

    @invariant()
    def readers_agree(self) -> None:
        """Of all sessions, and of the one that was touched last."""
        self.do("list_sessions")
        self.do("list_sessions", deleted=True)
        self.do("get_memory", self.touched)
        self.read_messages(self.touched)

    def read_messages(self, session: str) -> None:
        """Compare all messages of a session, whose numbers grow."""
        stored = self.ask("list_messages", session)
        assert comparable(stored) == comparable(self.model.list_messages(session))
        assert all(earlier.seq < later.seq for earlier, later in pairwise(stored))

    def teardown(self) -> None:
        for session in SESSIONS:
            self.read_messages(session)
