"""The command that serves: its flags, which go before what the environment says."""

import argparse
import os
import secrets
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from ..errors import InvalidInput, ZepMemoryError
from .serving import serve
from .settings import Settings
from .tokens import SHORTEST_SECRET, new_token

DESCRIPTION = (
    "Serve the REST API of Zep's open-source server until SIGTERM or Ctrl-C. The environment names of that "
    "server, such as ZEP_AUTH_SECRET and ZEP_STORE_POSTGRES_DSN, are read, too; flags go before them."
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what *arguments*, by default those of the process, say.

    Raises:
        SystemExit: it is refused.
    """
    try:
        run(arguments)
    except ZepMemoryError as error:
        sys.exit(f"error: {error}")


def run(arguments: Sequence[str] | None = None) -> None:
    """Serve, or print a secret or a token, as *arguments* say.

    Raises:
        InvalidInput: the settings make no sense, or would let anybody in.
    """
    given = vars(_parser().parse_args(arguments))
    generate = given.pop("generate")
    if generate == "secret":
        print(secrets.token_urlsafe(SHORTEST_SECRET))
        return
    settings = replace(Settings.from_environment(os.environ), **_settings(given))
    if generate is None:
        serve(settings)
    else:
        print(_token(settings))


def _token(settings: Settings) -> str:
    if settings.secret is None:
        raise InvalidInput("ZEP_AUTH_SECRET", "is not set, with which a token is signed; --generate-secret prints one")
    return new_token(settings.secret)


def _settings(given: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that the flags name."""
    named = {name: value for name, value in given.items() if value is not None}
    if isinstance(minutes := named.get("purge_every"), int):
        named["purge_every"] = timedelta(minutes=minutes) or None
    if "://" not in named.get("database", "://"):
        named["database"] = f"sqlite:///{named['database']}"
    return named


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="zep-memory serve", description=DESCRIPTION)
    parser.add_argument("-d", "--database", metavar="URL", help="a URL or an SQLite file, by default zep_memory.db")
    parser.add_argument("--host", help="by default 127.0.0.1")
    parser.add_argument("--port", type=int, help="by default 8000")
    parser.add_argument("--workers", type=int, help="processes that listen, by default 1")
    parser.add_argument("--anonymous", action="store_true", default=None, help="ask nobody for a token, on any host")
    parser.add_argument("--message-window", type=int, help="messages of a memory, by default 12")
    parser.add_argument("--max-request-size", type=int, help="bytes of a request, by default 5242880")
    parser.add_argument("--purge-every", type=int, metavar="MINUTES", help="by default 60; 0 for never")
    generate = parser.add_mutually_exclusive_group()
    generate.add_argument(
        "-g", "--generate-token", dest="generate", action="store_const", const="token", help="print a token and stop"
    )
    generate.add_argument(
        "--generate-secret", dest="generate", action="store_const", const="secret", help="print a secret and stop"
    )
    return parser
