"""`ZepRetriever` finds messages for LlamaIndex's query engines and tools."""

import asyncio
import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.llms.mock import MockLLM
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.schema import MetadataMode, NodeWithScore
from llama_index.core.tools import RetrieverTool

from zep_memory_plugin import (
    InvalidInput,
    Message,
    SearchOptions,
    SessionManager,
    SessionOwnedByAnotherUser,
    Summary,
    use_session,
)
from zep_memory_plugin.llama_index import ManagerNotRegistered, ZepRetriever, register_manager, unregister_manager

Retrieve = Callable[[BaseRetriever, str], list[NodeWithScore]]


def blocking(retriever: BaseRetriever, text: str) -> list[NodeWithScore]:
    return retriever.retrieve(text)


def awaited(retriever: BaseRetriever, text: str) -> list[NodeWithScore]:
    async def retrieve() -> list[NodeWithScore]:
        return await retriever.aretrieve(text)

    return asyncio.run(retrieve())


@pytest.fixture(params=[blocking, awaited])
def retrieve(request: pytest.FixtureRequest) -> Retrieve:
    return request.param


@pytest.fixture(autouse=True)
def conversations(manager: SessionManager) -> None:
    manager.add_memory(
        "alice-1",
        [
            Message(role="user", content="my cat is called Zanzibar", metadata={"mood": "glad"}),
            Message(role="assistant", content="a fine name for a cat"),
            Message(role="user", content="the weather is bad"),
        ],
        user_id="alice",
    )
    manager.add_memory("alice-2", [Message(role="user", content="my cat is ill")], user_id="alice")
    manager.add_memory("bob-1", [Message(role="user", content="my cat is secret")], user_id="bob")


def texts(nodes: list[NodeWithScore]) -> set[str]:
    return {node.text for node in nodes}


def test_the_async_way_is_its_own() -> None:
    """LlamaIndex's would block the loop."""
    assert inspect.iscoroutinefunction(vars(ZepRetriever)["_aretrieve"])


def test_a_session_is_searched_alone(manager: SessionManager, retrieve: Retrieve) -> None:
    nodes = retrieve(ZepRetriever(manager, session_id="alice-1", limit=2), "what is my cat called?")

    assert nodes[0].text == "my cat is called Zanzibar"
    assert texts(nodes) <= {"my cat is called Zanzibar", "a fine name for a cat"}
    assert [node.score for node in nodes] == sorted((node.score or 0 for node in nodes), reverse=True)
    assert (nodes[0].score or 0) > 0


def test_all_sessions_of_a_user_are_searched(manager: SessionManager, retrieve: Retrieve) -> None:
    found = texts(retrieve(ZepRetriever(manager, user_id="alice"), "my cat"))

    assert {"my cat is called Zanzibar", "my cat is ill"} <= found
    assert "my cat is secret" not in found


def test_a_session_of_someone_else_is_refused(manager: SessionManager, retrieve: Retrieve) -> None:
    with pytest.raises(SessionOwnedByAnotherUser):
        retrieve(ZepRetriever(manager, session_id="bob-1", user_id="alice"), "my cat")


def test_nobody_searches_everywhere_by_leaving_something_out(manager: SessionManager, retrieve: Retrieve) -> None:
    retriever = ZepRetriever(manager)

    with pytest.raises(InvalidInput, match="use_session"):
        retrieve(retriever, "my cat")
    with use_session("alice-2"):
        assert texts(retrieve(retriever, "my cat")) == {"my cat is ill"}


def test_a_retriever_for_all_users_searches_everywhere(manager: SessionManager, retrieve: Retrieve) -> None:
    retriever = ZepRetriever(manager, all_users=True)

    with use_session("alice-2", user_id="alice"):
        found = texts(retrieve(retriever, "my cat"))

    assert {"my cat is called Zanzibar", "my cat is ill", "my cat is secret"} <= found


def test_an_unknown_option_is_refused(manager: SessionManager) -> None:
    unknown: Any = {"similarity_top_k": 3}

    with pytest.raises(InvalidInput, match="similarity_top_k is no option of ZepRetriever"):
        ZepRetriever(manager, session_id="alice-1", **unknown)


OPTIONS: SearchOptions = {
    "session_id": "alice-1",
    "user_id": "alice",
    "metadata": {"mood": "glad"},
    "where": {"jsonpath": '$.mood ? (@ == "glad")'},
    "start_date": datetime(2000, 1, 1, tzinfo=UTC),
    "end_date": datetime(2100, 1, 1, tzinfo=UTC),
    "scope": "messages",
    "mode": "lexical",
    "mmr_lambda": 0.5,
    "limit": 1,
    "context": 1,
    "explain": True,
}


def test_every_option_of_a_search_is_one_of_the_retriever(manager: SessionManager, retrieve: Retrieve) -> None:
    """One that is added to `SearchOptions` needs no line here but its value."""
    [node] = retrieve(ZepRetriever(manager, **OPTIONS), "my cat")

    assert OPTIONS.keys() == SearchOptions.__optional_keys__
    assert node.text == "my cat is called Zanzibar"
    assert node.metadata["neighbours"] == ["a fine name for a cat"]


def test_filters_are_those_of_the_search(manager: SessionManager, retrieve: Retrieve) -> None:
    glad = ZepRetriever(manager, user_id="alice", metadata={"mood": "glad"})
    early = ZepRetriever(manager, user_id="alice", end_date=datetime(2000, 1, 1, tzinfo=UTC))

    assert texts(retrieve(glad, "my cat")) == {"my cat is called Zanzibar"}
    assert retrieve(early, "my cat") == []


def test_summaries_are_found(manager: SessionManager, retrieve: Retrieve) -> None:
    manager.add_summary("alice-1", Summary(content="Alice spoke of her cat"))

    nodes = retrieve(ZepRetriever(manager, session_id="alice-1", scope="summary"), "cat")

    assert [(node.text, node.metadata["role"]) for node in nodes] == [("Alice spoke of her cat", "summary")]


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_an_empty_question_finds_nothing(manager: SessionManager, retrieve: Retrieve, text: str) -> None:
    assert retrieve(ZepRetriever(manager, session_id="alice-1"), text) == []


def test_a_node_is_the_same_each_time(manager: SessionManager, retrieve: Retrieve) -> None:
    first, again = (retrieve(ZepRetriever(manager, user_id="alice"), "my cat") for _ in range(2))
    message = manager.list_messages("alice-2")[0]

    assert [node.node_id for node in first] == [node.node_id for node in again]
    assert f"alice-2/{message.uuid}" in [node.node_id for node in first]


def test_several_questions_find_a_message_once(manager: SessionManager) -> None:
    retriever = ZepRetriever(manager, session_id="alice-1", limit=1)
    fusion = QueryFusionRetriever([retriever, retriever], llm=MockLLM(), num_queries=1, use_async=False)

    assert [node.text for node in fusion.retrieve("what is my cat called?")] == ["my cat is called Zanzibar"]


def test_what_is_known_about_a_message_stays_out_of_prompts(manager: SessionManager) -> None:
    retriever = ZepRetriever(manager, session_id="alice-1", limit=1)
    node = retriever.retrieve("what is my cat called?")[0].node
    message = manager.list_messages("alice-1")[0]

    assert node.metadata == {
        "created_at": None if message.created_at is None else message.created_at.isoformat(),
        "metadata": {"mood": "glad"},
        "role": "user",
        "seq": 1,
        "session_id": "alice-1",
        "uuid": str(message.uuid),
    }
    for mode in (MetadataMode.LLM, MetadataMode.EMBED):
        assert node.get_content(mode) == "my cat is called Zanzibar"
    tool = RetrieverTool.from_defaults(retriever, name="search", description="searches")
    assert tool.call(input="what is my cat called?").content.strip() == "my cat is called Zanzibar"


def test_a_manager_is_found_by_name(manager: SessionManager, retrieve: Retrieve) -> None:
    register_manager("app", manager)
    try:
        assert retrieve(ZepRetriever("app", session_id="alice-2"), "my cat")
    finally:
        unregister_manager("app")
    with pytest.raises(ManagerNotRegistered):
        ZepRetriever("app", session_id="alice-2")
