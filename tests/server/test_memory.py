"""Memory, messages, search and users over HTTP, as Zep's own server has them."""

import uuid

import pytest
from starlette.testclient import TestClient

from zep_memory_plugin import SessionManager, Summary

ONE = "00000000-0000-4000-8000-000000000001"


def said(*contents: str, **fields: object) -> dict:
    """Return the body of an append of *contents*, said in turn by a human and an AI."""
    roles = ("human", "ai")
    return {
        "messages": [
            {"role": roles[number % 2], "content": content, **fields} for number, content in enumerate(contents)
        ]
    }


def contents(server: TestClient, query: str = "") -> list[str]:
    """Return what the memory of the session "a" holds."""
    return [message["content"] for message in server.get(f"/sessions/a/memory{query}").json()["messages"]]


def test_a_write_creates_the_session(server: TestClient) -> None:
    answer = server.post("/sessions/a/memory", json=said("one", "two"))

    assert (answer.status_code, answer.text) == (200, "OK")
    session = server.get("/sessions/a").json()
    assert (session["metadata"], session["user_id"]) == (None, None)
    assert contents(server) == ["one", "two"]


def test_a_message_is_answered_with_its_fields(server: TestClient) -> None:
    given = {"role": "human", "content": "hi", "uuid": ONE, "metadata": {"x": 1}, "created_at": "2024-05-01T12:00:00Z"}
    server.post("/sessions/a/memory", json={"messages": [given]})

    (message,) = server.get("/sessions/a/memory").json()["messages"]

    assert message == given | {"token_count": 1, "updated_at": "2024-05-01T12:00:00Z"}


@pytest.mark.parametrize(
    "nothing", [{}, {"uuid": str(uuid.UUID(int=0)), "created_at": "0001-01-01T00:00:00Z", "token_count": 0}]
)
def test_what_a_client_sends_for_nothing_is_nothing(server: TestClient, nothing: dict) -> None:
    server.post("/sessions/a/memory", json={"messages": [{"role": None, **nothing}, {"content": None}], "summary": {}})

    first, second = server.get("/sessions/a/memory").json()["messages"]

    assert [(message["role"], message["content"]) for message in (first, second)] == [("", "")] * 2
    assert str(uuid.UUID(int=0)) not in (first["uuid"], second["uuid"])
    assert first["created_at"] > "2024"


def test_the_window_is_the_newest_12_unless_told(server: TestClient) -> None:
    server.post("/sessions/a/memory", json=said(*map(str, range(30))))

    newest = list(map(str, range(30)))
    assert contents(server) == contents(server, "?lastn=0") == contents(server, "?lastn=") == newest[-12:]
    assert contents(server, "?lastn=3") == newest[-3:]
    assert contents(server, "?lastn=40") == newest
    for wrong in ("-1", "x"):
        assert server.get(f"/sessions/a/memory?lastn={wrong}").status_code == 400


def test_a_summary_comes_with_what_follows_it(server: TestClient, manager: SessionManager) -> None:
    server.post("/sessions/a/memory", json=said("one", "two", "three"))
    _, two, _ = manager.list_messages("a")
    manager.add_summary("a", Summary(content="counting", metadata={"x": 1}), until_uuid=two.uuid)

    memory = server.get("/sessions/a/memory").json()

    assert [message["content"] for message in memory["messages"]] == ["three"]
    assert memory["summary"]["content"] == "counting"
    assert memory["summary"]["recent_message_uuid"] == str(two.uuid)
    assert memory["summary"]["metadata"] == {"x": 1}
    assert contents(server, "?lastn=2") == ["two", "three"]


def test_a_summary_outlives_the_message_that_it_ends_with(server: TestClient, manager: SessionManager) -> None:
    server.post("/sessions/a/memory", json=said("one", "two"))
    one, _ = manager.list_messages("a")
    manager.add_summary("a", Summary(content="counting"), until_uuid=one.uuid)
    manager.delete_messages("a", [one.uuid or ""])

    assert server.get("/sessions/a/memory").json()["summary"]["recent_message_uuid"] == str(uuid.UUID(int=0))


def test_the_memory_of_what_is_not_there_is_empty(server: TestClient) -> None:
    server.post("/sessions/a/memory", json=said("one"))
    server.delete("/sessions/a/memory")

    assert server.get("/sessions/a/memory").json() == server.get("/sessions/b/memory").json() == {"messages": []}


def test_a_known_uuid_gets_the_new_content(server: TestClient) -> None:
    server.post("/sessions/a/memory", json=said("old", uuid=ONE))
    server.post("/sessions/a/memory", json=said("next"))

    assert server.post("/sessions/a/memory", json=said("new", uuid=ONE)).text == "OK"

    assert contents(server) == ["new", "next"]


def test_a_write_of_no_messages_over_http_does_nothing(server: TestClient) -> None:
    for body in ({}, {"messages": None}, {"messages": []}):
        assert server.post("/sessions/a/memory", json=body).text == "OK"

    assert server.get("/sessions/a").status_code == 404


@pytest.mark.parametrize(
    "bad",
    [
        {"uuid": "x"},
        {"created_at": "yesterday"},
        {"role": 7},
        {"content": []},
        {"metadata": "x"},
        {"token_count": -1},
        {"token_count": "1"},
        {"role": "x" * 65},
    ],
)
def test_a_bad_message_over_http_keeps_the_whole_batch_out(server: TestClient, bad: dict) -> None:
    body = {"messages": [{"role": "human", "content": "secret"}, {"role": "human", "content": "secret", **bad}]}

    answer = server.post("/sessions/a/memory", json=body)

    assert answer.status_code == 400
    assert "secret" not in answer.text
    assert server.get("/sessions/a").status_code == 404


def test_a_deleted_session_is_gone_until_it_is_written_to(server: TestClient) -> None:
    server.post("/sessions", json={"session_id": "a", "metadata": {"x": 1}})
    server.post("/sessions/a/memory", json=said("old", metadata={"old": 1}))
    before = server.get("/sessions/a").json()

    assert server.delete("/sessions/a/memory").text == "OK"
    assert server.delete("/sessions/a/memory").status_code == server.delete("/sessions/b/memory").status_code == 404
    assert server.get("/sessions/a/messages").json() == {"messages": [], "total_count": 0, "row_count": 0}
    assert server.post("/sessions/a/search", json={"text": "old"}).json() == []
    server.post("/sessions/a/memory", json=said("new"))

    after = server.get("/sessions/a").json()
    assert {**after, "updated_at": None} == {**before, "updated_at": None}
    assert contents(server) == ["new"]
    assert server.post("/sessions/a/search", json={"text": "old"}).json() == []


def test_messages_come_in_numbered_pages(server: TestClient) -> None:
    server.post("/sessions/a/memory", json=said(*map(str, range(5))))

    def page(query: str) -> tuple[list[str], int, int]:
        answer = server.get(f"/sessions/a/messages{query}").json()
        return [message["content"] for message in answer["messages"]], answer["total_count"], answer["row_count"]

    assert page("?limit=2&cursor=1") == page("?limit=2") == page("?limit=2&cursor=0") == (["0", "1"], 5, 2)
    assert page("?limit=2&cursor=3") == (["4"], 5, 1)
    assert page("?limit=2&cursor=9") == ([], 5, 0)
    assert page("") == (list("01234"), 5, 5)


def test_one_message_is_read_and_its_metadata_merged(server: TestClient) -> None:
    server.post("/sessions/a/memory", json=said("hi", uuid=ONE, metadata={"x": 1, "system": {"intent": "greet"}}))
    path = f"/sessions/a/messages/{ONE}"
    before = server.get(path).json()

    answer = server.patch(path, json={"metadata": {"y": 2, "system": None}, "role": "ai", "content": "changed"})

    assert answer.json()["metadata"] == {"x": 1, "y": 2, "system": {"intent": "greet"}}
    assert {**answer.json(), "metadata": 0, "updated_at": 0} == {**before, "metadata": 0, "updated_at": 0}
    assert server.patch(path, json={}).json()["token_count"] == before["token_count"]
    assert server.patch(path, json={"metadata": {}}).status_code == 200


def test_a_patch_that_calls_itself_text_is_read_as_json(server: TestClient) -> None:
    server.post("/sessions/a/memory", json=said("hi", uuid=ONE))

    answer = server.patch(
        f"/sessions/a/messages/{ONE}", content='{"metadata": {"x": 1}}', headers={"content-type": "text/plain"}
    )

    assert answer.json()["metadata"] == {"x": 1}


def test_a_post_of_a_strange_page_is_refused(server: TestClient) -> None:
    answer = server.post(
        "/sessions", content='{"session_id": "a"}', headers={"content-type": "text/plain", "origin": "http://evil"}
    )

    assert answer.status_code == 400
    assert server.get("/sessions/a").status_code == 404


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_a_message_that_is_not_there_is_not_found(server: TestClient, method: str) -> None:
    server.post("/sessions/a/memory", json=said("hi", uuid=ONE))
    server.post("/sessions/b/memory", json=said("hi"))

    def status(path: str) -> int:
        return server.request(method, f"/sessions/{path}", json={"metadata": {"x": 1}}).status_code

    assert status(f"b/messages/{ONE}") == status(f"a/messages/{uuid.uuid4()}") == status(f"c/messages/{ONE}") == 404
    assert status("a/messages/x") == 400


def test_a_search_is_of_one_session_and_best_first(server: TestClient) -> None:
    server.post("/sessions/a/memory", json=said("I like Lisbon", "Lisbon it is", "the weather is fine"))
    server.post("/sessions/b/memory", json=said("I like Lisbon"))

    results = server.post("/sessions/a/search", json={"text": "Lisbon", "metadata": None}).json()

    assert {result["message"]["content"] for result in results[:2]} == {"I like Lisbon", "Lisbon it is"}
    assert results[0]["dist"] >= results[1]["dist"] > 0
    assert {key for result in results for key in result} == {"message", "summary", "metadata", "dist", "embedding"}
    assert server.post("/sessions/c/search", json={"text": "Lisbon"}).json() == []


def test_a_search_is_filtered_by_metadata_and_dates(server: TestClient) -> None:
    for number, mood in enumerate(("glad", "sad", "glad")):
        moment = f"2024-05-0{number + 1}T12:00:00Z"
        server.post("/sessions/a/memory", json=said(f"day {number}", metadata={"mood": mood}, created_at=moment))

    def days(**metadata: object) -> list[str]:
        found = server.post("/sessions/a/search", json={"metadata": metadata}).json()
        return [result["message"]["content"] for result in found]

    glad = {"jsonpath": '$[*] ? (@.mood == "glad")'}
    assert days(where=glad) == ["day 2", "day 0"]
    assert days(where=glad, start_date="2024-05-02") == ["day 2"]
    assert days(start_date="2024-05-02", end_date="2024-05-02T13:00:00+00:00") == ["day 1"]
    assert days(where={"or": [glad, {"and": [{"jsonpath": '$.mood ? (@ == "sad")'}]}]}) == ["day 2", "day 1", "day 0"]
    assert days(foo="ignored") == ["day 2", "day 1", "day 0"]


def test_the_limit_of_a_search_is_10_and_none_when_negative(server: TestClient) -> None:
    server.post("/sessions/a/memory", json=said(*["Lisbon"] * 15))

    def count(query: str, **body: object) -> int:
        return len(server.post(f"/sessions/a/search{query}", json={"text": "Lisbon", **body}).json())

    assert [count(query) for query in ("", "?limit=0", "?limit=3", "?limit=-1")] == [10, 10, 3, 15]
    assert count("?limit=3", search_type="mmr", mmr_lambda=0) == count("?limit=3", search_type="odd") == 3


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("", {}),
        ("", {"text": ""}),
        ("?limit=x", {"text": "x"}),
        ("", {"text": "x", "search_scope": "odd"}),
        ("", {"metadata": {"start_date": "never"}}),
        ("", {"metadata": {"end_date": 7}}),
        ("", {"metadata": {"where": "x"}}),
        ("", {"metadata": {"where": {"jsonpath": "nonsense"}}}),
        ("", {"text": "x", "search_type": "mmr", "mmr_lambda": 7}),
        ("", {"metadata": {"x": 1}, "search_type": "mmr"}),
    ],
)
def test_a_search_that_makes_no_sense_is_the_clients_fault(server: TestClient, query: str, body: dict) -> None:
    assert server.post(f"/sessions/a/search{query}", json=body).status_code == 400


def test_a_search_of_summaries_has_summaries(server: TestClient, manager: SessionManager) -> None:
    server.post("/sessions/a/memory", json=said("one"))
    manager.add_summary("a", Summary(content="of Lisbon"))

    (result,) = server.post("/sessions/a/search", json={"text": "Lisbon", "search_scope": "summary"}).json()

    assert (result["message"], result["summary"]["content"]) == (None, "of Lisbon")


def test_a_user_is_added_read_changed_and_erased(server: TestClient) -> None:
    added = server.post("/user", json={"user_id": "u", "email": "e", "first_name": "", "metadata": {"system": 1}})
    assert added.status_code == 201
    assert list(added.json()) == [
        "uuid",
        "id",
        "created_at",
        "updated_at",
        "deleted_at",
        "user_id",
        "email",
        "metadata",
    ]
    assert server.get("/user/u").json() == added.json()
    taken = server.post("/user", json={"user_id": "u"})
    assert (taken.status_code, taken.text) == (400, "bad request: user already exists with user_id: u\n")
    assert server.post("/user", json={"user_id": ""}).status_code == 400

    changed = server.patch("/user/u", json={"user_id": "v", "email": "", "last_name": "L", "metadata": {"system": 2}})

    assert (changed.json()["user_id"], changed.json()["email"], changed.json()["last_name"]) == ("u", "e", "L")
    assert changed.json()["metadata"] == {"system": 2}
    assert server.patch("/user/u", json={"metadata": {}}).status_code == 200
    server.post("/sessions", json={"session_id": "a", "user_id": "u"})
    assert server.delete("/user/u").text == "OK"
    for path in ("/user/u", "/sessions/a"):
        assert server.get(path).status_code == 404
    assert server.delete("/user/u").status_code == server.patch("/user/u", json={}).status_code == 404
    assert server.post("/user", json={"user_id": "u"}).status_code == 201


def test_what_is_held_is_not_deleted_over_http(server: TestClient, manager: SessionManager) -> None:
    server.post("/sessions/a/memory", json=said("kept"))
    manager.hold_session("a")

    answer = server.delete("/sessions/a/memory")

    assert (answer.status_code, answer.text.split(";")[0]) == (409, "conflict: session 'a' is held")
    assert contents(server) == ["kept"]
