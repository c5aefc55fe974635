"""Sessions of the OpenAI Agents SDK, kept by a `SessionManager`.

The SDK is imported with the first use of `ZepSession`: to read what it has stored takes none of it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .session import ZepSession

__all__ = ["ZepSession"]


def __getattr__(name: str) -> "type[ZepSession]":
    """Return what needs the SDK."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .session import ZepSession

    return ZepSession
