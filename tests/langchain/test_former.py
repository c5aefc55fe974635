"""Code that was written for the classes of the same names in langchain-community is told how to call these."""

from collections.abc import Callable

import pytest

from zep_memory_plugin import InvalidInput, SessionManager
from zep_memory_plugin.langchain import ZepChatMessageHistory, ZepMemory, ZepRetriever

URL = "http://localhost:8000"
KINDS: dict[str, type] = {kind.__name__: kind for kind in (ZepChatMessageHistory, ZepMemory, ZepRetriever)}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("argument", ["url", "api_key"])
def test_an_argument_of_the_namesake_is_refused_with_the_new_call(name: str, argument: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        KINDS[name](session_id="s", **{argument: URL})

    former = f"langchain-community's {name}, which asks a server"
    assert str(caught.value).startswith(f"{argument} is an argument of {former}; here it is {name}(")
    assert "SessionManager(database)" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_url_by_position_is_refused_alike() -> None:
    make: Callable[..., object] = ZepChatMessageHistory

    with pytest.raises(InvalidInput, match="url is an argument of langchain-community's ZepChatMessageHistory"):
        make("s", URL)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("ZepMemory", "k", "turns"),
        ("ZepMemory", "max_token_limit", "max_tokens"),
        ("ZepRetriever", "top_k", "k"),
        ("ZepRetriever", "search_scope", "scope"),
    ],
)
def test_what_is_called_otherwise_here_is_refused_with_its_new_name(
    name: str, old: str, new: str, sqlite_manager: SessionManager
) -> None:
    """LangChain's memories would ignore what they do not know."""
    with pytest.raises(InvalidInput, match=f"{old} is called {new} here, as in {name}"):
        KINDS[name](session_id="s", manager=sqlite_manager, **{old: 5})


def test_the_classes_say_whose_they_are(sqlite_manager: SessionManager) -> None:
    """LlamaIndex has classes of the same names."""
    assert repr(ZepMemory(session_id="s", manager=sqlite_manager)).startswith("langchain.ZepMemory(")
    assert repr(ZepRetriever(session_id="s", manager=sqlite_manager)).startswith("langchain.ZepRetriever(")
