"""Runs where langchain-community and zep-python 1.5.0 are: `python langchain_rows.py URL`.

Prints a JSON object on each line: what was judged, and what went wrong or null.
"""

import asyncio
import json
import sys
import traceback
import uuid
import warnings

warnings.simplefilter("ignore")

from langchain_community.chat_message_histories import ZepChatMessageHistory  # noqa: E402
from langchain_community.memory.zep_memory import ZepMemory  # noqa: E402
from langchain_community.retrievers import ZepRetriever  # noqa: E402
from langchain_core.messages import AIMessage, HumanMessage  # noqa: E402

URL = sys.argv[1]


def history_keeps_messages() -> None:
    history = ZepChatMessageHistory(uuid.uuid4().hex, url=URL)
    assert history.messages == []
    history.add_user_message("I like Lisbon", metadata={"mood": "glad"})
    history.add_ai_message("Lisbon it is")
    asyncio.run(history.aadd_messages([HumanMessage("more"), AIMessage("of it")]))
    assert [(type(m), m.content) for m in history.messages] == [
        (HumanMessage, "I like Lisbon"),
        (AIMessage, "Lisbon it is"),
        (HumanMessage, "more"),
        (AIMessage, "of it"),
    ]
    assert history.messages[0].additional_kwargs["metadata"] == {"mood": "glad"}
    assert not history.zep_summary
    assert history.search("Lisbon", limit=1)[0].message["content"] in ("I like Lisbon", "Lisbon it is")
    history.clear()
    assert history.messages == []


def memory_keeps_turns() -> None:
    memory = ZepMemory(session_id=uuid.uuid4().hex, url=URL, return_messages=True)
    memory.save_context({"input": "hello"}, {"output": "hi"}, metadata={"a": 1})
    assert [m.content for m in memory.load_memory_variables({})["history"]] == ["hello", "hi"]


def retriever_returns_documents() -> None:
    session_id = uuid.uuid4().hex
    ZepChatMessageHistory(session_id, url=URL).add_user_message("I like Lisbon")
    retriever = ZepRetriever(url=URL, session_id=session_id, top_k=3)
    (document,) = retriever.invoke("Lisbon")
    assert document.page_content == "I like Lisbon"
    assert document.metadata["score"] > 0
    assert [each.page_content for each in asyncio.run(retriever.ainvoke("Lisbon"))] == ["I like Lisbon"]


for judged in (history_keeps_messages, memory_keeps_turns, retriever_returns_documents):
    problem = None
    try:
        judged()
    except Exception:
        problem = traceback.format_exc(limit=-3)
    print(json.dumps({"row": judged.__name__, "problem": problem}), flush=True)
