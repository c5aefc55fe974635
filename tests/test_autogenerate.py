"""An application's `alembic revision --autogenerate` leaves our tables alone."""

import pytest
from alembic.autogenerate import produce_migrations
from alembic.migration import MigrationContext
from alembic.operations.ops import MigrationScript
from sqlalchemy import Column, Connection, Engine, Index, Integer, MetaData, Table, create_engine, inspect, text

from zep_memory_plugin import Message, SessionManager
from zep_memory_plugin.autogenerate import include_name

PLUGIN = "alembic.autogenerate.zep_memory_plugin"
NONE_OF_OURS = {"autogenerate_plugins": ["alembic.autogenerate.*", f"~{PLUGIN}"]}


@pytest.fixture(params=["sqlite_url", "postgres_url"], ids=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """A database with our tables, one that the application has a model of, and one that it has dropped from those."""
    url = str(request.getfixturevalue(request.param))
    with SessionManager(url) as memory:
        memory.add_memory("s", [Message(role="user", content="hello")])
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE zep_of_the_application (id INTEGER PRIMARY KEY)"))
        connection.execute(text("CREATE TABLE my_schema_version (version_num INTEGER)"))
    return engine


def models() -> MetaData:
    metadata = MetaData()
    Table("orders", metadata, Column("id", Integer, primary_key=True), Index("ix_orders", "id"))
    return metadata


def steps(connection: Connection, **options: object) -> list[tuple[object, ...]]:
    """Return what autogenerate would do to tables, without what it says of it."""
    script = produce_migrations(MigrationContext.configure(connection, opts=options), models())
    assert isinstance(script, MigrationScript)
    assert script.upgrade_ops is not None
    return sorted((type(step).__name__, getattr(step, "table_name", None)) for step in script.upgrade_ops.ops)


OF_THE_APPLICATION = [
    ("CreateTableOp", "orders"),
    ("DropTableOp", "my_schema_version"),
    ("DropTableOp", "zep_of_the_application"),
    ("ModifyTableOps", "orders"),
]


@pytest.mark.parametrize(
    "options",
    [{}, {"include_name": include_name}, {"include_name": include_name, **NONE_OF_OURS}],
    ids=["by the plugin", "by both", "by the filter"],
)
def test_autogenerate_drops_what_is_the_applications_alone(engine: Engine, options: dict[str, object]) -> None:
    with engine.connect() as connection:
        assert steps(connection, **options) == OF_THE_APPLICATION
    engine.dispose()


def test_without_the_filter_and_the_plugin_autogenerate_would_drop_them(engine: Engine) -> None:
    """So that the tests above can fail."""
    with engine.connect() as connection:
        assert ("DropTableOp", "zep_messages") in steps(connection, **NONE_OF_OURS)
    engine.dispose()


def test_tables_with_another_prefix_are_recognised(engine: Engine) -> None:
    with engine.begin() as connection:
        ours = [name for name in inspect(connection).get_table_names() if name != "zep_of_the_application"]
        for name in sorted(set(ours) - {"my_schema_version"}):
            if "message_index_" not in name:  # which follow the table whose index they keep
                connection.execute(text(f"ALTER TABLE {name} RENAME TO chat_{name.removeprefix('zep_')}"))

        assert steps(connection) == OF_THE_APPLICATION
    engine.dispose()
