"""The tool that writes async twins: what it writes is compared as a whole, so that no line is too many or missing."""

import subprocess
import sys

import pytest

from tools.twins import FILES, PACKAGE, Text, classes, regenerated, twinned_names

BLOCKING = '''
class Store:
    """Keeps notes."""

    def get(self, key: str, *, limit: int = 10) -> list[str]:
        """Return the notes of *key*, oldest first, and leave out what somebody has hidden from the reader of them all.

        At most *limit*.
        """
        return [note.text for note in self._manager.read(key)][:limit]

    def first(self, key: str) -> str:
        """Return the first note of *key*."""
        return self.get(key)[0]

    def all(self) -> Iterator[str]:
        """Yield all notes."""
        for key in self._keys:
            yield from_key(key, self.get)
        for note in self.all():
            yield note

    def _has(self, key: str) -> bool:
        """Tell whether *key* has notes."""
        with self._tolerance():
            return bool(self._runner.read("é", key)) and len(key) > 1

    def size(self) -> int:
        """Return how many keys there are."""
        return len(self._keys)
'''.lstrip()

GENERATED = '''
class Store:
    """Keeps notes."""

    def get(self, key: str, *, limit: int = 10) -> list[str]:
        """Return the notes of *key*, oldest first, and leave out what somebody has hidden from the reader of them all.

        At most *limit*.
        """
        return [note.text for note in self._manager.read(key)][:limit]

    async def aget(self, key: str, *, limit: int = 10) -> list[str]:
        """Return the notes of *key*, oldest first, and leave out what somebody has hidden from the reader of them all.

        See `get`.
        """
        return [note.text for note in await self._manager.aread(key)][:limit]

    def first(self, key: str) -> str:
        """Return the first note of *key*."""
        return self.get(key)[0]

    async def afirst(self, key: str) -> str:
        """Return the first note of *key*. See `first`."""
        return (await self.aget(key))[0]

    def all(self) -> Iterator[str]:
        """Yield all notes."""
        for key in self._keys:
            yield from_key(key, self.get)
        for note in self.all():
            yield note

    async def aall(self) -> AsyncIterator[str]:
        """Yield all notes. See `all`."""
        for key in self._keys:
            yield from_key(key, self.aget)
        async for note in self.aall():
            yield note

    def _has(self, key: str) -> bool:
        """Tell whether *key* has notes."""
        with self._tolerance():
            return bool(self._runner.read("é", key)) and len(key) > 1

    async def _ahas(self, key: str) -> bool:
        with self._tolerance():
            return bool(await self._runner.aread("é", key)) and len(key) > 1

    def size(self) -> int:
        """Return how many keys there are."""
        return len(self._keys)
'''.lstrip()


def written(source: str) -> str:
    return regenerated(source, twinned_names([source]))


def test_each_method_that_uses_what_has_a_twin_gets_one() -> None:
    assert written(BLOCKING) == GENERATED


def test_writing_the_twins_again_changes_nothing() -> None:
    assert written(GENERATED) == GENERATED


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("        return (await self.aget(key))[0]\n", "        return await self.aget(key)\n"),
        ("        return (await self.aget(key))[0]\n", "        log(key)\n        return (await self.aget(key))[0]\n"),
        ("        async for note in self.aall():\n            yield note\n", ""),
        ("async def aget(self, key: str, *, limit: int = 10)", "async def aget(self, key: str)"),
        ("Return the first note of *key*. See `first`.", "Return a note."),
    ],
    ids=["another line", "a line too many", "lines missing", "another signature", "another docstring"],
)
def test_a_twin_that_differs_is_written_anew(right: str, wrong: str) -> None:
    assert GENERATED.count(right) == 1
    assert written(GENERATED.replace(right, wrong)) == GENERATED


def test_what_stands_between_a_method_and_its_twin_stays() -> None:
    """A method that somebody puts there is not taken for a part of the twin."""
    between = '    @property\n    def name(self) -> str:\n        """The name."""\n        return self._name\n\n'
    moved = GENERATED.replace("    async def afirst", f"{between}    async def afirst")

    assert written(moved) == GENERATED.replace("    def all(", f"{between}    def all(")


BY_HAND = """
class Store:
    def get(self) -> list[str]:
        return self._all()

    async def aget(self) -> list[str]:
        return await self._aall()

    def _all(self) -> list[str]:
        return list(self._notes)

    # The notes come from elsewhere.
    # By hand: they are received one by one.
    async def _aall(self) -> list[str]:
        return [note async for note in self._notes]
""".lstrip()


def test_a_twin_by_hand_stays_as_it_is_and_is_used_by_others() -> None:
    assert written(BY_HAND) == BY_HAND


@pytest.mark.parametrize(
    "source",
    [
        BY_HAND.replace("By hand", "Note"),
        GENERATED.replace("    def first", "    def last"),
        GENERATED.replace("return self.get(key)[0]", "return key"),
    ],
    ids=["unmarked", "its blocking method is gone", "its blocking method uses no other"],
)
def test_the_twin_of_nothing_is_an_error(source: str) -> None:
    with pytest.raises(SystemExit, match="the twin of nothing"):
        written(source)


def test_methods_of_one_file_use_those_of_another() -> None:
    store = "class Store:\n    def note(self) -> str:\n        return self._runner.read()\n"
    reader = "class Reader:\n    def last(self) -> str:\n        return self.manager.note()\n"

    assert "return await self.manager.anote()" in regenerated(reader, twinned_names([reader, store]))
    assert written(reader) == reader


@pytest.mark.parametrize("name", FILES)
def test_a_line_that_is_added_to_a_twin_fails_the_check(name: str) -> None:
    """Nothing is left of it when the twins are written anew."""
    source = (PACKAGE / name).read_text()
    twinned = twinned_names([(PACKAGE / each).read_text() for each in FILES])
    _, end, _ = next(removal for each in classes(source, twinned) for removal in each.removals())
    altered = Text(source).edited([(end, end, "        print()\n")])

    assert altered != source
    assert regenerated(altered, twinned) == source


def test_the_check_says_which_files_lack_their_twins() -> None:
    result = subprocess.run([sys.executable, "-m", "tools.twins", "--check"], capture_output=True, text=True)

    assert (result.returncode, result.stdout) == (0, "")
