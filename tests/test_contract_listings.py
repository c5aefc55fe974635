"""The contract of listings: order, cursors, and filters on metadata."""

from collections.abc import Iterable
from itertools import chain

import pytest

from tests.support.colours import Caller
from tests.support.messages import said
from zep_memory_plugin import InvalidInput, Session, Summary, User

LISTINGS = {
    "list_sessions": (),
    "list_users": (),
    "list_messages": ("a",),
    "list_summaries": ("a",),
    "get_user_sessions": ("alice",),
}


def _add_sessions(memory: Caller, count: int) -> list[Session]:
    return [memory.add_session(Session(session_id=f"s{number}")) for number in range(count)]


def _ids(sessions: Iterable[Session]) -> list[str]:
    return [session.session_id for session in sessions]


def _all_ids(chunks: Iterable[list[Session]]) -> list[str]:
    return _ids(chain.from_iterable(chunks))


def test_sessions_are_listed_in_the_order_in_which_they_were_added(memory: Caller) -> None:
    added = _add_sessions(memory, 4)
    memory.add_memory("s0", said("the latest write"))
    memory.delete_session("s2")

    listed = memory.list_sessions()

    assert [session.session_id for session in listed] == ["s0", "s1", "s3"]
    assert [session.id for session in listed] == [added[0].id, added[1].id, added[3].id]
    assert listed == [memory.get_session(session.session_id) for session in listed]


def test_a_listing_goes_on_after_its_cursor(memory: Caller) -> None:
    added = _add_sessions(memory, 5)

    assert memory.list_sessions(2) == added[:2]
    assert memory.list_sessions(2, added[1].id) == added[2:4]
    assert memory.list_sessions(cursor=added[1].id) == added[2:]
    assert memory.list_sessions(10, added[4].id) == []
    assert memory.list_sessions(cursor=2**63 - 1) == []


def test_no_limit_lists_everything_and_zero_nothing(memory: Caller) -> None:
    memory.add_user(User(user_id="alice"))
    memory.add_memory("a", said("one", "two"), user_id="alice")
    memory.add_summary("a", Summary(content="counted"))

    for method, arguments in LISTINGS.items():
        everything = getattr(memory, method)(*arguments)
        assert len(everything) == (2 if method == "list_messages" else 1)
        assert getattr(memory, method)(*arguments, limit=None) == everything
        assert getattr(memory, method)(*arguments, limit=1_000_000_000) == everything
        assert getattr(memory, method)(*arguments, limit=0) == []


@pytest.mark.parametrize("method", LISTINGS)
def test_a_negative_limit_or_cursor_is_refused(memory: Caller, method: str) -> None:
    with pytest.raises(InvalidInput, match="limit"):
        getattr(memory, method)(*LISTINGS[method], limit=-1)
    with pytest.raises(InvalidInput, match="cursor"):
        getattr(memory, method)(*LISTINGS[method], cursor=-1)


@pytest.mark.parametrize("chunk_size", [1, 2, 3, 5, 100])
def test_every_live_session_is_yielded_once(memory: Caller, chunk_size: int) -> None:
    _add_sessions(memory, 7)
    for gone in ("s0", "s3", "s4"):
        memory.delete_session(gone)

    chunks = list(memory.list_all_sessions(chunk_size))

    assert _all_ids(chunks) == ["s1", "s2", "s5", "s6"]
    assert all(len(chunk) == chunk_size for chunk in chunks[:-1])
    assert 1 <= len(chunks[-1]) <= chunk_size


def test_an_empty_store_yields_nothing(memory: Caller) -> None:
    assert list(memory.list_all_sessions()) == []
    assert list(memory.list_all_users()) == []


def test_every_user_is_yielded_once(memory: Caller) -> None:
    added = [memory.add_user(User(user_id=f"u{number}")) for number in range(5)]
    memory.delete_user("u2")

    assert list(memory.list_all_users(2)) == [added[:2], added[3:]]


@pytest.mark.parametrize("chunk_size", [0, -1, True, 1.0, None], ids=repr)
def test_a_chunk_holds_at_least_one(memory: Caller, chunk_size: object) -> None:
    with pytest.raises(InvalidInput, match="chunk_size"):
        list(memory.list_all_sessions(chunk_size))
    with pytest.raises(InvalidInput, match="chunk_size"):
        list(memory.list_all_users(chunk_size))


def test_deleting_while_iterating_neither_skips_nor_repeats(memory: Caller) -> None:
    _add_sessions(memory, 9)
    seen = []

    for chunk in memory.list_all_sessions(2):
        seen += [session.session_id for session in chunk]
        memory.delete_session(chunk[0].session_id)

    assert seen == [f"s{number}" for number in range(9)]
    assert _all_ids(memory.list_all_sessions()) == ["s1", "s3", "s5", "s7"]


def test_all_listings_take_the_same_filters(memory: Caller) -> None:
    memory.add_user(User(user_id="alice"))
    memory.add_session(Session(session_id="hers", user_id="alice", metadata={"topic": "tea"}))
    memory.add_session(Session(session_id="also hers", user_id="alice", metadata={"topic": "rain"}))
    memory.add_session(Session(session_id="nobody's", metadata={"topic": "tea"}))
    memory.add_session(Session(session_id="gone", user_id="alice", metadata={"topic": "tea"}))
    memory.delete_session("gone")

    def both(**filters: object) -> list[str]:
        listed = _ids(memory.list_sessions(**filters))
        assert _all_ids(memory.list_all_sessions(1, **filters)) == listed
        return listed

    assert both(user_id="alice") == ["hers", "also hers"]
    assert both(metadata={"topic": "tea"}) == ["hers", "nobody's"]
    assert both(user_id="alice", metadata={"topic": "tea"}) == ["hers"]
    assert both(user_id="alice", deleted=True) == ["gone"]
    assert both(user_id="bob") == []


VALUES = {
    "true": True,
    "false": False,
    "one": 1,
    "zero": 0,
    "one and a half": 1.5,
    "text one": "1",
    "text true": "true",
    "empty": "",
    "none": None,
    "text none": "null",
    "list": [1],
    "list of text": ["1"],
    "object": {"value": 1},
    "big": 2**53 + 1,
}


@pytest.mark.parametrize(
    "name", [name for name, value in VALUES.items() if not isinstance(value, list | dict)], ids=lambda name: name
)
def test_a_filter_matches_equal_values_of_the_same_type(memory: Caller, name: str) -> None:
    for each, value in VALUES.items():
        memory.add_session(Session(session_id=each, metadata={"value": value, "other": VALUES[name]}))
    memory.add_session(Session(session_id="without the key", metadata={"other": 1}))
    memory.add_session(Session(session_id="without metadata"))

    assert _ids(memory.list_sessions(metadata={"value": VALUES[name]})) == [name]


def test_a_filter_takes_one_and_one_point_zero_for_the_same_number(memory: Caller) -> None:
    memory.add_session(Session(session_id="whole", metadata={"value": 1}))
    memory.add_session(Session(session_id="real", metadata={"value": 1.0}))

    assert _ids(memory.list_sessions(metadata={"value": 1})) == ["whole", "real"]
    assert _ids(memory.list_sessions(metadata={"value": 1.0})) == ["whole", "real"]


def test_a_filter_wants_every_key(memory: Caller) -> None:
    memory.add_session(Session(session_id="a", metadata={"x": 1, "y": "z"}))
    memory.add_session(Session(session_id="b", metadata={"x": 1}))

    assert _ids(memory.list_sessions(metadata={"x": 1, "y": "z"})) == ["a"]
    assert _ids(memory.list_sessions(metadata={"x": 1})) == ["a", "b"]
    assert _ids(memory.list_sessions(metadata={})) == ["a", "b"]


def test_users_are_filtered_by_metadata(memory: Caller) -> None:
    memory.add_user(User(user_id="a", metadata={"plan": "free"}))
    paying = memory.add_user(User(user_id="b", metadata={"plan": "paid"}))

    assert memory.list_users(metadata={"plan": "paid"}) == [paying]
    assert list(memory.list_all_users(metadata={"plan": "paid"})) == [[paying]]


STRANGE_KEYS = ['a"b', "a.b", "$", "$.a", "", "é", "a\\b", "*", "a[0]", "a'b", "a%b", "x OR 1=1", "ключ", "🫖"]


@pytest.mark.parametrize("key", STRANGE_KEYS, ids=ascii)
def test_a_filter_takes_any_key_and_value_as_they_are(memory: Caller, key: str) -> None:
    memory.add_session(Session(session_id="plain", metadata={"a": {"b": "x"}, "b": "x", "ab": "x", "x": "x"}))
    memory.add_session(Session(session_id="strange", metadata={key: key}))

    assert memory.get_session("strange").metadata == {key: key}
    assert _ids(memory.list_sessions(metadata={key: key})) == ["strange"]
    assert _ids(memory.list_sessions(metadata={key: "x"})) == []


@pytest.mark.parametrize("stored", ["a\0", "a\ud800", "\\u0000", "\\\0", "\\"], ids=ascii)
def test_a_filter_works_beside_text_that_a_database_cannot_hold(memory: Caller, stored: str) -> None:
    memory.add_session(Session(session_id="a", metadata={stored: 1, "text": stored, "plain": "x"}))

    assert memory.get_session("a").metadata == {stored: 1, "text": stored, "plain": "x"}
    assert _ids(memory.list_sessions(metadata={"plain": "x"})) == ["a"]
    assert _ids(memory.list_sessions(metadata={"a": 1})) == []
    assert _ids(memory.list_sessions(metadata={"text": "a"})) == []


@pytest.mark.parametrize("text", ["\\u0000", "\\\\u0000", "\\\\\\u0000", "\\ud800", "\\"], ids=ascii)
def test_a_filter_tells_a_backslash_from_an_escape(memory: Caller, text: str) -> None:
    memory.add_session(Session(session_id="a", metadata={"text": text, "nul": "\0", "half": "\ud800"}))

    assert _ids(memory.list_sessions(metadata={"text": text})) == ["a"]
    assert _ids(memory.list_sessions(metadata={"text": "\\" + text})) == []
