"""What stands beside the tables on SQLite, the index of terms and the listing ids, made right where it was emptied."""

from sqlalchemy import DDL, Connection, delete, func, insert, inspect, literal, select

from ...tables import CREATE_MESSAGE_INDEX, MESSAGE_INDEX, listing_ids, sessions, users
from ..naming import names_of
from . import waiting

_LEGIBLE = (
    f"CREATE TABLE IF NOT EXISTS {MESSAGE_INDEX}_data (id INTEGER PRIMARY KEY, block BLOB)",
    f"CREATE TABLE IF NOT EXISTS {MESSAGE_INDEX}_idx (segid, term, pgno, PRIMARY KEY (segid, term)) WITHOUT ROWID",
    f"CREATE TABLE IF NOT EXISTS {MESSAGE_INDEX}_config (k PRIMARY KEY, v) WITHOUT ROWID",
    f"INSERT OR IGNORE INTO {MESSAGE_INDEX}_config VALUES ('version', 4)",  # noqa: S608 - a name of ours
    f"INSERT OR IGNORE INTO {MESSAGE_INDEX}_data VALUES (1, x''), (10, x'00000000000000')",  # noqa: S608 - a name of ours
)
"""What an empty index of FTS5 consists of: one that lacks it cannot even be dropped."""


class Mending:
    """How the tables are completed."""

    def is_whole(self, connection: Connection) -> bool:
        name = names_of(connection).of(MESSAGE_INDEX)
        return name in inspect(connection).get_table_names()  # not by what is in it, which may be damaged

    def mend(self, connection: Connection) -> None:
        legible = _LEGIBLE if self.is_whole(connection) else ()
        for statement in (*legible, f"DROP TABLE IF EXISTS {MESSAGE_INDEX}", CREATE_MESSAGE_INDEX):
            connection.execute(DDL(statement))  # type: ignore[no-untyped-call]  # SQLAlchemy's is untyped
        waiting.add_all(connection)
        connection.execute(delete(listing_ids))
        for table in (users, sessions):
            last = select(literal(table.name), func.max(table.c.id)).having(func.count() > 0)
            connection.execute(insert(listing_ids).from_select(["table_name", "last_id"], last))
