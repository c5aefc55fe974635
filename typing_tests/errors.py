"""The errors, and the builtin ones that they are as well, as a type checker sees them. Checked, never run."""

from typing import assert_type

from zep_memory_plugin import (
    Conflict,
    DatabaseUnavailable,
    Held,
    InvalidInput,
    MessageNotFound,
    NotForOneUser,
    NotFound,
    SchemaIncomplete,
    SchemaOutdated,
    SessionChanged,
    SessionExists,
    SessionManager,
    SessionNotFound,
    SessionOwnedByAnotherUser,
    StateChanged,
    UserExists,
    UserNotFound,
    ZepMemoryError,
)

not_found: list[type[NotFound]] = [SessionNotFound, UserNotFound, MessageNotFound]
conflicts: list[type[Conflict]] = [
    Held,
    SessionChanged,
    SessionExists,
    StateChanged,
    UserExists,
    SessionOwnedByAnotherUser,
]
schemas: list[type[ZepMemoryError]] = [SchemaOutdated, SchemaIncomplete]
every: list[type[ZepMemoryError]] = [*not_found, *conflicts, *schemas, InvalidInput, NotForOneUser]
unavailable: type[ZepMemoryError] = DatabaseUnavailable
lookup: type[LookupError] = NotFound
value: type[ValueError] = InvalidInput
permissions: list[type[PermissionError]] = [SessionOwnedByAnotherUser, NotForOneUser]
connection: type[ConnectionError] = DatabaseUnavailable


def ask(manager: SessionManager) -> None:
    try:
        manager.get_session("a", user_id="alice")
    except SessionNotFound as error:
        assert_type(error.session_id, str)
    except SessionOwnedByAnotherUser as error:
        assert_type((error.session_id, error.user_id), tuple[str, str])
    except InvalidInput as error:
        assert_type(error.field, str)
    except SchemaOutdated as error:
        assert_type((error.found, error.needed), tuple[str | None, str])
