"""Flows that change a state by what it was, whoever else changes it meanwhile."""

from collections.abc import Callable

from ..core import checks, states
from ..errors import StateChanged
from ..models import ChangeState, State
from ..units import Flow, Unit, read, write


def change_of_session(session_id: str, change: ChangeState, user_id: str | None) -> Flow[State]:
    """Set the state of a live session to what *change* makes of it."""
    return _change(
        change,
        lambda: read(states.of_session, session_id, user_id),
        lambda text, revision: write(states.set_of_session, session_id, text, user_id, revision),
    )


def change_of_user(user_id: str, change: ChangeState) -> Flow[State]:
    """Set the state of a user to what *change* makes of it."""
    return _change(
        change,
        lambda: read(states.of_user, user_id),
        lambda text, revision: write(states.set_of_user, user_id, text, revision),
    )


def _change(change: ChangeState, get: Callable[[], Unit], put: Callable[[str, int], Unit]) -> Flow[State]:
    checks.change(change)
    while True:
        before: State | None = yield get()
        try:
            changed: State = yield put(change(before), before.revision if before else 0)
        except StateChanged:
            continue
        return changed
