"""A role that may read and write the tables and nothing else, and one that may not even that."""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql

from tests.support.messages import said, texts
from tests.test_naming import aeverything, everything
from tests.test_using import driver_of
from zep_memory_plugin import SessionManager, ZepMemoryError


@contextmanager
def role(url: str) -> Iterator[tuple[psycopg.Connection, sql.Identifier, str]]:
    """Make a role, and yield an administrator's connection, its name and the URL with which it connects."""
    name = f"role_{uuid.uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
        try:
            yield admin, sql.Identifier(name), url.replace("//postgres@", f"//{name}@")
        finally:
            admin.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_a_role_that_may_only_change_rows_does_all_of_it(postgres_url: str) -> None:
    with SessionManager(postgres_url) as owner:
        owner.list_sessions()
    with role(postgres_url) as (admin, name, url):
        grant = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {}"
        admin.execute(sql.SQL(grant).format(name))

        with SessionManager(url) as manager:
            everything(manager)
        asyncio.run(aeverything(SessionManager(driver_of(url, "asyncpg"))))


def test_a_role_that_may_not_create_tables_is_told_so(postgres_url: str) -> None:
    with role(postgres_url) as (admin, _, url):
        admin.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        with SessionManager(url) as manager:
            with pytest.raises(ZepMemoryError, match=r"refused|InsufficientPrivilege|42501") as caught:
                manager.add_memory("s", said("a secret"))
            assert "secret" not in str(caught.value)
            with SessionManager(postgres_url) as owner:
                owner.add_memory("s", said("one"))
            admin.execute(sql.SQL("GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC"))

            assert texts(manager.list_messages("s")) == ["one"]
