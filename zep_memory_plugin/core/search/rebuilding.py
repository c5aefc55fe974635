"""Making the search index anew from the messages."""

from sqlalchemy import Connection

from ...database import Steps, read_unit
from ._protocol import Progress
from .indexes import index_of


def steps(progress: Progress | None) -> Steps[int]:
    """Make the index anew, in short transactions, and count the messages."""
    index = yield read_unit(index_of)
    done: int = yield from index.rebuild(progress or _unwatched)
    return done


def rebuild_on(connection: Connection) -> int:
    """Make the index anew in the transaction of *connection*, and count the messages."""
    rebuilding, result = steps(None), None
    while True:
        try:
            unit = rebuilding.send(result)
        except StopIteration as end:
            return int(end.value)
        result = unit.operation(connection)


def _unwatched(done: int, total: int) -> None:
    """Tell nobody."""
