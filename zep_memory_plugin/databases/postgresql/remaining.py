"""What a Postgres server has of words beside the rows: in the samples that the planner keeps of columns.

Those of texts are not taken at all; those of ids are, as plans for a user or a session depend on them.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, text

from ...tables import tables_of
from ..naming import names_of, quoted
from ..protocol import Trace

_SAMPLED = text("""
    SELECT tablename, attname FROM pg_stats
     WHERE schemaname = coalesce(CAST(:schema AS text), current_schema()) AND tablename = ANY(:tables)
       AND (CAST(most_common_vals AS text) IS NOT NULL OR CAST(histogram_bounds AS text) IS NOT NULL)
       AND :words && (coalesce(CAST(CAST(most_common_vals AS text) AS text[]), '{}')
                   || coalesce(CAST(CAST(histogram_bounds AS text) AS text[]), '{}'))
     ORDER BY tablename, attname
""")


def traces(connection: Connection, words: Sequence[str]) -> Iterator[Trace]:
    """Yield what is found in each place."""
    sampled = [".".join(each) for each in _sampled(connection, words)]
    says = f"samples of {', '.join(sampled)} in the statistics; ANALYZE makes them anew"
    yield Trace("statistics", len(sampled), says)


def sample_anew(connection: Connection, words: Sequence[str]) -> None:
    """Make those samples anew that have one of *words*; a table that may not be analyzed is left as it is."""
    names = names_of(connection)
    schema = f"{quoted(names.schema)}." if names.schema else ""
    for table, column in _sampled(connection, words):
        connection.exec_driver_sql(f"ANALYZE {schema}{quoted(table)} ({quoted(column)})")


def _sampled(connection: Connection, words: Sequence[str]) -> list[tuple[str, str]]:
    """Return the tables and columns that have one of *words* among their samples."""
    names = names_of(connection)
    tables = [names.bare(table.name) for table in tables_of("postgresql")]
    parameters = {"schema": names.schema, "tables": tables, "words": list(words)}
    return [(row.tablename, row.attname) for row in connection.execute(_SAMPLED, parameters)]
