"""What other libraries have kept comes over as they read it back themselves, and once."""

import asyncio
import json
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agents import SQLiteSession
from agents.extensions.memory import SQLAlchemySession
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage, message_to_dict
from llama_index.core.llms import ChatMessage, ImageBlock, TextBlock
from llama_index.core.storage.chat_store import SimpleChatStore
from llama_index.core.storage.chat_store.sql import SQLAlchemyChatStore

from tests.support.tables import Tables
from zep_memory_plugin import InvalidInput, SessionManager
from zep_memory_plugin.importers import (
    Lines,
    from_chatgpt,
    from_langchain,
    from_llama_index,
    from_llama_index_json,
    from_openai_agents,
)
from zep_memory_plugin.langchain import ZepChatMessageHistory
from zep_memory_plugin.llama_index import ZepChatStore
from zep_memory_plugin.openai_agents import ZepSession

CALL = {"id": "1", "name": "weather", "args": {"city": "Lisbon"}, "type": "tool_call"}
LANGCHAIN: list[BaseMessage] = [
    SystemMessage("Be brief."),
    HumanMessage("Is it warm? 😀", id="human-1"),
    AIMessage([{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "I look."}], tool_calls=[CALL]),
    ToolMessage("22 degrees", tool_call_id="1", name="weather"),
    AIMessage("Yes.", response_metadata={"model": "x"}),
]
LLAMA_INDEX = [
    ChatMessage(role="user", blocks=[TextBlock(text="see"), ImageBlock(url="https://example.org/a.png")]),
    ChatMessage(role="assistant", content="A tram.", additional_kwargs={"score": 1.5}),
]
ITEMS: list[Any] = [
    {"role": "user", "content": "Is it warm?"},
    {"id": "r", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
    {"type": "function_call", "call_id": "1", "name": "weather", "arguments": '{"city": "Lisbon"}'},
    {"type": "function_call_output", "call_id": "1", "output": "22"},
    {"role": "assistant", "content": [{"type": "output_text", "text": "Yes.", "annotations": []}]},
]

Twice = Callable[[Callable[[], Lines]], tuple[int, int]]


@pytest.fixture
def manager(sqlite_url: str) -> Any:
    """Return a manager on an empty database."""
    with SessionManager(sqlite_url) as manager:
        yield manager


@pytest.fixture
def twice(manager: SessionManager) -> Twice:
    """Return a function that imports twice, and returns how many messages were new each time."""

    def twice(read: Callable[[], Lines]) -> tuple[int, int]:
        counts = []
        for _ in range(2):
            with read() as lines:
                counts.append(manager.import_memory(lines).messages)
        return counts[0], counts[1]

    return twice


def as_said(messages: list[BaseMessage]) -> list[Any]:
    """Return all of *messages* but what a read adds where nothing was: an id, and the moment."""
    ids = {message.id for message in LANGCHAIN}
    copies = [message.model_copy(update={"id": message.id if message.id in ids else None}) for message in messages]
    for copy in copies:
        copy.response_metadata = {key: value for key, value in copy.response_metadata.items() if key == "model"}
    return copies


def of_langchain(path: Path, table: str, sessions: dict[str, list[BaseMessage]]) -> str:
    """Write the table of LangChain's history as its own class does, whose package needs versions of its own."""
    connection = sqlite3.connect(path)
    connection.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, session_id TEXT, message TEXT)")
    rows = [(name, json.dumps(message_to_dict(each))) for name, said in sessions.items() for each in said]
    rows = [row for pair in zip(rows[::2], rows[1::2], strict=False) for row in pair] + rows[len(rows) // 2 * 2 :]
    connection.executemany(f"INSERT INTO {table} (session_id, message) VALUES (?, ?)", rows)
    connection.commit()
    connection.close()
    return str(path)


def test_langchains_messages_come_back_equal(manager: SessionManager, twice: Twice, tmp_path: Path) -> None:
    path = of_langchain(tmp_path / "chat.db", "message_store", {"a": LANGCHAIN, "b": LANGCHAIN[:2]})
    before = Path(path).read_bytes()

    assert twice(lambda: from_langchain(path, user_id="alice")) == (7, 0)

    assert as_said(ZepChatMessageHistory("a", manager).messages) == LANGCHAIN
    assert as_said(ZepChatMessageHistory("b", manager).messages) == LANGCHAIN[:2]
    assert manager.get_session("a").user_id == "alice"
    assert manager.search_memory("warm", session_id="a", limit=1)[0].session_id == "a"
    assert Path(path).read_bytes() == before


def test_what_was_said_since_comes_along(manager: SessionManager, twice: Twice, tmp_path: Path) -> None:
    """Also when the oldest messages are gone there meanwhile, and others were said here."""
    path = of_langchain(tmp_path / "chat.db", "message_store", {"a": [HumanMessage(f"text {n}") for n in range(5)]})
    assert twice(lambda: from_langchain(path)) == (5, 0)
    ZepChatMessageHistory("a", manager).add_messages([HumanMessage("said here")])
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM message_store WHERE id <= 2")
    new = json.dumps(message_to_dict(HumanMessage("said since")))
    connection.execute("INSERT INTO message_store (session_id, message) VALUES ('a', ?)", (new,))
    connection.commit()
    connection.close()

    assert twice(lambda: from_langchain(path)) == (1, 0)
    assert [message.content for message in manager.list_messages("a")] == [
        *(f"text {n}" for n in range(5)),
        "said here",
        "said since",
    ]


def test_a_table_of_langchain_in_postgres_comes_over_with_its_times(
    manager: SessionManager, twice: Twice, postgres_url: str
) -> None:
    """As `langchain_postgres` makes it: sessions are UUIDs, messages JSONB."""
    session = uuid.uuid4()
    with Tables(postgres_url) as tables:
        tables.run(
            "CREATE TABLE chats (id SERIAL PRIMARY KEY, session_id UUID, message JSONB, "
            "created_at TIMESTAMPTZ DEFAULT '2024-05-01 12:00Z')"
        )
        for message in LANGCHAIN:
            text = json.dumps(message_to_dict(message)).replace("'", "''").replace(":", "\\:")
            tables.run(f"INSERT INTO chats (session_id, message) VALUES ('{session}', '{text}')")

    assert twice(lambda: from_langchain(postgres_url, "chats")) == (5, 0)

    assert as_said(ZepChatMessageHistory(str(session), manager).messages) == LANGCHAIN
    assert {str(message.created_at) for message in manager.list_messages(str(session))} == {"2024-05-01 12:00:00+00:00"}


def test_a_row_that_is_no_message_hides_no_other(manager: SessionManager, twice: Twice, tmp_path: Path) -> None:
    path = of_langchain(tmp_path / "chat.db", "message_store", {"a": LANGCHAIN[:2]})
    connection = sqlite3.connect(path)
    for bad in ("{", "[]", '{"type": "alien", "data": {}}', "5"):
        connection.execute("INSERT INTO message_store (session_id, message) VALUES ('a', ?)", (bad,))
    connection.commit()
    connection.close()

    assert twice(lambda: from_langchain(path)) == (6, 0)
    assert [(message.role, message.content) for message in manager.list_messages("a")][2:4] == [
        ("unreadable", "{"),
        ("unreadable", "[]"),
    ]


def test_llama_indexs_table_comes_over_as_it_is_read(manager: SessionManager, twice: Twice, tmp_path: Path) -> None:
    """What is archived there is archived here."""
    path = tmp_path / "memory.db"

    async def fill() -> list[ChatMessage]:
        store = SQLAlchemyChatStore("llama_index_memory", f"sqlite+aiosqlite:///{path}")
        await store.set_messages("a", [*LLAMA_INDEX, *LLAMA_INDEX])
        await store.archive_oldest_messages("a", 2)
        read = await store.get_messages("a", status=None)
        await store._async_engine.dispose()  # type: ignore[union-attr]
        return read

    read = asyncio.run(fill())

    assert twice(lambda: from_llama_index(str(path))) == (4, 0)

    assert ZepChatStore(manager=manager).get_messages("a") == read
    assert len(manager.slice_messages("a", status="archived")) == 2


def test_llama_indexs_files_come_over_as_they_are_read(manager: SessionManager, twice: Twice, tmp_path: Path) -> None:
    store = {"a": LLAMA_INDEX, "b.item": LLAMA_INDEX[::-1], "empty": []}
    data = {key: [json.loads(message.model_dump_json()) for message in said] for key, said in store.items()}
    path = tmp_path / "chat_store.json"
    path.write_text(json.dumps({"store": data, "class_name": "SimpleChatStore"}))
    read = SimpleChatStore.model_validate_json(path.read_text())

    assert twice(lambda: from_llama_index_json(str(path))) == (4, 0)

    ours = ZepChatStore(manager=manager)
    assert {key: ours.get_messages(key) for key in store} == {key: read.get_messages(key) for key in store}
    assert sorted(session.session_id for session in manager.list_sessions()) == ["a", "b.item", "empty"]


def test_a_message_that_was_stored_twice_there_is_there_twice(
    manager: SessionManager, twice: Twice, tmp_path: Path
) -> None:
    path = of_langchain(tmp_path / "chat.db", "message_store", {"a": [LANGCHAIN[1]] * 2})

    assert twice(lambda: from_langchain(path)) == (2, 0)


def test_an_import_that_broke_off_goes_on_where_it_was(manager: SessionManager, tmp_path: Path) -> None:
    """What was stored before stays, and nothing is doubled."""
    said = [
        {"role": "user", "additional_kwargs": {}, "blocks": [{"block_type": "text", "text": str(n)}]}
        for n in range(3_000)
    ]
    whole = json.dumps({"store": {"a": said}, "class_name": "SimpleChatStore"})
    path = tmp_path / "chat_store.json"
    path.write_text(whole[: len(whole) * 3 // 4])
    with from_llama_index_json(str(path)) as lines, pytest.raises(InvalidInput):
        manager.import_memory(lines)
    before = manager.count_messages(["a"])["a"]
    path.write_text(whole)

    with from_llama_index_json(str(path)) as lines:
        report = manager.import_memory(lines)

    assert 0 < before < 3_000
    assert (report.messages, report.known) == (3_000 - before, before + 1)
    assert [message.content for message in manager.list_messages("a")] == list(map(str, range(3_000)))


@pytest.mark.parametrize("kind", ["sqlite3", "sqlalchemy"])
def test_items_of_openai_agents_come_back_equal(
    manager: SessionManager, twice: Twice, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "agents.db"

    async def fill() -> None:
        if kind == "sqlite3":
            session: Any = SQLiteSession("a", path)
            await session.add_items(ITEMS)
            session.close()
            return
        session = SQLAlchemySession.from_url("a", url=f"sqlite+aiosqlite:///{path}", create_tables=True)
        await session.add_items(ITEMS)
        await session.engine.dispose()

    asyncio.run(fill())

    assert twice(lambda: from_openai_agents(str(path))) == (5, 0)
    assert asyncio.run(ZepSession("a", manager).get_items()) == ITEMS


def test_items_of_openai_agents_are_read_without_its_sdk() -> None:
    """An import need not have what it costs."""
    code = "import sys; from zep_memory_plugin.importers import from_openai_agents; sys.exit('agents' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def node(id_: str, parent: str | None, role: str, text: str | list[Any], **more: Any) -> tuple[str, dict[str, Any]]:
    parts = [text] if isinstance(text, str) else text
    message = {
        "id": id_,
        "author": {"role": role, "name": more.pop("name", None), "metadata": {}},
        "create_time": 1_700_000_000.5,
        "content": {"content_type": "text", "parts": parts},
        "metadata": more.pop("metadata", {}),
        "recipient": more.pop("recipient", "all"),
    }
    return id_, {"id": id_, "message": message, "parent": parent, "children": []}


def test_conversations_of_chatgpt_come_over_as_they_were_last_shown(
    manager: SessionManager, twice: Twice, tmp_path: Path
) -> None:
    picture = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://x"}
    nodes = [
        ("root", {"id": "root", "message": None, "parent": None, "children": []}),
        node("0", "root", "system", "", metadata={"is_visually_hidden_from_conversation": True}),
        node("1", "0", "user", ["Where is this?", picture]),
        node("2", "1", "assistant", "An answer that was made anew."),
        node("3", "1", "assistant", '{"query": "tram"}', recipient="browser"),
        node("4", "3", "tool", "Lisbon", name="browser"),
        node("5", "4", "assistant", "In Lisbon. 😀"),
    ]
    conversation = {
        "title": "A tram",
        "create_time": 1_700_000_000.0,
        "update_time": 1_700_000_100.0,
        "mapping": dict(nodes),
        "current_node": "5",
        "conversation_id": "c-1",
    }
    path = tmp_path / "conversations.json"
    path.write_text(json.dumps([conversation, {**conversation, "conversation_id": "c-2", "current_node": "2"}]))

    assert twice(lambda: from_chatgpt(str(path), user_id="alice")) == (6, 0)

    session = manager.get_session("c-1")
    said = manager.list_messages("c-1")
    assert (session.user_id, session.metadata) == ("alice", {"source": "chatgpt", "title": "A tram"})
    assert str(session.created_at) == "2023-11-14 22:13:20+00:00"
    assert [(each.role, each.content, each.name) for each in said] == [
        ("user", "Where is this?", None),
        ("assistant", "", None),
        ("tool", "Lisbon", "browser"),
        ("assistant", "In Lisbon. 😀", None),
    ]
    assert [(call.name, call.args) for call in said[1].tool_calls or ()] == [("browser", '{"query": "tram"}')]
    assert "file-service://x" in (said[0].native or "")
    assert [each.content for each in manager.list_messages("c-2")][1] == "An answer that was made anew."


@pytest.mark.parametrize("read", [from_chatgpt, from_llama_index_json])
@pytest.mark.parametrize("text", ["{", "nonsense", "[1]"])
def test_a_file_of_something_else_is_refused(
    manager: SessionManager, tmp_path: Path, read: Callable[[str], Lines], text: str
) -> None:
    (tmp_path / "x.json").write_text(text)
    if (read, text) == (from_llama_index_json, "[1]"):
        return  # it is JSON, with no session in it

    with pytest.raises(InvalidInput, match=r"^source "):
        manager.import_memory(read(str(tmp_path / "x.json")))


@pytest.mark.parametrize("read", [from_langchain, from_llama_index, from_openai_agents])
def test_a_database_of_something_else_is_refused_without_a_secret(
    manager: SessionManager, tmp_path: Path, read: Callable[[str], Lines]
) -> None:
    (tmp_path / "text.db").write_text("no database" * 500)
    sqlite3.connect(tmp_path / "empty.db").close()

    for database in (
        str(tmp_path / "text.db"),
        str(tmp_path / "empty.db"),
        str(tmp_path / "missing.db"),
        "mysql://a:hunter2@127.0.0.1/x",
        "postgresql://a:hunter2@127.0.0.1:1/x",
        "://",
    ):
        with pytest.raises(InvalidInput, match=r"^source ") as caught:
            manager.import_memory(read(database))
        assert "hunter2" not in str(caught.value)
        assert caught.value.__cause__ is caught.value.__context__ is None
    assert not (tmp_path / "missing.db").exists()
