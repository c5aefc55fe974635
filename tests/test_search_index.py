"""Whatever is written, deleted and restored, a search finds all that is there and nothing that is not."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.support.tables import Tables
from zep_memory_plugin import Message, SessionManager, SessionOwnedByAnotherUser
from zep_memory_plugin.databases.sqlite.indexing import MOST_WAITING

WORDS = [f"word{number}" for number in range(12)]
USERS = ["ann", "bob"]


SUPERSEDED = -1
"""When what a rewound session has left was deleted: no purge takes it."""


@pytest.fixture
def manager(database_url: str) -> Iterator[SessionManager]:
    with SessionManager(database_url) as manager:
        yield manager


@dataclass
class Stored:
    """A message of the model."""

    uuid: str
    words: set[str]
    gone: int = 0
    """When it was deleted, as the number of a step; 0 while it is live."""


@dataclass
class Conversation:
    """A session of the model."""

    user_id: str
    messages: list[Stored] = field(default_factory=list)
    gone: int = 0

    @property
    def live(self) -> list[Stored]:
        return [] if self.gone else [message for message in self.messages if not message.gone]


class World:
    """A manager and a model in memory that every write goes to."""

    def __init__(self, manager: SessionManager, seed: int) -> None:
        self.manager = manager
        self.random = random.Random(seed)
        self.sessions: dict[str, Conversation] = {}
        self.step = 0
        self.made = 0

    def act(self) -> str:
        """Do one random thing, to both, and return its name."""
        self.step += 1
        actions = [self.add, self.add, self.add, self.add_many, self.overwrite, self.update, self.delete, self.replace]
        actions += [self.clear, self.rewind, self.delete_session, self.restore_session, self.fork, self.purge]
        actions += [self.rebuild, self.erase_user] if self.random.random() < 0.2 else []
        action = self.random.choice(actions)
        action()
        return action.__name__

    def add(self, count: int = 2) -> None:
        number = self.random.randrange(6)
        session_id, user_id = f"s{number}", USERS[number % 2]
        new = [Message(role="user", content=" ".join(self.random.choices(WORDS, k=3))) for _ in range(count)]
        added = self.manager.add_memory(session_id, new, user_id=user_id)
        conversation = self.sessions.setdefault(session_id, Conversation(user_id))
        conversation.gone = 0
        conversation.messages += [Stored(str(message.uuid), set(message.content.split())) for message in added]

    def add_many(self) -> None:
        self.add(self.random.randrange(100, 400))

    def overwrite(self) -> None:
        for session_id, conversation, message in self.some_message():
            content = " ".join(self.random.choices(WORDS, k=2))
            again = Message(role="user", content=content, uuid=message.uuid)
            self.manager.add_memory(session_id, [again, Message(role="user", content="nothing")])
            message.words = set(content.split())
            newest = self.manager.last_messages(session_id, 1)[0]
            conversation.messages.append(Stored(str(newest.uuid), {"nothing"}))

    def replace(self) -> None:
        for session_id, conversation, _ in self.some_message():
            kept = [
                Message(role="user", content=" ".join(each.words), uuid=each.uuid) for each in conversation.live[-5:]
            ]
            new = Message(role="user", content=self.random.choice(WORDS))
            stored = self.manager.replace_memory(session_id, [new, *kept])
            uuids = {str(each.uuid) for each in kept}
            for each in conversation.messages:
                each.gone = self.step if each.gone in (0, SUPERSEDED) else each.gone
            conversation.messages = [each for each in conversation.messages if each.uuid not in uuids]
            conversation.messages += [Stored(str(each.uuid), set(each.content.split())) for each in stored]

    def update(self) -> None:
        for session_id, _, message in self.some_message():
            content = " ".join(self.random.choices(WORDS, k=2))
            self.manager.update_message(session_id, message.uuid, content=content)
            message.words = set(content.split())

    def delete(self) -> None:
        for session_id, _, message in self.some_message():
            self.manager.delete_messages(session_id, [message.uuid])
            message.gone = self.step

    def clear(self) -> None:
        for session_id, conversation, _ in self.some_message():
            self.manager.clear_memory(session_id)
            for each in conversation.messages:
                each.gone = self.step if each.gone in (0, SUPERSEDED) else each.gone

    def rewind(self) -> None:
        for session_id, conversation, message in self.some_message():
            self.manager.rewind_session(session_id, message.uuid)
            for each in conversation.messages[conversation.messages.index(message) + 1 :]:
                each.gone = each.gone or SUPERSEDED

    def delete_session(self) -> None:
        for session_id, conversation, _ in self.some_message():
            self.manager.delete_session(session_id)
            for each in conversation.live:
                each.gone = self.step
            conversation.gone = self.step

    def restore_session(self) -> None:
        for session_id, conversation in self.sessions.items():
            if conversation.gone:
                self.manager.restore_session(session_id)
                for each in conversation.messages:
                    each.gone = 0 if each.gone == conversation.gone else each.gone
                conversation.gone = 0

    def fork(self) -> None:
        for session_id, conversation, message in self.some_message():
            self.made += 1
            target = f"fork-{self.made}"
            self.manager.fork_session(session_id, target, until_uuid=message.uuid)
            kept = conversation.messages[: conversation.messages.index(message) + 1]
            copied = [Stored(each.uuid, set(each.words)) for each in kept if not each.gone]
            self.sessions[target] = Conversation(conversation.user_id, copied)

    def purge(self) -> None:
        self.manager.purge(timedelta(0), batch_size=50)
        for conversation in self.sessions.values():
            conversation.messages = [message for message in conversation.messages if message.gone in (0, SUPERSEDED)]
        self.sessions = {name: conversation for name, conversation in self.sessions.items() if not conversation.gone}

    def rebuild(self) -> None:
        assert self.manager.rebuild_search() >= sum(len(each.messages) for each in self.sessions.values())

    def erase_user(self) -> None:
        user_id = self.random.choice(USERS)
        if any(conversation.user_id == user_id for conversation in self.sessions.values()):
            self.manager.delete_user(user_id)
        self.sessions = {name: each for name, each in self.sessions.items() if each.user_id != user_id}

    def some_message(self) -> Iterator[tuple[str, Conversation, Stored]]:
        """Yield a live message, if there is any."""
        live = [(name, each, message) for name, each in self.sessions.items() for message in each.live]
        if live:
            yield self.random.choice(live)

    def check(self) -> None:
        """Search in every scope, and compare with the model."""
        word = self.random.choice(WORDS)
        for scope in [{}, *({"user_id": user} for user in USERS), *({"session_id": name} for name in self.sessions)]:
            live = {
                (name, message.uuid): word in message.words
                for name, each in self.sessions.items()
                for message in each.live
                if scope.get("user_id", each.user_id) == each.user_id and scope.get("session_id", name) == name
            }
            found = {
                (result.session_id, str(result.message and result.message.uuid))
                for result in self.manager.search_memory(word, limit=None, **scope)
            }
            assert found <= set(live), f"{scope}: found what is not there"
            assert {key for key, has in live.items() if has} <= found, f"{scope}: missed {word}"


@pytest.mark.parametrize("seed", range(6))
def test_search_finds_what_is_there_and_nothing_else(manager: SessionManager, seed: int) -> None:
    """After any writes, a search in any scope finds every live message with the word, and only live ones."""
    world, done = World(manager, seed), []
    for _ in range(40):
        done.append(world.act())
        try:
            world.check()
        except AssertionError as error:
            raise AssertionError(f"after {done}") from error


def test_a_bounded_search_passes_over_deleted_messages(manager: SessionManager) -> None:
    """Deleted messages push no live one out, however many there are and whatever they promise."""
    added = manager.add_memory("s", [Message(role="user", content="lynx lynx") for _ in range(300)], user_id="ann")
    manager.add_memory("s", [Message(role="user", content=f"filler {number}") for number in range(20)])
    manager.add_memory("t", [Message(role="user", content="a lynx")], user_id="ann")
    manager.delete_messages("s", [message.uuid for message in added if message.uuid])

    everywhere = manager.search_memory("lynx", limit=1)
    of_user = manager.search_memory("lynx", limit=1, user_id="ann")

    assert [result.session_id for result in everywhere + of_user] == ["t", "t"]


def test_a_search_of_a_user_never_shows_anothers_session(manager: SessionManager) -> None:
    """A session id does not open the session of another user."""
    manager.add_memory("hers", [Message(role="user", content="my lynx")], user_id="ann")
    manager.add_memory("his", [Message(role="user", content="his lynx")], user_id="bob")

    assert [result.session_id for result in manager.search_memory("lynx", user_id="ann")] == ["hers"]
    assert manager.search_memory("lynx", user_id="nobody") == []
    with pytest.raises(SessionOwnedByAnotherUser):
        manager.search_memory("lynx", user_id="ann", session_id="his")


def test_a_large_batch_leaves_few_messages_waiting_for_the_index(sqlite_url: str) -> None:
    """What waits is read by every search, so an import takes in what it brings."""
    with SessionManager(sqlite_url) as manager:
        for session in ("a", "a", "b"):
            manager.add_memory(session, [Message(role="user", content="lynx") for _ in range(5_000)])

        with Tables(sqlite_url) as tables:
            waiting = [row["count"] for row in tables.rows("unindexed")]

    assert sum(waiting) < 2 * MOST_WAITING


def test_rebuilding_tells_how_far_it_is(manager: SessionManager) -> None:
    """Progress grows to the number of messages, which is returned."""
    for session in range(3):
        manager.add_memory(f"s{session}", [Message(role="user", content="lynx") for _ in range(700)])
    told: list[tuple[int, int]] = []

    done = manager.rebuild_search(progress=lambda done, total: told.append((done, total)))

    assert done == 2100
    assert told[-1] == (2100, 2100)
    assert [count for count, _ in told] == sorted(count for count, _ in told)
    assert len(manager.search_memory("lynx", limit=None)) == 2100


def test_nothing_of_a_purged_message_stays_in_the_files(tmp_path: Path) -> None:
    """After a purge SQLite's files hold no word of what was deleted, in the index neither."""
    filler = [Message(role="user", content=f"talk about thing{number}") for number in range(600)]
    with SessionManager(f"sqlite:///{tmp_path / 'zep.db'}") as manager:
        secret = manager.add_memory("s", [Message(role="user", content="the Secretzebra"), *filler])[0]
        waiting = manager.add_memory("s", [Message(role="user", content="the Secretquokka")])[0]
        assert manager.search_memory("secretzebra")
        manager.delete_messages("s", [secret.uuid or "", waiting.uuid or ""])

        manager.purge()

        files = b"".join(file.read_bytes() for file in tmp_path.iterdir()).lower()
        assert manager.search_memory("secretzebra") == []
        assert files.count(b"ecretzebra") + files.count(b"ecretquokka") == 0
        assert b"thing599" in files


def test_the_index_survives_vacuum(sqlite_url: str) -> None:
    """VACUUM does not move what the index points at."""
    with SessionManager(sqlite_url) as manager:
        for session in range(6):
            manager.add_memory(f"s{session}", [Message(role="user", content=f"lynx{session}") for _ in range(150)])
        manager.delete_session("s0")
        manager.purge()
        with closing(sqlite3.connect(str(make_url(sqlite_url).database))) as connection:
            connection.execute("VACUUM")

        assert {result.session_id for result in manager.search_memory("lynx4", limit=3)} == {"s4"}
