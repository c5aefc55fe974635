"""One row that cannot be read, as a disk or another program leaves it, hides itself alone and can be erased."""

import asyncio
import io
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.hostile.conftest import Open
from tests.support.colours import BACKENDS, Caller
from tests.support.messages import said, texts
from tests.support.thorough import THOROUGH
from zep_memory_plugin import Message, Session, Summary, ToolCall, User
from zep_memory_plugin.langchain import ZepChatMessageHistory
from zep_memory_plugin.llama_index import ZepChatStore

BAD = 6
"""The seq of the message that is garbled."""

COUNT = 9
CANARY = "canary"
"""A word that stands in garbled parts, and nowhere else."""

JSON = [f"{{bad {CANARY}", f'["{CANARY}"]', f'"{CANARY}"', "1e999999", "[" * 3000, ""]
"""What is no JSON object, or none that can be read."""


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def of_message(column: str, value: str) -> str:
    return f"UPDATE zep_messages SET {column} = {value} WHERE session_id = 'a' AND seq = {BAD}"


BOTH: dict[str, str] = {
    **{f"a message's metadata {text[:8]}": of_message("metadata", quoted(text)) for text in JSON},
    **{
        f"a message's tool calls {text[:8]}": of_message("tool_calls", quoted(text))
        for text in ("[1]", f"{{bad {CANARY}", f'{{"name": "{CANARY}"}}', f'[{{"nome": "{CANARY}"}}]', "null")
    },
    "a message's native form": of_message("native", quoted(f"{{bad {CANARY}")),
    "a LangChain message's native form": (
        f"UPDATE zep_messages SET native = {quoted(f'{{bad {CANARY}')}, native_format = 'langchain'"
        f" WHERE session_id = 'a' AND seq = {BAD}"
    ),
    "a message's role type": of_message("role_type", "'nonsense'"),
    **{
        f"a session's metadata {text[:8]}": f"UPDATE zep_sessions SET metadata = {quoted(text)} WHERE session_id = 'a'"
        for text in JSON[:3]
    },
    "a user's metadata": f"UPDATE zep_users SET metadata = {quoted(JSON[0])} WHERE user_id = 'user a'",
    "a summary's metadata": f"UPDATE zep_summaries SET metadata = {quoted(JSON[0])} WHERE session_id = 'a'",
}
"""Damages that both databases let happen."""

SQLITE: dict[str, str] = {
    "a message's bytes": of_message("content", "CAST(x'ff646f67' AS TEXT)"),
    "a message's name": of_message("name", "CAST(x'ff646f67' AS TEXT)"),
    "a message's role": of_message("role", "CAST(x'ff' AS TEXT)"),
    "a message's content as a blob": of_message("content", "x'ff00ff'"),
    "a session's title as a blob": "UPDATE zep_sessions SET title = x'ff00ff' WHERE session_id = 'a'",
    "a message's content as a number": of_message("content", "12"),
    "a message's metadata as bytes": of_message("metadata", "CAST(x'ff7b7d' AS TEXT)"),
    "a message's uuid, short": of_message("uuid", "x'00'"),
    "a message's uuid, text": of_message("uuid", f"'{CANARY}'"),
    "a message's moment, text": of_message("created_at", f"'{CANARY}'"),
    "a message's moment, far": of_message("created_at", "9223372036854775807"),
    "a message's change, far": of_message("updated_at", "-9223372036854775807"),
    "a message's tokens": of_message("token_count", f"'{CANARY}'"),
    "a session's moment": "UPDATE zep_sessions SET updated_at = 9223372036854775807 WHERE session_id = 'a'",
    "a session's uuid": "UPDATE zep_sessions SET uuid = x'00' WHERE session_id = 'a'",
    "a session's metadata as bytes": "UPDATE zep_sessions SET metadata = CAST(x'ff' AS TEXT) WHERE session_id = 'a'",
    "a user's name": "UPDATE zep_users SET first_name = CAST(x'ff' AS TEXT) WHERE user_id = 'user a'",
    "a user's uuid": "UPDATE zep_users SET uuid = x'00' WHERE user_id = 'user a'",
    "a user's moment": f"UPDATE zep_users SET created_at = '{CANARY}' WHERE user_id = 'user a'",
    "a summary's content": "UPDATE zep_summaries SET content = CAST(x'ff' AS TEXT) WHERE session_id = 'a'",
    "a summary's uuid": "UPDATE zep_summaries SET uuid = x'00' WHERE session_id = 'a'",
}
"""Damages that Postgres refuses: it checks text and types."""

POSTGRES: dict[str, str] = {
    "a message's moment": of_message("created_at", "'infinity'"),
    "a message's change": of_message("updated_at", "'-infinity'"),
    "a message's moment, far": of_message("created_at", "'20000-01-01'"),
    "a session's moment": "UPDATE zep_sessions SET updated_at = 'infinity' WHERE session_id = 'a'",
    "a user's moment": "UPDATE zep_users SET created_at = '-infinity' WHERE user_id = 'user a'",
    "a summary's moment": "UPDATE zep_summaries SET created_at = '0044-03-15 BC' WHERE session_id = 'a'",
}

BY_NAME = {backend.name: backend for backend in BACKENDS}
CASES = [
    *(("sqlite-sync", name, statement) for name, statement in {**BOTH, **SQLITE}.items()),
    *(("asyncpg", name, statement) for name, statement in {**BOTH, **POSTGRES}.items()),
    *(("postgres-sync", name, statement) for name, statement in POSTGRES.items()),
]

each_damage = pytest.mark.parametrize(
    ("backend", "statement"),
    [(BY_NAME[backend], statement) for backend, _, statement in CASES],
    ids=[f"{backend} {name}" for backend, name, _ in CASES],
)


some_damages = pytest.mark.parametrize(
    ("backend", "statement"),
    [(BY_NAME[backend], statement) for backend, _, statement in CASES[:: 1 if THOROUGH else 6]],
    ids=[f"{backend} {name}" for backend, name, _ in CASES[:: 1 if THOROUGH else 6]],
)


def fill(caller: Caller) -> None:
    """Store a session of each of two users, with all that a session can have."""
    for name in "ab":
        messages = [
            Message(
                role="user",
                content=f"dog {name}{number}",
                name="somebody",
                metadata={"k": 1, "of": name},
                tool_calls=[ToolCall(name="bark", args={"loud": True})],
            )
            for number in range(1, COUNT + 1)
        ]
        caller.add_user(User(user_id=f"user {name}", first_name="A", metadata={"k": 1}))
        caller.add_memory(name, messages, user_id=f"user {name}")
        caller.update_session(Session(session_id=name, metadata={"k": 1}))
        caller.add_summary(
            name, Summary(content=f"dogs of {name}", metadata={"k": 1}), until_uuid=first_uuid(caller, name)
        )


def first_uuid(caller: Caller, name: str) -> Any:
    return caller.list_messages(name, 1)[0].uuid


def expected(name: str) -> list[str]:
    """Return what the readable messages of a session say."""
    return [f"dog {name}{number}" for number in range(1, COUNT + 1) if name == "b" or number != BAD]


def others(messages: list[Message]) -> list[str]:
    """Return what messages say but for the one that may be garbled."""
    return [message.content for message in messages if message.seq != BAD or message.content.startswith("dog b")]


def found(results: list[Any]) -> set[str]:
    """Return what a search has found but for the message that may be garbled."""
    return set(others([result.message for result in results]))


def names(sessions: list[Session]) -> list[str]:
    return [session.session_id for session in sessions]


def exported(caller: Caller, file_format: str) -> str:
    """Return what an export of everything writes."""
    target = io.BytesIO()
    caller.export_memory(target, file_format=file_format)
    return target.getvalue().decode()


def has_b(text: str) -> bool:
    return all(content in text for content in expected("b"))


LISTED = {"sessions": ["a", "b"], "users": ["user a", "user b"]}

READS: dict[str, Callable[[Caller], bool]] = {
    "list_messages": lambda caller: others(caller.list_messages("a")) == expected("a"),
    "list_messages, pages": lambda caller: (
        others(caller.list_messages("a", 3, BAD - 2)) == expected("a")[BAD - 2 : BAD]
    ),
    "last_messages": lambda caller: others(caller.last_messages("a", COUNT)) == expected("a"),
    "last_messages, turns": lambda caller: others(caller.last_messages("a", COUNT, whole_turns=True)) == expected("a"),
    "get_memory": lambda caller: others(caller.get_memory("a", COUNT).messages) == expected("a"),
    "prompt_memory": lambda caller: others(caller.prompt_memory("a", 1000).messages) == expected("a"),
    "slice_messages": lambda caller: others(caller.slice_messages("a")) == expected("a"),
    "list_summaries": lambda caller: isinstance(caller.list_summaries("a"), list),
    "summaries of b": lambda caller: [s.content for s in caller.list_summaries("b")] == ["dogs of b"],
    "get_session": lambda caller: caller.get_session("a").session_id == "a",
    "list_sessions": lambda caller: names(caller.list_sessions()) == LISTED["sessions"],
    "list_sessions, filter": lambda caller: "b" in names(caller.list_sessions(metadata={"k": 1})),
    "list_all_sessions": lambda caller: [names(page) for page in caller.list_all_sessions(1)] == [["a"], ["b"]],
    "get_user_sessions": lambda caller: names(caller.get_user_sessions("user a")) == ["a"],
    "get_user": lambda caller: caller.get_user("user a").user_id == "user a",
    "list_users": lambda caller: [user.user_id for user in caller.list_users()] == LISTED["users"],
    "list_users, filter": lambda caller: "user b" in [user.user_id for user in caller.list_users(metadata={"k": 1})],
    "count_messages": lambda caller: caller.count_messages(["a", "b"])["b"] == COUNT,
    "search in a": lambda caller: found(caller.search_memory("dog", session_id="a", limit=None)) == set(expected("a")),
    "search everywhere": lambda caller: (
        found(caller.search_memory("dog", limit=None)) == {*expected("a"), *expected("b")}
    ),
    "search with neighbours": lambda caller: (
        found(caller.search_memory("dog", limit=None, context=2)) == {*expected("a"), *expected("b")}
    ),
    "search with a filter": lambda caller: (
        found(caller.search_memory("dog", metadata={"k": 1}, limit=None)) >= set(expected("b"))
    ),
    "search of another user with a filter": lambda caller: (
        found(caller.search_memory(None, user_id="user b", metadata={"k": 1}, limit=None)) == set(expected("b"))
    ),
    "search with a path": lambda caller: (
        found(caller.search_memory("dog", where={"jsonpath": "$.k ? (@ == 1)"}, limit=None)) >= set(expected("b"))
    ),
    "search in summaries": lambda caller: (
        "dogs of b" in [r.summary.content for r in caller.search_memory("dogs", scope="summary", user_id="user b")]
    ),
    "export": lambda caller: has_b(exported(caller, "jsonl")),
    "export as Markdown": lambda caller: has_b(exported(caller, "markdown")),
    "export as CSV": lambda caller: has_b(exported(caller, "csv")),
    "activity": lambda caller: sum(caller.activity(2).values()) >= 2 * COUNT - 1,
    "LangChain": lambda caller: (
        {m.text for m in ZepChatMessageHistory("a", caller.manager).messages} >= set(expected("a"))
    ),
    "LlamaIndex": lambda caller: (
        {m.content for m in ZepChatStore(manager=caller.manager).get_messages("a")} >= set(expected("a"))
    ),
}


def refill(caller: Caller) -> bool:
    """Replace all there is."""
    caller.replace_memory("a", said("new"))
    return texts(caller.list_messages("a")) == ["new"]


def fork(caller: Caller) -> bool:
    """Copy the session, damage and all."""
    caller.fork_session("a", "copy")
    return others(caller.list_messages("copy")) == expected("a")


def bring_back(caller: Caller) -> bool:
    """Delete and restore the session."""
    caller.delete_session("a")
    caller.restore_session("a")
    return others(caller.list_messages("a")) == expected("a")


def purge(caller: Caller) -> bool:
    """Purge both sessions."""
    caller.delete_session("a")
    caller.delete_session("b")
    caller.purge()
    return caller.tables.run("SELECT count(*) FROM zep_messages") == [(0,)]


def erase(caller: Caller) -> bool:
    """Erase the user."""
    caller.delete_user("user a")
    return caller.tables.run("SELECT count(*) FROM zep_messages") == [(COUNT,)]


def rebuild(caller: Caller) -> bool:
    """Make the index anew, and search."""
    caller.rebuild_search()
    return found(caller.search_memory("dog", limit=None)) == {*expected("a"), *expected("b")}


def take_a_slice(caller: Caller) -> bool:
    """Delete the newest by their positions."""
    caller.delete_slice("a", BAD - 2)
    return others(caller.list_messages("a")) == expected("a")[: BAD - 2]


def archive(caller: Caller) -> bool:
    """Archive all."""
    caller.archive_messages("a")
    return others(caller.slice_messages("a", status="archived")) == expected("a")


def append(caller: Caller) -> bool:
    """Append to the session."""
    caller.add_memory("a", said("dog a10"))
    return others(caller.list_messages("a")) == [*expected("a"), "dog a10"]


def change_session(caller: Caller) -> bool:
    """Merge metadata into what cannot be read."""
    return (caller.update_session(Session(session_id="a", metadata={"new": 1})).metadata or {})["new"] == 1


def change_user(caller: Caller) -> bool:
    """Merge metadata into what cannot be read."""
    return (caller.update_user(User(user_id="user a", metadata={"new": 1})).metadata or {})["new"] == 1


WRITES = (append, refill, fork, bring_back, take_a_slice, archive, rebuild, change_session, change_user, purge, erase)


def failures(caller: Caller, tries: dict[str, Callable[[Caller], bool]]) -> dict[str, str]:
    """Return what went wrong with each of *tries*."""
    wrong: dict[str, str] = {}
    for name, attempt in tries.items():
        try:
            if not attempt(caller):
                wrong[name] = "hides others"
        except Exception as error:  # whatever it is, it is wrong
            wrong[name] = type(error).__name__
    return wrong


def damage(caller: Caller, statement: str) -> None:
    """Fill a database anew, and damage it."""
    caller.tables.empty()
    fill(caller)
    caller.rebuild_search()
    caller.tables.run(statement.replace(":", r"\:"))


@each_damage
def test_a_bad_row_hides_itself_alone(caller: Caller, statement: str, caplog: pytest.LogCaptureFixture) -> None:
    """In listings, windows, searches and adapters, also those of other users; and none of its text is logged."""
    caplog.set_level(logging.DEBUG)
    damage(caller, statement)

    wrong = failures(caller, READS)
    assert not wrong, str(wrong)
    assert CANARY not in caplog.text


@some_damages
def test_a_bad_row_keeps_nobody_from_writing(caller: Caller, statement: str) -> None:
    """Nor from erasing it."""
    wrong: dict[str, str] = {}
    for write in WRITES:
        damage(caller, statement)
        wrong |= failures(caller, {write.__name__: write})

    assert not wrong, str(wrong)


def test_a_bad_row_is_logged_once_with_its_key(caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
    """However often it is read."""
    stored = caller.add_memory("s", [Message(role="user", content="x", metadata={"a": 1}) for _ in range(3)])
    caller.tables.run(f"UPDATE zep_messages SET metadata = '{{bad {CANARY}' WHERE seq = 2")
    for _ in range(3):
        caller.list_messages("s")

    logged = [record.getMessage() for record in caplog.records if record.name.startswith("zep_memory_plugin")]
    assert len(logged) == 1
    assert str(stored[1].uuid) in logged[0] or "('s', 2)" in logged[0]
    assert CANARY not in logged[0]


def test_a_purge_process_goes_on_whatever_a_purge_raises(caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and tried again at the next interval."""

    async def purge_for_a_while() -> bool:
        task = asyncio.create_task(caller.manager.apurge_every(timedelta(milliseconds=20), timedelta(0)))
        while len([record for record in caplog.records if "purge failed" in record.getMessage()]) < 2:
            await asyncio.sleep(0.01)
            if task.done():
                return False
        caller.tables.run("ALTER TABLE zep_elsewhere RENAME TO zep_summaries")
        while caller.tables.run("SELECT count(*) FROM zep_messages") != [(0,)] and not task.done():  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.01)
        task.cancel()
        return not task.done()

    caller.add_memory("s", said("x"))
    caller.delete_session("s")
    caller.tables.run("ALTER TABLE zep_summaries RENAME TO zep_elsewhere")

    assert asyncio.run(purge_for_a_while())


def test_what_a_bad_row_has_is_embedded_no_more_than_it_can_be_read(open_caller: Open) -> None:
    """Others are, and are found by what they mean."""
    caller = open_caller(embedder=lambda texts: [[1.0, float(len(text))] for text in texts])
    fill(caller)
    caller.tables.run(of_message("metadata", quoted(JSON[0])).replace(":", r"\:"))

    results = caller.search_memory("dog", mode="semantic", limit=None)

    assert found(results) == {*expected("a"), *expected("b")}
