"""`zep-memory users`: listing them, showing one, and erasing one with everything of theirs."""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated

import typer

from ..filters import metadata_of
from ..manager import SessionManager
from ..models import ErasureReceipt, User
from .opening import opened
from .options import DEFAULT_DATABASE, All, AsJson, Assent, Cursor, Database, Limit, OfMetadata
from .printing import Columns, make_sure, plain, print_fields, print_json, print_rows, say

app = typer.Typer(help="Users: the owners of sessions.", no_args_is_help=True)

UserId = Annotated[str, typer.Argument(metavar="USER", help="The id of the user.")]

_COLUMNS: Columns[User] = {
    "id": lambda user: user.id,
    "user": lambda user: user.user_id,
    "email": lambda user: user.email,
    "first name": lambda user: user.first_name,
    "last name": lambda user: user.last_name,
    "created": lambda user: user.created_at,
    "metadata": lambda user: user.metadata,
}


@app.command("list")
def list_users(
    database: Database = DEFAULT_DATABASE,
    metadata: OfMetadata = None,
    limit: Limit = 50,
    cursor: Cursor = 0,
    everything: All = False,
    as_json: AsJson = False,
) -> None:
    """List users in the order in which they were added."""
    with opened(database) as manager:
        users = _from(manager, cursor, metadata)
        count = print_rows(users if everything else islice(users, limit), _COLUMNS, as_json=as_json)
        if (more := next(users, None)) is not None and more.id is not None:
            say(f"{count} users; --cursor {more.id - 1} goes on, --all prints the rest, too")


def _from(manager: SessionManager, cursor: int, metadata: list[str] | None) -> Iterator[User]:
    wanted = metadata_of("--metadata", metadata)
    while chunk := manager.list_users(200, cursor, metadata=wanted):
        yield from chunk
        cursor = chunk[-1].id or cursor


@app.command()
def show(user_id: UserId, database: Database = DEFAULT_DATABASE, as_json: AsJson = False) -> None:
    """Show a user and how many sessions they have."""
    with opened(database) as manager:
        user = manager.get_user(user_id)
        if as_json:
            print_json([user])
            return
        count = sum(len(chunk) for chunk in manager.list_all_sessions(1000, user_id=user_id))
    print_fields({**{name: value_of(user) for name, value_of in _COLUMNS.items()}, "sessions": count}, as_json=False)


@app.command()
def erase(user_id: UserId, database: Database = DEFAULT_DATABASE, yes: Assent = False, as_json: AsJson = False) -> None:
    """Erase a user and all their sessions, soft-deleted ones too, for good, and print the receipt."""
    with opened(database) as manager:
        manager.get_user(user_id)
        make_sure(f"Erase user {user_id!r} and all their sessions for good?", assent=yes)
        receipt = manager.erase_user(user_id)
    if as_json:
        print_json([receipt])
    else:
        _print(receipt)
    say(f"erased user {user_id!r} and everything of theirs")


def _print(receipt: ErasureReceipt) -> None:
    rows = {f"{table} erased": f"{count}, {receipt.digests[table]}" for table, count in receipt.rows.items()}
    who = {"erased": receipt.erased_at.isoformat(), "user": receipt.digest, "salt": receipt.salt}
    print_fields(who | rows, as_json=False)
    for where in receipt.kept_text_in:
        say(f"text of what went is kept for now in {where}; the next purge tries again")


@app.command()
def verify(
    user_id: UserId,
    database: Database = DEFAULT_DATABASE,
    words: Annotated[
        list[str] | None, typer.Option("--word", metavar="TEXT", help="Look for this, too, which was theirs.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look for what is left of a user who was erased; exits with 1 where something is."""
    with opened(database) as manager:
        check = manager.verify_erased(user_id, words=words or [])
    if as_json:
        print_json([check])
    else:
        print_fields({"left": "; ".join(check.leftovers) or "nothing"}, as_json=False)
        for where in check.mentioned_in:
            say(f"to be looked at, as it may be of others: {where}")
        say(f"looked in {', '.join(check.looked_in)}")
    if not check.is_erased:
        raise typer.Exit(1)


@app.command()
def ledger(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The file to write.")],
    database: Database = DEFAULT_DATABASE,
) -> None:
    """Write the ledger of erasures to a file, to be kept apart from backups."""
    with opened(database) as manager:
        count = manager.export_ledger(file)
    say(f"wrote {count} entries")


@app.command("apply-ledger")
def apply_ledger(
    file: Annotated[str | None, typer.Argument(metavar="[FILE]", help="What `ledger` has written.")] = None,
    database: Database = DEFAULT_DATABASE,
    as_json: AsJson = False,
) -> None:
    """Erase again who is in the ledger, as after a backup was restored."""
    with opened(database) as manager:
        report = manager.apply_ledger(file)
    if as_json:
        print_json([report])
        return
    for user_id in report.users:
        print(plain(user_id))
    say(f"{report.entries} entries were new, {len(report.users)} users were there again and are erased")
    for user_id in report.held:
        say(f"user {user_id!r} is held, and stays")
