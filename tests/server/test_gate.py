"""What every request passes: the version, tokens, sizes; and what becomes of requests that make no sense."""

import base64
import json
import logging
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import jwt
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.server.conftest import OpenServer
from tests.support.messages import said
from zep_memory_plugin import DatabaseUnavailable, InvalidInput, SessionManager
from zep_memory_plugin.server import Settings, create_app, new_token
from zep_memory_plugin.server.logs import JsonLines

SECRET = "a secret that nobody guesses, of 32 bytes and more"
HEALTH = "http://127.0.0.1/healthz"


@pytest.fixture
def guarded(open_server: OpenServer) -> TestClient:
    """Return a client without a token of a server that asks for one."""
    return open_server(secret=SECRET)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def unsigned() -> str:
    """Return a token that says it needs no signature."""
    parts = ({"alg": "none", "typ": "JWT"}, {})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def test_health_is_one_dot_whoever_asks(guarded: TestClient) -> None:
    answer = guarded.get(HEALTH)

    assert (answer.status_code, answer.text) == (200, ".")


@pytest.mark.parametrize("path", ["/sessions", "/nix", "http://127.0.0.1/healthz", "http://127.0.0.1/", "/sessions/a"])
@pytest.mark.parametrize("secret", [None, SECRET])
def test_every_answer_says_its_version(open_server: OpenServer, secret: str | None, path: str) -> None:
    version = open_server(secret=secret).get(path).headers["x-zep-version"]

    numbers, _, ours = version.partition("-")
    assert tuple(map(int, numbers.split("."))) >= (0, 21, 0)
    assert ours
    assert "dev" not in version


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({}, "no token found"),
        ({"authorization": new_token(SECRET)}, "no token found"),
        (bearer("nonsense"), "token is unauthorized"),
        (bearer(new_token(SECRET + "x")), "token is unauthorized"),
        (bearer(unsigned()), "token is unauthorized"),
        (bearer(new_token(SECRET).rpartition(".")[0] + "."), "token is unauthorized"),
        (bearer(jwt.encode({}, SECRET * 2, algorithm="HS512")), "token is unauthorized"),
        (bearer(new_token(SECRET, expires_in=timedelta(seconds=-1))), "token is expired"),
        (bearer(jwt.encode({"nbf": 2**33}, SECRET)), "token nbf validation failed"),
        ({"cookie": "jwt=nonsense"}, "token is unauthorized"),
    ],
)
def test_without_a_good_token_nothing_is_let_in(guarded: TestClient, headers: dict, problem: str) -> None:
    for method, path in (("GET", "/sessions"), ("POST", "/sessions/a/memory"), ("DELETE", "/user/u"), ("GET", "/nix")):
        answer = guarded.request(method, path, headers=headers)
        assert (answer.status_code, answer.text) == (401, f"{problem}\n")


@pytest.mark.parametrize(
    "path", ["//api/v1/sessions", "/%61pi/v1/sessions", "/api/v1//sessions", "/x/../api/v1/sessions"]
)
def test_no_other_way_to_write_a_path_leads_around_the_token(guarded: TestClient, path: str) -> None:
    assert guarded.get(f"http://127.0.0.1{path}").status_code in (401, 404)


@pytest.mark.parametrize(
    "settings", [{"secret": ""}, {"secret": " "}, {"host": "0.0.0.0"}, {"host": "memory"}], ids=repr
)
def test_what_would_let_anybody_in_unasked_is_not_even_made(manager: SessionManager, settings: dict) -> None:
    """A secret that a program forgot to set signs the tokens of everybody."""
    with pytest.raises(InvalidInput, match=next(iter(settings))):
        create_app(Settings(**settings), manager)


@pytest.fixture
def mounted(manager: SessionManager) -> Iterator[TestClient]:
    """Return a client of a program that has a server, which asks for a token, below a path of its own."""
    program = FastAPI()
    program.mount("/memory", create_app(Settings(secret=SECRET, purge_every=None), manager))
    with TestClient(program, base_url="http://program/memory", follow_redirects=False) as client:
        yield client


@pytest.mark.parametrize("path", ["/api/v1/sessions", "/%61pi/v1/sessions", "/api/v1/nix"])
def test_within_another_program_nothing_is_let_in_without_a_token_either(mounted: TestClient, path: str) -> None:
    assert [mounted.request(method, path).status_code for method in ("GET", "POST", "DELETE")] == [401] * 3
    assert mounted.get("/admin/").headers["location"] == "/memory/admin/login"
    assert mounted.get("/healthz").text == "."


def test_within_another_program_an_id_with_a_slash_is_one_too(mounted: TestClient, manager: SessionManager) -> None:
    manager.add_memory("a/b", said("one"))

    answer = mounted.get("/api/v1/sessions/a%2Fb", headers=bearer(new_token(SECRET)))

    assert (answer.status_code, answer.json()["session_id"]) == (200, "a/b")


@pytest.mark.parametrize(
    "headers",
    [
        bearer(new_token(SECRET)),
        {"authorization": f"bearer {new_token(SECRET)}"},
        bearer(new_token(SECRET, expires_in=timedelta(hours=1))),
        bearer(jwt.encode({"sub": 7, "aud": "someone", "iss": "x"}, SECRET)),
        {"cookie": f"jwt={new_token(SECRET)}"},
    ],
)
def test_a_good_token_may_do_everything(guarded: TestClient, headers: dict) -> None:
    assert guarded.get("/sessions", headers=headers).json() == []


@pytest.mark.parametrize("path", ["/sessions", "http://127.0.0.1/admin/", "http://127.0.0.1/openapi.json"])
def test_without_tokens_the_server_goes_by_no_name_but_its_machines(open_server: OpenServer, path: str) -> None:
    """A page may give its own name the address of this machine, and would then be a part of this server."""
    server = open_server()

    for ours in ("127.0.0.1", "localhost", "LOCALHOST:8000", "[::1]:8000"):
        assert server.get(path, headers={"host": ours}).status_code == 200
    for strange in ("evil.example", "127.0.0.1.evil.example:8000", "localhost@evil.example", "10.0.0.1", "[::1", ""):
        answer = server.get(path, headers={"host": strange})
        assert (answer.status_code, answer.text.split(",")[0]) == (403, "without tokens")


def test_nothing_is_written_by_a_strange_name(server: TestClient, manager: SessionManager) -> None:
    manager.add_memory("a", said("one"))
    strange = {"host": "evil.example"}

    assert server.post("/sessions", json={"session_id": "b"}, headers=strange).status_code == 403
    assert server.delete("/sessions/a/memory", headers=strange).status_code == 403
    assert [session.session_id for session in manager.list_sessions()] == ["a"]


@pytest.mark.parametrize(
    "settings", [{"secret": SECRET}, {"anonymous": True}, {"host": "10.0.0.1", "anonymous": True}], ids=str
)
def test_where_anybody_may_ask_or_shows_a_token_a_name_does_not_matter(open_server: OpenServer, settings: dict) -> None:
    headers = {"host": "memory.example", **bearer(new_token(SECRET))}

    assert open_server(**settings).get("/sessions", headers=headers).json() == []


def test_health_is_answered_by_any_name(server: TestClient) -> None:
    assert server.get(HEALTH, headers={"host": "probe.example"}).text == "."


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'"x"', b"1" * 5000])
@pytest.mark.parametrize(
    "request_line", ["POST /sessions", "PATCH /sessions/a", "POST /sessions/a/memory", "POST /user"]
)
def test_a_body_that_is_none_is_the_clients_fault(server: TestClient, request_line: str, body: bytes) -> None:
    method, path = request_line.split()

    answer = server.request(method, path, content=body, headers={"content-type": "application/json"})

    assert answer.status_code in (400, 404)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_refused(open_server: OpenServer, chunked: bool) -> None:
    server = open_server(max_request_size=1000)

    def body() -> Iterator[bytes]:
        yield from [b"x" * 600] * 2

    answer = server.post(
        "/sessions", content=body() if chunked else b"x" * 1200, headers={"content-type": "application/json"}
    )

    assert answer.status_code == 413
    assert answer.text.startswith("request body too large")


def test_a_body_of_6_megabytes_is_refused_as_zep_does(server: TestClient) -> None:
    answer = server.post("/sessions/a/memory", json={"messages": [{"role": "human", "content": "x" * 6_000_000}]})

    assert (answer.status_code, answer.text[:22]) == (413, "request body too large")
    assert server.get("/sessions").json() == []


def test_the_wrong_verb_and_an_unknown_path_are_refused(server: TestClient) -> None:
    wrong = server.delete("/sessions/a")
    unknown = server.get("/nix")

    assert (wrong.status_code, wrong.text) == (405, "")
    assert (unknown.status_code, unknown.text) == (404, "404 page not found\n")


def test_a_database_that_is_away_is_said_so(tmp_path: Path) -> None:
    app = create_app(Settings(database=f"sqlite:///{tmp_path / 'missing' / 'zep.db'}", purge_every=None))

    with TestClient(app, base_url="http://127.0.0.1") as client:
        answer = client.get("/api/v1/sessions")

    assert (answer.status_code, answer.text) == (503, "the database is not available\n")
    assert answer.headers["retry-after"]


def test_what_was_not_expected_says_nothing(server: TestClient, manager: SessionManager) -> None:
    server.app.state.manager = object()  # type: ignore[attr-defined]  # a fault of our own

    answer = server.get("/sessions")

    assert (answer.status_code, answer.text) == (500, "")
    assert "x-zep-version" in answer.headers


def test_the_log_has_a_line_for_each_request_and_no_text(server: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="zep_memory_plugin"):
        server.post("/sessions/a/memory", json={"messages": [{"role": "human", "content": "a secret"}]})
        server.post("/sessions/a/memory", json={"messages": [{"role": 7, "content": "a secret"}]})
        server.post("/sessions/a/search?limit=1", json={"text": "a secret"})

    lines = [json.loads(JsonLines().format(record)) for record in caplog.records if hasattr(record, "request")]
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [
        ("POST", "/api/v1/sessions/a/memory", 200),
        ("POST", "/api/v1/sessions/a/memory", 400),
        ("POST", "/api/v1/sessions/a/search", 200),
    ]
    assert not re.search("secret", json.dumps(lines) + caplog.text)


def test_an_error_is_logged_with_where_it_came_from_and_not_what_it_says() -> None:
    try:
        raise DatabaseUnavailable("a secret")
    except DatabaseUnavailable as error:
        record = logging.LogRecord(
            "x", logging.ERROR, __file__, 1, "failed", (), (type(error), error, error.__traceback__)
        )

    line = JsonLines().format(record)

    assert "DatabaseUnavailable" in line
    assert __name__.rpartition(".")[2] in line


def test_what_is_deleted_is_purged_at_the_start(open_server: OpenServer, manager: SessionManager) -> None:
    server = open_server()
    server.post("/sessions/a/memory", json={"messages": [{"role": "human", "content": "hi"}]})
    server.delete("/sessions/a/memory")
    open_server(purge_every=timedelta(minutes=60))

    for _ in range(200):
        if not manager.list_sessions(deleted=True):
            break
        server.get("/sessions")

    assert server.post("/sessions", json={"session_id": "a"}).status_code == 201
