"""Models of the frameworks as summarizers: told by a prompt of ours what to do."""

import asyncio
from collections.abc import Callable

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from llama_index.core.llms import MockLLM

from tests.support.messages import numbered, said
from zep_memory_plugin import InvalidInput, Message, SessionManager, Summarizer, ToolCall


def of_langchain(answer: str) -> Summarizer:
    blocks = AIMessage([{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": answer}])
    return GenericFakeChatModel(messages=iter([blocks]))


def of_langchain_as_runnable(answer: str) -> Summarizer:
    return RunnableLambda(lambda prompt: answer)


def of_llama_index(answer: str) -> Summarizer:
    return MockLLM(max_tokens=3)


MODELS = [
    (of_langchain, "what was said"),
    (of_langchain_as_runnable, "what was said"),
    (of_llama_index, "text text text"),
]


@pytest.mark.parametrize(("model", "answer"), MODELS, ids=["langchain", "runnable", "llama_index"])
def test_a_model_summarizes_for_blocking_and_for_async_callers(
    sqlite_url: str, model: Callable[[str], Summarizer], answer: str
) -> None:
    async def summarized() -> str:
        async with SessionManager(sqlite_url, message_window=2, summarizer=model("what was said")) as manager:
            await manager.aadd_memory("async", numbered(3))
            await manager.aflush()
            summary = (await manager.aget_memory("async")).summary
            return summary.content if summary else ""

    with SessionManager(sqlite_url, message_window=2, summarizer=model("what was said")) as manager:
        manager.add_memory("blocking", numbered(3))
        manager.flush()
        summary = manager.get_memory("blocking").summary

    assert summary is not None
    assert summary.content == answer
    assert asyncio.run(summarized()) == answer


@pytest.mark.parametrize("nothing", ["", " \n"], ids=repr)
def test_an_answer_without_words_takes_no_messages_out_of_sight(
    database_url: str, nothing: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As of a model that refuses: what is not summarised is asked about again with the next write."""
    answers = iter([nothing, "what was said"])
    with SessionManager(
        database_url, message_window=2, summarizer=lambda *_: next(answers), background=False
    ) as manager:
        manager.add_memory("a", numbered(3))
        before = manager.list_summaries("a")
        manager.add_memory("a", said("more"))

        assert before == []
        assert [summary.content for summary in manager.list_summaries("a")] == ["what was said"]
    assert "summarizing session 'a' failed: InvalidInput" in caplog.text


def test_the_prompt_has_the_summary_so_far_and_what_was_said_since(sqlite_url: str) -> None:
    prompts: list[str] = []
    answers = iter(["Alice likes tea.", "Alice likes tea and cake."])

    def answer(prompt: str) -> str:
        prompts.append(prompt)
        return next(answers)

    called = Message(role="assistant", content="", tool_calls=[ToolCall(name="order", args={"what": "cake"})])
    with SessionManager(sqlite_url, message_window=2, summarizer=RunnableLambda(answer), background=False) as manager:
        manager.add_memory("a", [*said("I like tea", "x" * 10_000), *said("and cake")])
        manager.add_memory("a", [called, Message(role="user", name="Alice", content="thanks"), *said("bye")])
        assert manager.get_memory("a").summary.content == "Alice likes tea and cake."

    assert "user: I like tea" in prompts[0]
    assert len(prompts[0]) < 6_000
    assert "Alice likes tea." in prompts[1]
    assert "user: and cake\nassistant: [calls order]\nuser (Alice): thanks\n" in prompts[1]


def test_what_is_no_summarizer_is_refused() -> None:
    with pytest.raises(InvalidInput, match="summarizer is of type int; give a chat model or a function"):
        SessionManager("sqlite://", summarizer=7)  # type: ignore[arg-type]
