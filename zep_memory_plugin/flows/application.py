"""What the application gave a manager: its functions, and how they are asked."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from .. import static
from ..core.listing import Horizon
from ..models import BeforeStore
from ..types import Embedder, LangChainEmbeddings, LlamaIndexEmbedding, SummaryAs, TokenCounter
from ..units import Ask
from .asking import AsksForSummary, AsksForTitle, no_model

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Embedding:
    """An embedder of any kind, as it is asked here."""

    texts: Callable[[list[str]], Ask]
    query: Callable[[str], Ask]
    is_function: bool = False
    """Whether a query is asked as one text of several, and its vector comes as one of several."""

    dimensions: int | None = None
    """How many numbers its vectors have, once it was asked."""

    indexed: set[int] = field(default_factory=set)
    """The numbers of dimensions that an index was made for."""

    looked_through: set[str] = field(default_factory=set)
    """Sessions in which no embedding of other dimensions was left; not all of them."""

    compared: bool = False
    """Whether what is stored was looked at for embeddings of other dimensions."""


@dataclass(frozen=True, slots=True)
class Application:
    """The functions that the application gave a manager, and how many messages stay out of a summary."""

    token_counter: TokenCounter
    message_window: int
    summarizer: AsksForSummary | None = None
    titler: AsksForTitle | None = None
    embedding: Embedding | None = None
    background: bool = True
    """Whether the functions are asked when nobody waits for them."""
    before_store: BeforeStore | None = None
    summary_as: SummaryAs = "system"
    sessions_horizon: Horizon = field(default_factory=Horizon)
    users_horizon: Horizon = field(default_factory=Horizon)

    @property
    def works_on_sessions(self) -> bool:
        """Whether there is a function that makes something of what is written."""
        return any(each is not None for each in (self.summarizer, self.titler, self.embedding))


def embedding_of(embedder: Embedder | None) -> Embedding | None:
    """Return how to ask *embedder*.

    Raises:
        InvalidInput: it is of none of the kinds, or a package that it needs is not installed.
    """
    if embedder is None:
        return None
    if isinstance(embedder, type):
        raise no_model("embedder", embedder, "an embedding model")
    if isinstance(embedder, str) and embedder == "static":
        return embedding_of(static.static_embedder())
    if isinstance(embedder, LangChainEmbeddings):
        return Embedding(
            lambda texts: Ask(embedder.embed_documents, (texts,), embedder.aembed_documents),
            lambda text: Ask(embedder.embed_query, (text,), embedder.aembed_query),
        )
    if isinstance(embedder, LlamaIndexEmbedding):
        return Embedding(
            lambda texts: Ask(embedder.get_text_embedding_batch, (texts,), embedder.aget_text_embedding_batch),
            lambda text: Ask(embedder.get_query_embedding, (text,), embedder.aget_query_embedding),
        )
    if callable(embedder):
        return Embedding(lambda texts: Ask(embedder, (texts,)), lambda text: Ask(embedder, ([text],)), is_function=True)
    raise no_model("embedder", embedder, "an embedding model")


def log_failure(work: str, error: Exception) -> None:
    """Log a failure by its kind alone: its text may hold words of the conversation."""
    logger.warning("%s failed: %s", work, type(error).__name__)
