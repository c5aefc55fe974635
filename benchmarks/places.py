"""Databases to measure on: a file or a Postgres database for each contender."""

import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

Durability = Literal["full", "normal"]
Kind = Literal["sqlite", "postgres"]


@dataclass(frozen=True, slots=True)
class Place:
    """An empty database, and how durable writes to it are."""

    url: str
    durability: Durability = "full"

    @property
    def kind(self) -> Kind:
        """Which database it is."""
        return "sqlite" if self.url.startswith("sqlite") else "postgres"

    @property
    def path(self) -> Path:
        """The file of an SQLite database."""
        return Path(self.url.removeprefix("sqlite:///"))

    @property
    def asyncpg_url(self) -> str:
        """The URL that means asyncpg to SQLAlchemy."""
        return self.url.replace("postgresql:", "postgresql+asyncpg:")

    @property
    def pragmas(self) -> tuple[str, ...]:
        """What makes every contender's SQLite as durable as ours."""
        return ("PRAGMA journal_mode=WAL", f"PRAGMA synchronous={self.durability}", "PRAGMA busy_timeout=15000")

    def engine(self) -> Engine:
        """Return an engine for a peer's blocking calls."""
        return self._configured(create_engine(self.url.replace("postgresql:", "postgresql+psycopg:")))

    def async_engine(self) -> AsyncEngine:
        """Return an engine for a peer's async calls."""
        engine = create_async_engine(self.asyncpg_url.replace("sqlite:", "sqlite+aiosqlite:"))
        self._configured(engine.sync_engine)
        return engine

    def _configured(self, engine: Engine) -> Engine:
        def configure(connection: Any, _: object) -> None:
            cursor = connection.cursor()
            for pragma in self.pragmas:
                cursor.execute(pragma)
            cursor.close()

        if self.kind == "sqlite":
            event.listen(engine, "connect", configure)
        return engine


class Places:
    """Where databases are made."""

    def __init__(self, folder: Path, kinds: Sequence[Kind], postgres: str | None) -> None:
        self.kinds = kinds
        self._folder = folder
        self._postgres = postgres
        self._made: list[str] = []

    def make(self, kind: Kind, durability: Durability = "full") -> Place:
        """Make a database with a fresh name."""
        name = f"zep_benchmark_{uuid.uuid4().hex}"
        if kind == "sqlite":
            return Place(f"sqlite:///{self._folder / name}.db", durability)
        self._execute("CREATE DATABASE {}", name)
        self._made.append(name)
        return Place(self._url(name), durability)

    def settle(self) -> None:
        """Let Postgres count its rows, as autovacuum would, and the disk finish what filling has left it."""
        for name in self._made:
            with psycopg.connect(self._url(name), autocommit=True) as connection:
                connection.execute("ANALYZE")
                connection.execute("CHECKPOINT")
        os.sync()

    def drop_all(self) -> None:
        """Drop everything that was made here."""
        for name in self._made:
            self._execute("DROP DATABASE {} WITH (FORCE)", name)
        self._made.clear()
        for file in self._folder.iterdir():
            file.unlink()

    def _url(self, name: str) -> str:
        assert self._postgres is not None
        return urlsplit(self._postgres)._replace(path=f"/{name}").geturl()

    def _execute(self, statement: str, name: str) -> None:
        assert self._postgres is not None
        with psycopg.connect(self._postgres, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(name)))  # type: ignore[arg-type]
