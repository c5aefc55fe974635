"""What an adapter is given as its manager and is none is refused when it is made, by one rule, with the next step."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda

from tests.test_whose_adapter import USES
from zep_memory_plugin import (
    DatabaseUnavailable,
    InvalidInput,
    NotFound,
    SessionManager,
    agent_framework,
    google_adk,
    langchain,
    llama_index,
    mcp,
    notebook,
    openai_agents,
    otel,
    pydantic_ai,
    server,
    strands,
    use_session,
    zep,
)

MODULES = (
    agent_framework,
    google_adk,
    langchain,
    llama_index,
    mcp,
    notebook,
    openai_agents,
    otel,
    pydantic_ai,
    server,
    strands,
    zep,
)

TAKES = {
    f"{module.__name__.split('.')[-1]}.{name}": getattr(module, name)
    for module in MODULES
    for name in getattr(module, "__all__", ())
    if callable(getattr(module, name)) and "manager" in inspect.signature(getattr(module, name)).parameters
}
"""Every public class and function of an adapter that is given a manager, also tomorrow's."""

OTHERS: dict[str, Any] = {"session_id": "alice-1", "user_id": "alice", "name": "app"}
"""What they want beside it."""

BAD = {
    "None": (None, "is None, not a SessionManager"),
    "a number": (5, "is of type int, not a SessionManager"),
    "the class": (SessionManager, "is a class, SessionManager, not a SessionManager"),
    "a URL": ("sqlite://", "is of type str, not a SessionManager"),
    "an engine": (object(), "is of type object, not a SessionManager"),
}


def made(takes: Callable[..., Any], manager: object) -> object:
    """Call *takes* with *manager* and no more than it must have."""
    required = [
        name
        for name, parameter in inspect.signature(takes).parameters.items()
        if parameter.default is parameter.empty and not str(parameter).startswith("*")
    ]
    arguments = OTHERS | {"runnable": RunnableLambda(str)}
    given = {name: arguments[name] for name in required if name != "manager"}
    result = takes(manager=manager, **given)
    return asyncio.run(result) if inspect.iscoroutine(result) else result


def test_every_adapter_takes_one() -> None:
    assert {name.split(".")[0] for name in TAKES} >= {module.__name__.split(".")[-1] for module in MODULES} - {"zep"}
    assert len(TAKES) >= 28


@pytest.mark.parametrize(("bad", "problem"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("name", TAKES)
def test_what_is_no_manager_is_refused_at_once(name: str, bad: object, problem: str) -> None:
    """Three may be given the name of one, and two open what their settings say when they are given none."""
    if bad is None and inspect.signature(TAKES[name]).parameters["manager"].default is None:
        return
    if isinstance(bad, str) and name.startswith("llama_index.") and name != "llama_index.register_manager":
        with pytest.raises(NotFound, match="no manager is registered as 'sqlite://'"):
            made(TAKES[name], bad)
        return
    with pytest.raises(InvalidInput) as refused:
        made(TAKES[name], bad)

    assert str(refused.value) == (
        f'manager {problem}; make one, manager = SessionManager("sqlite:///app.db"), and give that'
    )


@pytest.mark.parametrize("name", sorted(TAKES.keys() - {"mcp.serve"}))
def test_a_manager_of_one_user_is_one(name: str) -> None:
    with SessionManager("sqlite://") as manager:
        made(TAKES[name], manager if name.startswith(("otel", "server", "mcp")) else manager.as_user("alice"))


@pytest.mark.parametrize("bad", [None, 5, SessionManager], ids=repr)
def test_the_client_of_zep_asks_no_database_that_it_was_not_told(bad: Any) -> None:
    with pytest.raises(InvalidInput, match=r"manager is .* not a SessionManager"):
        zep.ZepClient(bad)


@pytest.mark.parametrize("use", USES.values(), ids=map(".".join, USES))
def test_a_closed_manager_says_how_it_is_opened_again(use: Callable[[SessionManager], Any]) -> None:
    """It is one: an adapter that an application makes before its lifespan outlives several."""
    manager = SessionManager("sqlite://")
    manager.close()

    with (
        use_session("elsewhere", user_id="alice"),
        pytest.raises(DatabaseUnavailable, match="`with manager:`"),
    ):
        use(manager)
