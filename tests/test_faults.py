"""A connection that breaks in the middle, a damaged file: done, or refused in words, and the next call works."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.colours import BACKENDS, Backend, Caller
from tests.support.messages import said, texts
from tests.support.proxy import Proxy, When
from zep_memory_plugin import ZepMemoryError

ON_POSTGRES = [each for each in BACKENDS if each.scheme.startswith("postgresql")]
ON_FILES = [each for each in BACKENDS if each.url_fixture == "sqlite_url"]
PAGE = 4_096


@pytest.fixture
def proxy(shared_postgres_url: str) -> Iterator[Proxy]:
    """Return a proxy to the server."""
    with Proxy.to(shared_postgres_url) as proxy:
        yield proxy


@pytest.mark.parametrize("when", ["amid", "amid the answer"])
@pytest.mark.parametrize("backend", ON_POSTGRES, ids=lambda backend: backend.name)
def test_an_append_that_is_cut_in_the_middle_is_stored_once(
    backend: Backend, proxy: Proxy, shared_postgres_url: str, when: When
) -> None:
    caller = backend.open(proxy.url_for(backend.url(shared_postgres_url)))
    caller.add_memory("s", said("before"))

    proxy.cut(when)
    assert texts(caller.add_memory("s", said("one", "two"))) == ["one", "two"]

    assert proxy.cuts == 1
    assert texts(caller.add_memory("s", said("after"))) == ["after"]
    assert texts(caller.list_messages("s")) == ["before", "one", "two", "after"]
    caller.close()


@pytest.mark.parametrize("backend", ON_POSTGRES, ids=lambda backend: backend.name)
def test_a_read_that_is_cut_amid_the_answer_is_answered(
    backend: Backend, proxy: Proxy, shared_postgres_url: str
) -> None:
    caller = backend.open(proxy.url_for(backend.url(shared_postgres_url)))
    caller.add_memory("s", said(*(f"{number} " * 500 for number in range(50))))
    before = texts(caller.list_messages("s"))

    proxy.cut("amid the answer", b"zep_messages")
    assert texts(caller.list_messages("s")) == before

    assert proxy.cuts == 1
    caller.close()


def damage(path: Path) -> None:
    """Overwrite all pages of a file but the first with what is none."""
    with path.open("r+b") as file:
        pages = path.stat().st_size // PAGE
        file.seek(PAGE)
        file.write(b"\xa5" * PAGE * (pages - 1))


def filled(caller: Caller) -> None:
    """Store more than a connection keeps of the file."""
    for number in range(20):
        caller.add_memory(f"s{number}", said(*(f"{number} " * 2_000 for _ in range(10))))
    caller.add_memory("s", said("before"))


@pytest.mark.parametrize("backend", ON_FILES, ids=lambda backend: backend.name)
def test_a_file_that_is_damaged_is_refused_in_words_until_it_is_whole(backend: Backend, sqlite_url: str) -> None:
    """What was put back is what is there."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    caller = backend.open(backend.url(sqlite_url))
    filled(caller)
    caller.close()
    whole = path.read_bytes()

    damage(path)
    caller = backend.open(backend.url(sqlite_url))
    for call in (
        lambda: caller.list_messages("s"),
        lambda: caller.add_memory("s", said("lost")),
        lambda: caller.search_memory("before"),
        lambda: caller.purge(),
    ):
        with pytest.raises(ZepMemoryError):
            call()
    caller.close()

    path.write_bytes(whole)
    caller = backend.open(backend.url(sqlite_url))
    assert texts(caller.add_memory("s", said("after"))) == ["after"]
    assert texts(caller.list_messages("s")) == ["before", "after"]
    caller.close()
