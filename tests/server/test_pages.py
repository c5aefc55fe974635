"""The pages for a browser, as it asks for them: what they show, what their forms change, and whom they let in."""

import base64
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape

import jwt
import pytest
from markupsafe import escape
from starlette.testclient import TestClient

from tests.support.messages import said
from zep_memory_plugin import Message, Session, SessionManager, Summary, ToolCall, User
from zep_memory_plugin.server import Settings, create_app, new_token
from zep_memory_plugin.server.pages.contents import LARGEST_PICTURE, LONGEST_SHOWN, pieces_of
from zep_memory_plugin.server.pages.gate import POLICY
from zep_memory_plugin.server.pages.marks import excerpt
from zep_memory_plugin.server.pages.plots import HEIGHT, plotted

SECRET = "a secret that nobody guesses, of 32 bytes and more"
OURS = {"sec-fetch-site": "same-origin"}
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'><b>"
FORMS = ("session/delete", "session/restore", "session/fork", "session/rename", "user/erase", "purge", "logout")
PAGES = ("/", "/?deleted=1", "/figures", "/session?id=a", "/users", "/user?id=alice", "/search?q=one", "/purge", "/api")


def browser(manager: SessionManager, named: str = "127.0.0.1", **settings: object) -> TestClient:
    """Return a client of the pages that follows no redirect."""
    app = create_app(Settings(purge_every=None, **settings), manager)  # type: ignore[arg-type]
    return TestClient(app, base_url=f"http://{named}/admin", follow_redirects=False, headers=OURS)


@pytest.fixture
def pages(manager: SessionManager) -> Iterator[TestClient]:
    """Return a client of pages that let everybody on the machine in."""
    with browser(manager) as client:
        yield client


@pytest.fixture
def guarded(manager: SessionManager) -> Iterator[TestClient]:
    """Return a client of pages that let in who has a token."""
    with browser(manager, "server", secret=SECRET) as client:
        yield client


def luminance(colour: str) -> float:
    """Return the relative luminance of a *colour*, as WCAG 2 has it."""
    digits = colour if len(colour) == 6 else "".join(digit * 2 for digit in colour)
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21."""
    darker, brighter = sorted((luminance(one), luminance(other)))
    return (brighter + 0.05) / (darker + 0.05)


def names(html: str) -> list[str]:
    """Return the sessions, or users, that a list shows."""
    return [unescape(name) for name in re.findall(r'class="name"[^>]*>([^<]*)<', html)]


def text_of(html: str) -> str:
    """Return what a page says, without its markup."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def test_sessions_come_with_the_last_write_first(pages: TestClient, manager: SessionManager) -> None:
    for name in ("a", "b/? #%", "c"):
        manager.add_memory(name, said(name, "two"), user_id="alice")

    html = pages.get("/").text

    assert names(html) == ["c", "b/? #%", "a"]
    assert "2 messages" in text_of(html)
    assert "/admin/session?id=b%2F%3F+%23%25" in html


def test_sessions_are_filtered_by_what_the_form_says(pages: TestClient, manager: SessionManager) -> None:
    manager.add_memory("a", said("a"), user_id="alice")
    manager.add_memory("b", said("b"), user_id="bob")
    manager.update_session(Session(session_id="a", metadata={"topic": "travel", "open": True}))
    today = datetime.now(UTC).date()

    assert names(pages.get("/?user=bob").text) == ["b"]
    assert names(pages.get("/?metadata=topic%3Dtravel+open%3Dtrue").text) == ["a"]
    assert names(pages.get(f"/?from={today}&until={today}").text) == ["b", "a"]
    assert names(pages.get(f"/?until={today - timedelta(days=1)}").text) == []
    assert names(pages.get("/?deleted=1").text) == []


@pytest.mark.parametrize("query", ["metadata=topic", "from=yesterday", "until=x", "after=x", "after=1", "after=²-1"])
def test_a_filter_that_makes_no_sense_is_said_so(pages: TestClient, query: str) -> None:
    answer = pages.get(f"/?{query}")

    assert answer.status_code == 400
    assert "To the sessions" in answer.text


def test_a_page_leads_to_older_sessions(pages: TestClient, manager: SessionManager) -> None:
    for number in range(51):
        manager.add_session(Session(session_id=f"s{number:02}"))

    first = pages.get("/").text
    (older,) = re.findall(r'rel="next" href="/admin([^"]+)"', first)

    assert names(first) == [f"s{number:02}" for number in range(50, 0, -1)]
    assert names(pages.get(unescape(older)).text) == ["s00"]


def test_a_transcript_shows_all_that_a_message_has(pages: TestClient, manager: SessionManager) -> None:
    """Its reasoning, its calls, its pictures: those in the page itself, while an address is shown and not asked for."""
    picture = base64.b64encode(b"png").decode()
    native = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "I wonder"}]},
        {"type": "image", "base64": picture, "mime_type": "image/png"},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/svg+xml", "data": "PHN2Zz4="}},
    ]
    call = ToolCall(id="1", name="look_up", args={"city": "Lisbon"})
    answer = Message(
        role="assistant",
        content="Lisbon",
        tool_calls=[call],
        native_format="langchain",
        native=json.dumps({"content": native}),
    )
    result = Message(role="tool", content="sunny", name="look_up", tool_call_id="1", metadata={"ms": 5})
    stored = manager.add_memory("a", [answer, result], user_id="alice")
    manager.add_summary("a", Summary(content="They spoke of Lisbon."), until_uuid=stored[0].uuid)

    html = pages.get("/session?id=a").text

    for words in ("I wonder", "Calls look_up", '"city": "Lisbon"', "sunny", '"ms": 5', "They spoke of Lisbon."):
        assert words in text_of(html)
    assert re.findall(r'<img class="picture" src="([^"]*)"', html) == [f"data:image/png;base64,{picture}"]
    assert "https://example.org/a.png" in html
    assert html.index("I wonder") < html.index(">Lisbon<")


def test_code_stands_apart_from_words_and_is_text(pages: TestClient, manager: SessionManager) -> None:
    code = f"for x in y:\n    {HOSTILE}"
    manager.add_memory("a", said(f"Do this:\n\n```python\n{code}\n```\n\nand not `that` or ```this```."))

    html = pages.get("/session?id=a").text

    assert re.findall(r'<pre class="code">([^<]*)</pre>', html) == [escape(code)]
    assert re.findall(r'<div class="text" dir="auto">([^<]*)</div>', html) == [
        "Do this:",
        "and not `that` or ```this```.",
    ]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("words", [("words", False)]),
        ("```\nnever closed", [("never closed", True)]),
        ("a\n```\n```\nb", [("a", False), ("b", False)]),
        ("```sh\n  ls\n```\n```\nx\n```", [("  ls", True), ("x", True)]),
        ("```and more than a name\nx", [("```and more than a name\nx", False)]),
        ("```\n```", [("```\n```", False)]),
    ],
    ids=["no code", "not closed", "empty", "one after the other", "words behind", "nothing else"],
)
def test_lines_of_three_backticks_begin_and_end_code(text: str, pieces: list[tuple[str, bool]]) -> None:
    assert [(piece.text, piece.is_code) for piece in pieces_of(text)] == pieces


@pytest.mark.parametrize("native", ["", "{", "[" * 100_000, '{"type": "image"}', '{"type": ["reasoning"]}', '"x"', "5"])
def test_a_form_of_a_framework_that_is_none_hides_nothing(
    pages: TestClient, manager: SessionManager, native: str
) -> None:
    manager.add_memory("a", [Message(role="user", content="here", native_format="langchain", native=native)])

    assert "here" in text_of(pages.get("/session?id=a").text)


def test_a_transcript_begins_at_its_end_and_goes_both_ways(pages: TestClient, manager: SessionManager) -> None:
    manager.add_memory("a", said(*(f"text {number}" for number in range(1, 251))))

    def seqs(path: str) -> list[int]:
        return [int(seq) for seq in re.findall(r'id="m(\d+)"', pages.get(path).text)]

    assert seqs("/session?id=a") == list(range(151, 251))
    assert seqs("/session/earlier?id=a&before=151") == list(range(51, 151))
    assert seqs("/session?id=a&before=51") == list(range(1, 51))
    assert seqs("/session?id=a&at=20") == list(range(15, 115))
    assert seqs("/session/later?id=a&after=114") == list(range(115, 215))
    assert seqs("/session/later?id=a&after=249") == [250]
    assert "Earlier messages" not in pages.get("/session/earlier?id=a&before=51").text


def test_a_transcript_grows_while_it_is_looked_at(pages: TestClient, manager: SessionManager) -> None:
    manager.add_memory("a", said("one"))
    (later,) = re.findall(r'hx-get="/admin(/session/later[^"]+)"', pages.get("/session?id=a").text)
    nothing = pages.get(unescape(later))
    manager.add_memory("a", said("two"))

    grown = pages.get(unescape(later))

    assert (nothing.status_code, nothing.content) == (204, b"")
    assert "two" in grown.text
    assert "one" not in text_of(grown.text)
    assert "/admin/session/later?id=a&amp;after=2" in grown.text


def test_what_there_is_comes_in_numbers(pages: TestClient, manager: SessionManager) -> None:
    manager.add_memory("a", said("one", "two"), user_id="alice")

    html = pages.get("/figures").text

    assert "Sessions 1" in text_of(html)
    assert "Messages 2" in text_of(html)
    assert f"{datetime.now(UTC).date()}: 2" in html


def test_bars_begin_at_zero_and_what_is_there_is_seen() -> None:
    today = datetime.now(UTC).date()

    plot = plotted({today - timedelta(days=back): count for back, count in ((2, 0), (1, 1), (0, 1000))})

    assert [bar.height for bar in plot.bars] == [0, 2, HEIGHT]
    assert [bar.y + bar.height for bar in plot.bars] == [HEIGHT] * 3
    assert (plot.most, plot.total) == (1000, 1001)
    assert plotted({today: 0}).bars[0].height == 0


def test_users_are_listed_and_one_shown_with_their_sessions(pages: TestClient, manager: SessionManager) -> None:
    manager.add_user(User(user_id="alice", first_name="Alice", email="alice@example.org", metadata={"plan": "team"}))
    manager.add_memory("a", said("one"), user_id="alice")
    manager.add_memory("b", said("one"), user_id="bob")

    user = pages.get("/user?id=alice").text

    assert names(pages.get("/users").text) == ["alice", "bob"]
    assert names(user) == ["a"]
    assert "alice@example.org" in user


def test_users_come_page_by_page(pages: TestClient, manager: SessionManager) -> None:
    for number in range(51):
        manager.add_user(User(user_id=f"u{number:02}"))

    (more,) = re.findall(r'rel="next" href="/admin([^"]+)"', pages.get("/users").text)

    assert names(pages.get(more).text) == ["u50"]


def test_a_search_marks_the_words_and_leads_to_the_message(pages: TestClient, manager: SessionManager) -> None:
    manager.add_memory("a", said("The flights are cheap.", "Fine."), user_id="alice")

    html = pages.get("/search?q=flight").text

    assert "The <mark>flights</mark> are cheap." in html
    assert "/admin/session?id=a&amp;at=1#m1" in html
    assert "<mark>" not in pages.get("/search?q=flight&user=bob").text
    assert "<mark>" in pages.get("/search?q=flight&session=a").text
    assert pages.get("/search").status_code == 200


def test_of_a_long_text_the_part_around_the_first_word_is_shown() -> None:
    text = f"{'a ' * 5_000}zebra {'b ' * 5_000}"
    start = text.index("zebra")

    shown = excerpt(text, [(start, start + 5)])

    assert [part.text for part in shown if part.is_marked] == ["zebra"]
    assert sum(len(part.text) for part in shown) < 1_000
    assert (shown[0].text, shown[-1].text) == ("… ", " …")


def test_forms_delete_restore_fork_and_rename(pages: TestClient, manager: SessionManager) -> None:
    stored = manager.add_memory("a b", said("one", "two"), user_id="alice")

    deleted = pages.post("/session/delete", data={"id": "a b"})
    listed = pages.get("/?deleted=1").text
    undo = pages.get(deleted.headers["location"].removeprefix("/admin")).text
    restored = pages.post("/session/restore", data={"id": "a b"})
    forked = pages.post("/session/fork", data={"id": "a b", "new": "copy", "until": str(stored[0].uuid)})
    renamed = pages.post("/session/rename", data={"id": "a b", "new": "ä&b"})

    assert names(listed) == ["a b"]
    assert '<input type="hidden" name="id" value="a b">' in undo
    assert [answer.status_code for answer in (deleted, restored, forked, renamed)] == [303] * 4
    assert renamed.headers["location"] == "/admin/session?id=%C3%A4%26b&done=renamed"
    assert manager.count_messages(["a b", "copy", "ä&b"]) == {"a b": 0, "copy": 1, "ä&b": 2}


def test_a_session_is_forked_from_a_message_on(pages: TestClient, manager: SessionManager) -> None:
    manager.add_memory("a b", said("one", "two", "three"))
    (_, second, _) = re.findall(r'href="/admin(/session/fork[^"]+)"', pages.get("/session?id=a+b").text)

    form = pages.get(unescape(second)).text
    fields = dict(re.findall(r'name="(id|until|new)"[^>]*value="([^"]*)"', form))
    pages.post("/session/fork", data=fields)

    assert "Fork up to message #2" in form
    assert [message.content for message in manager.list_messages("a b-2")] == ["one", "two"]
    assert pages.get("/session/fork?id=a+b&until=x").status_code == 404


def test_of_what_is_too_long_for_a_page_the_beginning_is_shown(pages: TestClient, manager: SessionManager) -> None:
    """A picture, too, is named rather than shown where it is too large."""
    picture = json.dumps({"content": [{"type": "image", "base64": "A" * LARGEST_PICTURE, "mime_type": "image/png"}]})
    long = "x" * (LONGEST_SHOWN + 5)
    manager.add_memory("a", [Message(role="user", content=long, native_format="langchain", native=picture)])

    html = pages.get("/session?id=a").text

    assert "x… and 5 more characters" in html
    assert "<img class=" not in html
    assert len(html) < 2 * LONGEST_SHOWN


def test_forms_erase_and_purge_for_good(pages: TestClient, manager: SessionManager) -> None:
    manager.add_memory("a", said("one"), user_id="alice")
    manager.add_memory("b", said("one", "two"))
    manager.delete_session("b")

    before = text_of(pages.get("/purge?days=0").text)
    kept = pages.get("/purge?days=7").text
    pages.post("/purge", data={"days": "0"})
    pages.post("/user/erase", data={"id": "alice"})

    assert "Purge 3 rows for good" in before
    assert "disabled" in kept
    assert manager.stats().model_dump(include={"users", "sessions", "deleted_sessions", "messages"}) == {
        "users": 0,
        "sessions": 0,
        "deleted_sessions": 0,
        "messages": 0,
    }


@pytest.mark.parametrize(
    ("path", "form", "status"),
    [
        ("/session/delete", {"id": "nix"}, 404),
        ("/session/delete", {}, 400),
        ("/session/restore", {"id": "nix"}, 404),
        ("/session/fork", {"id": "a", "new": "a"}, 400),
        ("/session/rename", {"id": "a", "new": "b"}, 409),
        ("/session/rename", {"id": "a", "new": ""}, 400),
        ("/user/erase", {"id": "nix"}, 404),
        ("/purge", {"days": "-1"}, 400),
        ("/purge", {f"f{number}": "x" for number in range(30)}, 400),
    ],
)
def test_a_form_that_cannot_be_done_is_said_so(
    pages: TestClient, manager: SessionManager, path: str, form: dict[str, str], status: int
) -> None:
    manager.add_memory("a", said("one"))
    manager.add_memory("b", said("one"))

    answer = pages.post(path, data=form)

    assert answer.status_code == status
    assert "To the sessions" in answer.text
    assert manager.count_messages(["a", "b"]) == {"a": 1, "b": 1}


def test_an_unknown_page_is_one_of_ours(pages: TestClient) -> None:
    assert "To the sessions" in pages.get("/nix").text
    assert pages.get("/nix").status_code == 404
    assert pages.get("/session?id=nix").status_code == 404
    assert pages.get("http://127.0.0.1/admin").headers["location"] == "/admin/"


def fill_with(manager: SessionManager, text: str) -> None:
    """Store *text* wherever somebody may have written it."""
    name = text.replace("\n", " ")
    manager.add_user(User(user_id=name, first_name=text, email=text, metadata={text: text}))
    call = ToolCall(id="1", name=text, args={text: text})
    native = json.dumps({"content": [{"type": "reasoning", "text": text}, {"type": "image", "url": text}]})
    message = {"content": text, "name": text[:64], "native_format": "langchain", "native": native}
    messages = [Message(role=role, **message, metadata={text: text}, tool_calls=[call]) for role in ("user", "tool")]
    stored = manager.add_memory(name, messages, user_id=name)
    manager.add_summary(name, Summary(content=text), until_uuid=stored[0].uuid)
    manager.update_session(Session(session_id=name, metadata={text: text}))
    manager.add_memory(f"gone {name}", messages)
    manager.delete_session(f"gone {name}")


@pytest.mark.parametrize("path", PAGES)
def test_what_was_said_is_text_on_every_page(pages: TestClient, manager: SessionManager, path: str) -> None:
    fill_with(manager, HOSTILE)
    query = {"id": HOSTILE} if "id=" in path else {"q": f"script {HOSTILE}"} if "q=" in path else {}

    html = pages.get(path.partition("?")[0], params={"deleted": "1" if "deleted" in path else "", **query}).text

    assert "<script>" not in html
    assert "<img src=x" not in html
    assert not re.search(r"\son\w+=|\sstyle=|javascript:", re.sub(r"&[^;]+;[^<]*", "", html))


def test_half_a_character_is_shown_as_a_question_mark(pages: TestClient, manager: SessionManager) -> None:
    native = json.dumps({"content": [{"type": "thinking", "thinking": "so \ud800 it is"}]})
    manager.add_memory("a", [Message(role="user", content="x", native_format="langchain", native=native)])

    assert "so ? it is" in pages.get("/session?id=a").text


@pytest.mark.parametrize("path", [*PAGES, "/nix", "/files/pages.css"])
def test_every_answer_tells_the_browser_what_not_to_do(pages: TestClient, manager: SessionManager, path: str) -> None:
    manager.add_memory("a", said("one"), user_id="alice")

    answer = pages.get(path)

    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == ("public, max-age=86400" if "files" in path else "no-store")


@pytest.mark.parametrize("path", PAGES)
def test_who_is_not_in_is_asked_to_log_in(guarded: TestClient, path: str) -> None:
    asked = guarded.get(path)
    part = guarded.get(path, headers={"hx-request": "true"})

    assert asked.status_code == 303
    assert asked.headers["location"].startswith("/admin/login")
    assert part.headers["hx-redirect"] == "/admin/login"


@pytest.mark.parametrize("path", FORMS)
def test_no_form_is_taken_from_who_is_not_in(guarded: TestClient, manager: SessionManager, path: str) -> None:
    manager.add_memory("a", said("one"), user_id="alice")

    answer = guarded.post(f"/{path}", data={"id": "a", "new": "b", "days": "0"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/login")
    assert manager.count_messages(["a"]) == {"a": 1}


def test_a_token_lets_in_until_somebody_logs_out(guarded: TestClient) -> None:
    entered = guarded.post("/login", data={"token": new_token(SECRET), "next": "/users?after=1"})
    cookie = entered.headers["set-cookie"]
    inside = guarded.get("/users")
    left = guarded.post("/logout")

    assert entered.headers["location"] == "/admin/users?after=1"
    assert {"HttpOnly", "Path=/admin", "SameSite=strict"} <= {*cookie.split("; ")}
    assert inside.status_code == 200
    assert left.headers["location"] == "/admin/login"
    assert guarded.get("/users").status_code == 303


def test_over_tls_the_cookie_stays_there(manager: SessionManager) -> None:
    with TestClient(
        create_app(Settings(secret=SECRET, purge_every=None), manager), base_url="https://server"
    ) as client:
        entered = client.post("/admin/login", data={"token": new_token(SECRET)}, headers=OURS, follow_redirects=False)

    assert "Secure" in entered.headers["set-cookie"].split("; ")


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        ("", "no token"),
        ("nonsense", "unauthorized"),
        (new_token(SECRET * 2), "unauthorized"),
        (new_token(SECRET, expires_in=timedelta(seconds=-1)), "expired"),
    ],
    ids=["none", "nonsense", "another secret", "expired"],
)
def test_without_a_good_token_nobody_is_let_in(guarded: TestClient, token: str, problem: str) -> None:
    answer = guarded.post("/login", data={"token": token})

    assert answer.status_code == 401
    assert problem in answer.text
    assert "set-cookie" not in answer.headers


def test_a_cookie_lasts_no_longer_than_the_token(guarded: TestClient) -> None:
    entered = guarded.post("/login", data={"token": new_token(SECRET, expires_in=timedelta(minutes=5))})

    (seconds,) = re.findall(r"Max-Age=(\d+)", entered.headers["set-cookie"])
    assert 0 < int(seconds) <= 300


@pytest.mark.parametrize(
    "cookie",
    [
        "nonsense",
        new_token(SECRET),
        jwt.encode({"pages": True}, SECRET),
        jwt.encode({"pages": True, "exp": 1}, SECRET),
        jwt.encode({"pages": True, "exp": 2**33}, SECRET * 2),
        jwt.encode({"pages": 1, "exp": 2**33}, SECRET),
    ],
    ids=["nonsense", "a token", "never ends", "over", "another secret", "another value"],
)
def test_a_cookie_of_another_making_is_none(guarded: TestClient, cookie: str) -> None:
    assert guarded.get("/", headers={"cookie": f"zep_pages={cookie}"}).status_code == 303


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nx: y"])
def test_a_login_leads_to_no_other_site(guarded: TestClient, wanted: str) -> None:
    entered = guarded.post("/login", data={"token": new_token(SECRET), "next": wanted})

    assert entered.headers["location"] == "/admin/"


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "", "origin": "http://evil.example"},
        {"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1"},
    ],
)
def test_a_form_of_another_page_changes_nothing(
    pages: TestClient, manager: SessionManager, path: str, headers: dict[str, str]
) -> None:
    manager.add_memory("a", said("one"), user_id="alice")

    answer = pages.post(f"/{path}", data={"id": "a", "new": "b", "days": "0"}, headers=headers)

    assert answer.status_code == 403
    assert manager.count_messages(["a"]) == {"a": 1}


@pytest.mark.parametrize(("origin", "status"), [(None, 403), ("null", 403), ("http://127.0.0.1", 303)])
def test_an_older_browser_is_believed_its_origin(manager: SessionManager, origin: str | None, status: int) -> None:
    manager.add_memory("a", said("one"))
    app = create_app(Settings(purge_every=None), manager)
    headers = {"origin": origin} if origin else {}

    with TestClient(app, base_url="http://127.0.0.1/admin", follow_redirects=False, headers=headers) as client:
        assert client.post("/session/delete", data={"id": "a"}).status_code == status


def test_a_form_that_is_too_large_is_refused(manager: SessionManager) -> None:
    with browser(manager, max_request_size=1000) as client:
        answer = client.post("/session/delete", data={"id": "x" * 2000})

    assert answer.status_code == 413


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_colour_of_text_can_be_told_from_what_is_behind_it(pages: TestClient, scheme: str) -> None:
    """4.5 to 1 and more, as WCAG 2 asks for, and 3 to 1 for the edge of a field."""
    light, dark, *_ = pages.get("/files/pages.css").text.split("@media (prefers-color-scheme: dark)")
    colours = dict(re.findall(r"--([\w-]+): #(\w+)", light + dark * (scheme == "dark")))
    texts = ("ink", "pale", "accent", "danger", "user", "assistant", "system", "tool", "other")
    pairs = [(text, ground) for text in texts for ground in ("ground", "surface", "sunken")]
    pairs += [("mark-ink", "mark"), ("on-accent", "accent"), ("accent", "accent-soft"), ("ink", "accent-soft")]

    assert [pair for pair in pairs if contrast(*(colours[name] for name in pair)) < 4.5] == []
    assert contrast(colours["edge"], colours["surface"]) >= 3


def test_the_api_is_described_without_a_script_from_elsewhere(pages: TestClient) -> None:
    answer = pages.get("http://127.0.0.1/docs", follow_redirects=True)
    html = answer.text

    assert answer.url.path == "/admin/api"
    assert answer.headers["content-security-policy"] == POLICY
    assert re.findall(r'(?:src|href)="(?!/)[^"]*"', html) == ['href="#main"']
    for path, methods in pages.get("http://127.0.0.1/openapi.json").json()["paths"].items():
        for method in methods:
            assert f'<span class="role">{method.upper()}</span> <code>{path}</code>' in html
    assert "session_id path, string, required" in text_of(html)
    assert "messages body, list of MessageBody" in text_of(html)
