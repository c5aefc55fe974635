"""`zep-memory import --from` takes over what another library keeps."""

from pathlib import Path

from tests.cli.conftest import Command
from tests.importers.test_importers import LANGCHAIN, of_langchain


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
