"""The ledger of erasures, by which who was erased stays erased when a backup or an old export brings them back.

It knows users by a digest of their id, keyed by a salt that stands beside it: who has the ledger can tell whether
somebody they name is in it, and cannot list who is. What a user had before the moment of their erasure is erased; who
comes back begins anew, and what is created from then on is theirs.
"""

import hmac
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from secrets import token_hex
from typing import Any

from sqlalchemy import Connection, func, select

from ..databases import database_of
from ..errors import InvalidInput
from ..models import ErasureReceipt
from ..tables import erasures
from ..units import Stamp
from . import checks
from .chunks import chunked

ENTRIES_OF_PAGE = 1_000
"""Entries that are read or stored at a time."""

_SALT_BYTES = 16
_HEXADECIMAL = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Entry:
    """That the user of a digest was erased."""

    salt: str
    digest: str
    erased_at: datetime


def keyed(salt: str, text: str) -> bytes:
    """Return the HMAC-SHA256 of *text* under *salt*."""
    return hmac.digest(bytes.fromhex(salt), text.encode(errors="surrogatepass"), "sha256")


def salt_of(connection: Connection) -> str:
    """Return the salt of the newest entry, or a new one for the first."""
    newest = select(erasures.c.salt).order_by(erasures.c.erased_at.desc()).limit(1)
    return connection.execute(newest).scalar() or token_hex(_SALT_BYTES)


def note(connection: Connection, receipt: ErasureReceipt) -> None:
    """Enter an erasure."""
    counted = json.dumps({"rows": receipt.rows, "digests": receipt.digests})
    entry = {"digest": receipt.digest, "erased_at": receipt.erased_at, "salt": receipt.salt, "receipt": counted}
    connection.execute(database_of(connection).insert(erasures).values(entry).on_conflict_do_nothing())


def receipt_of(connection: Connection, user_id: str, erased_at: datetime) -> ErasureReceipt | None:
    """Return the receipt of the erasure of a user at a moment, if there was one."""
    for row in connection.execute(select(erasures).where(erasures.c.erased_at == erased_at)):
        if row.digest == keyed(row.salt, user_id).hex() and row.receipt:
            counted = json.loads(row.receipt)
            return ErasureReceipt(salt=row.salt, digest=row.digest, erased_at=row.erased_at, **counted)
    return None


def moments(connection: Connection, user_ids: Iterable[str]) -> dict[str, datetime]:
    """Return when those of *user_ids* who are in the ledger were erased last."""
    salts = connection.execute(select(erasures.c.salt).distinct()).scalars().all()
    users = {keyed(salt, user_id).hex(): user_id for salt in salts for user_id in user_ids}
    found: dict[str, datetime] = {}
    for chunk in chunked(list(users)):
        last = select(erasures.c.digest, func.max(erasures.c.erased_at)).where(erasures.c.digest.in_(chunk))
        for digest, erased_at in connection.execute(last.group_by(erasures.c.digest)):
            found[users[digest]] = max(erased_at, found.get(users[digest], erased_at))
    return found


def entries_after(connection: Connection, last: Entry | None) -> Sequence[Entry]:
    """Return the entries of the next page, by digest and moment."""
    key = (erasures.c.digest, erasures.c.erased_at)
    query = select(erasures.c.salt, *key).order_by(*key).limit(ENTRIES_OF_PAGE)
    if last is not None:
        later = (erasures.c.digest == last.digest) & (erasures.c.erased_at > last.erased_at)
        query = query.where((erasures.c.digest > last.digest) | later)
    return [Entry(*row) for row in connection.execute(query)]


def take_in(connection: Connection, stamp: Stamp, entries: Sequence[Entry]) -> int:
    """Enter what another ledger has, and count what is new."""
    insert = database_of(connection).insert(erasures)
    rows = [{"salt": entry.salt, "digest": entry.digest, "erased_at": entry.erased_at} for entry in entries]
    new = insert.values(rows).on_conflict_do_nothing().returning(erasures.c.digest)
    return len(connection.execute(new).all()) if rows else 0


def read(fields: Any) -> Entry:
    """Check what a line of a ledger says.

    Raises:
        InvalidInput: it is no entry.
    """
    if not isinstance(fields, dict) or fields.keys() != {"salt", "digest", "erased_at"}:
        raise InvalidInput("entry", "has other fields than salt, digest and erased_at")
    try:
        moment = datetime.fromisoformat(fields["erased_at"])
    except (TypeError, ValueError):
        raise InvalidInput("erased_at", "is no moment in ISO 8601") from None
    salt = _digits("salt", fields["salt"], 2 * _SALT_BYTES)
    digest = _digits("digest", fields["digest"], 2 * sha256().digest_size)
    return Entry(salt, digest, checks.moment("erased_at", moment))


def _digits(field: str, value: object, count: int) -> str:
    if not isinstance(value, str) or len(value) != count or not _HEXADECIMAL.issuperset(value):
        raise InvalidInput(field, f"is not {count} hexadecimal digits")
    return value
