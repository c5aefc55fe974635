"""`zep-memory sessions`: listing them, showing one, and the life of one."""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated

import typer

from ..filters import metadata_of
from ..manager import SessionManager
from ..models import Message, Session
from .opening import opened
from .options import DEFAULT_DATABASE, All, AsJson, Assent, Cursor, Database, Limit, OfMetadata, OfUser
from .printing import Columns, make_sure, print_fields, print_json, print_rows, print_text, say

app = typer.Typer(help="Sessions: each is one conversation.", no_args_is_help=True)

SessionId = Annotated[str, typer.Argument(metavar="SESSION", help="The id of the session.")]

_COLUMNS: Columns[Session] = {
    "id": lambda session: session.id,
    "session": lambda session: session.session_id,
    "user": lambda session: session.user_id,
    "created": lambda session: session.created_at,
    "updated": lambda session: session.updated_at,
    "deleted": lambda session: session.deleted_at,
    "metadata": lambda session: session.metadata,
}


@app.command("list")
def list_sessions(
    database: Database = DEFAULT_DATABASE,
    user: OfUser = None,
    metadata: OfMetadata = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="List the soft-deleted ones instead.")] = False,
    limit: Limit = 50,
    cursor: Cursor = 0,
    everything: All = False,
    as_json: AsJson = False,
) -> None:
    """List sessions in the order in which they were added."""
    with opened(database) as manager:
        sessions = _from(manager, cursor, user, metadata, deleted)
        count = print_rows(sessions if everything else islice(sessions, limit), _COLUMNS, as_json=as_json)
        if (more := next(sessions, None)) is not None and more.id is not None:
            say(f"{count} sessions; --cursor {more.id - 1} goes on, --all prints the rest, too")


def _from(
    manager: SessionManager, cursor: int, user: str | None, metadata: list[str] | None, deleted: bool
) -> Iterator[Session]:
    wanted = metadata_of("--metadata", metadata)
    while chunk := manager.list_sessions(200, cursor, user_id=user, metadata=wanted, deleted=deleted):
        yield from chunk
        cursor = chunk[-1].id or cursor


@app.command()
def show(
    session_id: SessionId,
    database: Database = DEFAULT_DATABASE,
    user: OfUser = None,
    last: Annotated[int | None, typer.Option("--last", min=0, help="Only so many messages, the newest.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show a session, its latest summary, and its messages."""
    with opened(database) as manager:
        session = manager.get_session(session_id, user_id=user)
        summary = manager.get_memory(session_id, 1, user_id=user).summary
        messages = _messages(manager, session_id, last)
        if as_json:
            print_json([{"session": session}])
            print_json([{"summary": summary}] if summary else [])
            print_json({"message": message} for message in messages)
            return
        print_fields({name: value_of(session) for name, value_of in _COLUMNS.items()}, as_json=False)
        if summary is not None:
            print_text(["", "summary", f"of all up to {summary.seq}"], summary.content)
        for message in messages:
            print_text(_heading(message), message.content)


def _messages(manager: SessionManager, session_id: str, last: int | None) -> Iterator[Message]:
    """Yield the messages of a session, however many they are."""
    if last is not None:
        yield from manager.last_messages(session_id, last)
        return
    cursor = 0
    while chunk := manager.list_messages(session_id, 500, cursor):
        yield from chunk
        cursor = chunk[-1].seq or cursor


def _heading(message: Message) -> list[str]:
    calls = [f"calls {call.name}" for call in message.tool_calls or []]
    moment = f"{message.created_at:%Y-%m-%d %H:%M:%S}" if message.created_at else ""
    return [
        f"\n{message.seq}",
        message.role,
        *([message.name] if message.name else []),
        moment,
        str(message.uuid),
        *calls,
    ]


@app.command()
def delete(session_id: SessionId, database: Database = DEFAULT_DATABASE, user: OfUser = None) -> None:
    """Soft-delete a session; `restore` brings it back until a purge."""
    with opened(database) as manager:
        manager.delete_session(session_id, user_id=user)
    say(f"deleted session {session_id!r}; `zep-memory sessions restore` brings it back until a purge")


@app.command()
def restore(session_id: SessionId, database: Database = DEFAULT_DATABASE, user: OfUser = None) -> None:
    """Bring back a soft-deleted session, with exactly what its deletion took along."""
    with opened(database) as manager:
        manager.restore_session(session_id, user_id=user)
    say(f"restored session {session_id!r}")


@app.command()
def fork(
    session_id: SessionId,
    new_session_id: Annotated[str, typer.Argument(metavar="NEW", help="The id of the copy.")],
    until: Annotated[str | None, typer.Option("--until", metavar="UUID", help="The last message to copy.")] = None,
    database: Database = DEFAULT_DATABASE,
    user: OfUser = None,
) -> None:
    """Copy a session, up to a message, to a new one."""
    with opened(database) as manager:
        manager.fork_session(session_id, new_session_id, until_uuid=until, user_id=user)
        count = manager.count_messages([new_session_id])[new_session_id]
    say(f"copied {count} messages to session {new_session_id!r}")


@app.command()
def rename(
    session_id: SessionId,
    new_session_id: Annotated[str, typer.Argument(metavar="NEW", help="Its new id.")],
    database: Database = DEFAULT_DATABASE,
    user: OfUser = None,
) -> None:
    """Give a session another id; who goes on writing under the old one begins a new session."""
    with opened(database) as manager:
        manager.rename_session(session_id, new_session_id, user_id=user)
    say(f"session {session_id!r} is session {new_session_id!r} now")


@app.command()
def rewind(
    session_id: SessionId,
    uuid: Annotated[str, typer.Argument(metavar="UUID", help="The message that is to be the last one.")],
    database: Database = DEFAULT_DATABASE,
    user: OfUser = None,
    yes: Assent = False,
) -> None:
    """Soft-delete all messages of a session after one."""
    with opened(database) as manager:
        seq = manager.get_message(session_id, uuid, user_id=user).seq
        make_sure(f"Delete all after message {seq} of session {session_id!r}?", assent=yes)
        manager.rewind_session(session_id, uuid, user_id=user)
    say(f"session {session_id!r} ends with message {seq}")
