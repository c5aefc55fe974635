"""An embedding is one message's, with the words that it had then: it goes with them, and never means another."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from tests.hostile.conftest import Open
from tests.support import beside
from tests.support.colours import Caller
from tests.support.messages import said
from tests.support.moments import statements
from zep_memory_plugin import SessionManager, SessionNotFound

PATIENCE = 60.0


def embedded(texts: list[str]) -> list[list[float]]:
    """Return what texts mean: a secret, or something harmless."""
    return [[1.0, 0.0] if "secret" in text else [0.0, 1.0] for text in texts]


Act = Callable[[SessionManager], object]


class SlowEmbedder:
    """An embedder beside which somebody else does something, the first time."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._acts = [act]

    def __call__(self, texts: list[str]) -> list[list[float]]:
        while self._acts:
            self._acts.pop()()
        return embedded(texts)


def begin_anew(manager: SessionManager) -> None:
    """Purge the session, and use its id again."""
    manager.delete_session("s")
    manager.purge()
    manager.add_memory("s", said("harmless words"))


def begin_anew_for_another_user(manager: SessionManager) -> None:
    """Erase the user, and use the session's id for another."""
    manager.delete_user("u")
    manager.add_memory("s", said("harmless words"), user_id="another")


def change(manager: SessionManager) -> None:
    """Give the message other words."""
    (message,) = manager.list_messages("s")
    manager.update_message("s", message.uuid or "", content="harmless words")


def replace(manager: SessionManager) -> None:
    """Put another message in its place, and purge the old one."""
    manager.replace_memory("s", said("harmless words"))
    manager.purge()


def send_again(manager: SessionManager) -> None:
    """Store other words under the same uuid."""
    (message,) = manager.list_messages("s")
    manager.add_memory("s", [message.model_copy(update={"content": "harmless words", "seq": None})])


MEANWHILE: dict[str, Act] = {
    "begin anew": begin_anew,
    "begin anew for another user": begin_anew_for_another_user,
    "change": change,
    "replace": replace,
    "send again": send_again,
}


def scores(caller: Caller, question: str) -> dict[str, float]:
    """Return what a search by meaning finds, and how well it answers."""
    results = caller.search_memory(question, session_id="s", mode="semantic")
    return {result.message.content: round(result.score, 2) for result in results}


@pytest.mark.parametrize("act", MEANWHILE.values(), ids=MEANWHILE)
def test_a_message_never_gets_what_another_text_means(url: str, open_caller: Open, act: Act) -> None:
    """Though it has the same session and seq, or the same uuid, as the text that was embedded meanwhile."""
    with SessionManager(url) as other:
        caller = open_caller(embedder=SlowEmbedder(lambda: act(other)))
        caller.add_memory("s", said("a secret"), user_id="u")
    caller.rebuild_search()

    assert scores(caller, "secret").get("harmless words", 0.0) == 0.0
    assert scores(caller, "harmless") == {"harmless words": 1.0}


ERASE: dict[str, Act] = {
    "purge": lambda manager: (manager.delete_session("s"), manager.purge()),
    "erase the user": lambda manager: manager.delete_user("u"),
    "delete and purge a message": lambda manager: (
        manager.delete_messages("s", [message.uuid or "" for message in manager.list_messages("s")]),
        manager.purge(),
    ),
    "clear and purge": lambda manager: (manager.clear_memory("s"), manager.purge()),
}


@pytest.mark.parametrize("act", ERASE.values(), ids=ERASE)
def test_what_is_erased_while_it_is_embedded_leaves_no_embedding(url: str, open_caller: Open, act: Act) -> None:
    """The embedder of the application still has the text; what it comes to is for nobody."""
    with SessionManager(url) as other:
        caller = open_caller(embedder=SlowEmbedder(lambda: act(other)))
        caller.add_memory("s", said("a secret", "another secret"), user_id="u")

    assert caller.tables.rows("message_embeddings") == []


@pytest.mark.parametrize("act", ERASE.values(), ids=ERASE)
def test_what_is_erased_takes_its_embeddings_along(open_caller: Open, act: Act) -> None:
    """And those of others stay."""
    caller = open_caller(embedder=embedded)
    caller.add_memory("s", said("a secret", "another secret"), user_id="u")
    caller.add_memory("other", said("harmless"))
    act(caller.manager)

    assert [row["session_id"] for row in caller.tables.rows("message_embeddings")] == ["other"]


def test_a_purge_removes_embeddings_that_are_just_being_stored(url: str, open_caller: Open) -> None:
    """Those are in a transaction that the purge cannot see into, of a session that was deleted meanwhile."""
    stored, go_on = threading.Event(), threading.Event()

    def hold(statement: str) -> None:
        if "INSERT INTO zep_message_embeddings" in statement and not stored.is_set():
            stored.set()
            go_on.wait(PATIENCE)

    with SessionManager(url) as other, ThreadPoolExecutor(2) as threads:
        caller = open_caller(embedder=SlowEmbedder(lambda: other.delete_session("s")))
        with statements(hold, "after"):
            writing = threads.submit(caller.add_memory, "s", said("a secret"))
            assert beside.becomes(lambda: stored.is_set() or writing.done())
            purging = threads.submit(other.purge)
            assert beside.becomes(lambda: purging.done() or beside.is_sqlite(url) or beside.is_waiting(url))
            go_on.set()
            writing.result(PATIENCE)
            purging.result(PATIENCE)

    assert caller.tables.rows("messages") == []
    assert caller.tables.rows("message_embeddings") == []


def test_embeddings_beside_purges_all_have_a_message(url: str, open_caller: Open) -> None:
    """A writer with an embedder, and others who delete and purge all the time."""

    def remove() -> None:
        while not done.is_set():
            with suppress(SessionNotFound):
                other.delete_session("s")
            other.purge()

    done = threading.Event()
    with SessionManager(url) as other, ThreadPoolExecutor(2) as threads:
        caller = open_caller(embedder=embedded)
        removing = [threads.submit(remove) for _ in range(2)]
        try:
            for _ in range(30):
                caller.add_memory("s", said(*["a secret"] * 5))
        finally:
            done.set()
        assert [call.result(PATIENCE) for call in removing] == [None, None]
        with_messages = {(row["session_id"], row["seq"]) for row in caller.tables.rows("messages")}
        assert {(row["session_id"], row["seq"]) for row in caller.tables.rows("message_embeddings")} <= with_messages
