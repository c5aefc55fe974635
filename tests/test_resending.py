"""What is sent once more is stored once, and what is said once more is stored again: the rule "append"."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import pytest

from zep_memory_plugin import InvalidInput, KnownRule, Message, SessionManager, units
from zep_memory_plugin.core import appending
from zep_memory_plugin.core.batches import batch
from zep_memory_plugin.core.tokens import estimated_tokens
from zep_memory_plugin.running.runner import Runner
from zep_memory_plugin.units import Flow, Stamp

Append = Callable[..., list[Message]]


@pytest.fixture
def manager(database_url: str) -> Iterator[SessionManager]:
    with SessionManager(database_url) as manager:
        yield manager


@pytest.fixture(params=["blocking", "awaited"])
def append(request: pytest.FixtureRequest, manager: SessionManager) -> Append:
    """Append with the rule "append", in one colour or the other."""

    def call(*texts: str, **options: Any) -> list[Message]:
        given = {"known": "append", **options}
        if request.param == "blocking":
            return manager.add_memory("s", messages(*texts), **given)
        return asyncio.run(manager.aadd_memory("s", messages(*texts), **given))

    return call


def uuid_of(name: str) -> UUID:
    return uuid5(UUID(int=7), name)


def messages(*texts: str) -> list[Message]:
    """Return messages with a uuid each, "q1" of the user and "a1" of the assistant; "q1=new" has another content."""
    made = []
    for text in texts:
        name, _, content = text.partition("=")
        role = "user" if name[0] == "q" else "assistant"
        made.append(Message(role=role, content=content or name, uuid=uuid_of(name)))
    return made


def stored(manager: SessionManager) -> list[str]:
    return [message.content for message in manager.list_messages("s")]


@pytest.mark.parametrize(
    ("before", "sent", "after"),
    [
        ([["q1", "a1"]], ["q1", "a1", "q2"], "q1 a1 q2"),
        ([["q1", "a1"]], ["q1=changed", "a1", "q2"], "changed a1 q2"),
        ([["q1", "a1"], ["q2"]], ["q2"], "q1 a1 q2"),
        ([["q1"]], ["q1", "a1"], "q1 a1"),
        ([["q1", "a1"]], ["a1"], "q1 a1"),
        ([["q1", "a1"]], ["q1"], "q1 a1 q1"),
        ([["q1", "a1", "q2", "a2"]], ["q1", "a1", "q2", "a3"], "q1 a1 q2 a2 q2 a3"),
        ([["q1", "a1"]], ["q2", "a1"], "q1 a1 q2 a1"),
        ([["q1", "a1"]], ["q2", "a1=another"], "q1 a1 q2 another"),
        ([["q1", "a1"], ["q2"]], ["q1", "q3"], "q1 a1 q2 q3"),
        ([[]], ["a1", "q1", "a1=another"], "a1 q1 another"),
    ],
    ids=str,
)
def test_known_messages_at_the_start_are_sent_again_and_all_else_is_new(
    before: list[list[str]], sent: list[str], after: str, manager: SessionManager, append: Append
) -> None:
    for texts in before:
        manager.add_memory("s", messages(*texts))

    returned = append(*sent)

    assert stored(manager) == after.split()
    assert [message.content for message in returned] == [text.rpartition("=")[2] for text in sent]
    assert len({message.uuid for message in manager.list_messages("s")}) == len(after.split())


def test_within_a_turn_what_came_later_is_updated_and_all_else_is_new(manager: SessionManager, append: Append) -> None:
    manager.add_memory("s", messages("q1", "a1"))
    manager.add_memory("s", messages("q2", "a2"))

    append("a1=again", "a2=changed", "a3", since_seq=2)

    assert stored(manager) == ["q1", "a1", "q2", "changed", "again", "a3"]


def without_ids(*texts: str) -> list[Message]:
    """Return messages as a client sends them that knows no ids."""
    return [message.model_copy(update={"uuid": None}) for message in messages(*texts)]


@pytest.mark.parametrize(
    ("before", "sent", "after"),
    [
        ("q1 a1", "q1 a1 q2", "q1 a1 q2"),
        ("q1 a1 q2 a2", "q1 a1 q2 a2 q3", "q1 a1 q2 a2 q3"),
        ("q1 a1 q2 a2", "q2 a2 q3", "q1 a1 q2 a2 q3"),
        ("q1 a1 q2 a2", "q1 a1 q2", "q1 a1 q2 a2 q2"),
        ("q1 a1 q2 a2 q2 a3", "q1 a1 q2 a3 q3", "q1 a1 q2 a2 q2 a3 q3"),
        ("q1 a1", "q1 a1=of_another q2", "q1 a1 of_another q2"),
        ("q1 a1 q2 a2", "q1 a1=of_another q2 a2 q3", "q1 a1 q2 a2 q3"),
        ("q1 a1 q2 a2", "q1 q3", "q1 a1 q2 a2 q1 q3"),
        ("q1", "q1", "q1"),
        ("q1 q2", "q1 q2", "q1 q2"),
        ("q1", "q1 q2", "q1 q2"),
        ("q1 a1 q2", "q1 a1 q2", "q1 a1 q2"),
        ("q1 a1", "q1", "q1 a1 q1"),
        ("q1", "q1 a1", "q1 a1"),
        ("q1 a1", "q1 a1", "q1 a1 q1 a1"),
        ("q1 a1", "a1", "q1 a1 a1"),
        ("a0 q1 a1", "a0 q2", "a0 q1 a1 q2"),
        ("", "q1 a1 q1 a1", "q1 a1 q1 a1"),
    ],
)
def test_a_conversation_without_ids_is_known_by_its_words(
    before: str, sent: str, after: str, manager: SessionManager
) -> None:
    for message in without_ids(*before.split()):
        manager.add_memory("s", [message])
    kept = manager.list_messages("s")

    returned = manager.add_memory("s", without_ids(*sent.split()), known="append")

    assert stored(manager) == after.split()
    assert manager.list_messages("s")[: len(kept)] == kept
    assert [message.seq for message in manager.list_messages("s")] == list(range(1, len(after.split()) + 1))
    assert {message.uuid for message in returned} <= {message.uuid for message in manager.list_messages("s")}


def test_a_question_with_another_name_or_image_is_another(manager: SessionManager) -> None:
    def question(name: str | None, native: str) -> Message:
        form = None if not native else f'{{"data":{{"id":"1","content":["{native}"]}}}}'
        return Message(role="user", content="look", name=name, native=form, native_format="f" if form else None)

    for name, native in ((None, ""), ("alice", ""), ("alice", "cat"), ("alice", "dog"), ("alice", "dog")):
        manager.add_memory("s", [question(name, native)], known="append")

    assert len(manager.list_messages("s")) == 4


def test_an_answer_whose_id_stands_for_another_is_stored_beside_it(manager: SessionManager, append: Append) -> None:
    append("q1", "a1=first")
    append("q2", "a1=second")
    append("a1=third")

    assert stored(manager) == ["q1", "first", "q2", "second", "third"]


@pytest.mark.parametrize("delete", ["clear_memory", "delete_session", "replace_memory"])
def test_what_was_deleted_is_stored_anew_and_the_deletion_can_be_undone(
    delete: str, manager: SessionManager, append: Append
) -> None:
    first = manager.add_memory("s", messages("q1", "a1"))
    getattr(manager, delete)(*(["s", []] if delete == "replace_memory" else ["s"]))

    again = append("q1", "a1=another")

    assert stored(manager) == ["q1", "another"]
    assert [message.uuid for message in again] == [message.uuid for message in first]
    assert [message.seq for message in again] == [3, 4]
    assert append("q1", "a1=another")[0].seq == 3
    assert stored(manager) == ["q1", "another"]


def test_an_unknown_rule_is_refused(manager: SessionManager) -> None:
    rule: KnownRule = "replace"  # type: ignore[assignment]

    with pytest.raises(InvalidInput, match="known is 'replace'; allowed are 'update' and 'append'"):
        manager.add_memory("s", messages("q1"), known=rule)

    assert manager.list_sessions() == []


@pytest.mark.parametrize("sent", [["q1"], ["q0", "q1"], ["a0", "q1"]], ids=str)
def test_an_append_whose_answer_was_lost_is_stored_once_though_others_went_on(
    sent: list[str], database_url: str
) -> None:
    """To the second attempt its own question looks like one that was asked before and answered."""
    new = batch(messages(*sent), estimated_tokens, known="append")
    with SessionManager(database_url) as manager:
        manager.add_memory("s", messages("q0", "a0"))
        runner, moment = Runner(database_url), datetime.now(UTC)

        def attempt(number: int) -> list[Message]:
            def flow() -> Flow[list[Message]]:
                stamp = Stamp(moment, attempt=number)
                stored: list[Message] = yield units.write_alone(
                    lambda connection, _: appending.append(connection, stamp, "s", new, None)
                )
                return stored

            return runner.run(flow())

        first = attempt(1)
        manager.add_memory("s", messages("a9"))
        before = stored(manager)

        assert attempt(2) == first
        assert stored(manager) == before
        runner.close()
