"""Messages of earlier conversations as documents."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.runnables import ConfigurableField
from langchain_tests.integration_tests import RetrieversIntegrationTests
from pydantic import ValidationError

from zep_memory_plugin import (
    InvalidInput,
    Message,
    SearchRefinements,
    SessionManager,
    SessionOwnedByAnotherUser,
    Summary,
    use_session,
)
from zep_memory_plugin.langchain import ZepRetriever

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class TestTheRetrieverOfLangChainsOwnSuite(RetrieversIntegrationTests):
    """What LangChain asks of every retriever."""

    @pytest.fixture(autouse=True)
    def _filled(self, sqlite_url: str) -> Iterator[None]:
        with SessionManager(sqlite_url) as manager:
            manager.add_memory("s", said(*(f"apple number {number}" for number in range(6))), user_id="alice")
            self._manager = manager
            yield

    @property
    def retriever_constructor(self) -> type[ZepRetriever]:
        return ZepRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"manager": self._manager, "user_id": "alice"}

    @property
    def retriever_query_example(self) -> str:
        return "apple"


def said(*contents: str, **fields: Any) -> list[Message]:
    return [Message(role="user", content=content, **fields) for content in contents]


def contents(documents: list[Document]) -> list[str]:
    return sorted(document.page_content for document in documents)


@pytest.fixture
def cities(manager: SessionManager) -> SessionManager:
    """Two users who like cities, and a session that is nobody's."""
    manager.add_memory("alice-1", said("I like the city of Lisbon"), user_id="alice")
    manager.add_memory("alice-2", said("I like the city of Porto"), user_id="alice")
    manager.add_memory("bob-1", said("I like the city of Bergen"), user_id="bob")
    manager.add_memory("nobody", said("I like the city of Faro"))
    return manager


LISBON, PORTO = "I like the city of Lisbon", "I like the city of Porto"
BERGEN, FARO = "I like the city of Bergen", "I like the city of Faro"


def test_a_document_tells_what_is_known_of_the_message(manager: SessionManager) -> None:
    [stored] = manager.add_memory("s", said("I like Lisbon", name="Alice", created_at=NOON), user_id="alice")

    [found] = ZepRetriever(manager=manager, user_id="alice").invoke("Lisbon")

    score = found.metadata.pop("score")
    assert score > 0
    assert found == Document(
        "I like Lisbon",
        id=str(stored.uuid),
        metadata={
            "role": "user",
            "name": "Alice",
            "session_id": "s",
            "created_at": "2026-03-01T12:00:00+00:00",
            "seq": stored.seq,
        },
    )


def test_a_writer_without_a_name_has_none(manager: SessionManager) -> None:
    manager.add_memory("s", said("I like Lisbon"))

    [found] = ZepRetriever(manager=manager, session_id="s").invoke("Lisbon")

    assert "name" not in found.metadata


def test_a_summary_is_a_document_too(manager: SessionManager) -> None:
    [message] = manager.add_memory("s", said("Hello"), user_id="alice")
    summary = manager.add_summary("s", Summary(content="They talked about Lisbon", seq=message.seq))

    [found] = ZepRetriever(manager=manager, user_id="alice", scope="summary").invoke("Lisbon")

    assert (found.id, found.page_content) == (str(summary.uuid), "They talked about Lisbon")
    assert (found.metadata["role"], found.metadata["seq"]) == ("summary", message.seq)


@pytest.mark.parametrize(
    ("scope", "found"),
    [
        ({"user_id": "alice"}, [LISBON, PORTO]),
        ({"session_id": "alice-1"}, [LISBON]),
        ({"session_id": "alice-1", "user_id": "alice"}, [LISBON]),
        ({"session_id": "nobody", "user_id": "alice"}, [FARO]),
        ({"all_users": True}, [BERGEN, FARO, LISBON, PORTO]),
        ({"all_users": True, "user_id": "bob"}, [BERGEN]),
    ],
)
def test_only_what_is_named_is_looked_in(cities: SessionManager, scope: dict[str, Any], found: list[str]) -> None:
    retriever = ZepRetriever(manager=cities, **scope)

    assert contents(retriever.invoke("city")) == found
    assert contents(asyncio.run(retriever.ainvoke("city"))) == found


@pytest.mark.parametrize(
    ("scope", "found"),
    [
        ({}, [LISBON]),
        ({"user_id": "alice"}, [LISBON, PORTO]),
        ({"user_id": "bob"}, [BERGEN]),
        ({"session_id": "alice-2"}, [PORTO]),
        ({"all_users": True}, [BERGEN, FARO, LISBON, PORTO]),
    ],
)
def test_the_surrounding_session_is_the_one_where_nothing_is_given(
    cities: SessionManager, scope: dict[str, Any], found: list[str]
) -> None:
    retriever = ZepRetriever(manager=cities, **scope)

    with use_session("alice-1", user_id="alice"):
        assert contents(retriever.invoke("city")) == found
        assert contents(asyncio.run(retriever.ainvoke("city"))) == found


@pytest.mark.parametrize("scope", [{}, {"session_id": "bob-1"}, {"session_id": "bob-1", "user_id": "alice"}])
def test_a_session_of_another_user_is_refused(cities: SessionManager, scope: dict[str, Any]) -> None:
    retriever = ZepRetriever(manager=cities, **scope)

    with use_session("bob-1", user_id="alice"):
        with pytest.raises(SessionOwnedByAnotherUser):
            retriever.invoke("city")
        with pytest.raises(SessionOwnedByAnotherUser):
            asyncio.run(retriever.ainvoke("city"))


@pytest.mark.parametrize("query", ["city", ""])
def test_a_query_for_nobody_is_refused(cities: SessionManager, query: str) -> None:
    retriever = ZepRetriever(manager=cities)

    with pytest.raises(InvalidInput, match="user_id is missing"):
        retriever.invoke(query)
    with pytest.raises(InvalidInput, match="user_id is missing"):
        asyncio.run(retriever.ainvoke(query))


@pytest.mark.parametrize("name", ["session_id", "user_id"])
def test_an_empty_id_is_not_a_missing_one(cities: SessionManager, name: str) -> None:
    with pytest.raises(InvalidInput, match=name):
        ZepRetriever(manager=cities, all_users=True, **{name: ""}).invoke("city")


@pytest.mark.parametrize("name", ["usr_id", "limit"])
def test_an_unknown_option_is_refused(cities: SessionManager, name: str) -> None:
    """LangChain's word for the number of results is k."""
    with pytest.raises(ValidationError, match=name):
        ZepRetriever(manager=cities, session_id="s", **{name: 3})


REFINEMENTS: SearchRefinements = {
    "where": {"jsonpath": '$.mood ? (@ == "glad")'},
    "start_date": NOON,
    "end_date": NOON,
    "scope": "messages",
    "mode": "lexical",
    "mmr_lambda": 0.5,
    "context": 1,
    "explain": True,
}


def test_every_option_of_a_search_is_one_of_the_retriever(manager: SessionManager) -> None:
    """Each by name, or all together; one that is added to `SearchRefinements` needs no line here but its value."""
    manager.add_memory("s", said("I like Lisbon", metadata={"mood": "glad"}, created_at=NOON))
    manager.add_memory("s", said("and Porto"))

    assert REFINEMENTS.keys() == SearchRefinements.__optional_keys__
    for retriever in (
        ZepRetriever(manager=manager, session_id="s", **REFINEMENTS),
        ZepRetriever(manager=manager, session_id="s", search_options=REFINEMENTS),
        ZepRetriever(manager=manager, session_id="s", search_options=REFINEMENTS, context=1),
    ):
        [found] = retriever.invoke("Lisbon")
        assert (found.page_content, found.metadata["neighbours"]) == ("I like Lisbon", ["and Porto"])


def test_the_options_are_handed_on_to_the_search(manager: SessionManager) -> None:
    manager.add_memory("s", said("I like Lisbon", created_at=NOON))

    for options in ({"mode": "semantic"}, {"mmr_lambda": 2}, {"scope": "everything"}, {"context": -1}):
        with pytest.raises(InvalidInput, match=next(iter(options))):
            ZepRetriever(manager=manager, session_id="s", **options).invoke("Lisbon")


@pytest.mark.parametrize("query", ["", " \n\t"])
def test_an_empty_query_finds_nothing_even_with_a_filter(manager: SessionManager, query: str) -> None:
    manager.add_memory("s", said("I like Lisbon", metadata={"mood": "glad"}))
    retriever = ZepRetriever(manager=manager, session_id="s", metadata_filter={"mood": "glad"})

    assert retriever.invoke(query) == []
    assert asyncio.run(retriever.ainvoke(query)) == []


def test_a_filter_keeps_messages_by_their_metadata(manager: SessionManager) -> None:
    manager.add_memory("s", said("I like Lisbon", metadata={"mood": "glad"}))
    manager.add_memory("s", said("I miss Lisbon", metadata={"mood": "sad"}))

    found = ZepRetriever(manager=manager, session_id="s", metadata_filter={"mood": "sad"}).invoke("Lisbon")

    assert contents(found) == ["I miss Lisbon"]


def test_results_can_be_made_to_differ(manager: SessionManager) -> None:
    manager.add_memory("s", said("Lisbon is sunny", "Lisbon is sunny", "Lisbon has trams on hills and good fish"))

    found = ZepRetriever(manager=manager, session_id="s", k=2, mmr_lambda=0.1).invoke("Lisbon sunny")

    assert contents(found) == ["Lisbon has trams on hills and good fish", "Lisbon is sunny"]


def test_one_retriever_serves_the_user_that_a_run_names(cities: SessionManager) -> None:
    """By LangChain's own means: fields that the config of a run fills in."""
    retriever = ZepRetriever(manager=cities).configurable_fields(
        user_id=ConfigurableField(id="user_id"), session_id=ConfigurableField(id="session_id")
    )

    assert contents(retriever.invoke("city", {"configurable": {"user_id": "bob"}})) == [BERGEN]
    assert contents(retriever.invoke("city", {"configurable": {"user_id": "alice"}})) == [LISBON, PORTO]
    with pytest.raises(InvalidInput, match="user_id is missing"):
        retriever.invoke("city")


def test_a_retriever_does_not_show_its_manager(sqlite_url: str) -> None:
    with SessionManager(sqlite_url) as manager:
        assert sqlite_url not in repr(ZepRetriever(manager=manager, user_id="alice"))
