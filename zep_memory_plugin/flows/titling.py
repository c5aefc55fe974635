"""The flow that gives sessions titles. What a titler raises never costs a message."""

from .. import core, units
from ..units import Flow
from . import asking
from .application import Application, log_failure


def entitle(app: Application, session_id: str) -> Flow[None]:
    """Give a session without a title one after its first turn; a failure is logged."""
    if app.titler is None:
        return
    try:
        said = yield units.read(core.titles.due, session_id)
        if said:
            title = core.titles.written(asking.text_of((yield app.titler(said))))
            if title is not None:
                yield units.write(core.titles.give, session_id, title, said)
    except Exception as error:  # whatever the application's function raises, the messages are stored
        log_failure(f"naming session {session_id!r}", error)
