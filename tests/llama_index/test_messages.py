"""Messages come back as they were, and other frameworks read their rows."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import (
    AudioBlock,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from llama_index.core.schema import ImageDocument
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from tests.llama_index.scripted import ScriptedModel, answer, assistant, calling, plain, user
from zep_memory_plugin import Message, SessionManager, ToolCall
from zep_memory_plugin.core.tokens import estimated_tokens
from zep_memory_plugin.llama_index import ZepMemory
from zep_memory_plugin.llama_index.messages import NATIVE_FORMAT, from_rows, to_rows

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(40))
THOUGHT = ThinkingBlock(content="hm", num_tokens=7, additional_information={"signature": "abc"})

PLAIN = {
    "a user's text": user("hi"),
    "an assistant's text": assistant("hello"),
    "a system prompt": ChatMessage("be kind", role=MessageRole.SYSTEM),
    "a developer's prompt": ChatMessage("be kind", role=MessageRole.DEVELOPER),
    "a model": ChatMessage("hello", role=MessageRole.MODEL),
    "a chatbot": ChatMessage("hello", role=MessageRole.CHATBOT),
    "a function's answer": ChatMessage("42", role=MessageRole.FUNCTION, additional_kwargs={"name": "look"}),
    "no text": user(""),
    "a tool call": calling(("1", "look", {"city": "Rome", "deep": [1, 2.5, None, {"a": True}]})),
    "two tool calls": calling(("1", "look", {}), ("2", "look", {"x": 1})),
    "text before a tool call": ChatMessage(
        role="assistant", blocks=[TextBlock(text="I look"), ToolCallBlock(tool_call_id="1", tool_name="look")]
    ),
    "arguments that are text": ChatMessage(
        role="assistant", blocks=[ToolCallBlock(tool_name="look", tool_kwargs='{"broken')]
    ),
    "a tool's answer": answer("1", "sunny"),
    "an answer returned directly": ChatMessage("42", role="assistant", additional_kwargs={"tool_call_id": "1"}),
    "NUL": user("a\0b"),
    "half a surrogate pair": user("a\ud800b"),
    "emoji and CJK": user("👍 日本語"),
}

RICH = {
    "no blocks": ChatMessage(role="assistant", blocks=[]),
    "two texts": ChatMessage(role="user", blocks=[TextBlock(text="a"), TextBlock(text="b")]),
    "a text after a tool call": ChatMessage(
        role="assistant", blocks=[ToolCallBlock(tool_name="look"), TextBlock(text="I look")]
    ),
    "image bytes": ChatMessage(role="user", blocks=[TextBlock(text="see"), ImageBlock(image=PNG)]),
    "an image's address": ChatMessage(role="user", blocks=[ImageBlock(url="https://example.org/a.png", detail="low")]),
    "an image in its address": ChatMessage(role="user", blocks=[ImageBlock(url="data:image/png;base64,iVBORw0KGgo=")]),
    "an image's path": ChatMessage(role="user", blocks=[ImageBlock(path=Path(__file__))]),
    "a sound": ChatMessage(role="user", blocks=[AudioBlock(audio=b"RIFF\x24\0\0\0WAVEfmt ", format="wav")]),
    "a film": ChatMessage(role="user", blocks=[VideoBlock(url="https://example.org/a.mp4", fps=2)]),
    "a document": ChatMessage(role="user", blocks=[DocumentBlock(data=b"%PDF-1.4 \0\xff", title="a.pdf")]),
    "a point to cache up to": ChatMessage(
        role="user", blocks=[TextBlock(text="long"), CachePoint(cache_control={"type": "ephemeral"})]
    ),
    "a source to cite": ChatMessage(
        role="user", blocks=[CitableBlock(title="t", source="s", content="quote me"), TextBlock(text="and?")]
    ),
    "a citation": ChatMessage(
        role="assistant",
        blocks=[
            TextBlock(text="so"),
            CitationBlock(cited_content="me", source="s", title="t", additional_location_info={"start": 1}),
        ],
    ),
    "a thought": ChatMessage(role="assistant", blocks=[THOUGHT, TextBlock(text="so")]),
    "a thought before a tool call": ChatMessage(
        role="assistant", blocks=[THOUGHT, ToolCallBlock(tool_call_id="1", tool_name="look", tool_kwargs={"a": 1})]
    ),
    "a thought beside strange text": ChatMessage(role="assistant", blocks=[THOUGHT, TextBlock(text="\0 \ud800 \x1b")]),
    "a tool's image": ChatMessage(
        role="tool", blocks=[ImageBlock(image=PNG)], additional_kwargs={"tool_call_id": "1", "is_error": False}
    ),
    "other fields": ChatMessage(
        "hi", additional_kwargs={"cost": 0.5, "tags": ["a", None], "name": "Bob", "a\ud800": 1}
    ),
    "a tool's name": ChatMessage("42", role="tool", additional_kwargs={"name": "look", "tool_call_id": "1"}),
    "infinity in arguments": calling(("1", "look", {"x": float("inf"), "y": -0.0})),
}


@pytest.mark.parametrize("message", PLAIN.values(), ids=PLAIN)
def test_a_plain_message_needs_no_json_of_its_own(memory: ZepMemory, message: ChatMessage) -> None:
    memory.put(message)

    assert memory.get_all() == [message]
    assert [row.native for row in memory.manager.list_messages("alice-1")] == [None]


@pytest.mark.parametrize("message", RICH.values(), ids=RICH)
def test_a_rich_message_comes_back_equal(memory: ZepMemory, message: ChatMessage) -> None:
    memory.put(message)

    assert memory.get_all() == [message]
    assert [row.native_format for row in memory.manager.list_messages("alice-1")] == [NATIVE_FORMAT]


def test_a_batch_of_every_kind_comes_back_in_order(memory: ZepMemory) -> None:
    messages = [*RICH.values(), *PLAIN.values()]

    asyncio.run(memory.aput_messages(messages))

    assert asyncio.run(memory.aget_all()) == messages


def test_not_a_number_survives(memory: ZepMemory) -> None:
    memory.put(calling(("1", "look", {"x": float("nan")})))

    (block,) = memory.get_all()[0].blocks
    assert isinstance(block, ToolCallBlock)
    assert isinstance(block.tool_kwargs, dict)
    assert repr(block.tool_kwargs) == "{'x': nan}"


def test_an_open_file_is_stored_with_what_it_holds(memory: ZepMemory) -> None:
    file = io.BytesIO(PNG)
    file.read(3)

    memory.put(ChatMessage(role="user", blocks=[TextBlock(text="see"), ImageBlock(image=file)]))

    text, image = memory.get_all()[0].blocks
    assert text == TextBlock(text="see")
    assert isinstance(image, ImageBlock)
    assert image.resolve_image().read() == PNG
    assert file.read() == PNG


def test_images_in_the_old_place_are_stored_as_the_blocks_that_they_became(memory: ZepMemory) -> None:
    message = ChatMessage("see", additional_kwargs={"images": [ImageDocument(image="iVBORw0KGgo=")]})

    memory.put(message)

    assert memory.get_all() == [ChatMessage(role="user", blocks=message.blocks)]


class Color(BaseModel):
    name: str


def test_values_that_json_knows_by_another_type_become_that(memory: ZepMemory) -> None:
    given = {"at": datetime(2026, 1, 2, tzinfo=UTC), "pair": (1, 2), "color": Color(name="red"), "path": Path("a")}

    memory.put(ChatMessage("hi", additional_kwargs=given))

    kept = {"at": "2026-01-02T00:00:00Z", "pair": [1, 2], "color": {"name": "red"}, "path": "a"}
    assert memory.get_all() == [ChatMessage("hi", additional_kwargs=kept)]


def test_values_that_json_lacks_are_kept_readable(memory: ZepMemory) -> None:
    kwargs = {"at": datetime(2026, 1, 2, tzinfo=UTC), "price": Decimal("1.5"), "error": ValueError("no"), "set": {1}}
    call = ToolCallBlock(tool_call_id="1", tool_name="f", tool_kwargs={"error": KeyError("k"), "raw": b"\xff"})

    memory.put_messages([ChatMessage("said", additional_kwargs=kwargs), ChatMessage(role="assistant", blocks=[call])])

    said, called = memory.get_all()
    assert said.content == "said"
    readable = {"at": "2026-01-02T00:00:00Z", "price": "1.5", "error": "ValueError: no", "set": [1]}
    assert said.additional_kwargs == readable
    assert called.blocks == [
        call.model_copy(update={"tool_kwargs": {"error": "KeyError: 'k'", "raw": {"base64": "/w=="}}})
    ]


def test_values_that_refuse_to_be_compared_are_kept_readable(memory: ZepMemory) -> None:
    block = ToolCallBlock(tool_call_id="1", tool_name="plot", tool_kwargs={"points": numpy.arange(3)})
    memory.put(ChatMessage(role=MessageRole.ASSISTANT, blocks=[block]))

    (stored,) = memory.manager.list_messages(str(memory.session_id))
    assert stored.tool_calls == [ToolCall(id="1", name="plot", args={"points": [0, 1, 2]})]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=3)
ANY_TEXT = st.text(st.characters(codec=None))
BLOCKS = st.lists(
    st.builds(TextBlock, text=ANY_TEXT)
    | st.builds(ThinkingBlock, content=st.none() | ANY_TEXT, additional_information=OBJECTS)
    | st.builds(ToolCallBlock, tool_call_id=st.none() | st.text(), tool_name=st.text(), tool_kwargs=OBJECTS | ANY_TEXT)
    | st.builds(CitableBlock, title=ANY_TEXT, source=ANY_TEXT, content=ANY_TEXT),
    max_size=4,
)
EXTRA = OBJECTS.filter(lambda extra: not extra.get("images"))


@pytest.fixture(scope="module")
def any_memory() -> Iterator[ZepMemory]:
    with SessionManager("sqlite://") as manager:
        yield ZepMemory(manager=manager, session_id="s")


@given(role=st.sampled_from(MessageRole), blocks=BLOCKS, extra=EXTRA)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_message_survives_the_way_through_a_database(
    any_memory: ZepMemory, role: MessageRole, blocks: list[Any], extra: Any
) -> None:
    message = ChatMessage(role=role, blocks=blocks, additional_kwargs=extra)

    any_memory.set([message])

    assert any_memory.get_all() == [message]


def test_the_columns_that_all_frameworks_read_are_always_filled(memory: ZepMemory) -> None:
    memory.put(RICH["a thought before a tool call"])
    memory.put(RICH["a tool's image"])
    memory.put(RICH["a source to cite"])

    call, result, question = memory.manager.list_messages("alice-1")

    assert (call.role, call.role_type, call.content) == ("assistant", "assistant", "")
    assert call.tool_calls == [ToolCall(id="1", name="look", args={"a": 1})]
    assert (result.role_type, result.tool_call_id) == ("tool", "1")
    assert (question.role_type, question.content) == ("user", "quote me\nand?")


@pytest.mark.parametrize(
    ("arguments", "args"),
    [
        ('{"city": "Rome"}', {"city": "Rome"}),
        ('{"city', '{"city'),
        ("[1]", "[1]"),
        ("[" * 100_000, "[" * 100_000),
        ('{"x": NaN}', '{"x": NaN}'),
    ],
)
def test_tool_calls_in_the_old_place_fill_the_column(memory: ZepMemory, arguments: str, args: Any) -> None:
    calls = [{"id": "1", "type": "function", "function": {"name": "look", "arguments": arguments}}, {"strange": True}]
    message = ChatMessage(role="assistant", blocks=[], additional_kwargs={"tool_calls": calls})

    memory.put(message)

    assert memory.get_all() == [message]
    assert memory.manager.list_messages("alice-1")[0].tool_calls == [ToolCall(id="1", name="look", args=args)]


def test_a_text_is_not_stored_twice(memory: ZepMemory) -> None:
    memory.put(ChatMessage(role="assistant", blocks=[THOUGHT, TextBlock(text="a long answer")]))

    (row,) = memory.manager.list_messages("alice-1")

    assert row.content == "a long answer"
    assert row.native is not None
    assert "a long answer" not in row.native


def test_a_corrected_text_is_what_is_read(memory: ZepMemory) -> None:
    memory.put(ChatMessage(role="assistant", blocks=[THOUGHT, TextBlock(text="wrong")]))
    (row,) = memory.manager.list_messages("alice-1")

    memory.manager.update_message("alice-1", str(row.uuid), content="right")

    assert memory.get_all() == [assistant("right")]


LANGCHAIN_ROWS = [
    Message(role="system", content="be kind"),
    Message(role="human", content="weather in Rome?", name="Alice"),
    Message(
        role="ai",
        tool_calls=[ToolCall(id="1", name="look_up", args={"city": "Rome"})],
        native_format="langchain",
        native='{"type": "ai", "data": {"content": [], "usage_metadata": {"total_tokens": 3}}}',
    ),
    Message(role="tool", content="sunny in Rome", tool_call_id="1", name="look_up"),
    Message(role="ai", content="sunny"),
]


def test_rows_of_langchain_are_read_with_role_text_and_tool_calls(memory: ZepMemory) -> None:
    memory.manager.add_memory("alice-1", LANGCHAIN_ROWS)

    assert memory.get_all() == [
        ChatMessage("be kind", role="system"),
        ChatMessage("weather in Rome?", role="user", additional_kwargs={"name": "Alice"}),
        calling(("1", "look_up", {"city": "Rome"})),
        answer("1", "sunny in Rome"),
        assistant("sunny"),
    ]


@pytest.mark.parametrize(
    ("role", "role_type", "expected"),
    [
        ("Jane", "user", "user"),
        ("Jane", None, "user"),
        ("AIMessageChunk", None, "assistant"),
        ("model", None, "model"),
        ("Tool", None, "tool"),
        ("narrator", "system", "system"),
    ],
)
def test_any_role_is_read_as_the_one_it_stands_for(role: str, role_type: Any, expected: str) -> None:
    with SessionManager("sqlite://") as manager:
        manager.add_memory("s", [Message(role=role, role_type=role_type, content="hi")])

        assert ZepMemory(manager=manager, session_id="s").get_all()[0].role.value == expected


def look_up(city: str) -> str:
    """Look up the weather."""
    return f"sunny in {city}"


def test_a_conversation_of_two_frameworks_reads_whole(memory: ZepMemory) -> None:
    """The first half was written as LangChain does, the second by an agent of LlamaIndex."""
    memory.manager.add_memory("alice-1", LANGCHAIN_ROWS)
    call = calling(("2", "look_up", {"city": "Oslo"}))
    model = ScriptedModel.of(call, "sunny there too")
    agent = FunctionAgent(tools=[FunctionTool.from_defaults(look_up)], llm=model)

    async def run() -> None:
        await agent.run("and in Oslo?", memory=memory)

    asyncio.run(run())

    assert plain(memory.get_all()) == [
        ("system", "be kind"),
        ("user", "weather in Rome?"),
        ("assistant", None),
        ("tool", "sunny in Rome"),
        ("assistant", "sunny"),
        ("user", "and in Oslo?"),
        ("assistant", None),
        ("tool", "sunny in Oslo"),
        ("assistant", "sunny there too"),
    ]
    assert model.prompts[0] == plain(memory.get_all())[:6]
    rows = memory.manager.list_messages("alice-1")
    assert [[(call.id, call.args) for call in row.tool_calls or []] for row in rows if row.tool_calls] == [
        [("1", {"city": "Rome"})],
        [("2", {"city": "Oslo"})],
    ]
    assert [row.role_type for row in rows[5:]] == ["user", "assistant", "tool", "assistant"]
    assert [row.tool_call_id for row in rows if row.tool_call_id] == ["1", "2"]


BROKEN = {
    "an unknown block": '{"role": "assistant", "additional_kwargs": {}, "blocks": [{"block_type": "hologram"}]}',
    "an unknown role": '{"role": "bot", "additional_kwargs": {}, "blocks": []}',
    "no JSON": "{",
    "no object": "[1]",
    "no blocks": "{}",
    "nothing": "null",
    "blocks without a type": '{"role": "user", "blocks": [{}]}',
    "blocks that are none": '{"role": "user", "blocks": 5}',
    "old images": '{"role": "user", "additional_kwargs": {"images": [1]}, "blocks": []}',
    "nesting without end": "[" * 100_000,
}


@pytest.mark.parametrize("native", BROKEN.values(), ids=BROKEN)
def test_an_unreadable_row_is_read_as_text_and_hides_no_other(
    memory: ZepMemory, native: str, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Message(
        role="assistant",
        content="secret words",
        tool_calls=[ToolCall(id="1", name="look", args={})],
        native_format=NATIVE_FORMAT,
        native=native,
    )
    memory.manager.add_memory("alice-1", [Message(role="user", content="before"), broken])
    memory.put(RICH["a thought"])

    with caplog.at_level(logging.WARNING):
        before, middle, after = memory.get_all()

    assert (before, after) == (user("before"), RICH["a thought"])
    assert (middle.role, middle.content, len(middle.blocks)) == (MessageRole.ASSISTANT, "secret words", 2)
    assert "read as plain text" in caplog.text
    assert "secret" not in caplog.text


def test_an_image_whose_file_is_gone_leaves_the_text(memory: ZepMemory, tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(PNG)
    memory.put(ChatMessage(role="user", blocks=[TextBlock(text="see"), ImageBlock(path=file)]))

    file.unlink()

    assert memory.get_all() == [user("see")]


def test_storing_a_message_leaves_it_as_it_was() -> None:
    message = RICH["a thought beside strange text"]
    before = json.dumps(message.model_dump(mode="json"))

    to_rows([message], estimated_tokens)

    assert json.dumps(message.model_dump(mode="json")) == before


def test_messages_that_are_read_are_new_each_time(memory: ZepMemory) -> None:
    memory.put(user("hi"))
    first = memory.get()[0]
    first.blocks.clear()
    first.additional_kwargs["state"] = 1

    assert memory.get() == [user("hi")]


TOKENS = {
    "text": (user("abcdefgh"), 2),
    "a thought by its own count": (ChatMessage(role="assistant", blocks=[THOUGHT]), 7),
    "a thought by its text": (ChatMessage(role="assistant", blocks=[ThinkingBlock(content="abcdefgh")]), 2),
    "a source": (RICH["a source to cite"], 2 + 2),
    "a citation": (RICH["a citation"], 1 + 1),
    "an image": (RICH["image bytes"], 1 + 256),
    "a document": (RICH["a document"], 2048),
    "other fields": (ChatMessage("", additional_kwargs={"abcd": "efgh"}), 6),
    "a tool's answer": (answer("a long id that costs nothing", "abcd"), 1),
}


@pytest.mark.parametrize(("message", "tokens"), TOKENS.values(), ids=TOKENS)
def test_all_of_a_message_is_counted(message: ChatMessage, tokens: int) -> None:
    assert to_rows([message], estimated_tokens)[0].token_count == tokens


def test_a_tool_call_costs_what_its_name_and_arguments_do() -> None:
    small, large = to_rows([calling(("1", "look", {})), calling(("1", "look", {"text": "x" * 4000}))], estimated_tokens)

    assert (small.token_count or 0) < 5
    assert (large.token_count or 0) > 800


def test_nothing_is_read_from_no_rows() -> None:
    assert from_rows([]) == []
    assert to_rows([], estimated_tokens) == []


def test_arguments_that_are_json_in_a_text_are_read_by_others(manager: SessionManager) -> None:
    """Integrations hand on the text that the model has sent; LlamaIndex gets it back as such."""
    message = ChatMessage(
        role="assistant",
        blocks=[ToolCallBlock(tool_call_id="1", tool_name="look", tool_kwargs='{"city": "Rome"}')],
    )
    memory = ZepMemory(manager=manager, session_id="s")

    memory.put(message)

    (row,) = manager.list_messages("s")
    assert row.tool_calls == [ToolCall(id="1", name="look", args={"city": "Rome"})]
    assert memory.get_all() == [message]
