"""A retriever of messages, for query engines, tools and chat engines."""

from collections.abc import Iterable
from typing import Any, Unpack

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks.base import CallbackManager
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from ..context import scope_of
from ..errors import InvalidInput
from ..manager import SessionManager
from ..models import Message, SearchResult, Summary
from ..types import SearchOptions
from .registry import DEFAULT_NAME, named_manager


class ZepRetriever(BaseRetriever):
    """Finds the messages, or summaries, that best answer a question, best first.

    *manager* is a `SessionManager` or the name under which one is registered. The retriever looks in the session
    *session_id*, or with *user_id* in all sessions of that user, or with both in that session if it is that user's or
    nobody's. Given neither it looks in the session of the surrounding `use_session`, if that is its user's. Where
    nothing names a session or a user a question is refused, unless the retriever was made for *all_users*; it then
    looks in everything that it was not told to leave out, whatever surrounds it. `limit`, `metadata`, `mode` and the
    other options are those of `SearchOptions`. An empty question finds nothing.

    The id of a node names session and message, so the same message is the same node in every result. What is known
    about it besides its text is in the node's metadata, and kept out of prompts and embeddings: `session_id`, `uuid`,
    `seq`, the position number in the session, `role`, `name`, `created_at` in ISO 8601, `metadata`, with the option
    `context` the texts of the `neighbours`, and with `explain` the `explanation`. A summary has the role "summary" and
    as `seq` that of the last message that it covers.
    """

    def __init__(
        self,
        manager: SessionManager | str = DEFAULT_NAME,
        *,
        all_users: bool = False,
        callback_manager: CallbackManager | None = None,
        **options: Unpack[SearchOptions],
    ) -> None:
        super().__init__(callback_manager=callback_manager)
        if unknown := options.keys() - SearchOptions.__optional_keys__:
            raise InvalidInput(", ".join(sorted(unknown)), "is no option of ZepRetriever; see SearchOptions")
        self._manager = named_manager(manager)
        self._all_users = all_users
        self._options = options

    def __repr__(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in self._options.items())
        return f"llama_index.ZepRetriever({self._manager!r}{options})"  # LangChain has one, too

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        text, options = query_bundle.query_str, self._scoped_options()
        return _nodes(self._manager.search_memory(text, **options)) if text.strip() else []

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        text, options = query_bundle.query_str, self._scoped_options()
        return _nodes(await self._manager.asearch_memory(text, **options)) if text.strip() else []

    def _scoped_options(self) -> SearchOptions:
        session_id, user_id = self._options.get("session_id"), self._options.get("user_id")
        return {**self._options, **scope_of(session_id, user_id, all_users=self._all_users)}


def _nodes(results: Iterable[SearchResult]) -> list[NodeWithScore]:
    parts = ((result, result.message or result.summary) for result in results)
    return [NodeWithScore(node=_node(result, part), score=result.score) for result, part in parts if part is not None]


def _node(result: SearchResult, part: Message | Summary) -> TextNode:
    """Return a message or a summary as a node whose id is always the same."""
    fields: dict[str, Any] = {
        "session_id": result.session_id,
        "uuid": str(part.uuid),
        "seq": part.seq,
        "role": "summary" if isinstance(part, Summary) else part.role,
        "name": None if isinstance(part, Summary) else part.name,
        "created_at": part.created_at and part.created_at.isoformat(),
        "metadata": part.metadata,
        "neighbours": [message.content for message in result.neighbours] or None,
        "explanation": result.explanation and result.explanation.model_dump(),
    }
    metadata = {key: value for key, value in fields.items() if value is not None}
    return TextNode(
        id_=f"{result.session_id}/{part.uuid}",
        text=part.content,
        metadata=metadata,
        excluded_llm_metadata_keys=list(metadata),
        excluded_embed_metadata_keys=list(metadata),
    )
