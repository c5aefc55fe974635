"""LangChain's messages go in and come back equal, and every other framework can read them."""

import json
import logging

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
    ToolMessageChunk,
)

from tests.langchain.models import as_given
from tests.langchain.shapes import CALL, KEPT_AS_NATIVE, LOSSLESS, LOSSY, TOLD_BY_COLUMNS
from zep_memory_plugin import Message, SessionManager, ToolCall
from zep_memory_plugin.langchain import ZepChatMessageHistory
from zep_memory_plugin.langchain._messages import to_rows


def test_every_message_comes_back_equal(manager: SessionManager) -> None:
    history = ZepChatMessageHistory("s", manager, pair_calls=False)

    history.add_messages(list(LOSSLESS.values()))

    read = as_given(history.messages)
    for name, given, found in zip(LOSSLESS, as_given(LOSSLESS.values()), read, strict=True):
        assert (name, type(found), found) == (name, type(given), given)


def test_nan_comes_back_as_nan(manager: SessionManager) -> None:
    history = ZepChatMessageHistory("s", manager)

    history.add_messages([AIMessage("", tool_calls=[{**CALL, "args": {"x": float("nan")}}])])

    assert str(history.messages[0].tool_calls[0]["args"]) == "{'x': nan}"
    assert manager.list_messages("s")[0].tool_calls == [ToolCall(id="call_1", name="weather", args={"x": None})]


@pytest.mark.parametrize("name", TOLD_BY_COLUMNS)
def test_what_the_columns_tell_is_not_stored_twice(name: str) -> None:
    (row,) = to_rows([TOLD_BY_COLUMNS[name]])

    assert (row.native_format, row.native) == (None, None)


@pytest.mark.parametrize("name", KEPT_AS_NATIVE)
def test_what_the_columns_do_not_tell_is_stored_beside_them(name: str) -> None:
    (row,) = to_rows([KEPT_AS_NATIVE[name]])

    native = json.loads(row.native or "")
    assert row.native_format == "langchain"
    assert "lossy" not in native


def test_text_is_not_stored_twice() -> None:
    plain, with_nul, blocks = to_rows(
        [HumanMessage("hi", id="1"), HumanMessage("a\0", id="2"), HumanMessage(["hi"], id="3")]
    )

    assert json.loads(plain.native or "")["data"] == {"id": "1"}
    assert json.loads(with_nul.native or "")["data"] == {"id": "2", "content": "a\0"}
    assert json.loads(blocks.native or "")["data"] == {"id": "3", "content": ["hi"]}


@pytest.mark.parametrize("name", LOSSY)
def test_a_value_that_json_cannot_hold_never_costs_a_message(name: str, sqlite_manager: SessionManager) -> None:
    given, expected = LOSSY[name]
    history = ZepChatMessageHistory("s", sqlite_manager, pair_calls=False)

    history.add_messages([given])

    assert as_given(history.messages) == [expected]
    assert json.loads(sqlite_manager.list_messages("s")[0].native or "")["lossy"] is True


def test_the_class_of_an_application_is_named() -> None:
    (row,) = to_rows([LOSSY["subclass"][0]])

    assert json.loads(row.native or "")["class"] == "tests.langchain.shapes.Mood"


def test_the_columns_are_what_every_framework_reads() -> None:
    rows = to_rows(
        [
            HumanMessage([{"type": "text", "text": "what is "}, {"type": "image", "url": "x"}, "this"], name="alice"),
            AIMessage("let me look", id="lc_run--1", tool_calls=[CALL]),
            ToolMessage("a cat", tool_call_id="call_1", artifact=[1]),
            ChatMessage("purr", role="assistant"),
            SystemMessage("be brief"),
        ]
    )

    assert [(row.role, row.role_type, row.content) for row in rows] == [
        ("human", "user", "what is this"),
        ("ai", "assistant", "let me look"),
        ("tool", "tool", "a cat"),
        ("assistant", "assistant", "purr"),
        ("system", "system", "be brief"),
    ]
    assert rows[0].name == "alice"
    assert rows[1].tool_calls == [ToolCall(id="call_1", name="weather", args={"city": "Zürich", "days": 3})]
    assert rows[2].tool_call_id == "call_1"


def test_native_json_is_readable() -> None:
    (row,) = to_rows([HumanMessage("Grüezi", id="é")])

    assert row.native == '{"type":"human","data":{"id":"é"}}'


def test_rows_of_other_writers_come_as_role_text_and_tool_calls(manager: SessionManager) -> None:
    calls = [ToolCall(id="1", name="f", args={"a": 1}), ToolCall(name="g", args="{")]
    manager.add_memory(
        "s",
        [
            Message(role="user", content="q", native_format="llama_index", native='{"anything": 1}'),
            Message(role="assistant", tool_calls=calls),
            Message(role="tool", content="r", tool_call_id="1", name="f"),
            Message(role="tool", content="r"),
            Message(role="function", content="r"),
            Message(role="developer", content="d"),
            Message(role="narrator", content="n"),
        ],
    )

    assert as_given(ZepChatMessageHistory("s", manager, pair_calls=False).messages) == [
        HumanMessage("q"),
        AIMessage(
            "",
            tool_calls=[{"name": "f", "args": {"a": 1}, "id": "1", "type": "tool_call"}],
            invalid_tool_calls=[
                {"name": "g", "args": "{", "id": None, "error": None, "type": "invalid_tool_call"},
            ],
        ),
        ToolMessage("r", tool_call_id="1", name="f"),
        ToolMessage("r", tool_call_id=""),
        FunctionMessage("r", name=""),
        SystemMessage("d"),
        ChatMessage("n", role="narrator"),
    ]


@pytest.mark.parametrize(
    "native",
    [
        "",
        "{",
        "null",
        "[]",
        '{"type":"human"}',
        '{"type":"human","data":[]}',
        '{"type":"human","data":{"content":7}}',
        '{"type":"constructor","data":{}}',
        '{"type":"ai","data":{"additional_kwargs":[]}}',
        "[" * 100_000,
    ],
)
def test_an_unreadable_row_does_not_hide_the_others(
    native: str, sqlite_manager: SessionManager, caplog: pytest.LogCaptureFixture
) -> None:
    bad = Message(role="human", content="a secret", native_format="langchain", native=native)
    sqlite_manager.add_memory("s", [Message(role="human", content="before"), bad, Message(role="ai", content="after")])

    with caplog.at_level(logging.WARNING):
        found = ZepChatMessageHistory("s", sqlite_manager).messages

    assert as_given(found) == [HumanMessage("before"), HumanMessage("a secret"), AIMessage("after")]
    assert "cannot be read" in caplog.text
    assert "secret" not in caplog.text


def test_chunks_are_stored_as_the_messages_they_amount_to(manager: SessionManager) -> None:
    history = ZepChatMessageHistory("s", manager, pair_calls=False)
    chunk = AIMessageChunk("so", id="run-1", response_metadata={"model": "m"}) + AIMessageChunk(" be it")

    history.add_messages([chunk, ToolMessageChunk("r", tool_call_id="1")])

    assert as_given(history.messages) == [
        AIMessage("so be it", id="run-1", response_metadata={"model": "m"}),
        ToolMessage("r", tool_call_id="1"),
    ]


def test_an_instruction_to_remove_a_message_is_not_a_message(manager: SessionManager) -> None:
    history = ZepChatMessageHistory("s", manager)

    history.add_messages([RemoveMessage(id="1"), HumanMessage("hi")])

    assert as_given(history.messages) == [HumanMessage("hi")]


def test_a_question_that_was_edited_is_known_by_its_id_in_its_conversation(manager: SessionManager) -> None:
    history = ZepChatMessageHistory("s", manager)
    history.add_messages([HumanMessage("first", id="1"), AIMessage("answer")])

    history.add_messages([HumanMessage("corrected", id="1"), AIMessage("answer"), HumanMessage("next")])

    assert as_given(history.messages) == [HumanMessage("corrected", id="1"), AIMessage("answer"), HumanMessage("next")]


def test_messages_without_an_id_are_all_different(manager: SessionManager) -> None:
    history = ZepChatMessageHistory("s", manager)

    history.add_messages([HumanMessage("again")] * 2)

    assert as_given(history.messages) == [HumanMessage("again")] * 2


def test_calls_that_were_taken_away_stay_away(manager: SessionManager) -> None:
    """Though the provider's own form of them is still among the message's other arguments."""
    raw = [{"id": "1", "type": "function", "function": {"name": "pay", "arguments": "{}"}}]
    message = AIMessage("I will not.", id="a", additional_kwargs={"tool_calls": raw})
    message.tool_calls = []
    history = ZepChatMessageHistory("s", manager)

    history.add_messages([message])

    assert as_given(history.messages) == [message]
    assert history.messages[0].additional_kwargs == {"tool_calls": raw}


def test_what_a_constructor_would_refuse_comes_back(manager: SessionManager) -> None:
    """As what LangChain's cache writes into a message without usage."""
    message = AIMessage([{"type": "text", "text": "T"}, {"type": "reasoning", "reasoning": "R"}], id="a")
    message.usage_metadata = {"total_cost": 0}  # type: ignore[typeddict-item, typeddict-unknown-key]
    history = ZepChatMessageHistory("s", manager)

    history.add_messages([message])

    (read,) = history.messages
    assert (read.id, read.content) == ("a", message.content)
    assert isinstance(read, AIMessage)
    assert read.usage_metadata == {"total_cost": 0}
