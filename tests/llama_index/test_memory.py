"""`ZepMemory` in the hands of the application."""

import asyncio
import inspect
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ThinkingBlock, ToolCallBlock
from llama_index.core.memory import BaseMemory
from pydantic import ValidationError

from tests.llama_index.scripted import ScriptedModel, answer, assistant, calling, plain, user
from zep_memory_plugin import InvalidInput, SessionManager, SessionOwnedByAnotherUser, use_session
from zep_memory_plugin.llama_index import (
    ManagerNotRegistered,
    ZepChatStore,
    ZepMemory,
    register_manager,
    unregister_manager,
)

Call = Callable[..., Any]


def blocking(memory: ZepMemory, method: str, *arguments: Any, **options: Any) -> Any:
    return getattr(memory, method)(*arguments, **options)


def awaited(memory: ZepMemory, method: str, *arguments: Any, **options: Any) -> Any:
    return asyncio.run(getattr(memory, f"a{method}")(*arguments, **options))


@pytest.fixture(params=[blocking, awaited])
def call(request: pytest.FixtureRequest) -> Call:
    """Return what calls a method of a memory, or its async twin."""
    return request.param


def test_the_memory_is_one_of_llama_index_and_never_false() -> None:
    """Agents replace a memory that is false, as an object of length 0 is."""
    assert issubclass(ZepMemory, BaseMemory)
    assert not hasattr(ZepMemory, "__len__")
    assert not hasattr(ZepMemory, "__bool__")


def test_every_async_method_is_its_own() -> None:
    inherited = [name for name, _ in inspect.getmembers(BaseMemory, inspect.iscoroutinefunction)]

    assert len(inherited) == 6
    assert [name for name in inherited if name not in vars(ZepMemory)] == []


def test_a_memory_without_messages_is_empty(memory: ZepMemory, call: Call) -> None:
    assert call(memory, "get") == []
    assert call(memory, "get_all") == []
    call(memory, "reset")
    call(memory, "put_messages", [])
    call(memory, "set", [])
    assert memory.manager.list_sessions() == []


def test_messages_are_put_set_and_reset(memory: ZepMemory, call: Call) -> None:
    call(memory, "put", user("a"))
    call(memory, "put_messages", [assistant("b"), user("c")])
    assert call(memory, "get") == [user("a"), assistant("b"), user("c")]
    assert call(memory, "get_all") == [user("a"), assistant("b"), user("c")]

    call(memory, "set", [user("x")])
    assert call(memory, "get_all") == [user("x")]

    call(memory, "reset")
    assert call(memory, "get_all") == []
    assert memory.manager.get_session("alice-1").user_id == "alice"


def test_a_bad_message_leaves_what_was_there(memory: ZepMemory, call: Call) -> None:
    bad = ChatMessage("bad", additional_kwargs={"name": "n" * 2000})
    call(memory, "put", user("old"))

    for method in ("set", "put_messages"):
        with pytest.raises(InvalidInput):
            call(memory, method, [user("a"), bad, user("c")])

    assert call(memory, "get_all") == [user("old")]


def test_whatever_callers_add_to_get_is_accepted(memory: ZepMemory, call: Call) -> None:
    call(memory, "put", user("a"))

    assert call(memory, "get", "a question", initial_token_count=3, session_id="x", other=None) == [user("a")]
    assert call(memory, "get", input="a question") == [user("a")]


PAIR = [calling(("1", "look", {"city": "Rome"})), answer("1", "sunny " * 20)]
TURNS = [
    ChatMessage("be kind", role="system"),
    user("first question"),
    assistant("first answer"),
    user("weather?"),
    *PAIR,
    assistant("sunny"),
    user("thanks"),
]


def test_the_window_keeps_the_head_and_never_splits_a_pair(memory: ZepMemory, call: Call) -> None:
    """At whatever limit: the system message, whole turns, each call with its answer."""
    memory.put_messages(TURNS)
    shown = {
        limit: plain(call(memory.model_copy(update={"max_tokens": limit}), "get")) for limit in (1, 10, 30, 45, 1000)
    }

    everything = plain(TURNS)
    assert shown == {
        1: [everything[0], everything[-1]],
        10: [everything[0], everything[-1]],
        30: [everything[0], everything[-1]],
        45: [everything[0], *everything[3:]],
        1000: everything,
    }


def test_the_prompt_of_the_caller_takes_its_part_of_the_limit(memory: ZepMemory, call: Call) -> None:
    memory.put_messages(TURNS)

    assert plain(call(memory, "get", initial_token_count=29_970)) == plain([TURNS[0], TURNS[-1]])
    assert plain(call(memory, "get", initial_token_count=99_999)) == plain([TURNS[0], TURNS[-1]])


@pytest.mark.parametrize(
    "long",
    [
        ChatMessage(role="assistant", blocks=[ThinkingBlock(content="hm " * 600)]),
        calling(("1", "look", {"text": "x" * 1800})),
        assistant("x" * 1800),
    ],
    ids=["a thought", "a tool call", "a text"],
)
def test_every_kind_of_block_fills_the_window(manager: SessionManager, long: ChatMessage) -> None:
    memory = ZepMemory(manager=manager, session_id="s", max_tokens=300)
    memory.put_messages([user("old"), long, user("new"), assistant("short")])

    assert memory.get() == [user("new"), assistant("short")]


def test_rows_of_other_writers_are_part_of_the_window(memory: ZepMemory) -> None:
    memory.put_messages([user("a"), user("b")])
    first = memory.manager.list_messages("alice-1")[0]
    memory.manager.update_message("alice-1", str(first.uuid), content="x" * 400_000)

    assert memory.get() == [user("b")]


def test_the_counter_of_the_manager_counts(database_url: str) -> None:
    with SessionManager(database_url, token_counter=lambda text: len(text.split())) as manager:
        memory = ZepMemory(manager=manager, session_id="s", max_tokens=4)
        memory.put_messages([user("one two three"), user("four five"), user("six")])

        assert plain(memory.get()) == [("user", "four five"), ("user", "six")]
        assert len(memory.tokenizer_fn("one two three")) == 3


def test_a_counter_that_fails_fails_no_prompt(sqlite_url: str) -> None:
    with SessionManager(sqlite_url, token_counter=lambda text: 1 // 0) as manager:
        assert len(ZepMemory(manager=manager, session_id="s").tokenizer_fn("five letters")) == 3


def test_two_sessions_never_see_each_other(manager: SessionManager, call: Call) -> None:
    alice, bob = (ZepMemory(manager=manager, session_id=name) for name in ("alice-1", "bob-1"))
    call(alice, "put", user("I am Alice"))
    call(bob, "put", user("I am Bob"))
    call(alice, "reset")

    assert (call(alice, "get"), call(bob, "get")) == ([], [user("I am Bob")])


def test_the_session_of_another_user_is_out_of_reach(memory: ZepMemory, call: Call) -> None:
    memory.put(user("mine"))
    bobs = memory.model_copy(update={"user_id": "bob"})

    for method, arguments in {
        "get": (),
        "get_all": (),
        "put": (user("x"),),
        "put_messages": ([user("x")],),
        "set": ([user("x")],),
        "reset": (),
    }.items():
        with pytest.raises(SessionOwnedByAnotherUser):
            call(bobs, method, *arguments)

    assert memory.get_all() == [user("mine")]


def test_a_memory_without_a_session_uses_the_one_around_the_call(manager: SessionManager, call: Call) -> None:
    memory = ZepMemory(manager=manager)

    with use_session("alice-1", user_id="alice"):
        call(memory, "put", user("hi"))
    with use_session("bob-1"):
        assert call(memory, "get") == []

    assert manager.get_session("alice-1").user_id == "alice"
    with pytest.raises(InvalidInput, match="use_session"):
        call(memory, "get")


def test_a_memory_of_a_session_belongs_to_the_user_around_the_call(manager: SessionManager, call: Call) -> None:
    call(ZepMemory(manager=manager, session_id="alice-1", user_id="alice"), "put", user("a secret"))
    shared = ZepMemory(manager=manager, session_id="alice-1")

    with use_session("bob-1", user_id="bob"), pytest.raises(SessionOwnedByAnotherUser):
        call(shared, "get")
    with use_session("alice-2", user_id="alice"):
        assert call(shared, "get") == [user("a secret")]


def test_from_defaults_takes_what_other_memories_do(manager: SessionManager) -> None:
    made = ZepMemory.from_defaults(manager=manager, session_id="s", user_id="alice", max_tokens=500)
    of_model = ZepMemory.from_defaults(llm=ScriptedModel.of(), manager=manager, session_id="s")

    bounded = ZepMemory.from_defaults(manager=manager, session_id="s", limit=4, turns=2)

    assert (made.session_id, made.user_id, made.max_tokens) == ("s", "alice", 500)
    assert (bounded.limit, bounded.turns) == (4, 2)
    assert of_model.max_tokens == int(ScriptedModel.of().metadata.context_window * 0.75)
    with pytest.raises(InvalidInput, match="sesion_id"):
        ZepMemory.from_defaults(manager=manager, sesion_id="s")
    with pytest.raises(ValidationError):
        ZepMemory.from_defaults(manager=manager, max_tokens=0)


def test_a_memory_knows_the_word_of_llama_index_for_its_bound_and_no_other_argument(manager: SessionManager) -> None:
    handle = {"manager": manager, "session_id": "s", "token_limit": 5}
    for _ in range(3):
        ZepMemory(manager=manager, session_id="s").put_messages([user("a question"), assistant("an answer")])

    assert len(ZepMemory(**handle).get()) == 2
    assert ZepMemory.from_dict(handle | {"class_name": "ZepMemory"}).max_tokens == 5
    with pytest.raises(ValidationError, match="max_token is no option of ZepMemory"):
        ZepMemory(**handle | {"max_token": 5})
    with pytest.raises(ValidationError, match="key is no option of ZepChatStore"):
        ZepChatStore.model_validate({"manager": manager, "key": "s"})


def test_a_history_replaces_what_is_stored_unless_it_is_empty(manager: SessionManager) -> None:
    memory = ZepMemory.from_defaults([user("a")], manager=manager, session_id="s")
    ZepMemory.from_defaults([], manager=manager, session_id="s")
    assert memory.get_all() == [user("a")]

    ZepMemory.from_defaults([user("b")], manager=manager, session_id="s")
    assert memory.get_all() == [user("b")]


def test_making_a_memory_does_no_io() -> None:
    nowhere = SessionManager("postgresql://app@127.0.0.1:1/app")

    ZepMemory.from_defaults(manager=nowhere, session_id="s").to_dict()


def test_the_serialised_memory_is_a_handle() -> None:
    manager = register_manager("app", SessionManager("postgresql://app:hunter2@127.0.0.1:1/app"))
    memory = ZepMemory(manager=manager, session_id="s", user_id="alice", max_tokens=9)
    try:
        assert memory.to_dict() == {
            "class_name": "ZepMemory",
            "manager": "app",
            "session_id": "s",
            "max_tokens": 9,
            "limit": None,
            "turns": None,
            "user_id": "alice",
        }
        assert "hunter2" not in repr(memory) + memory.to_json() + str(pickle.dumps(memory))
    finally:
        unregister_manager("app")


def test_a_memory_made_again_is_the_same(memory: ZepMemory) -> None:
    memory.put(user("hi"))

    for again in (
        ZepMemory.from_json(memory.to_json()),
        pickle.loads(pickle.dumps(memory)),
        memory.model_copy(deep=True),
        memory.model_copy(),
    ):
        assert again == memory
        assert again.manager is memory.manager
        assert again.get_all() == [user("hi")]


def test_an_unregistered_manager_has_a_name_while_it_lives() -> None:
    handle = ZepMemory(manager=SessionManager("sqlite://"), session_id="s").to_dict()

    with pytest.raises(ManagerNotRegistered, match="register_manager"):
        ZepMemory.from_dict(handle)


def test_managers_are_found_by_name() -> None:
    first, second = SessionManager("sqlite://"), SessionManager("sqlite://")
    try:
        assert register_manager("app", first) is first
        assert ZepChatStore(manager="app").manager is first
        before = ZepMemory(manager=first, session_id="s")
        register_manager("app", second)
        assert ZepMemory(manager="app").manager is second
        assert before.to_dict()["manager"] != "app"
        assert ZepMemory.from_dict(before.to_dict()).manager is first
    finally:
        unregister_manager("app")

    for use in (
        lambda: ZepMemory(manager="app"),
        lambda: unregister_manager("app"),
        lambda: ZepMemory(session_id="s"),
    ):
        with pytest.raises(ManagerNotRegistered):
            use()
    for name, manager in (("", first), ("app", "sqlite://"), (None, first)):
        with pytest.raises(InvalidInput):
            register_manager(name, manager)
    with pytest.raises(InvalidInput, match="of type int"):
        ZepMemory(manager=5)
    with pytest.raises(ValidationError, match="of type int"):
        ZepMemory.model_validate({"manager": 5})


def test_concurrent_puts_are_all_kept_in_one_order(memory: ZepMemory) -> None:
    async def put() -> None:
        await asyncio.gather(*(memory.aput_messages([user(f"{n} a"), assistant(f"{n} b")]) for n in range(50)))

    asyncio.run(put())

    texts = [message.content or "" for message in memory.get_all()]
    assert sorted(texts[::2]) == sorted(f"{n} a" for n in range(50))
    assert [text.replace("a", "b") for text in texts[::2]] == texts[1::2]


def test_the_core_imports_no_llama_index() -> None:
    program = "import sys, zep_memory_plugin; print([n for n in sys.modules if n.split('.')[0] == 'llama_index'])"

    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert shown.stdout == "[]\n"


PROGRAM = """
import asyncio, sys
from llama_index.core.base.llms.types import ChatMessage
from zep_memory_plugin import SessionManager
from zep_memory_plugin.llama_index import ZepMemory
memory = ZepMemory(manager=SessionManager(sys.argv[1]), session_id="s")
memory.put(ChatMessage("blocking"))
asyncio.run(memory.aput(ChatMessage("awaited")))
print([message.content for message in memory.get()])
"""


@pytest.mark.parametrize("driver", ["sqlite", "postgresql+asyncpg"])
def test_a_process_that_closes_nothing_ends(sqlite_url: str, shared_postgres_url: str, driver: str) -> None:
    url = (sqlite_url if "sqlite" in driver else shared_postgres_url).split("://", 1)[1]

    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, f"{driver}://{url}"], capture_output=True, text=True, timeout=60
    )

    assert (ended.returncode, ended.stdout) == (0, "['blocking', 'awaited']\n"), ended.stderr


def test_handles_are_json(memory: ZepMemory) -> None:
    assert json.loads(json.dumps(memory.to_dict())) == memory.to_dict()


@pytest.mark.parametrize(
    "said", ["q a1 hello", "q1 q2 a1 b1 ra rb next", "q ra a1 ra"], ids=["interrupted", "two runs at once", "no call"]
)
def test_every_call_is_shown_with_its_result(said: str, sqlite_url: str) -> None:
    def message(word: str) -> ChatMessage:
        if word[0] == "r":
            return ChatMessage(role="tool", content="r", additional_kwargs={"tool_call_id": word[1]})
        if word in ("a1", "b1"):
            call = ToolCallBlock(tool_call_id=word[0], tool_name="f", tool_kwargs={})
            return ChatMessage(role="assistant", blocks=[call])
        return ChatMessage(role="user", content=word)

    with SessionManager(sqlite_url) as manager:
        memory = ZepMemory(manager=manager, session_id="s")
        memory.put_messages([message(word) for word in said.split()])
        shown = memory.get()
        assert shown == asyncio.run(memory.aget())
        assert len(memory.get_all()) == len(said.split())

    for before, after in pairwise(shown):
        calls = [block.tool_call_id for block in before.blocks if isinstance(block, ToolCallBlock)]
        assert calls == ([after.additional_kwargs["tool_call_id"]] if after.role == "tool" else [])


def test_a_question_that_is_put_again_after_a_failure_stands_once(sqlite_url: str) -> None:
    with SessionManager(sqlite_url) as manager:
        memory = ZepMemory(manager=manager, session_id="s")
        for role, text in (("user", "q"), ("user", "q"), ("assistant", "a"), ("user", "q")):
            memory.put(ChatMessage(role=role, content=text))

        assert [message.content for message in memory.get()] == ["q", "a", "q"]
