"""PostgreSQL, through psycopg 3 or asyncpg: connections, appends, the index for search, and what errors mean."""

from typing import final

from .. import protocol
from .appending import Appending
from .connecting import Connecting
from .errors import failure
from .indexing import Indexing
from .searching import Searching


@final
class Index(Indexing, Searching, protocol.SearchIndex):
    """Arrays of the numbers of terms that we make."""


@final
class Database(Connecting, Appending, protocol.Database):
    """A Postgres server, or what speaks like one."""

    index = Index()
    failure = staticmethod(failure)
