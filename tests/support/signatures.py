"""The methods of a manager as their signatures describe them: what each takes, and calls of it that work."""

import inspect
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import timedelta
from io import BytesIO
from typing import Any, get_type_hints

from tests.support.colours import Caller
from tests.support.messages import FIXED
from zep_memory_plugin import Message, RetentionRule, Session, SessionManager, Summary, User
from zep_memory_plugin.types import SearchOptions

Parameters = dict[str, inspect.Parameter]


def _blocking_methods() -> dict[str, Callable[..., Any]]:
    methods = dict(inspect.getmembers(SessionManager, inspect.isfunction))
    return {name: method for name, method in methods.items() if f"a{name}" in methods and not name.startswith("_")}


ENDLESS = {"follow", "follow_changes", "purge_every", "retain_every"}
"""The methods that go on until the manager is closed."""

METHODS = {name: method for name, method in _blocking_methods().items() if name not in ENDLESS}
"""Every public method that has an async twin, by its name, but for those that are endless."""


def parameters_of(method: str) -> Parameters:
    """Return what *method* takes, the options of a search as the keywords that they are."""
    parameters = dict(list(inspect.signature(METHODS[method]).parameters.items())[1:])
    if parameters.pop("options", None) is not None:
        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters |= {name: inspect.Parameter(name, keyword, default=None) for name in get_type_hints(SearchOptions)}
    return parameters


def is_optional(parameter: inspect.Parameter) -> bool:
    """Tell whether None is a value of *parameter*."""
    return parameter.default is None or "None" in str(parameter.annotation).split(" | ")


GOOD: dict[str, Any] = {
    "change": lambda state: '{"kept": 1}',
    "max_tokens": 1_000,
    "message": Message(role="user", content="one"),
    "messages": [Message(role="user", content="one")],
    "new_session_id": "new",
    "older_than": timedelta(0),
    "rules": [RetentionRule(older_than=timedelta(days=1))],
    "score": 1,
    "session": Session(session_id="a"),
    "session_id": "a",
    "session_ids": ["a"],
    "source": BytesIO(b'{"zep_memory_plugin":{"format":1}}'),
    "state": '{"kept": 1}',
    "summary": Summary(content="short"),
    "target": BytesIO(),
    "text": "kept",
    "to_uuid": FIXED,
    "user": User(user_id="alice"),
    "user_id": "alice",
    "uuid": FIXED,
    "uuids": [FIXED],
}
"""For each parameter that has to be given, a value that works in the scene that `fill` sets."""

GOOD_OF: dict[tuple[str, str], Any] = {
    ("add_session", "session"): Session(session_id="new", user_id="alice"),
    ("add_user", "user"): User(user_id="new"),
    ("changes", "session_id"): "a",
}
"""The same, for the parameters of one method where another value is needed, or one at all."""


def fill(memory: Caller) -> None:
    """Store a session "a" of the user "alice" with one message, whose uuid is `FIXED`, and one that is deleted."""
    memory.add_memory("deleted", [Message(role="user", content="gone")])
    memory.delete_session("deleted")
    memory.add_memory("a", [Message(role="user", content="kept", uuid=FIXED, metadata={"kept": 1})], user_id="alice")


def good_arguments(method: str) -> dict[str, Any]:
    """Return arguments with which *method* works after `fill`: for what has to be given, and no more."""
    return {
        name: deepcopy(GOOD_OF.get((method, name), GOOD.get(name)))
        for name, parameter in parameters_of(method).items()
        if parameter.default is inspect.Parameter.empty or (method, name) in GOOD_OF
    }


def call(memory: Caller, method: str, **changes: Any) -> Any:
    """Call *method* with good arguments and *changes*, and return what it returns, a generator as a list."""
    returned = getattr(memory, method)(**{**good_arguments(method), **changes})
    return list(returned) if isinstance(returned, Iterator) else returned
