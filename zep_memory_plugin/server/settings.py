"""What an operator chooses for a server, by flags and by the environment names of Zep's own server."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from sqlalchemy import URL

from ..errors import InvalidInput, shown
from ..types import SearchMode

_TRUE, _FALSE = ("1", "t", "true", "yes"), ("0", "f", "false", "no", "")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a server listens, whom it lets in, and what it keeps.

    With a *secret* every request to the API needs a token that is signed with it. Beyond the machine itself a server
    listens only with a secret, or when *anonymous* says that anybody may read and write everything. *purge_every* is
    the time between two purges, of which the first comes at the start; without it nothing is purged.
    *max_request_size* is in bytes. With several *workers*, processes, the database has to be one that they share.
    """

    database: str | URL = field(default="sqlite:///zep_memory.db", repr=False)
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    secret: str | None = field(default=None, repr=False)
    anonymous: bool = False
    message_window: int = 12
    max_request_size: int = 5 * 1024 * 1024
    purge_every: timedelta | None = timedelta(minutes=60)
    search_mode: SearchMode = "lexical"

    @staticmethod
    def from_environment(environment: Mapping[str, str]) -> "Settings":
        """Return the settings that *environment* names as Zep's own server does; the others are as by default.

        Raises:
            InvalidInput: a value is no number where one is needed, or tokens are required without a secret.
        """
        given = {name: read(environment, key) for key, (name, read) in _NAMES.items() if environment.get(key)}
        settings = Settings(**given)  # type: ignore[arg-type]  # each reader returns what its field holds
        if not environment.get("ZEP_AUTH_REQUIRED"):
            return settings
        return _as_required(settings, _truth(environment, "ZEP_AUTH_REQUIRED"))

    def check(self) -> None:
        """Refuse to listen where anybody could come in unasked.

        Raises:
            InvalidInput: the host is beyond this machine, and there is neither a secret nor leave for anybody.
        """
        if self.secret is not None and not self.secret.strip():
            raise InvalidInput("secret", "is empty; `--generate-secret` prints one")
        if self.secret is None and not self.anonymous and not is_loopback(self.host):
            raise InvalidInput(
                "host",
                f"is {shown(self.host)}, beyond this machine, and nobody is asked for a token; set ZEP_AUTH_SECRET, "
                "or say --anonymous when anybody may read and write everything",
            )


def is_loopback(host: str) -> bool:
    """Tell whether *host* is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _as_required(settings: "Settings", required: bool) -> "Settings":
    """Return *settings* with tokens asked for, or not, as Zep's own switch says."""
    if not required:
        return replace(settings, secret=None)
    if settings.secret is None:
        raise InvalidInput("ZEP_AUTH_REQUIRED", "is set without ZEP_AUTH_SECRET, with which tokens are signed")
    return settings


def _text(environment: Mapping[str, str], key: str) -> str:
    return environment[key]


def _number(environment: Mapping[str, str], key: str) -> int:
    try:
        return int(environment[key])
    except ValueError:
        raise InvalidInput(key, f"is {shown(environment[key])}, not a whole number") from None


def _minutes(environment: Mapping[str, str], key: str) -> timedelta | None:
    return timedelta(minutes=_number(environment, key)) or None


def _truth(environment: Mapping[str, str], key: str) -> bool:
    value = environment[key].strip().lower()
    if value not in _TRUE + _FALSE:
        raise InvalidInput(key, f"is {shown(value)}; allowed are true and false")
    return value in _TRUE


_NAMES = {
    "ZEP_STORE_POSTGRES_DSN": ("database", _text),
    "ZEP_MEMORY_DATABASE": ("database", _text),
    "ZEP_SERVER_HOST": ("host", _text),
    "ZEP_SERVER_PORT": ("port", _number),
    "ZEP_SERVER_MAX_REQUEST_SIZE": ("max_request_size", _number),
    "ZEP_AUTH_SECRET": ("secret", _text),
    "ZEP_MEMORY_MESSAGE_WINDOW": ("message_window", _number),
    "ZEP_DATA_PURGE_EVERY": ("purge_every", _minutes),
}
"""Names in the environment: the field that each sets, and how its text is read. The last of two for one field wins."""
