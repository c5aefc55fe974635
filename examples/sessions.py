"""The life of a session, step by step: add, update, get, list, delete, write again, purge.

python examples/sessions.py                                   # on a temporary SQLite file
python examples/sessions.py --database postgresql://localhost/app
"""

import argparse
import tempfile
from pathlib import Path

from zep_memory_plugin import Message, NotFound, Session, SessionManager, User


def main() -> None:
    """Run every step on the database that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="URL of a database to use instead of a temporary file")
    database = parser.parse_args().database
    with tempfile.TemporaryDirectory() as folder, SessionManager(database or f"sqlite:///{folder}/zep.db") as manager:
        life_of_a_session(manager)
        if database is None:
            print(f"the file had {Path(folder, 'zep.db').stat().st_size:,} bytes")


def life_of_a_session(manager: SessionManager) -> None:
    """Walk a session of one user through everything that can happen to it."""
    manager.add_user(User(user_id="alice", email="alice@example.com"))
    session = manager.add_session(Session(session_id="alice-1", user_id="alice", metadata={"topic": "travel"}))
    print(f"added    {session.session_id} of {session.user_id}: {session.metadata}")

    session = manager.update_session(Session(session_id="alice-1", metadata={"plan": {"city": "Lisbon"}}))
    print(f"updated  metadata is merged: {session.metadata}")
    print(f"got      {manager.get_session('alice-1').metadata == session.metadata = }")

    question = Message(role="user", content="Where shall I go in May?")
    answer = Message(role="assistant", content="Lisbon: 22 degrees and few clouds.")
    manager.add_memory("alice-1", [question, answer])
    print(f"memory   {[message.content for message in manager.get_memory('alice-1').messages]}")

    for number in range(2, 13):
        manager.add_session(Session(session_id=f"alice-{number}", user_id="alice"))
    first_ten = manager.list_sessions(limit=10, cursor=0)
    print(f"listed   the first ten: {first_ten[0].session_id} to {first_ten[-1].session_id}")
    everything = [session.session_id for chunk in manager.list_all_sessions(chunk_size=100) for session in chunk]
    print(f"listed   all {len(everything)}, in chunks of 100")

    manager.delete_session("alice-1")
    try:
        manager.get_session("alice-1")
    except NotFound as error:
        print(f"deleted  {error}")
    manager.add_memory("alice-1", [Message(role="user", content="I am back.")])
    print(f"wrote    and it lives again: {[message.content for message in manager.get_memory('alice-1').messages]}")

    print(f"purged   {manager.purge().messages} messages of before the deletion, for good")
    manager.delete_user("alice")
    print(f"erased   alice and all of hers; sessions left: {len(manager.list_sessions(user_id='alice'))}")


if __name__ == "__main__":
    main()
