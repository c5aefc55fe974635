"""What errors mean to a caller, without their words."""

from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from ..errors import ZepMemoryError

T = TypeVar("T", bound=ZepMemoryError)


def coded(meaning: T, code: str | None) -> T:
    """Return *meaning* with the database's own name of what went wrong."""
    meaning.code = code
    return meaning


def refusal(error: BaseException, code: str | None) -> ZepMemoryError:
    """Return what a caller gets for an *error* that neither time nor another connection mends.

    1. A character that the database has no room for, as the driver of an encoding other than UTF-8 says.
    2. The database's own, such as a constraint that is not ours.
    3. What Python raises on the way there, such as an OverflowError.
    """
    if isinstance(error, UnicodeError):
        return ZepMemoryError("the database's encoding lacks a character of the text; use a database in UTF-8")
    if code is not None or isinstance(error, SQLAlchemyError) or not _of_python(error):
        return coded(ZepMemoryError("the database refused the statement"), code)
    return ZepMemoryError(f"the database's driver cannot carry this out ({type(error).__name__})")


def _of_python(error: BaseException) -> bool:
    return type(error).__module__ == "builtins"
