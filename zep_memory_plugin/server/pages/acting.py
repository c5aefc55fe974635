"""What forms change: deleting, restoring, forking and renaming sessions, erasing users, purging."""

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .answering import form, manager_of, page, redirect
from .sessions import number

_PERIODS = {"0": "everything", "1": "a day", "7": "a week", "30": "30 days", "90": "90 days"}
"""How long ago what goes in a purge was deleted, in days."""


async def delete(request: Request) -> Response:
    """Soft-delete a session."""
    session_id = (await form(request)).get("id", "")
    await manager_of(request).adelete_session(session_id)
    return redirect(request, "/", done="deleted", undo=session_id)


async def restore(request: Request) -> Response:
    """Bring a session back."""
    session_id = (await form(request)).get("id", "")
    await manager_of(request).arestore_session(session_id)
    return redirect(request, "/session", id=session_id, done="restored")


async def ask_for_fork(request: Request) -> Response:
    """Ask for the id of a copy up to one message."""
    query = request.query_params
    session = await manager_of(request).aget_session(query.get("id", ""))
    message = await manager_of(request).aget_message(session.session_id, query.get("until", ""))
    return page(request, "fork.html", session=session, message=message)


async def fork(request: Request) -> Response:
    """Copy a session, perhaps up to one message, to a new one."""
    fields = await form(request)
    new, until = fields.get("new", ""), fields.get("until")
    await manager_of(request).afork_session(fields.get("id", ""), new, until_uuid=until or None)
    return redirect(request, "/session", id=new, done="forked")


async def rename(request: Request) -> Response:
    """Give a session another id."""
    fields = await form(request)
    new = fields.get("new", "")
    await manager_of(request).arename_session(fields.get("id", ""), new)
    return redirect(request, "/session", id=new, done="renamed")


async def erase(request: Request) -> Response:
    """Erase a user, and all of theirs."""
    await manager_of(request).adelete_user((await form(request)).get("id", ""))
    return redirect(request, "/users", done="erased")


async def look_before_purge(request: Request) -> Response:
    """Show what a purge would remove."""
    days = number(request.query_params, "days") if request.query_params.get("days") else 30
    report = await manager_of(request).apurge(timedelta(days=min(days, 36_500)), dry_run=True)
    return page(request, "purge.html", report=report, days=str(days), periods=_PERIODS)


async def purge(request: Request) -> Response:
    """Remove what was deleted for good."""
    days = number(await form(request), "days")
    await manager_of(request).apurge(timedelta(days=min(days, 36_500)))
    return redirect(request, "/", deleted="1", done="purged")


routes = [
    Route("/session/delete", delete, methods=["POST"]),
    Route("/session/restore", restore, methods=["POST"]),
    Route("/session/fork", ask_for_fork, methods=["GET"]),
    Route("/session/fork", fork, methods=["POST"]),
    Route("/session/rename", rename, methods=["POST"]),
    Route("/user/erase", erase, methods=["POST"]),
    Route("/purge", look_before_purge, methods=["GET"]),
    Route("/purge", purge, methods=["POST"]),
]
