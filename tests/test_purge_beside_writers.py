"""A purge beside writers removes what was deleted, and never what is live or about to be."""

from datetime import timedelta
from functools import partial

from sqlalchemy import create_engine, text

from tests.support import at_once
from zep_memory_plugin import Message, SessionManager, Summary

WRITERS = 8
ROUNDS = 30


def message(content: str) -> list[Message]:
    return [Message(role="user", content=content)]


def contents(manager: SessionManager, session_id: str) -> list[str]:
    return [stored.content for stored in manager.list_messages(session_id)]


def orphans(url: str) -> dict[str, int]:
    """Count the rows whose session is gone."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        counts = {
            table: connection.scalar(
                text(f"SELECT count(*) FROM {table} WHERE session_id NOT IN (SELECT session_id FROM zep_sessions)")
            )
            for table in ("zep_messages", "zep_summaries")
        }
    engine.dispose()
    return counts


def write_and_delete(manager: SessionManager, who: str) -> None:
    """Write to a session that stays, to one that is deleted, and to one that comes back from each deletion."""
    for number in range(ROUNDS):
        manager.add_memory(f"{who} stays", message(f"{number}"), user_id=who)
        manager.add_memory(f"{who} goes {number}", message("doomed"), user_id=who)
        manager.delete_session(f"{who} goes {number}")
        manager.add_memory(f"{who} returns", message(f"{number}"))
        if number < ROUNDS - 1:
            manager.delete_session(f"{who} returns")


def test_a_purge_beside_writers_loses_nothing_that_lives(database_url: str) -> None:
    """In many small batches, again and again until the writers are done."""
    who = [f"writer-{number}" for number in range(WRITERS)]
    with SessionManager(database_url) as manager:
        with at_once.threads(write_and_delete, [(manager, name) for name in who]) as calls:
            while not all(call.done() for call in calls):
                manager.purge(batch_size=5)
            at_once.results(calls)
        manager.purge()

        for name in who:
            assert contents(manager, f"{name} stays") == [f"{number}" for number in range(ROUNDS)]
            assert contents(manager, f"{name} returns") == [f"{ROUNDS - 1}"]
        assert len(manager.list_sessions()) == 2 * WRITERS
        assert manager.list_sessions(deleted=True) == []
    assert orphans(database_url) == {"zep_messages": 0, "zep_summaries": 0}


def test_an_append_to_a_session_that_is_being_purged_is_kept(database_url: str) -> None:
    """Whether it comes before the purge, after it or between two of its batches."""
    with SessionManager(database_url) as manager, SessionManager(database_url) as other:
        for number in range(ROUNDS):
            session_id = f"session-{number}"
            stored = manager.add_memory(session_id, message("doomed") * 6)
            manager.add_summary(session_id, Summary(content="what was said"), until_uuid=stored[-1].uuid)
            manager.delete_session(session_id)

            calls = [
                (partial(manager.purge, batch_size=2),),
                (partial(other.add_memory, session_id, message("kept")),),
            ]
            with at_once.threads(lambda call: call(), calls) as running:
                at_once.results(running)

            assert contents(manager, session_id) == ["kept"]
            assert orphans(database_url) == {"zep_messages": 0, "zep_summaries": 0}


def test_a_purge_spares_what_was_deleted_since_it_began(database_url: str) -> None:
    """Its limit is fixed when it begins, and does not move on with the batches."""

    def delete_another(_: object) -> None:
        if manager.list_sessions():
            manager.delete_session("late")

    with SessionManager(database_url) as manager:
        for session_id in ("early", "late"):
            manager.add_memory(session_id, message("hello"))
        manager.delete_session("early")

        manager.purge(batch_size=1, progress=delete_another)

        assert [session.session_id for session in manager.list_sessions(deleted=True)] == ["late"]
        assert manager.restore_session("late").session_id == "late"
        assert contents(manager, "late") == ["hello"]
        assert manager.purge(timedelta(days=1)).rows == 0
