"""Which statements go past SQLAlchemy: those of a turn, and those that store, move or remove many messages."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event

from zep_memory_plugin import Message, SessionManager

MANY = 1_500
TURN = [Message(role="user", content="a question"), Message(role="assistant", content="an answer")]

TURNS: dict[str, Callable[[SessionManager], object]] = {
    "an append": lambda manager: manager.add_memory("s", TURN),
    "an append by the owner": lambda manager: manager.add_memory("s", TURN, user_id="ann"),
    "the memory": lambda manager: manager.get_memory("s", user_id="ann"),
    "a window": lambda manager: manager.last_messages("s", 12),
    "a window in tokens": lambda manager: manager.last_messages("s", max_tokens=100, whole_turns=True),
    "a prompt": lambda manager: manager.prompt_memory("s", max_tokens=100).messages,
    "a listing": lambda manager: manager.list_messages("s", 10, 10),
}

BULKS: dict[str, Callable[[SessionManager], object]] = {
    "a large batch": lambda manager: manager.add_memory("s", many()),
    "a large batch that is sent again": lambda manager: manager.add_memory("s", manager.list_messages("s")),
    "a replacement": lambda manager: manager.replace_memory("s", [*manager.list_messages("s"), *TURN]),
    "a purge": lambda manager: (manager.delete_session("s"), manager.purge()),
    "a rebuild": lambda manager: manager.rebuild_search(),
}


def many() -> list[Message]:
    return [Message(role="user", content=f"message {number}") for number in range(MANY)]


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A database with a session of many messages."""
    url = str(request.getfixturevalue({"sqlite": "sqlite_url", "postgres": "postgres_url"}[request.param]))
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with SessionManager(engine) as manager:
        manager.add_memory("s", many(), user_id="ann")
    yield engine
    engine.dispose()


@contextmanager
def executed(engine: Engine) -> Iterator[list[tuple[str, int]]]:
    """Note each statement that SQLAlchemy executes, and with how many rows of parameters."""
    noted: list[tuple[str, int]] = []

    def note(_: object, statement: Any, several: list[Any], *__: object) -> None:
        noted.append((str(statement), len(several)))

    event.listen(engine, "before_execute", note)
    yield noted
    event.remove(engine, "before_execute", note)


@pytest.mark.parametrize("turn", TURNS)
def test_a_turn_has_sqlalchemy_execute_nothing(engine: Engine, turn: str) -> None:
    """What the usual append and the reads of a conversation consist of is prepared."""
    with SessionManager(engine) as manager:
        manager.list_sessions()

        with executed(engine) as statements:
            TURNS[turn](manager)

    assert statements == []


@pytest.mark.parametrize("bulk", BULKS)
def test_no_statement_that_sqlalchemy_executes_carries_many_messages(engine: Engine, bulk: str) -> None:
    """What is sent once for each of many messages is prepared, so the number of others does not grow with them."""
    with SessionManager(engine) as manager:
        manager.list_sessions()

        with executed(engine) as statements:
            BULKS[bulk](manager)

    assert max((rows for _, rows in statements), default=0) <= 1
    assert len(statements) < MANY / 10
