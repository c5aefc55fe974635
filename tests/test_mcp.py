"""The tools for clients of the Model Context Protocol, through the package's own client and a process over stdio."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from tests.support.messages import said, texts
from zep_memory_plugin import Message, SessionManager, ToolCall
from zep_memory_plugin.mcp import LONGEST_CONTENT, create_server

Talk = Callable[[Client], Awaitable[Any]]


@pytest.fixture
def manager(sqlite_url: str) -> Any:
    """Return a manager with a session of alice, one of bob, one of nobody, and one of alice that is deleted."""
    with SessionManager(sqlite_url) as manager:
        manager.add_memory("gone", said("a zebra that is gone"), user_id="alice")
        manager.delete_session("gone")
        manager.add_memory("a", said("one zebra", "two"), user_id="alice")
        manager.add_memory("b", said("a zebra of bob"), user_id="bob")
        manager.add_memory("open", said("a zebra of nobody"))
        yield manager


def over_stdio(url: str, talk: Talk) -> Any:
    """Let a client *talk* with a process that serves alice's sessions."""
    command = ["-m", "zep_memory_plugin", "mcp", "--database", url, "--user", "alice"]

    async def run() -> Any:
        async with Client(StdioServerParameters(command=sys.executable, args=command)) as client:
            return await talk(client)

    return asyncio.run(run())


def calling(manager: SessionManager, name: str, **arguments: Any) -> tuple[bool, Any]:
    """Call a tool within this process, and return whether it failed, and what it returned or said."""

    async def run() -> tuple[bool, Any]:
        async with Client(create_server(manager, "alice")) as client:
            answer = await client.call_tool(name, arguments)
            if answer.is_error:
                return True, answer.content[0].text  # type: ignore[union-attr]
            return False, answer.structured_content["result"]  # type: ignore[index]

    return asyncio.run(run())


def test_a_client_searches_lists_reads_and_appends_over_stdio(manager: SessionManager, sqlite_url: str) -> None:
    async def talk(client: Client) -> list[Any]:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        calls = [
            ("search_memory", {"text": "zebra"}),
            ("list_sessions", {}),
            ("read_session", {"session_id": "a"}),
            ("append_messages", {"session_id": "a", "messages": [{"role": "user", "content": "three"}]}),
            ("read_session", {"session_id": "b"}),
        ]
        return [tools, *[await client.call_tool(name, arguments) for name, arguments in calls]]

    tools, searched, listed, read, appended, refused = over_stdio(sqlite_url, talk)

    assert sorted(tools) == ["append_messages", "list_sessions", "read_session", "search_memory"]
    assert searched.structured_content["result"][0]["content"] == "one zebra"
    assert [session["session_id"] for session in listed.structured_content["result"]] == ["a"]
    assert [message["content"] for message in read.structured_content["result"]] == ["one zebra", "two"]
    assert appended.structured_content == {"result": 1}
    assert refused.is_error
    assert texts(manager.list_messages("a")) == ["one zebra", "two", "three"]


@pytest.mark.parametrize("session_id", ["b", "open", "nix"])
@pytest.mark.parametrize(("tool", "more"), [("read_session", {}), ("search_memory", {"text": "zebra"})])
def test_a_session_of_anybody_else_is_not_there(
    manager: SessionManager, session_id: str, tool: str, more: dict[str, str]
) -> None:
    """And what is said of it is what is said of one that never was."""
    failed, problem = calling(manager, tool, session_id=session_id, **more)

    assert failed
    assert problem.replace(session_id, "nix") == calling(manager, tool, session_id="nix", **more)[1]
    assert "zebra" not in problem


@pytest.mark.parametrize("session_id", ["b", "open"])
def test_nothing_is_appended_to_a_session_of_anybody_else(manager: SessionManager, session_id: str) -> None:
    before = manager.get_session(session_id)

    failed, _ = calling(
        manager, "append_messages", session_id=session_id, messages=[{"role": "user", "content": "mine"}]
    )

    assert failed
    assert manager.get_session(session_id) == before
    assert manager.count_messages([session_id]) == {session_id: 1}


def test_a_search_over_all_finds_what_is_the_users_alone(manager: SessionManager) -> None:
    _, results = calling(manager, "search_memory", text="zebra")

    assert {result["session_id"] for result in results} == {"a"}


def test_appending_begins_a_session_of_the_user(manager: SessionManager) -> None:
    said_now = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]

    assert calling(manager, "append_messages", session_id="new", messages=said_now) == (False, 2)
    assert manager.get_session("new").user_id == "alice"
    assert [message.role for message in manager.list_messages("new")] == ["user", "assistant"]


def test_a_session_is_read_backwards_in_parts(manager: SessionManager) -> None:
    manager.add_memory("long", said(*map(str, range(1, 101))), user_id="alice")

    _, newest = calling(manager, "read_session", session_id="long", limit=10)
    _, before = calling(manager, "read_session", session_id="long", limit=10, before=newest[0]["seq"])

    assert [message["seq"] for message in before + newest] == list(range(81, 101))


def test_a_model_is_shown_calls_by_name_and_no_more_than_so_much_of_a_message(manager: SessionManager) -> None:
    call = ToolCall(id="1", name="look_up", args={})
    long = Message(role="assistant", content="x" * (LONGEST_CONTENT + 5), tool_calls=[call])
    manager.add_memory("long", [long], user_id="alice")

    _, (shown,) = calling(manager, "read_session", session_id="long")

    assert shown["calls"] == ["look_up"]
    assert (len(shown["content"]), shown["characters_left_out"]) == (LONGEST_CONTENT, 5)


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("read_session", {"session_id": ""}),
        ("read_session", {"session_id": "a", "limit": 0}),
        ("search_memory", {"text": 5}),
        ("append_messages", {"session_id": "a", "messages": [{"role": "tool", "content": "x"}]}),
        ("list_sessions", {"limit": 10_000}),
    ],
)
def test_a_call_that_makes_no_sense_is_said_so_and_stores_nothing(
    manager: SessionManager, tool: str, arguments: dict[str, Any]
) -> None:
    failed, problem = calling(manager, tool, **arguments)

    assert failed
    assert "Traceback" not in problem
    assert manager.count_messages(["a"]) == {"a": 2}


def test_no_tool_takes_a_user(manager: SessionManager) -> None:
    async def run() -> str:
        async with Client(create_server(manager, "alice")) as client:
            return json.dumps([tool.input_schema for tool in (await client.list_tools()).tools])

    assert "user_id" not in asyncio.run(run())
