"""The application's own functions that a manager takes, of each kind that it takes. Checked, never run."""

import asyncio
from typing import assert_type

from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.embeddings import Embeddings as LangChainEmbeddings
from langchain_core.language_models import FakeListChatModel
from llama_index.core import MockEmbedding
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.llms import MockLLM

from zep_memory_plugin import BeforeStore, Embedder, Message, SessionManager, Summarizer, Summary, Titler, TokenCounter


def count(text: str) -> int:
    return len(text)


counter: TokenCounter = count
SessionManager("sqlite://", token_counter=counter)
SessionManager("sqlite://", token_counter=len)
SessionManager("sqlite://", token_counter="gpt-4o")  # noqa: S106
SessionManager("sqlite://", token_counter=lambda text: len(text.split()))


def summarize(previous: Summary | None, messages: list[Message]) -> str:
    before = previous.content if previous else ""
    return before + " ".join(message.content for message in messages)


async def asummarize(previous: Summary | None, messages: list[Message]) -> str:
    await asyncio.sleep(0)
    return summarize(previous, messages)


summarizer: Summarizer = summarize
SessionManager("sqlite://", message_window=20, summarizer=summarizer)
SessionManager("sqlite://", summarizer=asummarize)
SessionManager("sqlite://", summarizer=len)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def redact(session_id: str, messages: list[Message]) -> list[Message]:
    return [message.model_copy(update={"content": ""}) for message in messages]


async def aredact(session_id: str, messages: list[Message]) -> tuple[Message, ...]:
    await asyncio.sleep(0)
    return tuple(redact(session_id, messages))


before_store: BeforeStore = redact
SessionManager("sqlite://", before_store=before_store)
SessionManager("sqlite://", before_store=aredact)
SessionManager("sqlite://", before_store=len)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def embed(texts: list[str]) -> list[list[float]]:
    return [[float(len(text)), 1.0] for text in texts]


async def aembed(texts: list[str]) -> list[list[float]]:
    await asyncio.sleep(0)
    return embed(texts)


def embed_as_tuples(texts: list[str]) -> tuple[tuple[float, ...], ...]:
    return tuple((float(len(text)), 1.0) for text in texts)


def of_langchain(embeddings: LangChainEmbeddings) -> SessionManager:
    return SessionManager("sqlite://", embedder=embeddings)


def of_llama_index(embedding: BaseEmbedding) -> SessionManager:
    return SessionManager("sqlite://", embedder=embedding)


embedder: Embedder = embed
SessionManager("sqlite://", embedder=embedder)
SessionManager("sqlite://", embedder=aembed)
SessionManager("sqlite://", embedder=embed_as_tuples)
SessionManager("sqlite://", embedder=DeterministicFakeEmbedding(size=3))
SessionManager("sqlite://", embedder=MockEmbedding(embed_dim=3))
SessionManager("sqlite://", embedder=None)
SessionManager("sqlite://", embedder="a model")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
assert_type(of_langchain(DeterministicFakeEmbedding(size=3)), SessionManager)
assert_type(of_llama_index(MockEmbedding(embed_dim=3)), SessionManager)
SessionManager("sqlite://", summarizer=FakeListChatModel(responses=["short"]))
SessionManager("sqlite://", summarizer=MockLLM())


def entitle(messages: list[Message]) -> str:
    return messages[0].content


titler: Titler = entitle
SessionManager("sqlite://", titler=titler)
SessionManager("sqlite://", titler=FakeListChatModel(responses=["short"]))
SessionManager("sqlite://", titler=summarize)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
