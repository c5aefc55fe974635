"""Our SQL/JSON paths mean what they mean in Postgres."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zep_memory_plugin import InvalidInput
from zep_memory_plugin.core.search import jsonpath
from zep_memory_plugin.core.search.patterns import Pattern

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["a", "ab", "b", "1"]), st.floats(-2, 2)
)
DOCUMENTS = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=3,
)
STEPS = st.sampled_from([".a", ".b", '."c"', ".*", "[*]", "[0]", "[last]", "[0 to 1]", "[0, 1]", "[last - 1]"])
LITERALS = st.sampled_from(['"a"', '"ab"', "1", "-1", "0.5", "true", "false", "null"])


def paths(start: str) -> st.SearchStrategy[str]:
    return st.lists(STEPS, max_size=3).map(lambda steps: start + "".join(steps))


COMPARED = st.builds(
    "{} {} {}".format,
    paths("@"),
    st.sampled_from(["==", "!=", "<>", "<", "<=", ">", ">="]),
    LITERALS | paths("@") | paths("$"),
)
TESTED = st.builds(
    "{} {}".format,
    paths("@"),
    st.sampled_from(['starts with "a"', 'like_regex "^a"', 'like_regex "^A" flag "i"', 'like_regex "b$"']),
)
EXISTING = paths("@").map("exists ({})".format)
PREDICATES = st.recursive(
    COMPARED | TESTED | EXISTING,
    lambda inner: st.one_of(
        st.builds("{} && {}".format, inner, inner),
        st.builds("{} || {}".format, inner, inner),
        inner.map("!({})".format),
        inner.map("({}) is unknown".format),
        inner.map("({})".format),
    ),
    max_leaves=4,
)
FILTERED = st.builds("{} ? ({}){}".format, paths("$"), PREDICATES, st.just("") | STEPS)


@pytest.fixture
def cursor(postgres_url: str) -> Iterator[psycopg.Cursor[Any]]:
    with psycopg.connect(postgres_url) as connection, connection.cursor() as cursor:
        yield cursor


def test_a_path_matches_what_it_matches_in_postgres(cursor: psycopg.Cursor[Any]) -> None:
    """Random paths over random documents, in lax mode, which never fails."""

    @given(DOCUMENTS, paths("$") | FILTERED)
    @settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
    def compare(document: dict[str, Any], path: str) -> None:
        cursor.execute(
            "SELECT jsonb_path_exists(%s::jsonb, %s::jsonpath, silent => true)", [json.dumps(document), path]
        )
        assert jsonpath.parsed(path, "path").matches(document) is cursor.fetchone()[0], (document, path)

    compare()


@given(st.text(alphabet="$@.ab\"'[]()*?=<>&|! 10toexislke_rgf-,", max_size=30))
@settings(max_examples=2000, deadline=None)
def test_anything_else_is_refused_in_words(path: str) -> None:
    """Nothing but InvalidInput comes out of a path, a kind of ValueError."""
    with suppress(InvalidInput):
        jsonpath.parsed(path, "path").matches({"a": {"b": [1, "x"]}})


LONG = "a" * 4_096


@pytest.mark.parametrize(
    "pattern",
    ["a*a*b", "a*a*a*a*b", "^(a+)+$", "^(a|a)*$", "^(a*)*b", "((a)|b+)+b", "^(?:a{2,})*b", "^([ab]*c?)+b", "^(a?a?)*b"],
)
def test_a_pattern_is_matched_in_steps_that_grow_with_the_text_alone(pattern: str) -> None:
    """For all of these Python's own patterns take seconds to centuries on such a text."""
    steps: list[int] = []

    assert not Pattern(pattern).search(LONG + "!", steps.append)

    assert sum(steps) < 2_000


_ATOMS = st.sampled_from(
    ["a", "b", ".", "[ab]", "[^a]", r"\d", r"\w", r"\s", "(ab|c)", "(a|b)", "^", r"\b", "(?:ab)", " "]
)
_TIMES = st.sampled_from(["", "", "*", "+", "?", "{1,2}", "{0,3}", "*?", "{2}"])
_FLAGS = st.sampled_from([0, re.IGNORECASE, re.DOTALL, re.MULTILINE])


@given(st.lists(st.tuples(_ATOMS, _TIMES), max_size=5), st.text(alphabet="abcB1 \n_", max_size=8), _FLAGS)
@settings(max_examples=3000, deadline=None)
def test_a_pattern_matches_what_pythons_matches(parts: list[tuple[str, str]], text: str, flags: int) -> None:
    pattern = "".join(atom + times for atom, times in parts)
    try:
        expected = re.compile(pattern, flags).search(text) is not None
    except re.error:
        return

    assert Pattern(pattern, flags).search(text, lambda _: None) is expected


@pytest.mark.parametrize(
    "pattern", [r"(a)\1", "(?=a)", "(?<!a)b", "(?>a)b", "a*+b", "(?i:a)", "(a{900}){900}", "a{9999999999}"]
)
def test_a_pattern_that_cannot_be_matched_so_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidInput, match="has a pattern that"):
        jsonpath.parsed(f"$.a ? (@ like_regex {json.dumps(pattern)})", "path")


@pytest.mark.parametrize(
    "path",
    [
        "$.list" + "[0,0]" * 25,
        "$.list[*] ? (exists($.list[*] ? (exists($.list[*] ? (exists($.list[*] ? (@ == 99)))))))",
    ],
)
def test_a_path_that_leads_to_too_much_is_given_up(path: str) -> None:
    with pytest.raises(InvalidInput, match="visits more than 1,000,000 items"):
        jsonpath.parsed(path, "path").matches({"list": list(range(50))})


@pytest.mark.parametrize("depth", [100, 100_000])
def test_deep_brackets_are_refused(depth: int) -> None:
    with pytest.raises(InvalidInput):
        jsonpath.parsed("$ ? (" + "(" * depth, "path")
