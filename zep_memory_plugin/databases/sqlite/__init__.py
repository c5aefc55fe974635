"""SQLite, through sqlite3 or aiosqlite: connections, appends, the index for search, and what errors mean."""

from typing import final

from .. import protocol
from .appending import Appending
from .connecting import Connecting
from .errors import failure
from .indexing import Indexing
from .mending import Mending
from .searching import Searching


@final
class Index(Indexing, Searching, protocol.SearchIndex):
    """FTS5, of terms that we make."""


@final
class Database(Connecting, Appending, Mending, protocol.Database):
    """One file, or a database in memory."""

    index = Index()
    failure = staticmethod(failure)
