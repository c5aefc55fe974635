"""Messages of earlier conversations as LangChain's documents."""

from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun as AsyncRun
from langchain_core.callbacks import CallbackManagerForRetrieverRun as SyncRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field

from ..context import current_session
from ..dialects import JsonScalar
from ..errors import InvalidInput
from ..manager import SessionManager
from ..models import Message, SearchMode, SearchResult, SearchScope, Summary


class ZepRetriever(BaseRetriever):
    """Finds the messages that best answer a query, as documents, best first.

    Looks in the session *session_id*, or with *user_id* in all sessions of that user, or with both in that session if
    it is that user's. Given neither it looks in the session of the surrounding `use_session`, if that is its user's.
    Where nothing names a session or a user a query is refused, unless the retriever was made for *all_users*; it then
    looks in everything that it was not told to leave out, whatever surrounds it.

    *k* is the number of documents; a call may ask for another. *metadata_filter* keeps the messages that have all of
    its values in their metadata, while *metadata* is LangChain's own and goes to its traces. *mode*, *mmr_lambda* and
    *scope* are those of `SessionManager.search_memory`. An empty query finds nothing.

    A document's id is the uuid of the message as text; its metadata holds the `score`, `role`, `session_id`,
    `created_at` in ISO 8601, `seq`, the place in the session, and the `name` of the writer, if there is one. One of a
    summary has the role "summary" and as `seq` the last message that it covers.
    """

    model_config = ConfigDict(extra="forbid")

    manager: SessionManager = Field(exclude=True, repr=False)
    k: int = 4
    session_id: str | None = None
    user_id: str | None = None
    all_users: bool = False
    metadata_filter: dict[str, JsonScalar] | None = None
    mode: SearchMode = "lexical"
    mmr_lambda: float | None = None
    scope: SearchScope = "messages"

    def _get_relevant_documents(self, query: str, *, run_manager: SyncRun, k: int | None = None) -> list[Document]:
        session_id, user_id = self._where()
        if not query.strip():
            return []
        found = self.manager.search_memory(
            query,
            session_id=session_id,
            user_id=user_id,
            metadata=self.metadata_filter,
            scope=self.scope,
            mode=self.mode,
            mmr_lambda=self.mmr_lambda,
            limit=self.k if k is None else k,
        )
        return [_document(result) for result in found]

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncRun, k: int | None = None
    ) -> list[Document]:
        session_id, user_id = self._where()
        if not query.strip():
            return []
        found = await self.manager.asearch_memory(
            query,
            session_id=session_id,
            user_id=user_id,
            metadata=self.metadata_filter,
            scope=self.scope,
            mode=self.mode,
            mmr_lambda=self.mmr_lambda,
            limit=self.k if k is None else k,
        )
        return [_document(result) for result in found]

    def _where(self) -> tuple[str | None, str | None]:
        """Return the session and the user to look in.

        Raises:
            InvalidInput: neither is named, and the retriever is not one for all users.
        """
        if self.all_users or self.session_id is not None or self.user_id is not None:
            return self.session_id, self.user_id
        current = current_session()
        if current is None:
            raise InvalidInput(
                "user_id",
                "is missing; give the retriever a user_id or a session_id, make the call inside "
                '`with use_session("alice-1"):`, or give all_users=True to look in the sessions of everyone',
            )
        return current.session_id, current.user_id


def _document(result: SearchResult) -> Document:
    told: dict[str, Any] = {"score": result.score, "session_id": result.session_id}
    if result.message is not None:
        told["role"] = result.message.role
        if result.message.name is not None:
            told["name"] = result.message.name
        return _saying(result.message, told)
    assert result.summary is not None, "a result is of a message or of a summary"  # noqa: S101
    return _saying(result.summary, told | {"role": "summary"})


def _saying(found: Message | Summary, told: dict[str, Any]) -> Document:
    created_at = found.created_at and found.created_at.isoformat()
    return Document(found.content, id=str(found.uuid), metadata=told | {"created_at": created_at, "seq": found.seq})
