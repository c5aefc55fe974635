"""`ZepChatStore` keeps the contract of LlamaIndex's chat stores, blocking and async alike."""

import asyncio
import inspect
import json
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, TextBlock
from llama_index.core.memory import ChatMemoryBuffer, ChatSummaryMemoryBuffer
from llama_index.core.storage.chat_store import BaseChatStore

from tests.llama_index.scripted import ScriptedModel, answer, assistant, calling, plain, user
from zep_memory_plugin import InvalidInput, SessionManager, SessionOwnedByAnotherUser
from zep_memory_plugin.core.pairing import NO_RESULT
from zep_memory_plugin.llama_index import ZepChatStore

Call = Callable[..., Any]


def blocking(store: ZepChatStore, method: str, *arguments: Any) -> Any:
    return getattr(store, method)(*arguments)


def awaited(store: ZepChatStore, method: str, *arguments: Any) -> Any:
    async def call() -> Any:
        return await getattr(store, "async_add_message" if method == "add_message" else f"a{method}")(*arguments)

    return asyncio.run(call())


@pytest.fixture(params=[blocking, awaited])
def call(request: pytest.FixtureRequest) -> Call:
    """Return what calls a method of a store, or its async twin."""
    return request.param


@pytest.fixture
def store(manager: SessionManager) -> ZepChatStore:
    return ZepChatStore(manager=manager)


def test_the_store_is_one_of_llama_index() -> None:
    assert issubclass(ZepChatStore, BaseChatStore)
    assert ZepChatStore.class_name() == "ZepChatStore"


def test_every_async_method_is_its_own() -> None:
    """None falls back on the blocking one in a thread."""
    inherited = [name for name, _ in inspect.getmembers(BaseChatStore, inspect.iscoroutinefunction)]

    assert len(inherited) == 7
    assert [name for name in inherited if name not in vars(ZepChatStore)] == []


def test_an_unknown_key_has_no_messages_and_is_not_made(store: ZepChatStore, call: Call) -> None:
    assert call(store, "get_messages", "unknown") == []
    assert call(store, "delete_messages", "unknown") is None
    assert call(store, "delete_message", "unknown", 0) is None
    assert call(store, "delete_last_message", "unknown") is None
    assert call(store, "get_keys") == []


def test_messages_are_added_in_order(store: ZepChatStore, call: Call) -> None:
    for text in ("a", "b", "c"):
        call(store, "add_message", "k", user(text))

    assert call(store, "get_messages", "k") == [user("a"), user("b"), user("c")]


def test_setting_replaces_all(store: ZepChatStore, call: Call) -> None:
    call(store, "set_messages", "k", [user("old")])
    call(store, "set_messages", "k", [user("a"), assistant("b")])
    assert call(store, "get_messages", "k") == [user("a"), assistant("b")]

    call(store, "set_messages", "k", [])
    assert call(store, "get_messages", "k") == []
    assert call(store, "get_keys") == ["k"]


def test_a_bad_message_leaves_the_old_history(store: ZepChatStore, call: Call) -> None:
    call(store, "set_messages", "k", [user("old")])
    bad = ChatMessage("bad", additional_kwargs={"name": "n" * 2000})

    with pytest.raises(InvalidInput):
        call(store, "set_messages", "k", [user("a"), bad, user("c")])

    assert call(store, "get_messages", "k") == [user("old")]


def test_messages_are_deleted_by_their_position(store: ZepChatStore, call: Call) -> None:
    call(store, "set_messages", "k", [user(text) for text in "abcd"])

    assert call(store, "delete_message", "k", 1) == user("b")
    assert call(store, "delete_message", "k", 1) == user("c")
    for absent in (2, -1, -5, 99):
        assert call(store, "delete_message", "k", absent) is None
    assert call(store, "get_messages", "k") == [user("a"), user("d")]


def test_the_last_message_is_deleted_until_there_is_none(store: ZepChatStore, call: Call) -> None:
    call(store, "set_messages", "k", [user("a"), user("b")])

    deleted = [call(store, "delete_last_message", "k") for _ in range(3)]

    assert deleted == [user("b"), user("a"), None]
    assert call(store, "get_keys") == ["k"]


def test_deleting_a_key_returns_its_messages_and_can_be_undone(store: ZepChatStore, call: Call) -> None:
    call(store, "set_messages", "k", [user("a"), user("b")])
    call(store, "add_message", "other", user("c"))

    assert call(store, "delete_messages", "k") == [user("a"), user("b")]
    assert call(store, "get_messages", "k") == []
    assert call(store, "get_keys") == ["other"]

    store.manager.restore_session("k")
    assert call(store, "get_messages", "k") == [user("a"), user("b")]


def test_a_deleted_key_that_is_written_to_starts_empty(store: ZepChatStore, call: Call) -> None:
    call(store, "add_message", "k", user("old"))
    call(store, "delete_messages", "k")

    call(store, "add_message", "k", user("new"))

    assert call(store, "get_messages", "k") == [user("new")]


def test_what_is_done_to_a_list_does_not_reach_the_store(store: ZepChatStore, call: Call) -> None:
    given = [user("a")]
    call(store, "set_messages", "k", given)

    given.append(user("later"))
    read = call(store, "get_messages", "k")
    read.pop()
    given[0].blocks[0] = TextBlock(text="changed")

    assert call(store, "get_messages", "k") == [user("a")]


def test_two_keys_never_mix(store: ZepChatStore, call: Call) -> None:
    call(store, "add_message", "a", user("of a"))
    call(store, "add_message", "b", user("of b"))
    call(store, "delete_messages", "a")

    assert call(store, "get_messages", "b") == [user("of b")]


def test_a_users_store_reaches_only_what_is_the_users(manager: SessionManager, call: Call) -> None:
    alice, bob = ZepChatStore(manager=manager, user_id="alice"), ZepChatStore(manager=manager, user_id="bob")
    call(alice, "add_message", "k", user("mine"))

    for method, arguments in {
        "get_messages": (),
        "add_message": (user("x"),),
        "set_messages": ([],),
        "delete_messages": (),
        "delete_message": (0,),
        "delete_last_message": (),
    }.items():
        with pytest.raises(SessionOwnedByAnotherUser):
            call(bob, method, "k", *arguments)

    assert call(alice, "get_messages", "k") == [user("mine")]
    assert (call(alice, "get_keys"), call(bob, "get_keys")) == (["k"], [])


def test_concurrent_appends_to_one_key_are_all_kept(store: ZepChatStore) -> None:
    async def add() -> None:
        await asyncio.gather(*(store.async_add_message("k", user(str(number))) for number in range(50)))

    asyncio.run(add())

    once = store.get_messages("k")
    assert sorted(int(message.content or "") for message in once) == list(range(50))
    assert store.get_messages("k") == once


def test_a_question_that_is_put_again_after_a_failure_stands_once(store: ZepChatStore) -> None:
    """A chat engine whose model raised has put the question alone."""
    buffer = ChatMemoryBuffer.from_defaults(chat_store=store, chat_store_key="k")
    for message in (user("q"), user("q"), ChatMessage("a", role="assistant"), user("q")):
        buffer.put(message)

    assert [message.content for message in buffer.get()] == ["q", "a", "q"]


def test_eight_callers_are_first_at_once(postgres_url: str, sqlite_url: str) -> None:
    """On an empty database each makes the tables when nobody has."""
    for url in (postgres_url, sqlite_url):
        with SessionManager(url) as manager, ThreadPoolExecutor(8) as threads:
            stores = [ZepChatStore(manager=manager) for _ in range(8)]
            list(threads.map(lambda store, text: store.add_message("k", user(text)), stores, "abcdefgh"))

            assert len(stores[0].get_messages("k")) == 8


def test_the_serialised_store_holds_no_secret() -> None:
    store = ZepChatStore(manager=SessionManager("postgresql://app:hunter2@localhost/app"), user_id="alice")

    dumped = json.dumps(store.to_dict()) + repr(store) + str(pickle.dumps(store))

    assert "hunter2" not in dumped
    assert set(store.to_dict()) == {"manager", "user_id", "class_name"}


def test_a_store_made_again_is_the_same(store: ZepChatStore) -> None:
    store.add_message("k", user("hi"))

    for again in (
        ZepChatStore.from_dict(json.loads(json.dumps(store.to_dict()))),
        pickle.loads(pickle.dumps(store)),
        store.model_copy(deep=True),
    ):
        assert again.get_messages("k") == [user("hi")]
        assert again.manager is store.manager


def test_a_buffer_on_the_store_is_made_again_from_its_text(store: ZepChatStore) -> None:
    buffer = ChatMemoryBuffer.from_defaults(chat_store=store, chat_store_key="k")
    buffer.put(user("hi"))

    again = ChatMemoryBuffer.from_string(buffer.to_string())

    assert again.get() == [user("hi")]


def test_a_call_without_a_result_is_shown_with_a_note_for_one(store: ZepChatStore, call: Call) -> None:
    call(store, "set_messages", "k", [user("q"), calling(("1", "weather", {})), user("hello?")])
    shown = call(store, "get_messages", "k")

    assert [message.role.value for message in shown] == ["user", "assistant", "tool", "user"]
    assert shown[2].content == NO_RESULT
    assert call(store, "delete_message", "k", 2) is None
    assert call(store, "delete_message", "k", 3) == user("hello?")
    assert [message.role.value for message in call(store, "get_messages", "k")] == ["user", "assistant", "tool"]


def test_a_result_without_its_call_is_not_shown(store: ZepChatStore, call: Call) -> None:
    result = answer("gone", "r")
    call(store, "set_messages", "k", [result, user("q"), assistant("a")])

    assert call(store, "get_messages", "k") == [user("q"), assistant("a")]
    assert call(store, "delete_message", "k", 1) == assistant("a")
    assert [row.content for row in store.manager.list_messages("k")] == ["r", "q"]  # type: ignore[union-attr]


def test_a_buffer_keeps_tool_calls(store: ZepChatStore) -> None:
    said = [user("weather?"), calling(("1", "look", {"city": "Rome"})), answer("1", "sunny"), assistant("sunny")]
    buffer = ChatMemoryBuffer.from_defaults(chat_store=store, chat_store_key="k")

    asyncio.run(buffer.aput_messages(said))

    assert asyncio.run(buffer.aget()) == said


def test_a_summarising_buffer_rewrites_the_history_in_one_step(store: ZepChatStore) -> None:
    model = ScriptedModel.of("they greeted")
    buffer = ChatSummaryMemoryBuffer.from_defaults(
        chat_store=store, chat_store_key="k", llm=model, token_limit=6, count_initial_tokens=False
    )
    for text in ("hi there", "hello you", "how are you?"):
        buffer.put(user(text))

    shown = buffer.get()

    assert plain(shown)[0] == ("system", "they greeted")
    assert store.get_messages("k") == shown
