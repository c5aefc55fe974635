"""What an operator should know of a Postgres server: whether it keeps what it acknowledges, and what holds it up."""

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import Connection, text

from ..protocol import Finding

LONG = timedelta(minutes=5)
"""How long a transaction may be open before it keeps deleted rows, and others, waiting."""

MANY_DEAD = 0.2
"""The share of rows that are dead above which autovacuum does not keep up."""

_SETTINGS = text("""
    SELECT name, setting FROM pg_settings
     WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'autovacuum') AND setting = 'off' ORDER BY name
""")
_LONG = text("""
    SELECT count(*), max(now() - xact_start) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start < now() - CAST(:long AS interval)
""")
_PREPARED = text("""
    SELECT count(*) FROM pg_prepared_xacts
     WHERE database = current_database() AND prepared < now() - CAST(:long AS interval)
""")
_TABLES = text("""
    SELECT relname, n_live_tup, n_dead_tup, last_analyze IS NULL AND last_autoanalyze IS NULL AS unknown
      FROM pg_stat_user_tables WHERE relname LIKE 'zep\\_%' AND n_live_tup + n_dead_tup > 10000 ORDER BY relname
""")
_INVALID = text("""
    SELECT class.relname FROM pg_index JOIN pg_class AS class ON class.oid = indexrelid
     WHERE NOT indisvalid AND indrelid IN (to_regclass('zep_messages'), to_regclass('zep_sessions'),
           to_regclass('zep_summaries'), to_regclass('zep_users'), to_regclass('zep_message_embeddings'))
""")
_UNINDEXED = text("SELECT count(*) FROM zep_messages WHERE deleted_at IS NULL AND terms IS NULL")

_CONSEQUENCES = {
    "autovacuum": "rows that are gone stay in the files",
    "fsync": "a crash of the machine may ruin the database",
    "full_page_writes": "a crash of the machine may ruin the database",
    "synchronous_commit": "a crash loses what was acknowledged last",
}


def findings(connection: Connection) -> Iterator[Finding]:
    """Yield what is found, one check after the other."""
    version = str(connection.execute(text("SHOW server_version")).scalar_one())
    yield Finding("Postgres", True, version.split()[0])
    off = [name for name, _ in connection.execute(_SETTINGS)]
    says = "; ".join(f"{name} is off: {_CONSEQUENCES[name]}" for name in off)
    yield Finding("settings", not off, says or "what is acknowledged is kept")
    yield _index(connection)
    yield from _transactions(connection)
    yield from _tables(connection)


def _index(connection: Connection) -> Finding:
    invalid = list(connection.execute(_INVALID).scalars())
    if invalid:
        return Finding("index", False, f"{', '.join(invalid)} is not valid; REINDEX INDEX makes it anew")
    missing = connection.execute(_UNINDEXED).scalar_one()
    says = f"{missing} messages are not in it; `zep-memory reindex` mends it"
    return Finding("index", not missing, says if missing else "in step")


def _transactions(connection: Connection) -> Iterator[Finding]:
    count, longest = connection.execute(_LONG, {"long": f"{LONG.seconds} seconds"}).one()
    says = f"{count} open for up to {longest}; what was deleted meanwhile cannot be removed"
    yield Finding("transactions", not count, says if count else f"none is open for more than {LONG}")
    prepared = connection.execute(_PREPARED, {"long": f"{LONG.seconds} seconds"}).scalar_one()
    if prepared:
        yield Finding("transactions", False, f"{prepared} were prepared and forgotten; see pg_prepared_xacts")


def _tables(connection: Connection) -> Iterator[Finding]:
    rows = connection.execute(_TABLES).all()
    unknown = [row.relname for row in rows if row.unknown]
    says = f"none of {', '.join(unknown)}, so that plans are guesses; ANALYZE gathers them"
    yield Finding("statistics", not unknown, says if unknown else "gathered where tables are large")
    dead = [row.relname for row in rows if row.n_dead_tup > MANY_DEAD * (row.n_live_tup + row.n_dead_tup)]
    says = f"much of {', '.join(dead)}; autovacuum does not keep up"
    yield Finding("dead rows", not dead, says if dead else "few")
