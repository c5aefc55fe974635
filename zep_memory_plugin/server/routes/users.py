"""Users: the owners of sessions."""

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from ..answers import SessionAnswer, UserAnswer, in_json, ok, session_answer, user_answer
from ..bodies import Number, UserBody, UserId
from . import manager_of
from .listing import page

router = APIRouter(tags=["users"])


@router.post("/user", status_code=201, response_model=UserAnswer)
async def add_user(request: Request, body: UserBody) -> Response:
    """Add a user."""
    return in_json(user_answer(await manager_of(request).aadd_user(body.user())), 201)


@router.get("/user", response_model=list[UserAnswer])
async def list_users(request: Request, limit: Number = 0, cursor: Number = 0) -> Response:
    """Return users in the order in which they were added, at most *limit*, those after the id *cursor*."""
    listed = await page(request, "users", manager_of(request).alist_users, limit, cursor)
    return in_json([user_answer(user) for user in listed])


@router.get("/user/{user_id}", response_model=UserAnswer)
async def get_user(request: Request, user_id: UserId) -> Response:
    """Return a user."""
    return in_json(user_answer(await manager_of(request).aget_user(user_id)))


@router.patch("/user/{user_id}", response_model=UserAnswer)
async def update_user(request: Request, user_id: UserId, body: UserBody) -> Response:
    """Overwrite the fields that are given and not empty, and merge metadata."""
    return in_json(user_answer(await manager_of(request).aupdate_user(body.user(user_id))))


@router.delete("/user/{user_id}", response_class=PlainTextResponse)
async def delete_user(request: Request, user_id: UserId) -> Response:
    """Erase a user and all sessions of theirs, with everything in them, at once."""
    await manager_of(request).adelete_user(user_id)
    return ok()


@router.get("/user/{user_id}/sessions", response_model=list[SessionAnswer])
async def get_user_sessions(request: Request, user_id: UserId) -> Response:
    """Return the sessions of a user in the order in which they were added; an unknown user has none."""
    listed = await manager_of(request).aget_user_sessions(user_id)
    return in_json([session_answer(session) for session in listed])
