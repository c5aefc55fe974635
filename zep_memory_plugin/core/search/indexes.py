"""The search index of each database.

A new database is a module beside this one, named as SQLAlchemy names it, and a word in `_NAMES`.
"""

from functools import cache
from importlib import import_module

from sqlalchemy import Connection

from ...errors import InvalidInput, shown
from ._protocol import SearchIndex

_NAMES = ("postgresql", "sqlite")


def index_of(connection: Connection) -> SearchIndex:
    """Return the search index of the database behind *connection*."""
    return _index_named(connection.dialect.name)


@cache
def _index_named(name: str) -> SearchIndex:
    if name not in _NAMES:
        raise InvalidInput("database", f"is of kind {shown(name)}, in which nothing can be searched")
    index: SearchIndex = import_module(f".{name}", __package__).Index()
    return index
