"""A retriever of messages, for query engines, tools and chat engines."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks.base import CallbackManager
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from ..context import current_session
from ..dialects import JsonScalar
from ..errors import InvalidInput
from ..manager import SessionManager
from ..models import Message, SearchMode, SearchResult, SearchScope, Summary
from .registry import DEFAULT_NAME, manager_of


class ZepRetriever(BaseRetriever):
    """Finds the messages, or summaries, of a session or of all sessions of a user that best answer a question.

    *manager* is a `SessionManager` or the name under which one is registered. The session is *session_id*; with only
    *user_id* all sessions of that user are searched, and with neither that of the `use_session` block around the call.
    The other options are those of `SessionManager.search_memory`.

    The id of a node names session and message, so the same message is the same node in every result. What is known
    about it besides its text is in the node's metadata, and kept out of prompts and embeddings.
    """

    def __init__(
        self,
        manager: SessionManager | str = DEFAULT_NAME,
        *,
        session_id: str | None = None,
        user_id: str | None = None,
        limit: int = 10,
        metadata: dict[str, JsonScalar] | None = None,
        where: Mapping[str, object] | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
        scope: SearchScope = "messages",
        mode: SearchMode = "lexical",
        mmr_lambda: float | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        super().__init__(callback_manager=callback_manager)
        self._manager = manager_of(manager)
        self._session_id = session_id
        self._user_id = user_id
        self._options: dict[str, Any] = {
            "limit": limit,
            "metadata": metadata,
            "where": where,
            "start_date": start_date,
            "end_date": end_date,
            "scope": scope,
            "mode": mode,
            "mmr_lambda": mmr_lambda,
        }

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        options = self._place() | self._options
        text = query_bundle.query_str
        return _nodes(self._manager.search_memory(text, **options)) if text.strip() else []

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        options = self._place() | self._options
        text = query_bundle.query_str
        return _nodes(await self._manager.asearch_memory(text, **options)) if text.strip() else []

    def _place(self) -> dict[str, Any]:
        """Return where to look; never everywhere, which would show one user what another said."""
        if self._session_id is not None or self._user_id is not None:
            return {"session_id": self._session_id, "user_id": self._user_id}
        around = current_session()
        if around is None:
            raise InvalidInput("session_id", "is not given; give it or a user_id, or retrieve inside use_session")
        return {"session_id": around.session_id, "user_id": around.user_id}


def _nodes(results: Iterable[SearchResult]) -> list[NodeWithScore]:
    found = ((result, result.message or result.summary) for result in results)
    return [NodeWithScore(node=_node(result, part), score=result.score) for result, part in found if part is not None]


def _node(result: SearchResult, found: Message | Summary) -> TextNode:
    """Return what was found as a node whose id is always the same."""
    known: dict[str, Any] = {
        "session_id": result.session_id,
        "uuid": str(found.uuid),
        "role": None if result.message is None else result.message.role_type,
        "created_at": None if found.created_at is None else found.created_at.isoformat(),
        "metadata": found.metadata,
    }
    metadata = {key: value for key, value in known.items() if value is not None}
    return TextNode(
        id_=f"{result.session_id}/{found.uuid}",
        text=found.content,
        metadata=metadata,
        excluded_llm_metadata_keys=list(metadata),
        excluded_embed_metadata_keys=list(metadata),
    )
