"""`ZepAsyncChatStore` behind LlamaIndex's `Memory`: a queue of active messages and an archive."""

import asyncio
import copy
import json
import pickle
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import BaseMemoryBlock, Memory
from llama_index.core.storage.chat_store.base_db import AsyncDBChatStore, MessageStatus

from tests.llama_index.scripted import answer, assistant, calling, plain, user
from zep_memory_plugin import InvalidInput, SessionManager, SessionOwnedByAnotherUser
from zep_memory_plugin.llama_index import ManagerNotRegistered, ZepAsyncChatStore

ACTIVE, ARCHIVED = MessageStatus.ACTIVE, MessageStatus.ARCHIVED


@pytest.fixture
def store(manager: SessionManager) -> ZepAsyncChatStore:
    return ZepAsyncChatStore(manager=manager)


def users(texts: str) -> list[ChatMessage]:
    return [user(text) for text in texts]


def texts(messages: list[ChatMessage]) -> str:
    return "".join(message.content or "" for message in messages)


async def both(store: ZepAsyncChatStore, key: str = "k") -> tuple[str, str]:
    """Return the texts of what is active and what is archived."""
    active, archived = await store.get_messages(key), await store.get_messages(key, ARCHIVED)
    return texts(active), texts(archived)


def test_the_store_is_one_of_llama_index() -> None:
    assert issubclass(ZepAsyncChatStore, AsyncDBChatStore)
    assert ZepAsyncChatStore.class_name() == "ZepAsyncChatStore"


def test_an_unknown_key_has_nothing(store: ZepAsyncChatStore) -> None:
    async def run() -> list[Any]:
        return [
            await store.get_messages("unknown"),
            await store.count_messages("unknown"),
            await store.delete_message("unknown", 0),
            await store.delete_messages("unknown"),
            await store.delete_messages("unknown", ARCHIVED),
            await store.delete_oldest_messages("unknown", 2),
            await store.archive_oldest_messages("unknown", 2),
            await store.get_keys(),
        ]

    assert asyncio.run(run()) == [[], 0, None, None, None, [], [], []]


def test_messages_are_active_until_they_are_archived(store: ZepAsyncChatStore) -> None:
    async def run() -> None:
        await store.add_message("k", user("a"))
        await store.add_messages("k", users("bcd"))
        await store.add_messages("k", [])
        assert texts(await store.archive_oldest_messages("k", 2)) == "ab"
        assert await both(store) == ("cd", "ab")
        assert texts(await store.get_messages("k", None)) == "abcd"
        counts = [await store.count_messages("k", status) for status in (ACTIVE, ARCHIVED, None)]
        assert counts == [2, 2, 4]

    asyncio.run(run())


def test_messages_can_be_stored_as_archived(store: ZepAsyncChatStore) -> None:
    async def run() -> None:
        await store.add_message("k", user("a"))
        await store.add_message("k", user("b"), ARCHIVED)
        assert await both(store) == ("a", "b")
        await store.set_messages("k", users("cd"), ARCHIVED)
        assert await both(store) == ("", "cd")

    asyncio.run(run())


def test_setting_replaces_active_and_archived_at_once(store: ZepAsyncChatStore) -> None:
    async def run() -> None:
        await store.add_messages("k", users("abc"))
        await store.archive_oldest_messages("k", 1)
        await store.set_messages("k", users("xy"))
        assert await both(store) == ("xy", "")
        await store.set_messages("k", [])
        assert texts(await store.get_messages("k", None)) == ""

    asyncio.run(run())


def test_a_bad_message_leaves_the_old_history(store: ZepAsyncChatStore) -> None:
    bad = ChatMessage("bad", additional_kwargs={"name": "n" * 2000})

    async def run() -> None:
        await store.set_messages("k", users("ab"))
        with pytest.raises(InvalidInput):
            await store.set_messages("k", [user("x"), bad, user("y")])
        assert texts(await store.get_messages("k")) == "ab"

    asyncio.run(run())


PAGES = [
    (None, None, "abcdef"),
    (2, None, "ab"),
    (2, 0, "ab"),
    (2, 2, "cd"),
    (2, 5, "f"),
    (2, 9, ""),
    (0, None, ""),
    (99, None, "abcdef"),
    (None, 4, "ef"),
]


def test_a_system_message_at_the_head_is_not_archived(store: ZepAsyncChatStore) -> None:
    async def run() -> None:
        head = ChatMessage(role="system", content="S")
        await store.add_messages("k", [head, *users("abcd")])
        await store.get_messages("k")
        assert texts(await store.archive_oldest_messages("k", 1)) == ""
        await store.get_messages("k")
        assert texts(await store.archive_oldest_messages("k", 3)) == "ab"
        assert texts(await store.get_messages("k")) == "Scd"

    asyncio.run(run())


def test_several_system_messages_at_the_head_stay(store: ZepAsyncChatStore) -> None:
    """As those of an application and of an agent of it; `Memory` counts them among what it has archived."""
    heads = [ChatMessage(role="system", content=text) for text in "ST"]

    async def by_hand() -> None:
        await store.add_messages("k", [*heads, *users("abcd")])
        await store.get_messages("k")
        assert texts(await store.archive_oldest_messages("k", 2)) == ""
        await store.get_messages("k")
        assert texts(await store.archive_oldest_messages("k", 4)) == "ab"
        assert await both(store) == ("STcd", "ab")

    async def by_memory() -> None:
        memory = Memory.from_defaults(session_id="m", chat_store=store, token_limit=60)
        await memory.aput_messages(heads)
        for turn in range(10):
            await memory.aput_messages([user(f"{turn} " + "pad " * 20), assistant(f"{turn} " + "pad " * 20)])
        roles = [message.role.value for message in await memory.aget()]
        assert roles[:3] == ["system", "system", "user"]
        assert len(roles) < 12

    asyncio.run(by_hand())
    asyncio.run(by_memory())


def test_a_question_that_is_put_again_after_a_failure_stands_once(store: ZepAsyncChatStore) -> None:
    """An agent whose model or tool raised has stored the question alone."""

    async def run() -> list[tuple[str, str | None]]:
        memory = Memory.from_defaults(session_id="k", chat_store=store)
        for message in (user("q"), user("q"), assistant("a"), user("q"), user("q"), assistant("b")):
            await memory.aput(message)
        return plain(await memory.aget())

    assert asyncio.run(run()) == [("user", "q"), ("assistant", "a"), ("user", "q"), ("assistant", "b")]


@pytest.mark.parametrize(("limit", "offset", "expected"), PAGES)
def test_pages_are_counted_from_the_oldest_message(
    store: ZepAsyncChatStore, limit: int | None, offset: int | None, expected: str
) -> None:
    async def run() -> None:
        await store.add_messages("k", users("abcdef"))
        assert texts(await store.get_messages("k", limit=limit, offset=offset)) == expected

    asyncio.run(run())


def test_deleting(store: ZepAsyncChatStore) -> None:
    async def run() -> None:
        await store.add_messages("k", users("abcdefg"))
        await store.archive_oldest_messages("k", 2)
        assert await store.delete_message("k", 1) == user("d")
        assert [await store.delete_message("k", absent) for absent in (-1, 4)] == [None, None]
        assert texts(await store.delete_oldest_messages("k", 2)) == "ce"
        assert await store.delete_oldest_messages("k", 0) == []
        assert await both(store) == ("fg", "ab")
        await store.delete_messages("k", ARCHIVED)
        assert await both(store) == ("fg", "")
        await store.delete_messages("k")
        assert (await both(store), await store.get_keys()) == (("", ""), [])

    asyncio.run(run())


def test_tasks_that_ask_for_the_oldest_take_turns(store: ZepAsyncChatStore) -> None:
    async def run() -> None:
        await store.add_messages("k", users("abcdef"))
        await store.get_messages("k")
        archived = await asyncio.gather(*(store.archive_oldest_messages("k", 2) for _ in range(2)))
        assert sorted(texts(part) for part in archived) == ["ab", "cd"]
        assert await both(store) == ("ef", "abcd")

    asyncio.run(run())


def test_tasks_that_saw_the_same_queue_archive_the_same(store: ZepAsyncChatStore) -> None:
    async def look_and_archive(n: int, all_have_looked: asyncio.Barrier) -> str:
        await store.get_messages("k")
        await all_have_looked.wait()
        return texts(await store.archive_oldest_messages("k", n))

    async def run() -> None:
        await store.add_messages("k", users("abcdef"))
        all_have_looked = asyncio.Barrier(4)
        archived = await asyncio.gather(*(look_and_archive(n, all_have_looked) for n in (2, 3, 3, 1)))
        assert sorted("".join(archived)) == ["a", "b", "c"]
        assert await both(store) == ("def", "abc")

    asyncio.run(run())


def test_a_task_that_archives_step_by_step_moves_on(store: ZepAsyncChatStore) -> None:
    async def run() -> None:
        await store.add_messages("k", users("abcdef"))
        await store.get_messages("k")
        steps = [texts(await store.archive_oldest_messages("k", 2)) for _ in range(4)]
        assert steps == ["ab", "cd", "ef", ""]

    asyncio.run(run())


def test_what_a_task_saw_of_one_key_says_nothing_about_another(store: ZepAsyncChatStore) -> None:
    async def run() -> None:
        await store.add_messages("k", users("abc"))
        await store.add_messages("other", users("xyz"))
        await store.get_messages("k")
        assert texts(await store.archive_oldest_messages("other", 1)) == "x"
        assert await both(store) == ("abc", "")

    asyncio.run(run())


def memory_of(store: ZepAsyncChatStore, session_id: str = "k", **options: Any) -> Memory:
    """Return a memory whose queue holds about two messages of ten words."""
    limits = {"token_limit": 30, "chat_history_token_ratio": 1.0, "token_flush_size": 10}
    return Memory.from_defaults(
        session_id=session_id, chat_store=store, tokenizer_fn=str.split, **{**limits, **options}
    )


def ten_words(number: int) -> ChatMessage:
    return user(f"message {number} has ten words one two three four five")


def test_calls_of_two_runs_are_shown_with_their_results_and_archived_without_loss(store: ZepAsyncChatStore) -> None:
    """What is shown earlier than it was stored is archived when all before it is."""

    async def run() -> tuple[list[str], ...]:
        calls = [calling((f"call-{n}", "weather", {})) for n in (1, 2)]
        results = [answer("call-1", "sun"), answer("call-2", "rain")]
        await store.set_messages("k", [*users("ab"), *calls, *results, user("c"), calling(("call-3", "weather", {}))])
        shown = [str(message.role.value) for message in await store.get_messages("k")]
        steps = [texts(await store.archive_oldest_messages("k", n)) for n in (2, 2, 2)]
        left = [str(message.role.value) for message in await store.get_messages("k")]
        return shown, steps, left

    shown, steps, left = asyncio.run(run())
    assert shown == ["user", "user", *["assistant", "tool"] * 2, "user", "assistant", "tool"]
    assert steps == ["ab", "", "sunrain"]
    assert left == ["user", "assistant", "tool"]


def test_a_message_is_deleted_where_it_is_shown(store: ZepAsyncChatStore) -> None:
    async def run() -> list[Any]:
        await store.set_messages("k", [user("q"), calling(("call-1", "weather", {})), user("hello?")])
        gone = [await store.delete_message("k", position) for position in (2, 3, 3, -1)]
        return [*gone, await store.count_messages("k")]

    assert asyncio.run(run()) == [None, user("hello?"), None, None, 2]


def test_the_memory_of_llama_index_archives_what_leaves_its_queue(store: ZepAsyncChatStore) -> None:
    async def run() -> None:
        memory = memory_of(store)
        for number in range(6):
            await memory.aput(ten_words(number))
        queue = await memory.aget()
        assert queue == [ten_words(number) for number in (3, 4, 5)]
        assert await memory.aget_all() == [ten_words(number) for number in range(6)]
        assert await store.count_messages("k", ARCHIVED) == 3
        await memory.aset([ten_words(9)])
        assert await memory.aget_all() == [ten_words(9)]
        await memory.aput_messages([])
        await memory.areset()
        assert await memory.aget_all() == []

    asyncio.run(run())


def test_memories_at_once_never_empty_the_queue(store: ZepAsyncChatStore) -> None:
    """Run alone, the queue keeps three messages; at once, those who see more of it archive what the others do."""

    async def run(session_id: str) -> None:
        memories = [memory_of(store, session_id) for _ in range(4)]
        for start in (0, 4, 8):
            puts = (memory.aput(ten_words(start + index)) for index, memory in enumerate(memories))
            await asyncio.gather(*puts)
        assert 3 <= await store.count_messages(session_id, ACTIVE) <= 6
        assert await store.count_messages(session_id, None) == 12

    for number in range(10):
        asyncio.run(run(f"session-{number}"))


def test_the_blocking_methods_of_the_memory_work_in_and_out_of_a_loop(store: ZepAsyncChatStore) -> None:
    memory = memory_of(store)
    memory.put(ten_words(1))

    async def inside() -> list[ChatMessage]:
        memory.put(ten_words(2))
        await memory.aput(ten_words(3))
        return memory.get()

    assert asyncio.run(inside()) == [ten_words(1), ten_words(2), ten_words(3)]
    assert memory.get() == [ten_words(1), ten_words(2), ten_words(3)]


def test_a_history_given_to_the_memory_is_stored(store: ZepAsyncChatStore) -> None:
    memory = memory_of(store, chat_history=users("ab"))

    assert texts(memory.get()) == "ab"


class Archive(BaseMemoryBlock[str]):
    """Shows what has left the queue."""

    store: ZepAsyncChatStore

    async def _aget(self, messages: list[ChatMessage] | None = None, **options: Any) -> str:
        return texts(await self.store.get_messages(options["session_id"], ARCHIVED))

    async def _aput(self, messages: list[ChatMessage]) -> None:
        """Keep nothing: the store does."""


def test_sessions_never_see_each_other(store: ZepAsyncChatStore) -> None:
    block = Archive(name="archive", store=store)

    async def run() -> None:
        alice, bob = (memory_of(store, name, memory_blocks=[block]) for name in ("alice", "bob"))
        for number in range(5):
            await alice.aput(ten_words(number))
        await bob.aput(user("hi"))
        assert plain(await bob.aget()) == [("user", "hi")]
        assert "message 0" in (plain(await alice.aget())[0][1] or "")

    asyncio.run(run())


def test_a_users_store_reaches_only_what_is_the_users(manager: SessionManager) -> None:
    alice = ZepAsyncChatStore(manager=manager, user_id="alice")
    bob = ZepAsyncChatStore(manager=manager, user_id="bob")

    async def run() -> None:
        await alice.add_messages("k", users("ab"))
        for call in (
            bob.get_messages("k"),
            bob.count_messages("k"),
            bob.add_message("k", user("x")),
            bob.set_messages("k", []),
            bob.delete_message("k", 0),
            bob.delete_messages("k"),
            bob.delete_oldest_messages("k", 1),
            bob.archive_oldest_messages("k", 1),
        ):
            with pytest.raises(SessionOwnedByAnotherUser):
                await call
        assert await both(alice) == ("ab", "")
        assert (await alice.get_keys(), await bob.get_keys()) == (["k"], [])

    asyncio.run(run())


def test_concurrent_appends_are_all_kept_in_one_order(store: ZepAsyncChatStore) -> None:
    async def run() -> None:
        pairs = [(f"{number}a", f"{number}b") for number in range(25)]
        await asyncio.gather(*(store.add_messages("k", [user(text) for text in pair]) for pair in pairs))
        kept = [message.content or "" for message in await store.get_messages("k")]
        assert sorted(zip(kept[::2], kept[1::2], strict=True)) == sorted(pairs)

    asyncio.run(run())


def test_a_store_made_again_is_the_same(store: ZepAsyncChatStore) -> None:
    asyncio.run(store.add_message("k", user("hi")))

    for again in (
        ZepAsyncChatStore.from_dict(json.loads(json.dumps(store.to_dict()))),
        pickle.loads(pickle.dumps(store)),
        copy.deepcopy(store),
    ):
        assert asyncio.run(again.get_messages("k")) == [user("hi")]

    assert set(store.to_dict()) == {"manager", "user_id", "class_name"}


def test_a_store_of_an_unknown_manager_is_not_made() -> None:
    with pytest.raises(ManagerNotRegistered, match="'nobody'"):
        ZepAsyncChatStore.from_dict({"manager": "nobody", "class_name": "ZepAsyncChatStore"})
