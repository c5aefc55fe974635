"""A session as a chat message history."""

import asyncio
import inspect
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby

import pytest
from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import ConfigurableFieldSpec
from langchain_core.runnables.history import RunnableWithMessageHistory
from sqlalchemy import create_engine, event

from tests.langchain.models import as_given, texts
from zep_memory_plugin import InvalidInput, SessionManager, SessionOwnedByAnotherUser, Summary
from zep_memory_plugin.langchain import ZepChatMessageHistory, history_factory

CALL = {"name": "f", "args": {}, "id": "1", "type": "tool_call"}
TURNS: list[BaseMessage] = [
    HumanMessage("q1"),
    AIMessage("", tool_calls=[CALL]),
    ToolMessage("r1", tool_call_id="1"),
    AIMessage("a1"),
    HumanMessage("q2"),
    AIMessage("", tool_calls=[CALL]),
    ToolMessage("r2", tool_call_id="1"),
    AIMessage("a2"),
]


def test_a_history_is_what_langchain_checks_for(manager: SessionManager) -> None:
    history = ZepChatMessageHistory("s", manager)

    history.add_user_message("hi")
    history.add_ai_message("hello")

    assert isinstance(history, BaseChatMessageHistory)
    assert type(history.messages) is list
    assert str(history) == "Human: hi\nAI: hello"


def test_a_new_session_is_empty(manager: SessionManager) -> None:
    history = ZepChatMessageHistory("s", manager)

    assert history.messages == []
    assert asyncio.run(history.aget_messages()) == []


def test_both_colours_share_one_session(manager: SessionManager) -> None:
    async def talk() -> list[BaseMessage]:
        history = ZepChatMessageHistory("s", manager)
        await history.aadd_message(HumanMessage("two"))
        await history.aadd_messages([AIMessage("three")])
        return await history.aget_messages()

    ZepChatMessageHistory("s", manager).add_message(HumanMessage("one"))

    assert as_given(asyncio.run(talk())) == [HumanMessage("one"), HumanMessage("two"), AIMessage("three")]


def test_async_methods_are_written_out_not_run_in_threads() -> None:
    for name in ("aget_messages", "aadd_messages", "aclear"):
        assert inspect.iscoroutinefunction(getattr(ZepChatMessageHistory, name))
        assert getattr(ZepChatMessageHistory, name) is not getattr(BaseChatMessageHistory, name)


def test_event_loops_one_after_another_share_a_manager(manager: SessionManager) -> None:
    history = ZepChatMessageHistory("s", manager)

    for number in range(3):
        asyncio.run(history.aadd_messages([HumanMessage(str(number))]))

    assert [message.content for message in history.messages] == ["0", "1", "2"]


def test_blocking_methods_work_inside_a_running_loop(manager: SessionManager) -> None:
    history = ZepChatMessageHistory("s", manager)

    async def notebook_cell() -> list[BaseMessage]:
        history.add_messages([HumanMessage("hi")])
        return history.messages

    assert as_given(asyncio.run(notebook_cell())) == [HumanMessage("hi")]


def test_threads_share_a_history(manager: SessionManager) -> None:
    history = ZepChatMessageHistory("s", manager)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: history.add_messages([HumanMessage(f"{n}"), AIMessage(f"{n}")]), range(40)))

    pairs = [message.content for message in history.messages]
    assert pairs[::2] == pairs[1::2]
    assert sorted(map(int, pairs[::2])) == list(range(40))


def test_clear_keeps_the_session(manager: SessionManager) -> None:
    history = ZepChatMessageHistory("s", manager)
    history.add_messages([HumanMessage("hi")])

    history.clear()

    assert history.messages == []
    assert manager.get_session("s").session_id == "s"


def test_clearing_a_session_that_does_not_exist_is_no_error(manager: SessionManager) -> None:
    ZepChatMessageHistory("s", manager).clear()
    asyncio.run(ZepChatMessageHistory("s", manager).aclear())

    assert manager.list_sessions() == []


def test_cleared_messages_can_be_added_again_in_order(manager: SessionManager) -> None:
    history = ZepChatMessageHistory("s", manager)
    old = [HumanMessage("a", id="a"), AIMessage("b", id="b")]
    wanted = [SystemMessage("before", id="s"), old[0], HumanMessage("between"), old[1], AIMessage("after", id="x")]
    history.add_messages(old)
    history.clear()

    history.add_messages(wanted)
    history.add_messages([old[1]])

    assert as_given(history.messages) == wanted


def test_cleared_messages_can_be_added_again_in_order_async(manager: SessionManager) -> None:
    history = ZepChatMessageHistory("s", manager)
    old = [HumanMessage("a", id="a"), AIMessage("b", id="b")]
    wanted = [SystemMessage("before", id="s"), old[0], HumanMessage("between"), old[1], AIMessage("after", id="x")]

    async def talk() -> list[BaseMessage]:
        await history.aadd_messages(old)
        await history.aclear()
        await history.aadd_messages(wanted)
        await history.aadd_messages([old[1]])
        return await history.aget_messages()

    assert as_given(asyncio.run(talk())) == wanted


def test_what_was_cleared_is_added_again_all_at_once(database_url: str) -> None:
    """Whoever looks beside it sees all of it or nothing, so a failure in the middle leaves nothing, too."""
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    history = ZepChatMessageHistory("s", SessionManager(engine))
    old = [HumanMessage("a", id="a"), AIMessage("b", id="b")]
    history.add_messages(old)
    history.clear()

    with SessionManager(database_url) as beside:
        counts = [len(beside.list_messages("s"))]
        event.listen(engine, "after_cursor_execute", lambda *_: counts.append(len(beside.list_messages("s"))))
        history.add_messages([HumanMessage("between"), *old])
        added = history.messages

    assert [count for count, _ in groupby(counts)] == [0, 3]
    assert texts(added) == ["between", "a", "b"]
    engine.dispose()


def test_assigning_messages_replaces_them(manager: SessionManager) -> None:
    history = ZepChatMessageHistory("s", manager)
    history.add_messages([HumanMessage("a", id="a"), AIMessage("b", id="b"), HumanMessage("c", id="c")])
    manager.add_summary("s", Summary(content="a, b, c"))

    history.messages = history.messages[1:]

    assert as_given(history.messages) == [AIMessage("b", id="b"), HumanMessage("c", id="c")]
    assert manager.list_summaries("s") == []


def test_an_id_that_comes_with_other_words_overwrites_nothing(manager: SessionManager) -> None:
    history = ZepChatMessageHistory("s", manager)
    history.add_messages([HumanMessage("a", id="a"), AIMessage("b", id="b")])
    history.messages = history.messages[1:]

    history.add_messages([AIMessage("better", id="b")])

    assert as_given(history.messages) == [AIMessage("b", id="b"), AIMessage("better")]


def test_answers_with_one_id_are_all_kept(manager: SessionManager) -> None:
    """A gateway numbers all of its answers alike; a cache gives one once more with its id."""
    history = ZepChatMessageHistory("s", manager)

    for question, answer in (("one", "first"), ("two", "second"), ("two", "second")):
        history.add_messages([HumanMessage(question), AIMessage(answer, id="chatcmpl-0")])
    for answer in ("third", "third"):
        history.add_user_message("three")
        history.add_ai_message(AIMessage(answer, id="chatcmpl-0"))

    assert texts(history.messages) == [*["one", "first", "two", "second", "two", "second"], *["three", "third"] * 2]


def test_a_conversation_that_is_added_again_is_stored_once(manager: SessionManager) -> None:
    history = ZepChatMessageHistory("s", manager)

    for count in (4, 8):
        history.add_messages(TURNS[:count])

    assert as_given(history.messages) == TURNS


def test_assigning_what_is_not_accepted_deletes_nothing(manager: SessionManager) -> None:
    history = ZepChatMessageHistory("s", manager)
    history.add_messages([HumanMessage("kept")])

    with pytest.raises(InvalidInput):
        history.messages = [HumanMessage("x" * (16 * 1024 * 1024 + 1))]

    assert as_given(history.messages) == [HumanMessage("kept")]


@pytest.mark.parametrize(
    ("limit", "first"), [(None, "q1"), (8, "q1"), (7, "q2"), (5, "q2"), (4, "q2"), (2, "q2"), (1, "q2")]
)
def test_a_window_holds_whole_turns_and_at_least_the_last(
    manager: SessionManager, limit: int | None, first: str
) -> None:
    ZepChatMessageHistory("s", manager).add_messages(TURNS)

    found = ZepChatMessageHistory("s", manager, limit=limit).messages

    assert as_given(found) == TURNS[0 if first == "q1" else 4 :]
    assert asyncio.run(ZepChatMessageHistory("s", manager, window={"limit": limit}).aget_messages()) == found


def test_a_window_of_tokens_holds_at_least_the_last_turn(manager: SessionManager) -> None:
    ZepChatMessageHistory("s", manager).add_messages([HumanMessage("x" * 400), AIMessage("y" * 400), *TURNS[:1]])

    assert as_given(ZepChatMessageHistory("s", manager, max_tokens=50).messages) == TURNS[:1]
    assert as_given(ZepChatMessageHistory("s", manager, max_tokens=1).messages) == TURNS[:1]
    assert len(ZepChatMessageHistory("s", manager, max_tokens=500).messages) == 3


@pytest.mark.parametrize(
    ("message", "tokens"),
    [
        (HumanMessage(["look", {"type": "image_url", "image_url": {"url": "data:," + "x" * 9000}}]), 257),
        (HumanMessage([{"type": "text", "text": "read"}, {"type": "file", "base64": "x" * 9000}]), 2049),
        (AIMessage([{"type": "thinking", "thinking": "x" * 400, "signature": "y" * 400}, "so"]), 85),
        (AIMessage("so", additional_kwargs={"reasoning_content": "x" * 400}), 85),
        (AIMessage([{"type": "tool_use", "id": "1", "name": "f", "input": {}}], tool_calls=[CALL]), 2),
    ],
    ids=["image", "document", "thoughts", "reasoning", "call"],
)
def test_what_a_message_has_beside_its_text_is_counted(
    message: BaseMessage, tokens: int, manager: SessionManager
) -> None:
    ZepChatMessageHistory("s", manager).add_messages([message])

    assert manager.list_messages("s")[0].token_count == tokens


def test_a_window_never_starts_with_the_result_of_a_call_before_it(manager: SessionManager) -> None:
    ZepChatMessageHistory("s", manager).add_messages(TURNS[1:4])

    assert as_given(ZepChatMessageHistory("s", manager, window={"limit": 2}).messages) == [AIMessage("a1")]


def test_a_call_without_a_result_is_shown_with_an_error_for_one(manager: SessionManager) -> None:
    ZepChatMessageHistory("s", manager).add_messages([*TURNS[:2], HumanMessage("hello?")])

    shown = ZepChatMessageHistory("s", manager).messages

    assert [message.type for message in shown] == ["human", "ai", "tool", "human"]
    assert isinstance(shown[2], ToolMessage)
    assert (shown[2].tool_call_id, shown[2].status) == ("1", "error")
    assert asyncio.run(history_factory(manager)("s").aget_messages()) == shown
    as_stored = ZepChatMessageHistory("s", manager, pair_calls=False)
    assert as_given(as_stored.messages) == [*TURNS[:2], HumanMessage("hello?")]


def test_the_first_user_owns_the_session(manager: SessionManager) -> None:
    ZepChatMessageHistory("s", manager, user_id="alice").add_messages([HumanMessage("secret")])
    other = ZepChatMessageHistory("s", manager, user_id="mallory")

    for attempt in (lambda: other.messages, other.clear, lambda: other.add_messages([HumanMessage("hi")])):
        with pytest.raises(SessionOwnedByAnotherUser):
            attempt()
    for attempt in (other.aget_messages, other.aclear, lambda: other.aadd_messages([HumanMessage("hi")])):
        with pytest.raises(SessionOwnedByAnotherUser):
            asyncio.run(attempt())
    assert as_given(ZepChatMessageHistory("s", manager, user_id="alice").messages) == [HumanMessage("secret")]


def test_making_a_history_does_no_io(tmp_path) -> None:
    with SessionManager(f"sqlite:///{tmp_path / 'zep.db'}") as manager:
        ZepChatMessageHistory("s", manager)
        history_factory(manager)("s")

        assert not (tmp_path / "zep.db").exists()


def test_a_repr_shows_no_password() -> None:
    history = ZepChatMessageHistory("s", SessionManager("postgresql://me:hunter2@localhost/app"))

    assert "hunter2" not in repr(history)
    assert "'s'" in repr(history)


@pytest.mark.filterwarnings("ignore::langchain_core._api.deprecation.LangChainDeprecationWarning")
class TestRunnableWithMessageHistory:
    """The deprecated wrapper, which much code still uses."""

    PROMPT = ChatPromptTemplate.from_messages([MessagesPlaceholder("history"), ("human", "{question}")])

    def chain(self, manager: SessionManager, **kwargs) -> RunnableWithMessageHistory:
        model = FakeListChatModel(responses=["one", "two"])
        return RunnableWithMessageHistory(
            self.PROMPT | model,
            history_factory(manager),
            input_messages_key="question",
            history_messages_key="history",
            **kwargs,
        )

    def test_it_remembers_by_session_id(self, manager: SessionManager) -> None:
        chain, config = self.chain(manager), {"configurable": {"session_id": "s"}}

        chain.invoke({"question": "first"}, config)
        asyncio.run(chain.ainvoke({"question": "second"}, config))

        found = [message.content for message in ZepChatMessageHistory("s", manager).messages]
        assert found == ["first", "one", "second", "two"]

    def test_it_remembers_by_session_and_user_id(self, manager: SessionManager) -> None:
        fields = [ConfigurableFieldSpec(id=name, annotation=str) for name in ("session_id", "user_id")]
        chain = self.chain(manager, history_factory_config=fields)

        chain.invoke({"question": "first"}, {"configurable": {"session_id": "s", "user_id": "alice"}})

        assert manager.get_session("s").user_id == "alice"

    def test_what_it_streams_is_stored_as_a_message(self, manager: SessionManager) -> None:
        config = {"configurable": {"session_id": "s"}}

        list(self.chain(manager).stream({"question": "first"}, config))

        assert [type(message) for message in ZepChatMessageHistory("s", manager).messages] == [HumanMessage, AIMessage]


def test_a_search_finds_messages_of_the_session_with_their_scores(manager: SessionManager) -> None:
    ZepChatMessageHistory("s", manager).add_messages([HumanMessage("I like Lisbon"), HumanMessage("Lisbon is sunny")])
    ZepChatMessageHistory("other", manager).add_messages([HumanMessage("Lisbon again")])
    history = ZepChatMessageHistory("s", manager, window={"limit": 1})

    found = history.search("like Lisbon")

    assert [result.message.content for result in found if result.message] == ["I like Lisbon", "Lisbon is sunny"]
    assert found[0].score > found[1].score > 0
    assert asyncio.run(history.asearch("like Lisbon")) == found
    assert history.search("like Lisbon", k=1) == found[:1]


@pytest.mark.parametrize("query", ["", " \n"])
def test_a_search_for_nothing_finds_nothing(manager: SessionManager, query: str) -> None:
    history = ZepChatMessageHistory("s", manager)
    history.add_messages([HumanMessage("hi")])

    assert history.search(query) == []
    assert asyncio.run(history.asearch(query)) == []


def test_a_search_in_the_session_of_another_user_is_refused(manager: SessionManager) -> None:
    ZepChatMessageHistory("s", manager, user_id="alice").add_messages([HumanMessage("I like Lisbon")])
    of_bob = ZepChatMessageHistory("s", manager, user_id="bob")

    with pytest.raises(SessionOwnedByAnotherUser):
        of_bob.search("Lisbon")
    with pytest.raises(SessionOwnedByAnotherUser):
        asyncio.run(of_bob.asearch("Lisbon"))


def test_metadata_that_json_lacks_is_kept_readable(sqlite_url: str) -> None:
    with SessionManager(sqlite_url) as manager:
        moment = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
        history = ZepChatMessageHistory("s", manager)
        history.add_message(HumanMessage("q"), metadata={"at": moment, "price": Decimal("1.5"), "score": float("nan")})

        (stored,) = manager.list_messages("s")
        assert stored.metadata == {"at": "2026-05-01T12:30:00Z", "price": "1.5", "score": None}
