"""Users: a list of them, and one with their sessions."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .answering import manager_of, page
from .sessions import listed, number

PAGE = 50
"""Users of a page."""


async def index(request: Request) -> Response:
    """List users in the order in which they were added."""
    query = request.query_params
    after = number(query, "after") if query.get("after") else 0
    users = await manager_of(request).alist_users(PAGE + 1, after)
    shown = users[:PAGE]
    return page(request, "users.html", users=shown, more=shown[-1].id if len(users) > PAGE else None)


async def show(request: Request) -> Response:
    """Show a user, and their sessions."""
    user = await manager_of(request).aget_user(request.query_params.get("id", ""))
    of_user = await listed(request, request.query_params, user_id=user.user_id)
    return page(request, "user.html", user=user, **of_user)


routes = [Route("/users", index), Route("/user", show)]
