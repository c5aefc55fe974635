"""`zep-memory import --from` takes over what another library keeps."""

import json
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.cli.conftest import Command, start
from tests.importers.test_importers import LANGCHAIN, node, of_langchain
from zep_memory_plugin import SessionManager

MANY = 2_500
"""Messages: those of several transactions of an import."""


def test_the_command_imports_from_another_store(command: Command, sqlite_url: str, tmp_path: Path) -> None:
    path = of_langchain(tmp_path / "chat.db", "chats", {"a": LANGCHAIN})
    command("upgrade", "--create", "-d", sqlite_url)

    ended = command("import", path, "--from", "langchain", "--table", "chats", "--user", "alice", "-d", sqlite_url)
    nowhere = command("import", path, "--from", "langchain", "-d", sqlite_url)
    senseless = command("import", path, "--from", "zep", "--table", "x", "-d", sqlite_url)
    owned = command("import", path, "--user", "x", "-d", sqlite_url)

    assert ended.err == "imported 1 users, 1 sessions, 5 messages, 0 summaries; 0 were there already\n"
    assert (nowhere.code, nowhere.err.count("\n")) == (2, 1)
    assert "'message_store'" in nowhere.err
    assert (senseless.code, owned.code) == (2, 2)


def test_an_import_that_was_killed_is_finished_by_the_next(sqlite_url: str, tmp_path: Path) -> None:
    """What was stored until then stays, in order, and nothing is doubled."""
    texts = [str(number) for number in range(MANY)]
    path = of_chatgpt(tmp_path / "conversations.json", texts)

    def importing() -> subprocess.Popen[str]:
        return start("import", path, "--from", "chatgpt", "-d", sqlite_url)

    with SessionManager(sqlite_url) as manager:
        manager.list_users(1)  # creates the tables
        process = importing()
        while not manager.count_messages(["a"])["a"] and process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.02)
        process.kill()
        process.communicate()
        before = [message.content for message in manager.list_messages("a")]
        again = importing()
        _, said = again.communicate(timeout=100)

        assert before == texts[: len(before)] != []
        assert again.returncode == 0, said
        assert [message.content for message in manager.list_messages("a")] == texts


def of_chatgpt(path: Path, texts: list[str]) -> str:
    """Write a conversation as it is in an export of ChatGPT."""
    names = ["root", *(f"n{number}" for number in range(len(texts)))]
    said = [node(name, parent, "user", text) for parent, name, text in zip(names, names[1:], texts, strict=False)]
    root = ("root", {"id": "root", "message": None, "parent": None, "children": []})
    conversation = {"mapping": dict([root, *said]), "current_node": names[-1], "conversation_id": "a"}
    path.write_text(json.dumps([conversation]))
    return str(path)
