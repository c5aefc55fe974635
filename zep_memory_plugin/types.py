"""The types that stand in public signatures: choices, functions of the application, and JSON."""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import (
    IO,
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    Protocol,
    TypedDict,
    TypeVar,
    runtime_checkable,
)

from pydantic import JsonValue, SkipValidation
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session
from sqlalchemy.orm import Session as OrmSession
from sqlalchemy.orm import scoped_session

Given = TypeVar("Given")
Value = TypeVar("Value")

if TYPE_CHECKING:

    class Takes(Generic[Given, Value]):
        """A field of a model that takes a *Given* and holds a *Value*: what a validator does, told to type checkers."""

        def __get__(self, model: object, owner: object = None) -> Value: ...
        def __set__(self, model: object, value: Given) -> None: ...

    Metadata = dict[str, JsonValue]
    ToolArguments = dict[str, JsonValue] | str
else:
    Metadata = Annotated[dict[str, Any], SkipValidation]
    """A JSON object. Checked when it is stored: JSON types only, no NaN, bounded depth and size."""
    ToolArguments = Annotated[dict[str, Any] | str, SkipValidation]
    """What a tool is called with; text where a model wrote what is no JSON."""

JsonScalar = str | int | float | bool | None
"""A value that a metadata filter compares with."""

Durability = Literal["full", "normal"]
"""Whether what was acknowledged survives a power loss, or only a crash of the program."""

SummaryAs = Literal["system", "user"]
"""Who tells a model the summary of a session: the system, in a message of its own, or the user, in their first one."""

Pooler = Literal["auto", "transaction", "none"]
"""Whether a pooler stands before Postgres that gives each transaction another server: told, or found out."""

MessageStatus = Literal["active", "archived"]
"""Whether a message is in the window that a framework works with, or has left it; both are live."""

KnownRule = Literal["update", "append"]
"""What becomes of a message whose uuid the session knows: it gets the new content, or may be one that is said anew."""

ChangeKind = Literal["appended", "changed", "deleted", "superseded"]
"""What became of a message; "changed" is edited, archived or restored, and there as it is now."""

SessionOrder = Literal["added", "active"]
"""Whether sessions are listed as they were added, oldest first, or by their last message, newest first."""

UsageKey = Literal["session", "user", "day"]
"""By what usage is summed."""

RoleType = Literal["user", "assistant", "system", "tool", "other"]
"""Who speaks, in one word that every framework's own word for it is mapped to."""

_ROLE_TYPES: dict[str, RoleType] = {
    "ai": "assistant",
    "aimessagechunk": "assistant",
    "assistant": "assistant",
    "chatbot": "assistant",
    "developer": "system",
    "function": "tool",
    "human": "user",
    "model": "assistant",
    "system": "system",
    "tool": "tool",
    "user": "user",
}


def role_type_of(role: str) -> RoleType:
    """Return the role type that a *role* stands for, whoever wrote it: `"ai"`, `"Human"`, `"model"` …"""
    return _ROLE_TYPES.get(role.lower(), "other")


SearchMode = Literal["lexical", "semantic", "hybrid"]
"""Whether a search goes by words, by meaning, or by both."""

SearchScope = Literal["messages", "summary"]
"""What a search looks through."""


class SearchRefinements(TypedDict, total=False):
    """How a search goes about it, wherever it looks and however many results it returns."""

    where: Mapping[str, object] | None
    """A node `{"jsonpath": path, "and": [nodes], "or": [nodes]}`, all parts of which have to hold.

    A path, in Postgres' SQL/JSON language, holds when it leads to something: `$.mood ? (@ == "glad")`. Beware: a
    comparison outside of a filter, `$.mood == "glad"`, always leads to its own truth, and so keeps all with metadata.
    """

    start_date: datetime | None
    """The earliest `created_at`."""

    end_date: datetime | None
    """The latest `created_at`."""

    scope: SearchScope
    """What to look through, by default messages."""

    mode: SearchMode
    """By default "lexical"; "semantic" finds by meaning, "hybrid" by both, and they need the manager's embedder."""

    mmr_lambda: float | None
    """Makes the results differ from each other, the more the nearer it is to 0; at 1 only nearness counts."""

    context: int
    """How many neighbours of each message to return, before and after it; by default none."""

    explain: bool
    """Whether each result says what its score is made of; by default not."""


class SearchOptions(SearchRefinements, total=False):
    """What a search may be told beside its text."""

    session_id: str | None
    """The session to look in."""

    user_id: str | None
    """The user whose sessions to look in; with a session, which has to be theirs or nobody's."""

    metadata: Mapping[str, JsonScalar] | None
    """Keys that the metadata has to have, each with an equal value of the same type."""

    limit: int | None
    """How many results at most, by default 10; None for all."""


Vectors = Sequence[Sequence[float]]
"""A vector for each of some texts, in their order."""

DEFAULT_MAX_TOKENS = 30_000
"""Tokens of a session that a model is shown when nothing else is said, by `prompt_memory` and by every adapter."""


class WindowBounds(TypedDict, total=False):
    """What bounds a window; where several do, all hold. None, or a bound that is not given, is none."""

    limit: int | None
    """How many messages, at most."""

    turns: int | None
    """How many turns, at most."""

    max_tokens: int | None
    """How many tokens, at most."""


TokenCounter = Callable[[str], int]
"""Counts the tokens of a text."""

LentConnection = (
    Connection | OrmSession | scoped_session[Any] | AsyncConnection | AsyncSession | async_scoped_session[Any]
)
"""What `using` takes: a connection or a session of SQLAlchemy's, or one that is awaited."""

TransferFormat = Literal["jsonl", "markdown", "csv"]
"""How an export is written: JSON Lines keep everything, Markdown and CSV are for people."""

TransferTarget = str | os.PathLike[str] | IO[bytes]
"""What an export is written to: a path, or a file that is open for bytes."""


class LinesOfBytes(Protocol):
    """A file that is open for bytes, or what is read like one."""

    def readline(self) -> bytes: ...


TransferSource = str | os.PathLike[str] | LinesOfBytes
"""What an import reads: the path of a file, or one that is open for bytes."""

TransferProgress = Callable[[int, int | None], None]
"""Is called with the number of messages done, and about how many there are, None where nobody knows."""

RebuildProgress = Callable[[int, int], None]
"""Is called with the number of messages done and about how many there are."""


@runtime_checkable
class LangChainEmbeddings(Protocol):
    """What is used of LangChain's `Embeddings`."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]: ...
    def embed_query(self, text: str) -> list[float]: ...
    async def aembed_documents(self, texts: list[str]) -> list[list[float]]: ...
    async def aembed_query(self, text: str) -> list[float]: ...


@runtime_checkable
class LlamaIndexEmbedding(Protocol):
    """What is used of LlamaIndex's `BaseEmbedding`."""

    def get_text_embedding_batch(self, texts: list[str]) -> list[list[float]]: ...
    def get_query_embedding(self, query: str) -> list[float]: ...
    async def aget_text_embedding_batch(self, texts: list[str]) -> list[list[float]]: ...
    async def aget_query_embedding(self, query: str) -> list[float]: ...


Embedder = (
    LangChainEmbeddings | LlamaIndexEmbedding | Callable[[list[str]], Vectors | Awaitable[Vectors]] | Literal["static"]
)
"""Turns texts into vectors: a LangChain `Embeddings`, a LlamaIndex `BaseEmbedding`, or a function, async or not."""


class Operation(NamedTuple):
    """A unit of work as a watcher is told of it: what is done where, and not whose it is or what is in it."""

    name: str
    """The function of this package that does it, such as `appending.append`."""

    writes: bool
    system: str
    """The kind of database: sqlite or postgresql."""

    namespace: str | None = None
    """Of a server: the name of the database there, and below where it is."""

    host: str | None = None
    port: int | None = None


Watcher = Callable[[Operation], AbstractContextManager[object]]
"""Returns what is to be around a unit of work, from its first attempt to its last."""


@runtime_checkable
class LangChainModel(Protocol):
    """What is used of LangChain's chat models, and of any other runnable that a text is put into."""

    def invoke(self, text: str, /) -> object: ...
    async def ainvoke(self, text: str, /) -> object: ...


@runtime_checkable
class LlamaIndexModel(Protocol):
    """What is used of LlamaIndex's `LLM`."""

    def complete(self, prompt: str, /) -> object: ...
    async def acomplete(self, prompt: str, /) -> object: ...


@runtime_checkable
class Answer(Protocol):
    """What a model answers: LangChain's `AIMessage`, LlamaIndex's `CompletionResponse`."""

    @property
    def text(self) -> str: ...
