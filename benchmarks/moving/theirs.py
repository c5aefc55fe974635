"""Fill a store with the library that it belongs to, or print what that reads back; nothing of ours is imported here.

python -m benchmarks.moving.theirs fill langchain_community FILE 1000
python -m benchmarks.moving.theirs read langchain_community FILE
"""

import sys
from importlib import import_module

from .spoken import line, talks


def main(action: str, name: str, place: str, count: str = "") -> None:
    """Do one of the two with the module *name* of `kept_by`."""
    store = import_module(f"{__package__}.kept_by.{name}")
    if action == "fill":
        store.fill(place, talks(int(count)))
        return
    for session, said in store.read(place):
        for each in said:
            print(line(session, each))


if __name__ == "__main__":
    main(*sys.argv[1:])
