"""A Chromium without a window, driven by Playwright; its program is on the path or named by a variable."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")

MISSING = (
    "these tests need a Chromium: `apt-get install chromium-headless-shell`, or name its program in ZEP_TEST_BROWSER; "
    "ZEP_TEST_NO_BROWSER=1 leaves them out"
)


def program() -> str:
    """Return the path of the program."""
    found = os.environ.get("ZEP_TEST_BROWSER") or next(filter(None, map(shutil.which, PROGRAMS)), None)
    assert found, MISSING
    return found


@contextmanager
def started() -> Iterator[Browser]:
    """Run a browser for the block, in which this thread can run no event loop of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=["--no-sandbox"])
        yield browser
        browser.close()


def complaints_of(page: Page) -> list[str]:
    """Return the list in which what a *page* complains of will be: errors, dialogs, and what its policy forbids."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    return complaints


def overhang(page: Page) -> int:
    """Return by how many pixels a *page* is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))
