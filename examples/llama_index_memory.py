"""LlamaIndex's own `Memory` on sessions: its short queue and its archive are in the application's database.

    python examples/llama_index_memory.py
    python examples/llama_index_memory.py --database postgresql://localhost/app

Runs offline and needs no model: the messages are put in by hand.
"""

import argparse
import asyncio
import tempfile
from pathlib import Path

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import Memory

from zep_memory_plugin import MessageStatus, SessionManager
from zep_memory_plugin.llama_index import ZepAsyncChatStore

SESSION = "example-diary"
USER = "example-alice"
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
STATUSES: tuple[MessageStatus, ...] = ("active", "archived")


async def converse(manager: SessionManager) -> None:
    """Fill a memory with more than its queue holds, then open it anew."""
    memory = memory_of(manager)
    for day in DAYS:
        await memory.aput(ChatMessage(f"{day} was a good day, the sun was out.", role="user"))
        await memory.aput(ChatMessage(f"Glad to hear about {day}.", role="assistant"))

    reopened = memory_of(manager)  # another process would see the same
    print("in the queue:")
    for message in await reopened.aget():
        print(f"  {message.role.value}: {message.content}")
    counts = {status: (await manager.acount_messages([SESSION], status=status))[SESSION] for status in STATUSES}
    print(f"stored: {counts['active']} active, {counts['archived']} archived")


def memory_of(manager: SessionManager) -> Memory:
    """Return LlamaIndex's memory of the diary, with a queue of about forty words."""
    return Memory.from_defaults(
        session_id=SESSION,
        chat_store=ZepAsyncChatStore(manager=manager, user_id=USER),
        token_limit=40,
        token_flush_size=10,
        chat_history_token_ratio=1.0,
        tokenizer_fn=str.split,
    )


def main() -> None:
    """Keep a diary in a session."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="URL of the database; a temporary file by default")
    with tempfile.TemporaryDirectory() as folder:
        database = parser.parse_args().database or f"sqlite:///{Path(folder) / 'memory.db'}"
        with SessionManager(database) as manager:
            asyncio.run(converse(manager))
            manager.delete_user(USER)


if __name__ == "__main__":
    main()
