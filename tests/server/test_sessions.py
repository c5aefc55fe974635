"""Sessions over HTTP, as Zep's own server has them."""

import pytest
from starlette.testclient import TestClient

from zep_memory_plugin import Message, SessionManager, User


def test_a_new_session_is_answered_with_every_field(server: TestClient) -> None:
    answer = server.post("/sessions", json={"session_id": "a", "metadata": {"mood": None}, "uuid": "mine"})

    assert (answer.status_code, answer.headers["content-type"]) == (201, "application/json")
    assert list(answer.json()) == [
        "uuid",
        "id",
        "created_at",
        "updated_at",
        "deleted_at",
        "session_id",
        "metadata",
        "user_id",
    ]
    assert answer.json()["metadata"] == {"mood": None}
    assert server.get("/sessions/a").json() == answer.json()


@pytest.mark.parametrize(("given", "stored"), [({}, None), ({"metadata": None}, None), ({"metadata": {}}, {})])
def test_metadata_that_is_not_given_is_null(server: TestClient, given: dict, stored: dict | None) -> None:
    assert server.post("/sessions", json={"session_id": "a", **given}).json()["metadata"] == stored


def test_a_taken_id_is_refused_in_zeps_words(server: TestClient) -> None:
    server.post("/sessions", json={"session_id": "a"})

    answer = server.post("/sessions", json={"session_id": "a"})

    assert (answer.status_code, answer.text) == (400, "bad request: session already exists with session_id: a\n")


def test_the_id_of_a_deleted_session_is_refused_and_says_what_brings_it_back(server: TestClient) -> None:
    server.post("/sessions", json={"session_id": "a"})
    server.delete("/sessions/a/memory")

    answer = server.post("/sessions", json={"session_id": "a"})

    assert answer.status_code == 400
    assert answer.text.startswith("bad request: session already exists with session_id: a; it is deleted")


@pytest.mark.parametrize("user_id", ["nobody"])
def test_an_unknown_user_is_refused_in_zeps_words(server: TestClient, user_id: str) -> None:
    answer = server.post("/sessions", json={"session_id": "a", "user_id": user_id})

    assert answer.status_code == 400
    assert answer.text == f"bad request: user does not exist with user_id: {user_id}\n"


@pytest.mark.parametrize(
    "body", [{}, {"session_id": ""}, {"session_id": None}, {"session_id": 7}, {"session_id": "x" * 256}]
)
def test_an_id_out_of_bounds_is_the_clients_fault(server: TestClient, body: dict) -> None:
    assert server.post("/sessions", json=body).status_code == 400
    assert server.get("/sessions").json() == []


def test_an_unknown_or_deleted_session_is_not_found_over_http(server: TestClient) -> None:
    server.post("/sessions/a/memory", json={"messages": [{"role": "human", "content": "hi"}]})
    server.delete("/sessions/a/memory")

    for session_id in ("a", "b"):
        answer = server.get(f"/sessions/{session_id}")
        assert (answer.status_code, answer.text) == (404, "not found\n")


def test_an_update_merges_and_drops_what_is_the_servers_own(server: TestClient) -> None:
    server.post(
        "/sessions", json={"session_id": "a", "metadata": {"system": {"x": 1}, "deep": {"kept": 1}, "list": [1]}}
    )

    answer = server.patch(
        "/sessions/a",
        json={"session_id": "b", "user_id": "u", "metadata": {"system": 2, "deep": {"new": None}, "list": []}},
    )

    assert answer.status_code == 200
    assert answer.json()["metadata"] == {"system": {"x": 1}, "deep": {"kept": 1, "new": None}, "list": []}
    assert (answer.json()["session_id"], answer.json()["user_id"]) == ("a", None)


@pytest.mark.parametrize("body", [{}, {"metadata": None}, {"metadata": {}}, {"metadata": {"system": 1}}])
def test_an_update_without_metadata_only_touches(server: TestClient, body: dict) -> None:
    before = server.post("/sessions", json={"session_id": "a", "metadata": {"x": 1}}).json()

    after = server.patch("/sessions/a", json=body).json()

    assert after["updated_at"] > before["updated_at"]
    assert {**after, "updated_at": None} == {**before, "updated_at": None}


def test_an_update_brings_a_deleted_session_back(server: TestClient) -> None:
    server.post("/sessions", json={"session_id": "a", "metadata": {"x": 1}})
    server.delete("/sessions/a/memory")

    assert server.patch("/sessions/a", json={"metadata": {"y": 2}}).json()["metadata"] == {"x": 1, "y": 2}
    assert server.patch("/sessions/b", json={"metadata": {"y": 2}}).status_code == 404


def test_a_listing_goes_on_after_an_id(server: TestClient) -> None:
    ids = [server.post("/sessions", json={"session_id": f"s{number}"}).json()["id"] for number in range(5)]

    assert [session["session_id"] for session in server.get("/sessions?limit=2").json()] == ["s0", "s1"]
    assert [session["id"] for session in server.get(f"/sessions?limit=2&cursor={ids[1]}").json()] == ids[2:4]
    for limit in ("", "?limit=", "?limit=0", "?limit=-1", "?limit=10", "?cursor=-3"):
        assert [session["id"] for session in server.get(f"/sessions{limit}").json()] == ids
    assert server.get(f"/sessions?cursor={ids[-1]}").json() == []


@pytest.mark.parametrize("query", ["limit=x", "limit=1.5", "cursor=x", "cursor=99999999999999999999999"])
def test_a_number_that_is_none_is_the_clients_fault(server: TestClient, query: str) -> None:
    assert server.get(f"/sessions?{query}").status_code == 400


@pytest.mark.parametrize("session_id", ["a/b", "a?b", "a#b", "100%", "a%2Fb", "a b", "ä", "..", "a+b", "💬", "a/"])
def test_an_id_with_any_sign_is_one_session(server: TestClient, session_id: str) -> None:
    from urllib.parse import quote

    path = f"/sessions/{quote(session_id, safe='').replace('.', '%2E')}"
    server.post("/sessions", json={"session_id": session_id})

    assert server.post(f"{path}/memory", json={"messages": [{"role": "human", "content": "hi"}]}).text == "OK"
    assert server.get(path).json()["session_id"] == session_id
    assert [session["session_id"] for session in server.get("/sessions").json()] == [session_id]


@pytest.mark.parametrize("path", ["/sessions/%FF", "/sessions/%00", "/sessions/a%0Ab"])
def test_an_id_that_no_session_can_have_is_the_clients_fault(server: TestClient, path: str) -> None:
    assert server.get(path).status_code == 400


def test_a_slash_at_the_end_of_a_path_means_nothing(server: TestClient) -> None:
    assert server.post("/sessions/", json={"session_id": "a"}).status_code == 201
    assert server.get("/sessions/a/").json()["session_id"] == "a"


def test_a_session_of_a_user_is_listed_under_them(server: TestClient, manager: SessionManager) -> None:
    manager.add_user(User(user_id="alice"))
    manager.add_memory("a", [Message(role="human", content="hi")], user_id="alice")
    manager.add_memory("b", [Message(role="human", content="hi")], user_id="alice")
    manager.delete_session("b")

    listed = server.get("/user/alice/sessions").json()

    assert [(session["session_id"], session["id"]) for session in listed] == [("a", manager.get_session("a").id)]
    assert server.get("/user/nobody/sessions").json() == []
