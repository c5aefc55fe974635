"""The pages in a real Chromium: what people do with them, and what a hostile conversation cannot do to them."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.clients.serving import served
from tests.server.test_pages import HOSTILE, PAGES, SECRET, fill_with
from tests.support.browser import complaints_of, overhang, started
from tests.support.messages import said
from zep_memory_plugin import Message, Session, SessionManager, User
from zep_memory_plugin.server import new_token

pytestmark = pytest.mark.skipif("ZEP_TEST_NO_BROWSER" in os.environ, reason="ZEP_TEST_NO_BROWSER is set")

WIDTHS = (1280, 820, 360)
LONG_LINE = "x" * 1_000_000
UNCLOSED = "</div></li></ol></main><div style='position:fixed;inset:0'><table><tr><textarea><!-- <title><plaintext>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a browser."""
    with started() as browser:
        yield browser


@pytest.fixture
def manager(sqlite_url: str) -> Iterator[SessionManager]:
    """Return a manager on the database that the server serves."""
    with SessionManager(sqlite_url) as manager:
        manager.add_user(User(user_id="alice", first_name="Alice"))
        yield manager


@pytest.fixture
def root(manager: SessionManager, sqlite_url: str) -> Iterator[str]:
    """Return the address of pages that a process of its own serves to who has a token."""
    with served(sqlite_url, "--purge-every", "0", ZEP_AUTH_SECRET=SECRET) as (url, _):
        yield f"{url}/admin"


@pytest.fixture
def page(browser: Browser, root: str) -> Iterator[Page]:
    """Return a page of somebody who has logged in; at the end it must have complained of nothing."""
    page = browser.new_page()
    complaints = complaints_of(page)
    page.goto(f"{root}/")
    page.get_by_label("Token").fill(new_token(SECRET))
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Sessions")).to_be_visible()
    yield page
    assert complaints == []
    page.close()


def test_somebody_logs_in_and_out(page: Page, root: str) -> None:
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Token")).to_be_focused()

    page.goto(f"{root}/users")

    assert re.search(r"/admin/login\?next=%2Fusers$", page.url)


def test_a_session_is_renamed_deleted_restored_and_purged(page: Page, root: str, manager: SessionManager) -> None:
    """With the keyboard, as far as that is the shorter way."""
    manager.add_memory("trip", said("Where to in May?"), user_id="alice")
    page.goto(f"{root}/")

    page.get_by_role("link", name="trip").click()
    page.get_by_role("button", name="Rename").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("New id")).to_be_focused()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("journey")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="journey")).to_be_visible()

    page.get_by_role("button", name="Delete").click()
    page.locator("#delete").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("status")).to_contain_text("The session is deleted")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("status")).to_contain_text("The session is back")

    manager.delete_session("journey")
    page.goto(f"{root}/purge")
    expect(page.get_by_role("button", name="Purge 0 rows for good")).to_be_disabled()
    page.get_by_role("combobox").select_option("0")
    page.get_by_role("button", name="Purge 2 rows for good").click()
    expect(page.get_by_role("status")).to_contain_text("gone for good")
    assert manager.list_sessions(deleted=True) == []


def test_a_question_is_closed_with_escape(page: Page, root: str, manager: SessionManager) -> None:
    manager.add_memory("trip", said("Where to in May?"))
    page.goto(f"{root}/session?id=trip")

    page.get_by_role("button", name="Fork").click()
    expect(page.locator("#fork")).to_be_visible()
    page.keyboard.press("Escape")

    expect(page.locator("#fork")).to_be_hidden()


def test_a_transcript_grows_before_ones_eyes(page: Page, root: str, manager: SessionManager) -> None:
    manager.add_memory("trip", said("Where to in May?"))
    page.goto(f"{root}/session?id=trip")
    expect(page.locator(".said")).to_have_count(1)

    manager.add_memory("trip", said("Lisbon.", role="assistant"))

    expect(page.locator("#m2")).to_contain_text("Lisbon.")
    expect(page.locator(".said")).to_have_count(2)


def test_earlier_messages_come_above(page: Page, root: str, manager: SessionManager) -> None:
    manager.add_memory("trip", said(*(f"text {number}" for number in range(1, 151))))
    page.goto(f"{root}/session?id=trip")

    page.get_by_role("link", name="Earlier messages").click()

    expect(page.locator(".said")).to_have_count(150)
    expect(page.locator(".said").first).to_have_attribute("id", "m1")


def test_a_search_is_a_key_away_and_leads_to_the_message(page: Page, root: str, manager: SessionManager) -> None:
    manager.add_memory("trip", said("The flights are cheap.", *["Fine."] * 30))

    page.keyboard.press("/")
    page.keyboard.type("flight")
    page.keyboard.press("Enter")
    expect(page.locator("mark")).to_have_text("flights")
    page.get_by_role("link", name="trip #1").first.click()

    expect(page.locator("#m1")).to_have_class(re.compile(r"\bat\b"))
    expect(page.locator("#m1")).to_be_in_viewport()


def test_a_list_is_filtered_while_one_types(page: Page, root: str, manager: SessionManager) -> None:
    manager.add_memory("a", said("one"), user_id="alice")
    manager.add_memory("b", said("one"), user_id="bob")
    page.goto(f"{root}/")

    page.get_by_label("User").fill("bob")

    expect(page.locator("a.name")).to_have_text(["b"])
    assert "user=bob" in page.url


def test_numbers_come_by_themselves(page: Page, root: str, manager: SessionManager) -> None:
    manager.add_memory("a", said("one", "two", "three"))
    page.goto(f"{root}/")

    expect(page.get_by_role("img", name="Messages a day")).to_have_attribute("aria-label", re.compile("3 in all"))


@pytest.mark.parametrize("text", [HOSTILE, UNCLOSED], ids=["script", "unclosed"])
def test_a_hostile_conversation_runs_nothing_and_breaks_nothing(
    page: Page, root: str, manager: SessionManager, text: str
) -> None:
    """On no page and in no width; everything folded is unfolded."""
    fill_with(manager, text)

    for path in PAGES:
        page.goto(f"{root}/" if "id=a" in path else f"{root}{path}")
        if "id=a" in path:
            page.locator("a.of" if path.startswith("/user?") else "a.name").first.click()
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            assert overhang(page) <= 0, (path, width)
        expect(page.locator("main#main")).to_have_count(1)


def test_a_line_of_a_megabyte_stays_within_the_page(page: Page, root: str, manager: SessionManager) -> None:
    manager.add_memory("long", [Message(role=role, content=LONG_LINE) for role in ("user", "assistant")])
    manager.update_session(Session(session_id="long", metadata={"line": LONG_LINE[:60_000]}))

    for path in ("/session?id=long", "/search?q=x", "/"):
        page.goto(f"{root}{path}")
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            assert overhang(page) <= 0, (path, width)


def test_the_longest_names_stay_within_the_page(page: Page, root: str, manager: SessionManager) -> None:
    longest = "l" * 255
    manager.add_memory(longest, said("one"), user_id=longest)
    manager.update_session(Session(session_id=longest, title="t" * 200))

    for path in ("/", f"/session?id={longest}", f"/user?id={longest}", "/users", "/search?q=one"):
        page.goto(f"{root}{path}")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            assert overhang(page) <= 0, (path, width)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_tab_key_goes_through_a_page_as_one_reads_it_and_shows_where(
    page: Page, root: str, manager: SessionManager, width: int
) -> None:
    manager.add_memory("trip", said("Where to in May?"), user_id="alice")
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{root}/users")
    boxes = []
    while (page.keyboard.press("Tab"), page.evaluate("document.activeElement.className"))[1] != "name":
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        box = page.evaluate("document.activeElement.getBoundingClientRect().toJSON()")
        boxes.append((box["top"] // 30, box["left"]))

    assert len(boxes) == 7
    assert boxes[1:] == sorted(boxes[1:])


def test_html_of_notebooks_runs_nothing_either(browser: Browser, manager: SessionManager, tmp_path: Path) -> None:
    """In a page without any policy, where nothing but escaping stands in the way."""
    for text in (HOSTILE, UNCLOSED, LONG_LINE):
        fill_with(manager, text[:200])
        (session,) = manager.list_sessions()
        manager.add_memory(session.session_id, [Message(role="user", content=text)])
        shown = [session, *manager.list_users(), manager.get_memory(session.session_id, 5)]
        file = tmp_path / "shown.html"
        file.write_text("<!doctype html>" + "".join(each._repr_html_() or "" for each in shown) + "<p id=end>end</p>")
        page = browser.new_page()
        complaints = complaints_of(page)
        page.goto(file.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
        expect(page.locator("body > #end")).to_have_text("end")
        assert complaints == []
        assert overhang(page) <= 0
        assert page.locator("script, img, table table, textarea").count() == 0
        page.close()
        for user in manager.list_users():
            manager.delete_user(user.user_id)
        manager.purge()
