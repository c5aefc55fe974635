"""`python -m zep_memory_plugin.migrations DATABASE_URL` brings a database to this version's schema."""

import argparse

from ..running.engines import make_engine, source_of
from ..running.schema import REVISION
from . import upgrade


def main(arguments: list[str] | None = None) -> None:
    """Upgrade the database that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m zep_memory_plugin.migrations", description=__doc__)
    parser.add_argument("database", help="URL of the database, such as sqlite:///zep_memory.db")
    engine = make_engine(source_of(parser.parse_args(arguments).database, "full"))
    with engine.connect() as connection:
        upgrade(connection)
    engine.dispose()
    print(f"the database is at schema revision {REVISION!r}")


if __name__ == "__main__":
    main()
