"""Print what was imported into a database, as `theirs` prints what a library reads back.

python -m benchmarks.moving.ours sqlite:///FILE
"""

import sys

from zep_memory_plugin import Message, SessionManager

from .spoken import Call, Said, line


def main(database: str) -> None:
    """Print a line for each message, sessions in the order of their ids."""
    with SessionManager(database) as manager:
        ids = [session.session_id for chunk in manager.list_all_sessions() for session in chunk]
        for session in sorted(ids):
            for message in manager.list_messages(session):
                print(line(session, _said(message)))


def _said(message: Message) -> Said:
    calls = tuple(Call(call.id or "", call.name, call.args) for call in message.tool_calls or ())
    return Said(str(message.role_type), message.content, calls, message.tool_call_id)


if __name__ == "__main__":
    main(*sys.argv[1:])
