"""Tool calls and their results."""

from langchain_core.messages import AIMessage, ToolMessage

from tests.langchain.models import texts
from zep_memory_plugin.core.pairing import NO_RESULT
from zep_memory_plugin.langchain._messages import to_rows
from zep_memory_plugin.langchain._pairs import with_results

TWICE = AIMessage("", tool_calls=[{"name": "weather", "args": {"city": city}, "id": "0"} for city in "ab"])


def test_calls_of_one_id_keep_a_result_each() -> None:
    """Some models number their calls from 0 with every message, or give all the same number."""
    rain, sun = (ToolMessage(text, tool_call_id="0") for text in ("rain", "sun"))

    assert texts(with_results(to_rows([TWICE, rain, sun]))) == ["", "rain", "sun"]
    assert texts(with_results(to_rows([TWICE, rain]))) == ["", "rain", NO_RESULT]
    assert texts(with_results(to_rows([TWICE]), [rain, sun])) == [""]
