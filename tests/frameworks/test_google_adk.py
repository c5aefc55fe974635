"""Sessions and memories of Google's Agent Development Kit on ours."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from google.adk.agents import LlmAgent
from google.adk.agents.run_config import RunConfig
from google.adk.cli.service_registry import get_service_registry, load_services_module
from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.errors.session_not_found_error import SessionNotFoundError
from google.adk.events.event import Event
from google.adk.events.event_actions import EventActions
from google.adk.models.base_llm import BaseLlm
from google.adk.models.llm_response import LlmResponse
from google.adk.runners import Runner
from google.adk.sessions import BaseSessionService, InMemorySessionService, Session
from google.adk.sessions.base_session_service import GetSessionConfig
from google.genai import types

from tests.support.statements import statements
from zep_memory_plugin import InvalidInput, Message, SessionManager, Summary, ToolCall
from zep_memory_plugin.google_adk import ZepMemoryService, ZepSessionConfig, ZepSessionService, session_id_of

NAMES = {"app_name": "app", "user_id": "alice"}
FIRST, LATER = 1_700_000_000.25, 4_000_000_000.5


def run(call: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(call)


def event(id_: str, author: str = "user", *parts: types.Part | str, **fields: Any) -> Event:
    contents = [types.Part(text=part) if isinstance(part, str) else part for part in parts]
    content = types.Content(role="user" if author == "user" else "model", parts=contents) if parts else None
    return Event(**{"id": id_, "invocation_id": "i", "author": author, "content": content, "timestamp": FIRST} | fields)


def call(id_: str, city: str) -> types.Part:
    return types.Part(function_call=types.FunctionCall(id=id_, name="weather", args={"city": city}))


def answer(id_: str, **response: Any) -> types.Part:
    return types.Part(function_response=types.FunctionResponse(id=id_, name="weather", response=response))


def conversation() -> list[Event]:
    """Return events with all that content can hold, of one moment, as clocks are coarse."""
    image = types.Part(inline_data=types.Blob(data=b"\x89PNG\x00", mime_type="image/png"))
    thought = types.Part(text="hm", thought=True)
    return [
        event("e1", "user", "look", image),
        event("e2", "app", thought, "I look", call("1", "Lisbon"), call("2", "Oslo")),
        event("e3", "app", answer("1", result="21"), answer("2", degrees=4, unit="C")),
        event("e4", "app", "21, and 4", turn_complete=True, custom_metadata={"a": [1]}),
        event("e5", "app", actions=EventActions(state_delta={"seen": 1})),
    ]


@pytest.fixture
def manager(database_url: str) -> Iterator[SessionManager]:
    with SessionManager(database_url) as manager:
        yield manager


@pytest.fixture
def service(manager: SessionManager) -> ZepSessionService:
    return ZepSessionService(manager)


def begun(service: BaseSessionService, *events: Event, **options: Any) -> Session:
    """Return a session "s" with *events*."""
    session = run(service.create_session(**NAMES, session_id="s", **options))
    for each in events:
        run(service.append_event(session, each))
    return session


def read(service: BaseSessionService, **config: Any) -> Session:
    session = run(service.get_session(**NAMES, session_id="s", config=GetSessionConfig(**config)))
    assert session is not None
    return session


def test_events_of_one_moment_come_back_equal_and_in_order(service: ZepSessionService) -> None:
    """The order is that of appends: the kit's own service orders them by their random ids."""
    written = begun(service, *conversation())

    assert read(service).events == written.events == conversation()
    assert read(service) == written


def test_an_event_from_a_clock_that_is_behind_stays_last(service: ZepSessionService) -> None:
    begun(service, event("late", timestamp=LATER), event("early", timestamp=FIRST))

    session = read(service)
    assert [each.id for each in session.events] == ["late", "early"]
    assert session.last_update_time == LATER


def test_a_stale_writer_is_refused_whatever_the_timestamps(service: ZepSessionService) -> None:
    """Two read one session; both write an event of one moment, which the kit's own service takes from both."""
    begun(service, event("e1"))
    one, other = read(service), read(service)
    run(service.append_event(one, event("e2")))

    with pytest.raises(ValueError, match="get it again"):
        run(service.append_event(other, event("e3", actions=EventActions(state_delta={"a": 1}))))

    assert [each.id for each in read(service).events] == ["e1", "e2"]
    assert read(service).state == {}
    run(service.append_event(one, event("e4")))


def test_what_is_no_event_makes_no_writer_stale(service: ZepSessionService, manager: SessionManager) -> None:
    """As a title, metadata or a summary that comes meanwhile."""
    session = begun(service, event("e1"))
    stored = manager.get_session(session_id_of("app", "alice", "s"))
    manager.update_session(stored.model_copy(update={"title": "Weather"}))

    run(service.append_event(session, event("e2")))

    assert [each.id for each in read(service).events] == ["e1", "e2"]


STATE = {"a": {"n": 1}, "user:b": 2, "app:c": 3, "temp:d": 4}
DELTAS: list[dict[str, Any]] = [
    {"a": {"m": 2}, "user:b": None, "new": "ü \x00", "temp:z": 1},
    {"app:c": [1], "user:e": {"f": {}}, "a": None},
    {},
]


def test_state_is_the_same_as_in_the_kits_own_memory(service: ZepSessionService) -> None:
    """In its four scopes, step by step: in the session at hand, in one that is read, in lists, in another session."""
    own = InMemorySessionService()
    seen = []
    for each in (service, own):
        session = begun(each, state=dict(STATE))
        steps: list[Any] = [dict(session.state)]
        for number, delta in enumerate(DELTAS):
            run(each.append_event(session, event(f"e{number}", actions=EventActions(state_delta=dict(delta)))))
            steps += [dict(session.state), read(each).state, [e.actions.state_delta for e in read(each).events]]
        other = run(each.create_session(**NAMES, session_id="other"))
        strangers = run(each.create_session(app_name="app", user_id="bob"))
        listed = run(each.list_sessions(app_name="app", user_id="alice")).sessions
        users = run(each.get_user_state(**NAMES))
        seen.append([steps, other.state, strangers.state, {one.id: one.state for one in listed}, users])

    assert seen[0] == seen[1]


def test_state_that_is_no_json_is_stored_as_the_kit_stores_it(service: ZepSessionService) -> None:
    begun(service, event("e1", actions=EventActions(state_delta={"call": len, "ok": 2})))

    state = read(service).state
    assert state["ok"] == 2
    assert isinstance(state["call"], str)


def test_writers_of_one_users_state_lose_nothing(service: ZepSessionService) -> None:
    """Eight sessions at once, each with a key of its own for the user and for the app."""

    async def main() -> None:
        async def write(number: int) -> None:
            session = await service.create_session(**NAMES, session_id=str(number))
            delta = {f"user:{number}": number, f"app:{number}": number}
            await service.append_event(session, event("e", actions=EventActions(state_delta=delta)))

        await asyncio.gather(*map(write, range(8)))

    run(main())
    session = begun(service)

    assert len(session.state) == 16


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 9])
def test_so_many_recent_events_are_read(service: ZepSessionService, count: int) -> None:
    """An event with several results is one, though it is several messages."""
    begun(service, *conversation())

    assert read(service, num_recent_events=count).events == conversation()[max(0, 5 - count) :]
    run(service.append_event(read(service, num_recent_events=count), event("e6")))


def test_events_since_a_moment_are_read(service: ZepSessionService) -> None:
    begun(service, event("e1"), event("e2", timestamp=LATER))

    assert [each.id for each in read(service, after_timestamp=LATER).events] == ["e2"]


def test_sessions_are_found_by_app_and_user_and_id(service: ZepSessionService) -> None:
    begun(service)
    run(service.create_session(app_name="app", user_id="bob", session_id="s"))
    run(service.create_session(app_name="other", user_id="alice", session_id="s"))

    with pytest.raises(AlreadyExistsError):
        run(service.create_session(**NAMES, session_id=" s "))
    assert read(service) == run(service.get_session(**NAMES, session_id=" s "))
    assert [one.user_id for one in run(service.list_sessions(app_name="app")).sessions] == ["alice", "bob"]
    run(service.delete_session(**NAMES, session_id="s "))
    run(service.delete_session(**NAMES, session_id="s"))
    assert run(service.get_session(**NAMES, session_id="s")) is None
    assert [one.user_id for one in run(service.list_sessions(app_name="app")).sessions] == ["bob"]


@pytest.mark.parametrize("names", [("a/b", "c", "d"), ("a", "b/c", "d"), ("a", "b", "c/d"), ("ü%2F", "\t", "")])
def test_no_two_names_are_one_session(names: tuple[str, str, str]) -> None:
    others = [("a", "b", "c"), ("a/b", "c", "d"), ("a", "b/c", "d"), ("a", "b", "c/d"), ("a%2Fb", "c", "d")]

    assert session_id_of(*names).count("/") == 2
    assert session_id_of(*names) not in {session_id_of(*other) for other in others if other != names}


def test_the_session_that_was_active_last_is_listed_last(service: ZepSessionService) -> None:
    for name in "abc":
        run(service.create_session(**NAMES, session_id=name))
    session = run(service.get_session(**NAMES, session_id="a"))
    run(service.append_event(session, event("e1")))

    assert [one.id for one in run(service.list_sessions(**NAMES)).sessions] == ["b", "c", "a"]


def test_a_listing_reads_all_states_at_once(service: ZepSessionService) -> None:
    """Twice at most, as a listing of what was just added is read on Postgres, and once for the app."""
    for name in "abcdef":
        run(service.create_session(**NAMES, session_id=name, state={"name": name, "app:all": 1}))

    with statements() as sent:
        listed = run(service.list_sessions(**NAMES)).sessions

    assert {session.id: session.state for session in listed} == {
        name: {"name": name, "app:all": 1} for name in "abcdef"
    }
    assert sum("zep_session_states" in statement for statement in sent) <= 3


def test_an_id_whose_session_was_deleted_begins_anew(service: ZepSessionService) -> None:
    """With neither the events nor the state of the deleted one, whose writers are told."""
    old = begun(service, event("e1"), state={"a": 1})
    run(service.delete_session(**NAMES, session_id="s"))
    with pytest.raises(SessionNotFoundError):
        run(service.append_event(old, event("e2", actions=EventActions(state_delta={"a": 2}))))

    begun(service, event("e3"), state={"b": 1})

    assert ([each.id for each in read(service).events], read(service).state) == (["e3"], {"b": 1})


def test_an_event_of_an_unknown_session_is_refused(service: ZepSessionService) -> None:
    with pytest.raises(SessionNotFoundError):
        run(service.append_event(Session(id="none", **NAMES), event("e1")))


def test_a_part_of_a_stream_is_not_stored(service: ZepSessionService) -> None:
    begun(service, event("e1", partial=True))

    assert read(service).events == []


def test_a_conversation_of_another_framework_is_carried_on(service: ZepSessionService, manager: SessionManager) -> None:
    key = session_id_of("app", "alice", "s")
    calls = [ToolCall(id="1", name="weather", args={"city": "Oslo"}), ToolCall(id="2", name="weather", args="{")]
    manager.add_memory(
        key,
        [
            Message(role="human", content="Weather?"),
            Message(role="ai", content="I look", tool_calls=calls),
            Message(role="tool", content="4", tool_call_id="1"),
            Message(role="tool", content="?", tool_call_id="2"),
        ],
        user_id="alice",
    )

    session = read(service)
    run(service.append_event(session, event("e1", "user", "and?")))

    assert [each.author for each in session.events] == ["user", "app", "app", "user"]
    assert [len(each.content.parts) for each in session.events if each.content and each.content.parts] == [1, 3, 2, 1]
    assert manager.list_messages(key)[-1].content == "and?"


class ScriptedModel(BaseLlm):
    """Says how much it was shown."""

    async def generate_content_async(self, llm_request: Any, stream: bool = False) -> AsyncIterator[LlmResponse]:  # type: ignore[override]
        text = f"{len(llm_request.contents)} contents"
        yield LlmResponse(content=types.Content(role="model", parts=[types.Part(text=text)]))


def test_an_agent_goes_on_in_the_next_process(manager: SessionManager) -> None:
    said = []
    for text in ("Hello", "And now?"):
        agent = LlmAgent(name="guide", model=ScriptedModel(model="scripted"))
        runner = Runner(
            app_name="app", agent=agent, session_service=ZepSessionService(manager), auto_create_session=True
        )
        message = types.Content(role="user", parts=[types.Part(text=text)])
        for each in runner.run(user_id="alice", session_id="s", new_message=message):
            said += [part.text for part in (each.content and each.content.parts) or []]

    assert said == ["1 contents", "3 contents"]
    rows = manager.list_messages(session_id_of("app", "alice", "s"))
    assert [row.content for row in rows] == ["Hello", "1 contents", "And now?", "3 contents"]


def test_a_run_is_shown_a_window_when_it_is_told_so(service: ZepSessionService) -> None:
    """The kit's own calls read all: what it sets back, it reckons from the first event on."""
    begun(service, *(event(f"e{number}", ("user", "app")[number % 2], "word " * 9_000) for number in range(8)))
    configs = [
        None,
        GetSessionConfig(),
        ZepSessionConfig(),
        ZepSessionConfig(max_tokens=None),
        ZepSessionConfig(turns=2, max_tokens=None),
        ZepSessionConfig(max_tokens=1),
        ZepSessionConfig(num_recent_events=1),
    ]

    sessions = [run(service.get_session(**NAMES, session_id="s", config=config)) for config in configs]

    assert [len(session.events) for session in sessions] == [8, 8, 2, 8, 4, 2, 1]
    assert {session.events[-1].id for session in sessions} == {"e7"}


def test_a_runner_passes_the_window_on(manager: SessionManager) -> None:
    words = [Message(role=role, content="word " * 9_000) for _ in range(4) for role in ("human", "ai")]
    manager.add_memory(session_id_of("app", "alice", "s"), words, user_id="alice", metadata={"google_adk_id": "s"})
    agent = LlmAgent(name="guide", model=ScriptedModel(model="scripted"))
    runner = Runner(app_name="app", agent=agent, session_service=ZepSessionService(manager))
    message = types.Content(role="user", parts=[types.Part(text="And now?")])

    events = [
        list(runner.run(user_id="alice", session_id="s", new_message=message, run_config=config))
        for config in (RunConfig(get_session_config=ZepSessionConfig()), RunConfig())
    ]

    said = [part.text for (each,) in events for part in (each.content and each.content.parts) or []]
    assert said == ["3 contents", "11 contents"]


@pytest.mark.parametrize("summary_as", ["system", "user"])
def test_a_run_is_told_the_summary_of_what_its_window_leaves_out(database_url: str, summary_as: Any) -> None:
    """As the kit tells a compaction of its own; where nothing is left out, nothing is told."""
    key, told = session_id_of("app", "alice", "s"), []
    said = [Message(role=role, content="word " * 9_000) for _ in range(4) for role in ("human", "ai")]
    model = ScriptedModel(model="scripted")
    message = types.Content(role="user", parts=[types.Part(text="And now?")])
    with SessionManager(database_url, summary_as=summary_as) as manager:
        stored = manager.add_memory(key, said, user_id="alice", metadata={"google_adk_id": "s"})
        manager.add_summary(key, Summary(content="They like rain.", seq=stored[3].seq))
        service = ZepSessionService(manager)
        for config in (ZepSessionConfig(), ZepSessionConfig(max_tokens=None), None):
            session = run(service.get_session(**NAMES, session_id="s", config=config))
            compactions = [each.actions.compaction for each in session.events if each.actions.compaction]
            told.append([each.compacted_content.parts[0].text for each in compactions])
        runner = Runner(app_name="app", agent=LlmAgent(name="guide", model=model), session_service=service)
        config = RunConfig(get_session_config=ZepSessionConfig())
        (answer,) = runner.run(user_id="alice", session_id="s", new_message=message, run_config=config)
        rows = manager.list_messages(key)

    assert told == [["They like rain."], [], []]
    assert answer.content.parts[0].text == "4 contents"
    assert [row.content for row in rows] == [*(each.content for each in said), "And now?", "4 contents"]


def test_memories_are_what_was_said_in_all_sessions_of_an_app_and_user(
    service: ZepSessionService, manager: SessionManager
) -> None:
    memories = ZepMemoryService(manager, limit=1)
    session = begun(service, event("e1", "user", "My dog is called Rex."))
    for names in ({"app_name": "other", "user_id": "alice"}, {"app_name": "app", "user_id": "bob"}):
        elsewhere = run(service.create_session(**names))
        run(service.append_event(elsewhere, event("e1", "user", "My dog is called Bello.")))
    run(memories.add_session_to_memory(session))

    (entry,) = run(memories.search_memory(**NAMES, query="dog")).memories
    assert (entry.content.parts[0].text, entry.author) == ("My dog is called Rex.", "user")
    assert run(memories.search_memory(**NAMES, query=" ")).memories == []
    assert len(manager.list_messages(session_id_of("app", "alice", "s"))) == 1


def test_a_session_that_another_service_keeps_is_added_to_memory_once(manager: SessionManager) -> None:
    memories = ZepMemoryService(manager)
    session = begun(InMemorySessionService(), *conversation())
    for _ in range(2):
        run(memories.add_session_to_memory(session))

    (entry, *_) = run(memories.search_memory(**NAMES, query="look")).memories
    assert "look" in entry.content.parts[0].text
    assert len(manager.list_messages(session_id_of("app", "alice", "s"))) == 6


def test_services_are_made_without_code(tmp_path: Path) -> None:
    """By the file that the page in docs/ shows."""
    page = Path(__file__).parents[2] / "docs/frameworks/google_adk.md"
    (tmp_path / "services.yaml").write_text(page.read_text().split("```yaml\n")[1].split("```")[0])
    load_services_module(str(tmp_path))
    uri, registry = f"zep://sqlite:///{tmp_path}/app.db", get_service_registry()

    sessions = registry.create_session_service(uri, agents_dir=str(tmp_path))
    memories = registry.create_memory_service(uri, agents_dir=str(tmp_path))

    assert sessions is not None
    assert memories is not None
    begun(sessions, event("e1", "user", "My dog is called Rex."))
    assert len(run(memories.search_memory(**NAMES, query="dog")).memories) == 1


def test_a_uri_names_the_database_of_all_services() -> None:
    """As `adk web --session_service_uri=zep://sqlite:///app.db` does, with options of its own."""
    sessions = ZepSessionService(uri="zep://sqlite://", agents_dir="agents")
    begun(sessions, event("e1", "user", "My dog is called Rex."))

    (entry,) = run(ZepMemoryService(uri="zep://sqlite://").search_memory(**NAMES, query="dog")).memories
    assert entry.author == "user"
    for uri in (None, "sqlite://"):
        with pytest.raises(InvalidInput, match="zep://"):
            ZepSessionService(uri=uri)


def test_values_that_json_lacks_are_kept_readable(service: ZepSessionService) -> None:
    begun(service, event("1", "guide", answer("c", degrees=numpy.int64(21), error=ValueError("cold"))))

    (part,) = read(service).events[0].content.parts  # type: ignore[union-attr, misc]
    assert part.function_response is not None
    assert part.function_response.response == {"degrees": 21, "error": "ValueError: cold"}
