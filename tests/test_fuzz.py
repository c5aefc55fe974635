"""Whatever comes in from outside is taken or refused in words, and nothing of what is refused is stored.

Some of each with every run; `just fuzz` tries as many as one likes.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tests.support.messages import said
from zep_memory_plugin import Message, Session, SessionManager, Summary, User, ZepMemoryError
from zep_memory_plugin.core.search import jsonpath
from zep_memory_plugin.importers import from_chatgpt
from zep_memory_plugin.server import Settings, create_app

EXAMPLES = int(os.environ.get("ZEP_TEST_FUZZ", "30"))
"""How many of each kind."""

fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="CI" in os.environ and "ZEP_TEST_FUZZ" not in os.environ,
    phases=set(Phase) - {Phase.explain},
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
pytestmark = pytest.mark.timeout(0 if "ZEP_TEST_FUZZ" in os.environ else 300)

any_text = st.text(st.characters(exclude_categories=()), max_size=12)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | any_text
    | st.sampled_from(["$", "$.a", "$.a ? (@ == 1)", "a", "and", "jsonpath", "2026-01-01T00:00:00Z", "user", "text"])
)
KEYS = ["and", "or", "jsonpath", "session_id", "user_id", "messages", "metadata", "uuid", "role", "content", "state"]
keys = (
    st.sampled_from([*KEYS, "where", "text", "limit", "seq", "email", "created_at", "summary", "tool_calls"]) | any_text
)
any_json = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=10
)
PIECES = ["$", "@", ".a", '."b c"', ".*", ".**", "[*]", "[0]", "[0 to last]", "[", "]", "(", ")", " ? (", "==", "&&"]
PIECES += ["||", "!", "exists", "like_regex", '"a+b"', '"(a|a)*b"', "flag", '"i"', "starts with", "is unknown", "1e999"]
paths = st.lists(st.sampled_from(PIECES) | any_text, max_size=12).map(" ".join)

DOCUMENT = {"a": [1, "aab", None, {"a": "b", "b c": [True, 2.5]}], "b c": "a" * 50}


@pytest.fixture
def manager(database_url: str) -> Iterator[SessionManager]:
    """Return a manager with something to find."""
    with SessionManager(database_url) as manager:
        fill(manager)
        yield manager


def fill(manager: SessionManager) -> None:
    """Store one of each."""
    manager.add_memory("a", [*said("hello"), Message(role="user", content="there", metadata=DOCUMENT)], user_id="alice")
    manager.add_summary("a", Summary(content="short"))
    manager.set_state("a", "[1]")
    manager.update_user(User(user_id="alice", email="alice@example.org"))
    manager.add_session(Session(session_id="b", metadata={"a": 1}))
    manager.delete_session("b")


def refused_or_done(call: Callable[[], object]) -> None:
    """Make a *call*, which may be refused with words of ours, and with nothing else."""
    with suppress(ZepMemoryError):
        call()


def test_filters_and_cursors_are_taken_or_refused(manager: SessionManager) -> None:
    @fuzzed
    @given(where=any_json, text=st.none() | any_text, cursor=scalars)
    def are_taken_or_refused(where: Any, text: str | None, cursor: Any) -> None:
        refused_or_done(lambda: manager.search_memory(text, where=where))
        refused_or_done(lambda: manager.search_memory("hello", metadata=where))
        refused_or_done(lambda: manager.list_sessions(metadata=where))
        refused_or_done(lambda: manager.list_sessions(cursor=cursor))
        refused_or_done(lambda: manager.list_sessions(cursor=cursor, order="active"))
        refused_or_done(lambda: manager.list_messages("a", cursor=cursor))

    are_taken_or_refused()


@fuzzed
@given(paths)
def test_a_path_is_taken_or_refused(path: str) -> None:
    refused_or_done(lambda: jsonpath.parsed(path, "path").matches(DOCUMENT))


def test_metadata_and_states_are_stored_or_refused(manager: SessionManager) -> None:
    """And all that there is can be read afterwards."""

    @fuzzed
    @given(metadata=any_json, state=any_text | any_json.map(json.dumps))
    def are_stored_or_refused(metadata: Any, state: str) -> None:
        refused_or_done(lambda: manager.add_memory("a", [Message(role="user", content="x")], metadata=metadata))
        refused_or_done(lambda: manager.add_memory("a", [Message(role="user", content="x", metadata=metadata)]))
        refused_or_done(lambda: manager.set_state("a", state))

        assert manager.get_session("a", with_state=True).session_id == "a"
        assert manager.last_messages("a", 1)

    are_stored_or_refused()


def exported() -> list[dict[str, Any]]:
    """Return the lines of an export."""
    with SessionManager("sqlite://") as manager:
        fill(manager)
        manager.export_memory(target := BytesIO(), deleted=True)
    return [json.loads(line) for line in target.getvalue().splitlines()]


def test_a_changed_export_is_imported_or_refused(manager: SessionManager) -> None:
    """A line in which one value is another, or that is something else; what is stored then is read back."""
    lines = exported()

    @fuzzed
    @given(data=st.data(), other=any_json | st.binary(max_size=20))
    def is_imported_or_refused(data: st.DataObject, other: Any) -> None:
        changed = [json.dumps(line).encode() for line in lines]
        number = data.draw(st.integers(0, len(lines) - 1))
        kind, fields = next(iter(lines[number].items()))
        if isinstance(other, bytes) or not fields:
            changed[number] = other if isinstance(other, bytes) else json.dumps(other).encode()
        else:
            name = data.draw(st.sampled_from(sorted(fields)))
            changed[number] = json.dumps({kind: {**fields, name: other}}).encode()
        with SessionManager("sqlite://") as copy:
            refused_or_done(lambda: copy.import_memory(BytesIO(b"\n".join(changed))))
            sessions = [*copy.list_sessions(), *copy.list_sessions(deleted=True)]
            refused_or_done(lambda: manager.import_memory(BytesIO(b"\n".join(changed))))
            for session in sessions:
                copy.list_messages(session.session_id)
            copy.export_memory(BytesIO(), deleted=True)
            copy.search_memory("hello")

    is_imported_or_refused()


NODE_KEYS = ["id", "message", "parent", "author", "role", "content", "parts", "content_type", "metadata", "create_time"]
node_values = st.recursive(
    scalars | st.sampled_from(["n0", "n1", "n2"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NODE_KEYS), inner, max_size=5),
    max_leaves=12,
)
conversations = st.fixed_dictionaries(
    {"mapping": st.dictionaries(st.sampled_from(["n0", "n1", "n2"]), node_values) | node_values},
    optional=dict.fromkeys(
        ("id", "conversation_id", "title", "create_time", "update_time", "current_node"), node_values
    ),
)


def test_conversations_of_chatgpt_are_imported_or_refused(manager: SessionManager, tmp_path: Path) -> None:
    path = tmp_path / "conversations.json"

    @fuzzed
    @given(st.lists(conversations | node_values, max_size=2) | st.binary(max_size=30))
    def are_imported_or_refused(content: Any) -> None:
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        refused_or_done(lambda: manager.import_memory(from_chatgpt(str(path), user_id="alice")))

    are_imported_or_refused()


def test_the_server_answers_whatever_it_is_sent(manager: SessionManager) -> None:
    """No body and no parameter is an error of its own."""
    app = create_app(Settings(purge_every=None), manager)
    calls = [
        (method, path.replace("{session_id}", "a").replace("{user_id}", "alice"))
        for path, methods in sorted(app.openapi()["paths"].items())
        for method in sorted(methods)
    ]

    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:

        @fuzzed
        @given(call=st.sampled_from(calls), body=any_json.map(json.dumps) | st.binary(max_size=30), value=any_text)
        def answers(call: tuple[str, str], body: str | bytes, value: str) -> None:
            parameters = {name: value.encode(errors="surrogatepass") for name in ("limit", "cursor", "lastn")}
            answer = client.request(call[0], call[1], content=body, headers={"content-type": "application/json"})
            assert answer.status_code < 500, (call, body)
            answer = client.request(call[0], call[1], params=parameters, content=body)
            assert answer.status_code < 500, (call, body, value)

        answers()
