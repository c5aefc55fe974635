"""What the classes of the same names in langchain-community are called with, and how to call these instead."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import TypeVar

from ..errors import InvalidInput
from ..manager import manager_of

C = TypeVar("C", bound=type)


def unlike_former(call: str, *arguments: str, renamed: Mapping[str, str] | None = None) -> Callable[[C], C]:
    """Return what lets a class refuse the *arguments* of its namesake, and say the new *call*; others were *renamed*.

    The classes of old asked a server, at a URL. Pydantic would ignore an argument that it does not know, and a program
    that is moved here would have another memory than it asks for; what is no manager it would refuse with an error of
    its own.
    """

    def refusing(kind: C) -> C:
        make: Callable[..., None] = kind.__init__  # type: ignore[misc]  # of the class itself
        former = f"langchain-community's {kind.__name__}, which asks a server"

        @wraps(make)
        def init(self: object, *args: object, **kwargs: object) -> None:
            for name, new in (renamed or {}).items():
                if name in kwargs:
                    raise InvalidInput(name, f"is called {new} here, as in {call}")
            urls = ["url" for value in args if isinstance(value, str) and "://" in value]
            for name in [*(name for name in arguments if name in kwargs), *urls]:
                raise InvalidInput(name, f"is an argument of {former}; here it is {call}")
            if "manager" in kwargs:
                manager_of(kwargs["manager"])
            make(self, *args, **kwargs)

        setattr(kind, "__init__", init)  # noqa: B010  # as mypy lets nobody assign it
        return kind

    return refusing
