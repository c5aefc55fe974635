"""Compare what an append and a read cost in this checkout and in another one, in turn, in one run.

    python benchmarks/two_checkouts.py ../older [postgresql://user@host/database]

Each checkout has a process and a database of its own; both do the same in short blocks, which take turns, so that what
else the machine does meets both alike. What counts is the ratio, of the median of all calls, and of the time of the
processor.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parents[1]
BLOCKS = 40
CALLS = 100
"""Calls of a block."""

WORK = """
import json, sys, time
from zep_memory_plugin import Message, SessionManager
manager = SessionManager(sys.argv[1])
said = lambda role, word, n, times: Message(role=role, content=f"{word} {n} " * times)
turn = lambda n: [said("user", "question", n, 8), said("assistant", "answer", n, 40)]
manager.add_memory("s", turn(0))
calls = {"append": lambda n: manager.add_memory("s", turn(n)), "read": lambda n: manager.get_memory("s", 12)}
for line in sys.stdin:
    name, count = json.loads(line)
    times, before = [], time.process_time()
    for n in range(count):
        start = time.perf_counter()
        calls[name](n)
        times.append(time.perf_counter() - start)
    print(json.dumps([times, time.process_time() - before]), flush=True)
"""


class Worker:
    """A process with the code of one checkout."""

    def __init__(self, checkout: Path, url: str) -> None:
        command = [str(checkout / ".venv" / "bin" / "python"), "-c", WORK, url]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, cwd=checkout, stdin=pipe, stdout=pipe, text=True)
        self.times: dict[str, list[float]] = {"append": [], "read": []}
        self.processor: dict[str, list[float]] = {"append": [], "read": []}

    def work(self, name: str) -> None:
        """Run a block of calls."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([name, CALLS]) + "\n")
        self._process.stdin.flush()
        times, processor = json.loads(self._process.stdout.readline())
        self.times[name] += times
        self.processor[name].append(processor / CALLS)

    def end(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def compare(kind: str, this: Worker, other: Worker) -> None:
    """Let both work in turn, each of them first as often as second, and print the ratios."""
    for block in range(-2, BLOCKS):
        if block == 0:
            for worker in (this, other):
                worker.times, worker.processor = {"append": [], "read": []}, {"append": [], "read": []}
        for name in ("append", "read"):
            for worker in (this, other) if block % 2 else (other, this):
                worker.work(name)
    for name in ("append", "read"):
        new, old = median(this.times[name]), median(other.times[name])
        processor = median(this.processor[name]) / median(other.processor[name])
        print(f"{kind} {name}: {new * 1e6:.0f} us here, {old * 1e6:.0f} us there, ratio {new / old:.3f}, ", end="")
        print(f"of the processor's time {processor:.3f}", flush=True)
    this.end()
    other.end()


def main() -> None:
    """Compare with the checkout that the command line names, on SQLite and perhaps on Postgres."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("other", type=Path)
    parser.add_argument("postgres", nargs="*", help="URLs of two empty databases, one for each checkout")
    given = parser.parse_args()
    folder = tempfile.mkdtemp()
    compare(
        "SQLite file",
        Worker(HERE, f"sqlite:///{folder}/here.db"),
        Worker(given.other.resolve(), f"sqlite:///{folder}/there.db"),
    )
    if given.postgres:
        compare("Postgres", Worker(HERE, given.postgres[0]), Worker(given.other.resolve(), given.postgres[1]))


if __name__ == "__main__":
    main()
