"""Whatever is done, in whatever order, the manager says what a model of dictionaries and lists says."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, cycle, pairwise
from typing import Any
from uuid import UUID, uuid5

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.support.model import Model, ModelMessage, ModelSession, ModelSummary
from tests.support.shared_database import SharedDatabase
from zep_memory_plugin import Memory, Message, Session, SessionManager, Summary, User, ZepMemoryError
from zep_memory_plugin.core.tokens import estimated_tokens

WINDOW = 3
SESSIONS = ["s1", "s2", "s3", "fork"]
USERS = ["alice", "bob"]
UUIDS = [uuid5(UUID(int=0), str(number)) for number in range(6)]
"""Few of each, so that they meet again."""

CHECKS = settings(
    deadline=None,
    derandomize="CI" in os.environ,
    phases=set(Phase) - {Phase.explain},  # tracing every line takes longer than all else
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)

sessions = st.sampled_from(SESSIONS)
written_sessions = st.sampled_from(SESSIONS[:3])
"""Sessions that are made by writing to them; the last one is left to forks."""

uuids = st.sampled_from(UUIDS)
users = st.sampled_from([None, *USERS])
contents = st.sampled_from(["", "a", "five.", "NUL \0", "half \ud83d", "é 文 😀"])
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
        case Memory():
            return (comparable(value.messages), comparable(value.summary))
        case tuple():
            return tuple(comparable(item) for item in value)
    return None


def _of_message(message: ModelMessage | Message) -> tuple[object, ...]:
    known = message.uuid if message.uuid in UUIDS else "made up"
    return ("message", known, message.role, message.content, message.metadata)


def outcome(store: Model | SessionManager, method: str, *arguments: Any, **options: Any) -> object:
    """Return what a call comes to: a value, or the error that it raises."""
    try:
        return comparable(getattr(store, method)(*arguments, **options))
    except ZepMemoryError as error:
        return type(error)


class Conversations(RuleBasedStateMachine):
    """A manager and its model, to which the same is done."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.manager = SessionManager(url, message_window=WINDOW)
        self.model = Model(WINDOW)
        self.touched = SESSIONS[0]

    def teardown(self) -> None:
        self.manager.close()

    def do(self, method: str, *arguments: Any, **options: Any) -> None:
        """Call *method* of both, and compare."""
        said, expected = (outcome(store, method, *arguments, **options) for store in (self.manager, self.model))
        assert said == expected
        self.touched = next((argument for argument in arguments if argument in SESSIONS), self.touched)

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

    @rule(user=st.sampled_from(USERS))
    def delete_user(self, user: str) -> None:
        self.do("delete_user", user)

    @rule()
    def purge(self) -> None:
        report = self.manager.purge()
        assert (report.sessions, report.messages, report.summaries) == self.model.purge()

    @invariant()
    def readers_agree(self) -> None:
        self.do("list_sessions")
        self.do("list_sessions", deleted=True)
        for session in SESSIONS:
            stored = self.manager.list_messages(session)
            assert comparable(stored) == comparable(self.model.list_messages(session))
            assert all(earlier.seq < later.seq for earlier, later in pairwise(stored))

    @invariant()
    def windows_agree(self) -> None:
        """Of the session that was touched last."""
        self.do("get_memory", self.touched)
        self.do("last_messages", self.touched, 2)
        self.do("last_messages", self.touched, 2, whole_turns=True)


def test_sqlite_does_what_the_model_does() -> None:
    run_state_machine_as_test(
        partial(Conversations, "sqlite://"), settings=settings(CHECKS, max_examples=60, stateful_step_count=30)
    )


def test_postgres_does_what_the_model_does(shared_postgres_url: str, shared_database: SharedDatabase) -> None:
    class OnPostgres(Conversations):
        def __init__(self) -> None:
            shared_database.empty()
            super().__init__(shared_postgres_url)

    run_state_machine_as_test(OnPostgres, settings=settings(CHECKS, max_examples=15, stateful_step_count=20))


json_scalars = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
)
any_text = st.text(st.characters(exclude_categories=()), max_size=20)
"""Any characters, NUL and halves of surrogate pairs among them."""

json_objects = st.dictionaries(
    any_text,
    st.recursive(
        json_scalars | any_text,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


def joined(value: Any) -> Any:
    """Return *value* with the halves of surrogate pairs that stand side by side joined, as JSON does."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
        case dict():
            return {joined(key): joined(item) for key, item in value.items()}
        case list():
            return [joined(item) for item in value]
    return value


def test_any_text_and_json_comes_back_as_it_was(database_url: str) -> None:
    """With its types, and its keys in their order."""
    with SessionManager(database_url) as manager:

        @settings(CHECKS, max_examples=100)
        @given(content=any_text, name=any_text, metadata=json_objects)
        def comes_back(content: str, name: str, metadata: dict[str, Any]) -> None:
            written = Message(role="user", content=content, name=name, metadata=metadata)
            (stored,) = manager.add_memory("session", [written])

            read = manager.get_message("session", str(stored.uuid))

            assert read == stored
            assert (read.content, read.name) == (joined(content), joined(name))
            assert repr(read.metadata) == repr(joined(metadata))

        comes_back()


def pages(read: Callable[..., list[Any]], order: str, sizes: list[int]) -> Iterator[list[Any]]:
    """Read page after page, of *sizes* in turn, each after the *order* of the last item of the one before."""
    cursor = 0
    for size in cycle(sizes):
        page = read(limit=size, cursor=cursor)
        if not page:
            return
        assert len(page) <= size
        yield page
        cursor = getattr(page[-1], order)


def test_pages_of_any_sizes_are_the_whole(database_url: str) -> None:
    """Of messages, sessions and a user's sessions, some of which are deleted."""
    with SessionManager(database_url) as manager:
        stored = manager.add_memory("session-0", [Message(role="user", content=str(n)) for n in range(23)])
        manager.delete_messages("session-0", [stored[position].uuid or "" for position in (0, 7, 8, 22)])
        for number in range(1, 17):
            manager.add_memory(f"session-{number}", stored[:1], user_id=USERS[number % 2])
        for number in (1, 4, 5, 16):
            manager.delete_session(f"session-{number}")
        whole = {
            partial(manager.list_messages, "session-0"): "seq",
            manager.list_sessions: "id",
            partial(manager.list_sessions, deleted=True): "id",
            partial(manager.get_user_sessions, "alice"): "id",
        }

        @settings(CHECKS, max_examples=20)
        @given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4))
        def are_the_whole(sizes: list[int]) -> None:
            for read, order in whole.items():
                assert list(chain.from_iterable(pages(read, order, sizes))) == read()
            chunks = list(manager.list_all_sessions(sizes[0]))
            assert list(chain.from_iterable(chunks)) == manager.list_sessions()
            assert {len(chunk) for chunk in chunks[:-1]} <= {sizes[0]}

        are_the_whole()
