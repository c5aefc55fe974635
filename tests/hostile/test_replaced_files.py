"""A file that is deleted or replaced under a manager: nothing is acknowledged in it; the next call opens one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hostile.conftest import ON_DISK
from tests.support import beside
from tests.support.colours import Caller
from tests.support.messages import said, texts
from zep_memory_plugin import DatabaseUnavailable


def replace(path: Path) -> None:
    """Put another file at *path*, as a restored backup is."""
    other = path.with_name("other")
    other.touch()
    other.replace(path)


@pytest.mark.parametrize("act", [Path.unlink, replace], ids=["deleted", "replaced"])
@pytest.mark.parametrize(
    "backend", [one for one in ON_DISK if beside.is_sqlite(one.scheme)], ids=lambda backend: backend.name
)
def test_a_file_that_is_gone_is_named_and_the_next_call_opens_another(
    caller: Caller, url: str, act: Callable[[Path], object]
) -> None:
    """With all connections of the pool, after an append and after a read."""
    caller.add_memory("s", said("before"))
    caller.list_messages("s")
    act(beside.path_of(url))
    for name in ("-wal", "-shm"):
        beside.path_of(url + name).unlink(missing_ok=True)

    with pytest.raises(DatabaseUnavailable, match="deleted or replaced"):
        caller.add_memory("s", said("lost"))

    assert texts(caller.add_memory("s", said("after"))) == ["after"]
    assert texts(caller.list_messages("s")) == ["after"]
