"""A LlamaIndex chat engine whose conversations stay in sessions: each user their own, and still there after a restart.

    python examples/llama_index_chat_engine.py
    python examples/llama_index_chat_engine.py --database postgresql://localhost/app

Runs offline: the model is a script. Put a model of yours in its place, such as `OpenAI` of llama-index-llms-openai.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseGen,
    LLMMetadata,
)
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.llms import CustomLLM

from zep_memory_plugin import SessionManager
from zep_memory_plugin.llama_index import ZepMemory

ALICE = "example-alice"
BOB = "example-bob"


class RememberingModel(CustomLLM):
    """Stands in for a model: says how much of the conversation it was shown."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_chat_model=True)

    def chat(self, messages: Sequence[ChatMessage], **options: Any) -> ChatResponse:
        *earlier, latest = [message.content for message in messages if message.role == "user"]
        answer = f"You said {latest!r}." + (f" Before that you said {earlier[-1]!r}." if earlier else "")
        return ChatResponse(message=ChatMessage(answer, role="assistant"))

    def stream_chat(self, messages: Sequence[ChatMessage], **options: Any) -> ChatResponseGen:
        answer = self.chat(messages).message
        words = (answer.content or "").split(" ")
        return (ChatResponse(message=answer.model_copy(), delta=f"{word} ") for word in words)

    def complete(self, prompt: str, formatted: bool = False, **options: Any) -> CompletionResponse:
        return CompletionResponse(text=self.chat([ChatMessage(prompt)]).message.content or "")

    def stream_complete(self, prompt: str, formatted: bool = False, **options: Any) -> CompletionResponseGen:
        yield self.complete(prompt)


def main() -> None:
    """Talk with two users, before and after a restart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="URL of the database; a temporary file by default")
    with tempfile.TemporaryDirectory() as folder:
        database = parser.parse_args().database or f"sqlite:///{Path(folder) / 'chat.db'}"
        with SessionManager(database) as manager:
            say(manager, ALICE, "I like Lisbon.")
            say(manager, BOB, "I like Oslo.")
        with SessionManager(database) as manager:  # a restart, or another machine on the same Postgres
            say(manager, ALICE, "What do I like?")
            manager.delete_user(ALICE)
            manager.delete_user(BOB)


def say(manager: SessionManager, user_id: str, text: str) -> None:
    """Send a message of a user and print the streamed answer."""
    memory = ZepMemory(manager=manager, session_id=f"chat-of-{user_id}", user_id=user_id)
    engine = SimpleChatEngine.from_defaults(memory=memory, llm=RememberingModel(), system_prompt="Be brief.")
    print(f"{user_id}: {text}")
    print("model: ", end="")
    for word in engine.stream_chat(text).response_gen:
        print(word, end="", flush=True)
    print()


if __name__ == "__main__":
    main()
