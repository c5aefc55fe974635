"""The chat service of `examples/fastapi_chat.py`, over HTTP: users, streams, a side bar, search, and a trash."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType
from uuid import uuid4

import httpx
import pytest

from tests.clients.serving import PATIENCE, await_answer, free_port
from tests.support.examples import EXAMPLES
from zep_memory_plugin import SessionManager

USERS, SESSIONS, QUESTIONS = 20, 2, 5
"""200 streams in all."""


@pytest.fixture
def service(database_url: str) -> Iterator[str]:
    """Return the URL of the service, with two workers, once on SQLite and once on Postgres."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(EXAMPLES), "fastapi_chat:app", "--port", str(port)]
    environment = {**os.environ, "CHAT_DATABASE": database_url}
    with subprocess.Popen([*command, "--workers", "2"], env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            await_answer(f"http://127.0.0.1:{port}", process, "openapi.json")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(PATIENCE)


AS_JSON = {"Content-Type": "application/json"}


def client(service: str, user: str) -> httpx.AsyncClient:
    # Without certificates, which take longer to read than all else.
    return httpx.AsyncClient(base_url=service, headers={"X-User": user}, timeout=None, verify=False)


async def asked(service: str, user: str, session_id: str, text: str, **given: str) -> str:
    """Ask, and return the answer as it streamed in, once it is stored."""
    pieces, done = [], False
    asking = {"json": {"text": text, **given}}
    async with (
        client(service, user) as http,
        http.stream("POST", f"/sessions/{session_id}/messages", **asking) as response,
    ):
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        async for line in response.aiter_lines():
            done = done or line == "event: done"
            if line.startswith("data: ") and not done:
                pieces.append(json.loads(line[6:])["text"])
    assert done
    return "".join(pieces).strip()


async def conversation(service: str, user: str, session_id: str) -> None:
    """Ask one question after another, and look at each answer."""
    for number in range(QUESTIONS):
        text = f"{user} asks {session_id} {number}"
        assert await asked(service, user, session_id, text) == f"You said {text!r}, after {number} other question(s)."


async def transcript(service: str, user: str, session_id: str) -> list[tuple[str, str]]:
    async with client(service, user) as http:
        messages = (await http.get(f"/sessions/{session_id}/messages")).raise_for_status().json()
    return [(message["role"], message["content"].strip()) for message in messages]


@pytest.mark.timeout(600)  # on a machine that has other work
def test_two_hundred_streams_lose_and_double_and_leak_nothing(service: str, database_url: str) -> None:
    async def use() -> None:
        users = {f"user-{number}": [f"{number}-{each}" for each in range(SESSIONS)] for number in range(USERS)}
        every = [(user, session_id) for user, sessions in users.items() for session_id in sessions]
        await asyncio.gather(*(conversation(service, user, session_id) for user, session_id in every))
        for user, sessions in users.items():
            async with client(service, user) as http:
                page = (await http.get("/sessions")).raise_for_status().json()["sessions"]
            assert sorted(session["session_id"] for session in page) == sessions
            assert [session["message_count"] for session in page] == [2 * QUESTIONS] * SESSIONS
        for user, session_id in every:
            said = [text for number in range(QUESTIONS) for text in turn(f"{user} asks {session_id} {number}", number)]
            assert await transcript(service, user, session_id) == said

    asyncio.run(use())
    with SessionManager(database_url) as manager:
        stats = manager.stats()
    assert (stats.users, stats.sessions, stats.messages) == (USERS, USERS * SESSIONS, 2 * USERS * SESSIONS * QUESTIONS)


def turn(text: str, number: int) -> list[tuple[str, str]]:
    return [("user", text), ("assistant", f"You said {text!r}, after {number} other question(s).")]


def test_the_life_of_a_session(service: str) -> None:
    """It is refused to others before the first byte, found, deleted, restored; a question that is sent again is one."""

    async def use() -> None:
        once = str(uuid4())
        await asked(service, "alice", "trip", "I like Lisbon", id=once)
        await asked(service, "alice", "trip", "I like Lisbon", id=once)
        async with client(service, "mallory") as http:
            refused = [
                await http.post("/sessions/trip/messages", json={"text": "Who are you?"}),
                await http.get("/sessions/trip/messages"),
                await http.delete("/sessions/trip"),
            ]
            assert [response.status_code for response in refused] == [404, 404, 404]
            assert "trip" in refused[0].json()["detail"]
            assert (await http.get("/search", params={"q": "Lisbon"})).json() == []
        async with client(service, "alice") as http:
            assert (await http.post("/sessions/trip/messages", json={"text": ""})).status_code == 422
            assert (await http.get("/sessions", params={"limit": 0})).status_code == 422
            lone = await http.post("/sessions/trip/messages", content=r'{"text": "\ud800"}', headers=AS_JSON)
            assert lone.status_code == 422
            assert lone.json()["detail"][0]["loc"] == ["body", "text"]
            assert (await http.get("/search", params={"q": "Lisbon"})).json()[0]["session_id"] == "trip"
            assert (await http.post("/sessions", json={"session_id": "work", "title": "Work"})).status_code == 201
            page = (await http.get("/sessions", params={"limit": 1})).json()
            rest = (await http.get("/sessions", params={"limit": 1, "cursor": page["cursor"]})).json()
            assert [each["title"] for each in page["sessions"]] == ["Work"]
            assert [each["message_count"] for each in rest["sessions"]] == [2]
            assert (await http.delete("/sessions/trip")).status_code == 204
            trash = (await http.get("/sessions", params={"deleted": True})).json()["sessions"]
            assert [(each["session_id"], each["preview"]) for each in trash] == [("trip", trash[0]["preview"])]
            assert (await http.post("/sessions/trip/restore")).status_code == 200
        assert await transcript(service, "alice", "trip") == turn("I like Lisbon", 0)

    asyncio.run(use())


def example() -> ModuleType:
    specification = spec_from_file_location("fastapi_chat", EXAMPLES / "fastapi_chat.py")
    assert specification is not None
    assert specification.loader is not None
    module = module_from_spec(specification)
    sys.modules["fastapi_chat"] = module  # where FastAPI and dataclasses look for what annotations name
    specification.loader.exec_module(module)
    return module


def test_what_came_of_an_answer_is_stored_when_the_browser_goes_away(sqlite_url: str) -> None:
    module = example()

    async def use() -> list[tuple[str, object]]:
        async with SessionManager(sqlite_url) as manager:
            chat = module.Chat(manager, module.scripted)
            await manager.aadd_memory("s", [module.Message(role="user", content="Hello")])
            stream = module.answer(chat, manager, "s", uuid4(), await manager.aprompt_memory("s"))
            await anext(stream)
            await stream.aclose()
            return [(message.content, message.metadata) for message in await manager.alist_messages("s")]

    assert asyncio.run(use()) == [("Hello", None), ("You ", {"interrupted": True})]


def test_an_answer_that_is_given_again_to_its_end_is_no_longer_interrupted(sqlite_url: str) -> None:
    module = example()

    async def use() -> list[tuple[str, object]]:
        async with SessionManager(sqlite_url) as manager:
            chat, question = module.Chat(manager, module.scripted), uuid4()
            await manager.aadd_memory("s", [module.Message(role="user", content="Hello", uuid=question)])
            shown = await manager.aprompt_memory("s")
            stream = module.answer(chat, manager, "s", question, shown)
            await anext(stream)
            await stream.aclose()
            async for _ in module.answer(chat, manager, "s", question, shown):
                pass
            return [(message.content.strip(), message.metadata) for message in await manager.alist_messages("s")]

    assert asyncio.run(use()) == [("Hello", None), (turn("Hello", 0)[1][1], {"interrupted": False})]


def test_it_ends_with_its_input() -> None:
    command = [sys.executable, str(EXAMPLES / "fastapi_chat.py")]
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100, check=False)

    assert (ran.returncode, "Uvicorn running on" in ran.stderr) == (0, True)
