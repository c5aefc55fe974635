"""Messages of earlier conversations as LangChain's documents."""

from collections.abc import Mapping
from typing import Any, Unpack, cast

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun as AsyncRun
from langchain_core.callbacks import CallbackManagerForRetrieverRun as SyncRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field

from ..context import scope_of
from ..manager import SessionManager
from ..models import Message, SearchResult, Summary
from ..types import JsonScalar, SearchOptions, SearchRefinements
from ._former import unlike_former


class ZepRetrieverFields(SearchRefinements, total=False):
    """What a `ZepRetriever` may be made with beside its manager."""

    k: int
    session_id: str | None
    user_id: str | None
    all_users: bool
    metadata_filter: Mapping[str, JsonScalar] | None
    search_options: SearchRefinements
    name: str | None
    tags: list[str] | None
    metadata: dict[str, Any] | None


@unlike_former(
    "ZepRetriever(manager=SessionManager(database), session_id=session_id, k=4)",
    "url",
    "api_key",
    "zep_client",
    "zep_client_async",
    "search_type",
    renamed={"top_k": "k", "search_scope": "scope"},
)
class ZepRetriever(BaseRetriever):
    """Finds the messages that best answer a query, as documents, best first.

    Looks in the session *session_id*, or with *user_id* in all sessions of that user, or with both in that session if
    it is that user's or nobody's. Given neither it looks in the session of the surrounding `use_session`, if that is
    its user's. Where nothing names a session or a user a query is refused, unless the retriever was made for
    *all_users*; it then looks in everything that it was not told to leave out, whatever surrounds it.

    *k* is the number of documents; a call may ask for another. *metadata_filter* keeps the messages that have all of
    its values in their metadata, while *metadata* is LangChain's own and goes to its traces. `mode`, `scope`, `where`
    and the other options of `SearchRefinements` are given by name, or together as *search_options*. An empty query
    finds nothing.

    A document's id is the uuid of the message as text; its metadata holds the `score`, `session_id`, `role`,
    `created_at` in ISO 8601, `seq`, the position number in the session, the `name` of the writer, if there is one, and
    with the option `context` the texts of the `neighbours`, and with `explain` the `explanation`. A summary has the
    role "summary" and as `seq` that of the last message that it covers.
    """

    model_config = ConfigDict(extra="forbid")

    manager: SessionManager = Field(exclude=True, repr=False)
    k: int = 4
    session_id: str | None = None
    user_id: str | None = None
    all_users: bool = False
    metadata_filter: dict[str, JsonScalar] | None = None
    search_options: dict[str, object] = Field(default_factory=dict)

    def __init__(self, *, manager: SessionManager, **fields: Unpack[ZepRetrieverFields]) -> None:
        options: dict[str, object] = dict(fields.pop("search_options", {}))
        own: dict[str, Any] = {"manager": manager, "search_options": options}
        for name, value in fields.items():
            (options if name in SearchRefinements.__optional_keys__ else own)[name] = value
        super().__init__(**own)

    def __repr_name__(self) -> str:
        return "langchain.ZepRetriever"  # LlamaIndex has one, too

    def _get_relevant_documents(self, query: str, *, run_manager: SyncRun, k: int | None = None) -> list[Document]:
        options = self._options(k)
        results = self.manager.search_memory(query, **options) if query.strip() else []
        return [_document(result) for result in results]

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncRun, k: int | None = None
    ) -> list[Document]:
        options = self._options(k)
        results = await self.manager.asearch_memory(query, **options) if query.strip() else []
        return [_document(result) for result in results]

    def _options(self, k: int | None) -> SearchOptions:
        scope = scope_of(self.session_id, self.user_id, all_users=self.all_users)
        bounds = {"metadata": self.metadata_filter, "limit": self.k if k is None else k}
        return cast("SearchOptions", {**self.search_options, **scope, **bounds})


def _document(result: SearchResult) -> Document:
    part = result.message or result.summary
    assert part is not None, "a result is of a message or of a summary"  # noqa: S101
    metadata: dict[str, object] = {
        "score": result.score,
        "session_id": result.session_id,
        "created_at": part.created_at and part.created_at.isoformat(),
        "seq": part.seq,
        **_writer(part),
    }
    if result.neighbours:
        metadata["neighbours"] = [message.content for message in result.neighbours]
    if result.explanation is not None:
        metadata["explanation"] = result.explanation.model_dump()
    return Document(part.content, id=str(part.uuid), metadata=metadata)


def _writer(part: Message | Summary) -> dict[str, str]:
    if isinstance(part, Summary):
        return {"role": "summary"}
    return {"role": part.role} if part.name is None else {"role": part.role, "name": part.name}
