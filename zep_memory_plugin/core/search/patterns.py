"""Patterns of `like_regex` whose matching takes time linear in the text, whatever the pattern.

A pattern is parsed by Python and matched by stepping through the text once with the set of all positions in the pattern
that could be reached (Thompson 1968), so that no choice is ever tried twice. What cannot be matched so is refused: back
references, looking around, possessive and atomic groups.
"""

import re
from collections.abc import Callable, Iterable
from re import _constants as signs  # type: ignore[attr-defined]  # Python's own parser of patterns
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

MOST_STATES = 1_000
"""States of a pattern once its bounded repetitions are written out."""

MOST_REMEMBERED = 2_000
"""Steps from a set of states that are remembered for the next time, before all are forgotten."""

Test = Callable[[str], bool]
"""Tells whether a character is one that a state waits for."""

_LINE_END = "\n"


class Unsupported(ValueError):
    """The pattern holds what cannot be matched in linear time; the text says what."""


class Pattern:
    """A pattern that was checked.

    Raises:
        Unsupported: it cannot be matched in linear time, or becomes too large.
        re.error: it is no pattern.
    """

    def __init__(self, pattern: str, flags: int = 0) -> None:
        self._program = _Program(flags)
        self._start = self._program.compiled(parser.parse(pattern, flags))
        self._steps: dict[tuple[frozenset[int], str, str], frozenset[int]] = {}

    def search(self, text: str, spend: Callable[[int], None]) -> bool:
        """Tell whether *text* has a match; *spend* is told of the steps that this takes."""
        states: frozenset[int] = frozenset()
        before = ""
        for after in (*text, ""):
            reached = self._reached(states | {self._start}, before, after, spend)
            if self._program.end in reached:
                return True
            states = self._next(reached, after, spend) if after else frozenset()
            before = after
        return False

    def _reached(self, states: frozenset[int], before: str, after: str, spend: Callable[[int], None]) -> frozenset[int]:
        """Return *states* and all that is reached from them without a character, between *before* and *after*."""
        key = (states, _kind(before), "|" + _kind(after))
        if key not in self._steps:
            self._remember(key, self._program.closed(states, before, after), spend)
        return self._steps[key]

    def _next(self, states: frozenset[int], char: str, spend: Callable[[int], None]) -> frozenset[int]:
        key = (states, char, "")
        if key not in self._steps:
            self._remember(key, frozenset(self._program.after(states, char)), spend)
        return self._steps[key]

    def _remember(
        self, key: tuple[frozenset[int], str, str], states: frozenset[int], spend: Callable[[int], None]
    ) -> None:
        spend(1 + len(key[0]))
        if len(self._steps) >= MOST_REMEMBERED:
            self._steps.clear()
        self._steps[key] = states


def _kind(char: str) -> str:
    """Return all that anchors ask about a character."""
    if not char:
        return "none"
    if char == _LINE_END:
        return "line end"
    return "word" if _is_word(char) else "other"


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


class _Program:
    """States of a pattern: each waits for a character, or leads on by itself, perhaps only at an anchor."""

    end = 0

    def __init__(self, flags: int) -> None:
        self._ignores_case = bool(flags & re.IGNORECASE)
        self._dot_is_all = bool(flags & re.DOTALL)
        self._lines = bool(flags & re.MULTILINE)
        self._tests: list[tuple[Test, int] | None] = [None]
        self._leads: list[tuple[tuple[int, ...], Any]] = [((), None)]

    def compiled(self, parsed: Iterable[tuple[Any, Any]]) -> int:
        """Add the states of a parsed pattern, and return the first."""
        return self._sequence(parsed, self.end)

    def closed(self, states: Iterable[int], before: str, after: str) -> frozenset[int]:
        """Return *states* and all that they lead to by themselves between two characters."""
        reached: set[int] = set()
        waiting = list(states)
        while waiting:
            state = waiting.pop()
            if state in reached:
                continue
            reached.add(state)
            onward, anchor = self._leads[state]
            if anchor is None or self._holds(anchor, before, after):
                waiting += onward
        return frozenset(reached)

    def after(self, states: Iterable[int], char: str) -> set[int]:
        """Return the states that are next when *char* comes."""
        tests = (self._tests[state] for state in states)
        return {target for test in tests if test is not None for target in test[1:] if test[0](char)}

    def _add(self, *, test: tuple[Test, int] | None = None, leads: tuple[int, ...] = (), anchor: Any = None) -> int:
        if len(self._tests) >= MOST_STATES:
            raise Unsupported("is too large once its repetitions are written out")
        self._tests.append(test)
        self._leads.append((leads, anchor))
        return len(self._tests) - 1

    def _sequence(self, parsed: Iterable[tuple[Any, Any]], following: int) -> int:
        for operator, argument in reversed(list(parsed)):
            following = self._one(operator, argument, following)
        return following

    def _one(self, operator: Any, argument: Any, following: int) -> int:
        """Add the states of one part of a pattern, which lead to *following*, and return the first."""
        if operator is signs.BRANCH:
            return self._add(leads=tuple(self._sequence(each, following) for each in argument[1]))
        if operator is signs.SUBPATTERN:
            _, added, removed, parsed = argument
            if added or removed:
                raise Unsupported("changes flags inside")
            return self._sequence(parsed, following)
        if operator in (signs.MAX_REPEAT, signs.MIN_REPEAT):
            least, most, parsed = argument
            return self._repeated(least, most, parsed, following)
        if operator is signs.AT:
            return self._add(leads=(following,), anchor=argument)
        return self._add(test=(self._test(operator, argument), following))

    def _repeated(self, least: int, most: Any, parsed: Any, following: int) -> int:
        """Add what is repeated: the optional ones, or a loop, and before them those that have to be."""
        if most is signs.MAXREPEAT:
            loop = self._add(leads=())
            self._leads[loop] = ((self._sequence(parsed, loop), following), None)
            first = loop
        else:
            first = following
            for _ in range(int(most) - least):
                first = self._add(leads=(self._sequence(parsed, first), following))
        for _ in range(least):
            first = self._sequence(parsed, first)
        return first

    def _test(self, operator: Any, argument: Any) -> Test:
        if operator is signs.ANY:
            return (lambda char: True) if self._dot_is_all else (lambda char: char != _LINE_END)
        if operator is signs.IN:
            return self._set(argument)
        if operator in (signs.LITERAL, signs.NOT_LITERAL, signs.RANGE):
            return self._literal(operator, argument)
        if operator is signs.CATEGORY:
            return _CATEGORIES[argument]
        raise Unsupported(f"holds {str(operator).lower().replace('_', ' ')}, which is not understood")

    def _literal(self, operator: Any, argument: Any) -> Test:
        first, last = argument if operator is signs.RANGE else (argument, argument)
        if not self._ignores_case:
            test: Test = lambda char: first <= ord(char) <= last  # noqa: E731 - one of two
        else:
            test = lambda char: any(first <= ord(each) <= last for each in _cases(char))  # noqa: E731
        return (lambda char: not test(char)) if operator is signs.NOT_LITERAL else test

    def _set(self, parts: Iterable[tuple[Any, Any]]) -> Test:
        listed = list(parts)
        negated = bool(listed) and listed[0][0] is signs.NEGATE
        tests = [self._test(operator, argument) for operator, argument in listed[negated:]]
        return lambda char: any(test(char) for test in tests) is not negated

    def _holds(self, anchor: Any, before: str, after: str) -> bool:
        at_line = self._lines and _LINE_END
        if anchor is signs.AT_BEGINNING:
            return before in ("", at_line)
        if anchor is signs.AT_BEGINNING_STRING:
            return before == ""
        if anchor is signs.AT_END:
            return after in ("", at_line)
        if anchor is signs.AT_END_STRING:
            return after == ""
        at_boundary = (before != "" and _is_word(before)) is not (after != "" and _is_word(after))
        return at_boundary is (anchor is signs.AT_BOUNDARY)


def _cases(char: str) -> tuple[str, ...]:
    return tuple(each for each in (char, char.lower(), char.upper()) if len(each) == 1)


_CATEGORIES: dict[Any, Test] = {
    signs.CATEGORY_DIGIT: str.isdecimal,
    signs.CATEGORY_NOT_DIGIT: lambda char: not char.isdecimal(),
    signs.CATEGORY_SPACE: str.isspace,
    signs.CATEGORY_NOT_SPACE: lambda char: not char.isspace(),
    signs.CATEGORY_WORD: _is_word,
    signs.CATEGORY_NOT_WORD: lambda char: not _is_word(char),
}
