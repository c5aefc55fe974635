"""Functions of the tests in a process of their own, which may be interrupted, crash or hang without harm.

A child's time is bounded: one that has not ended by then is killed, and its exit code tells.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

LIMIT = 60
"""Seconds that a child has; they only guard against one that hangs."""

ROOT = Path(__file__).parents[2]

RUN = """
import importlib, json, signal, sys
signal.alarm(int(sys.argv[4]))
getattr(importlib.import_module(sys.argv[1]), sys.argv[2])(*json.loads(sys.argv[3]))
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child has ended, and what it printed: what it said, and what else."""

    code: int
    told: list[Any]
    errors: str

    @property
    def hung(self) -> bool:
        """Whether it had to be killed when its time was over."""
        return self.code in (-signal.SIGALRM, -signal.SIGKILL)


class Child:
    """A process that runs one function of a test module, from `with` to its end at the latest."""

    def __init__(self, work: Callable[..., None], *arguments: Any, limit: int = LIMIT) -> None:
        self._limit = limit
        command = [sys.executable, "-c", RUN, work.__module__, work.__name__, json.dumps(arguments), str(limit)]
        pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self._process: subprocess.Popen[str] = subprocess.Popen(command, cwd=ROOT, text=True, **pipes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()

    def hear(self) -> Any:
        """Wait for what the child says next; None when it ends instead."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return json.loads(line) if line else None

    def answer(self, word: Any) -> None:
        """Say something to a child that listens."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(word) + "\n")
        self._process.stdin.flush()

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End the child at once, wherever it is."""
        self._process.kill()

    def end(self) -> Ended:
        """Wait for the end, and return what the child said since it was last heard."""
        try:
            output, errors = self._process.communicate(timeout=self._limit + 5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            output, errors = self._process.communicate()
        return Ended(self._process.returncode, [json.loads(line) for line in output.splitlines()], errors)


def run(work: Callable[..., None], *arguments: Any, limit: int = LIMIT) -> Ended:
    """Run *work* with *arguments* in a child, and return how that ended."""
    with Child(work, *arguments, limit=limit) as child:
        return child.end()


def told(work: Callable[..., None], *arguments: Any, limit: int = LIMIT) -> list[Any]:
    """Return what a child that has to end well says."""
    ended = run(work, *arguments, limit=limit)
    sys.stderr.write(ended.errors)  # for who reads of the failure that follows
    assert ended.code == 0, f"exit code {ended.code}\n{ended.errors}"
    return ended.told


def say(word: Any) -> None:
    """Tell the parent *word*; in the child."""
    print(json.dumps(word), flush=True)


def listen() -> Any:
    """Wait for what the parent answers; in the child."""
    return json.loads(sys.stdin.readline())
