"""Bytes on disk per message of 200 characters."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import psycopg

from .harness import settled
from .peers import AWAITING, installed
from .peers.bare_sqlite import connect
from .places import Kind, Place
from .report import Count, Figure, Goal, Table
from .run import DATABASES, Run
from .workload import CHARACTERS, Scale, conversation, session_id

EACH = 50
"""Messages of each session."""

EXPECTED: dict[Kind, float] = {"sqlite": 2.04, "postgres": 2.6}
"""Our bytes to the bare table's, at any number of messages from some thousands on."""


async def measured(run: Run) -> AsyncIterator[Table]:
    """Weigh on every database."""
    for kind in run.places.kinds:
        yield await _table(run.scale, run, kind)


async def _table(scale: Scale, run: Run, kind: Kind) -> Table:
    sessions = max(200, scale.session // EACH)
    bare = run.places.make(kind)
    _fill_bare(bare, sessions)
    figures = [_figure("bare table", "limit", _bytes(bare) / (sessions * EACH))]
    notes: list[str] = []
    weighed = {"ours", "peer"} if scale.peers_counted else {"ours"}
    for contender in installed(AWAITING, kind):
        if contender.kind not in weighed or ("LangChain" in contender.name and contender.kind == "ours"):
            continue
        place = run.places.make(kind)
        made = contender(place)
        for number in range(sessions):
            await settled(made.fill(session_id(number), EACH))
        await settled(made.close())
        figures.append(_figure(made.name, made.kind, _bytes(place) / (sessions * EACH)))
        if made.kind == "ours":
            notes = [f"of ours, the index of search takes {_bytes_of_search(place) / (sessions * EACH):,.0f} B"]
    ratio = next(figure for figure in figures if figure.kind == "ours").value / figures[0].value
    title = f"Bytes on disk per message of {CHARACTERS} characters, {sessions:,} sessions of {EACH}"
    counts = [Count("bytes to the bare table, to two digits", round(ratio, 2), EXPECTED[kind], 0.05)]
    return Table(
        "size", title, f"{DATABASES[kind]}, tables and indexes, after a checkpoint or VACUUM", "bytes", figures,
        [Goal("bytes to the bare table", ratio, 1.6)], counts, notes,
    )  # fmt: skip


def _figure(name: str, kind: str, value: float) -> Figure:
    return Figure(name, kind, value, value, value)  # type: ignore[arg-type]


def _fill_bare(place: Place, sessions: int) -> None:
    """Fill the smallest table that can hold an ordered conversation."""
    now = datetime.now(UTC)
    rows = [
        (session_id(number), seq, *said, now if place.kind == "postgres" else int(now.timestamp() * 1e6))
        for number in range(sessions)
        for seq, said in enumerate(conversation(EACH), start=1)
    ]
    table = "CREATE TABLE bare (session_id TEXT, seq BIGINT, role TEXT, content TEXT, created_at {}, {}){}"
    if place.kind == "postgres":
        with psycopg.connect(place.url) as connection:
            connection.execute(table.format("TIMESTAMPTZ", "PRIMARY KEY (session_id, seq)", ""))  # type: ignore[arg-type]
            connection.cursor().executemany("INSERT INTO bare VALUES (%s, %s, %s, %s, %s)", rows)
        return
    connection = connect(place)
    connection.execute(table.format("BIGINT", "PRIMARY KEY (session_id, seq)", " WITHOUT ROWID"))
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO bare VALUES (?, ?, ?, ?, ?)", rows)
    connection.execute("COMMIT")
    connection.close()


def _bytes(place: Place) -> int:
    """Return the bytes of all tables that are not the database's own."""
    if place.kind == "postgres":
        with psycopg.connect(place.url, autocommit=True) as connection:
            connection.execute("VACUUM")
            query = "SELECT sum(pg_total_relation_size(relid)) FROM pg_stat_user_tables"
            return int(connection.execute(query).fetchone()[0])  # type: ignore[index]
    connection = connect(place)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()
    return place.path.stat().st_size


def _bytes_of_search(place: Place) -> int:
    """Return the bytes of what is kept to be searched."""
    if place.kind == "postgres":
        query = "SELECT pg_relation_size('ix_zep_messages_terms') + sum(pg_column_size(terms)) FROM zep_messages"
        with psycopg.connect(place.url) as connection:
            return int(connection.execute(query).fetchone()[0])  # type: ignore[index]
    connection = connect(place)
    (found,) = connection.execute("SELECT sum(length(block)) FROM zep_message_index_data").fetchone()
    connection.close()
    return int(found)
