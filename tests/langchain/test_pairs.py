"""Tool calls and their results."""

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from tests.langchain.models import texts
from zep_memory_plugin.core.pairing import NO_RESULT
from zep_memory_plugin.langchain._messages import to_rows
from zep_memory_plugin.langchain._pairs import with_results

WITHOUT = AIMessage("", tool_calls=[{"name": name, "args": {}, "id": None} for name in ("weather", "time")])
TWICE = AIMessage("", tool_calls=[{"name": "weather", "args": {"city": city}, "id": "0"} for city in "ab"])


def test_calls_of_one_id_keep_a_result_each() -> None:
    """Some models number their calls from 0 with every message, or give all the same number."""
    rain, sun = (ToolMessage(text, tool_call_id="0") for text in ("rain", "sun"))

    assert texts(with_results(to_rows([TWICE, rain, sun]))) == ["", "rain", "sun"]
    assert texts(with_results(to_rows([TWICE, rain]))) == ["", "rain", NO_RESULT]
    assert texts(with_results(to_rows([TWICE]), [rain, sun])) == [""]


def result(text: str, name: str | None = None, call_id: str = "") -> ToolMessage:
    return ToolMessage(text, tool_call_id=call_id, name=name)


def test_results_without_an_id_belong_to_calls_without_one_by_name_or_in_order() -> None:
    """What Ollama and Gemini call has none; an agent may answer in any order."""
    rain, noon = result("rain", "weather"), result("noon", "time")

    assert texts(with_results(to_rows([WITHOUT, rain, noon]))) == ["", "rain", "noon"]
    assert texts(with_results(to_rows([WITHOUT, noon, rain]))) == ["", "rain", "noon"]
    assert texts(with_results(to_rows([WITHOUT, result("rain"), result("noon")]))) == ["", "rain", "noon"]
    assert texts(with_results(to_rows([WITHOUT, result("noon", call_id="time")]))) == ["", NO_RESULT, "noon"]
    assert texts(with_results(to_rows([WITHOUT, result("sum", "adder")]))) == ["", NO_RESULT, NO_RESULT]


def test_a_result_without_an_id_belongs_to_its_own_turn() -> None:
    late = [WITHOUT, HumanMessage("never mind"), result("rain", "weather")]

    assert texts(with_results(to_rows(late))) == ["", NO_RESULT, NO_RESULT, "never mind"]


def test_each_call_that_a_model_gave_no_id_is_shown_with_one_and_so_is_its_result() -> None:
    call, *results = with_results(to_rows([WITHOUT, result("rain"), result("noon")]))

    assert isinstance(call, AIMessage)
    ids = [each["id"] for each in call.tool_calls]
    assert [each.tool_call_id for each in results if isinstance(each, ToolMessage)] == ids
    assert len(set(ids)) == 2
    assert all(ids)


def test_a_call_without_an_id_whose_result_is_in_the_thread_stays_as_the_thread_has_it() -> None:
    shown = with_results(to_rows([WITHOUT]), [result("rain"), result("noon")])

    assert texts(shown) == [""]
    assert isinstance(shown[0], AIMessage)
    assert [call["id"] for call in shown[0].tool_calls] == [None, None]
