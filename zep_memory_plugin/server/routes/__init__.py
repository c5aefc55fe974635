"""What is asked for under `/api/v1`: each route reads a body, makes one call of the manager, and shapes the answer."""

from typing import cast

from fastapi import Request

from ... import SessionManager
from ..layers.envelope import client_of
from ..settings import Settings
from ..walks import Walks

__all__ = ["manager_of", "settings_of", "walker", "walks_of"]


def manager_of(request: Request) -> SessionManager:
    """Return the manager that the application serves."""
    return cast("SessionManager", request.app.state.manager)


def settings_of(request: Request) -> Settings:
    """Return the settings of the application."""
    return cast("Settings", request.app.state.settings)


def walks_of(request: Request) -> Walks:
    """Return the listings under way."""
    return cast("Walks", request.app.state.walks)


def walker(request: Request) -> str:
    """Name who asks, by all that stays the same when its connection is made anew."""
    return f"{client_of(request.scope)} {request.headers.get('user-agent', '')}"
