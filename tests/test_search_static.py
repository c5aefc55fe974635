"""Search by meaning with the word vectors of the extra `static`."""

import logging
import subprocess
import sys

import pytest

from zep_memory_plugin import InvalidInput, Message, SessionManager

LACKING = """
import sys
sys.modules["wordllama"] = None
from zep_memory_plugin import SessionManager
try:
    SessionManager("sqlite://", embedder="static", background=False)
except ValueError as error:
    print(error)
"""


def said(*contents: str) -> list[Message]:
    return [Message(role="user", content=content) for content in contents]


def test_word_vectors_find_what_is_said_in_other_words(database_url: str) -> None:
    with SessionManager(database_url, embedder="static", background=False) as manager:
        manager.add_memory("s", said("My dog is ill again", "The train was late", "We repaired the roof"))

        for mode in ("semantic", "hybrid"):
            (found,) = manager.search_memory("a sick puppy", session_id="s", mode=mode, limit=1)

            assert found.message is not None
            assert found.message.content == "My dog is ill again"


def test_a_text_without_a_word_is_found_by_words_alone(sqlite_url: str) -> None:
    """It has no direction, which costs no other message its vector."""
    with SessionManager(sqlite_url, embedder="static", background=False) as manager:
        manager.add_memory("s", said("", "The lynx sleeps"))

        found = manager.search_memory("wild cat", session_id="s", mode="semantic")

    assert [result.message.content for result in found if result.message] == ["The lynx sleeps"]


def test_the_static_embedder_leaves_the_logging_of_the_application_alone(sqlite_url: str) -> None:
    before = list(logging.getLogger().handlers), logging.getLogger().level

    with SessionManager(sqlite_url, embedder="static", background=False) as manager:
        manager.add_memory("s", said("The lynx sleeps"))

    assert (list(logging.getLogger().handlers), logging.getLogger().level) == before
    assert "wordllama" not in sys.modules


def test_a_lacking_extra_is_named_when_the_manager_is_made() -> None:
    program = subprocess.run([sys.executable, "-c", LACKING], capture_output=True, text=True, check=True)

    assert "`pip install wordllama` gets it" in program.stdout


def test_another_word_is_no_embedder() -> None:
    with pytest.raises(InvalidInput, match="embedder is of type str"):
        SessionManager("sqlite://", embedder="dynamic")  # type: ignore[arg-type]
