"""Managers of one user, for whom the sessions of others, and of nobody, are as if they were not there.

Here: which of a manager's methods concern one user, and how they learn who that is. Not here: what such a user sees of
a session, which is rule 4 of `core.ownership`.

1. A method that takes *user_id* gets the user; a call that names another is refused.
2. A method that takes a `Session` or a `User` gets one of the user; one of another is refused.
3. All else concerns others, too, and is refused: so is what is added to the manager, until it takes a user.
"""

import inspect
from collections.abc import Callable
from copy import copy
from functools import cache, wraps
from typing import Any, TypeVar

from .core import checks
from .core.ownership import Tenant
from .errors import InvalidInput, NotForOneUser
from .models import Session, User

M = TypeVar("M")

NOT_THEIRS = {"move_session", "hold_session", "hold_user", "release_session", "release_user", "verify_erased"}
"""Methods that take a *user_id* and are not that user's to call."""

_TELLING = {"user_id", "options", "session", "user"}
"""Parameters that say whose what a method does is."""


def of_one_user(manager: M, user_id: str) -> M:
    """Return a view of *manager* for the user *user_id* alone, which shares its connections."""
    view: Any = copy(manager)
    known = getattr(manager, "_tenant", None)
    view._tenant = Tenant(checks.user_id(user_id) if known is None else _of(known, user_id))
    kind: Any = type(manager)
    if known is None:
        view._runner = view._runner.of_user(view._tenant)
    view.__class__ = _kind_of(kind) if known is None else kind
    return view  # type: ignore[no-any-return]  # of a class that is made here


@cache
def _kind_of(kind: type) -> type:
    """Return the class of such views of managers of a *kind*."""
    methods = {name: getattr(kind, name) for name in dir(kind) if not name.startswith("_")}
    own = {name: _for_one_user(name, method) for name, method in methods.items() if callable(method)}
    unchanged = {name: methods[name] for name in ("as_user", "using", "flush", "aflush")}
    return type(f"{kind.__name__}OfOneUser", (kind,), own | unchanged | _OF_THE_VIEW)


def _for_one_user(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """Return the *method* called *name* for one user."""
    signature = inspect.signature(method)
    telling = _TELLING & set(signature.parameters)

    @wraps(method)
    def for_one_user(manager: Any, *args: Any, **kwargs: Any) -> Any:
        if not telling or name in NOT_THEIRS or name[1:] in NOT_THEIRS:
            raise NotForOneUser(name)
        given = signature.bind(manager, *args, **kwargs)
        for parameter in telling:
            given.arguments[parameter] = _OF_USER[parameter](manager._tenant, given.arguments.get(parameter))
        return method(*given.args, **given.kwargs)

    return for_one_user


def _of(tenant: Tenant, user_id: object) -> Tenant:
    if user_id is None or user_id == tenant:
        return tenant
    raise InvalidInput("user_id", "is not the user that the manager is for")


def _options_of(tenant: Tenant, options: dict[str, Any] | None) -> dict[str, Any]:
    given = options or {}
    return {**given, "user_id": _of(tenant, given.get("user_id"))}


def _session_of(tenant: Tenant, session: object) -> object:
    if not isinstance(session, Session):
        return session
    return session.model_copy(update={"user_id": _of(tenant, session.user_id)})


def _user_of(tenant: Tenant, user: object) -> object:
    if isinstance(user, User):
        _of(tenant, user.user_id)
    return user


_OF_USER: dict[str, Callable[[Tenant, Any], Any]] = {
    "user_id": _of,
    "options": _options_of,
    "session": _session_of,
    "user": _user_of,
}


def _stay_open(view: object) -> None:
    """Do nothing: the connections are the manager's."""


async def _astay_open(view: object) -> None:
    """Do nothing. See `close`."""


def _shown(view: Any) -> str:
    return f"{super(type(view), view).__repr__()}.as_user({str(view._tenant)!r})"


_OF_THE_VIEW: dict[str, Any] = {"close": _stay_open, "aclose": _astay_open, "__repr__": _shown}
