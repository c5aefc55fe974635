"""SQL/JSON paths over metadata: parsed and evaluated here, so that every database finds the same rows.

This is the part of Postgres' language, in its lax mode, that filters need: `$`, `@`, keys, `[*]`, `[0]`, `[1 to last]`,
`.*`, filters `? (…)`, comparisons, `&&`, `||`, `!`, `exists (…)`, `is unknown`, `starts with` and `like_regex`. Text
stands in single or double quotes. No part of a path ever becomes SQL.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ...errors import InvalidInput
from .patterns import Pattern, Unsupported

LONGEST_PATH = 4_096
"""Characters of a path."""

DEEPEST_PATH = 32
"""Levels of brackets in a path."""

LONGEST_PATTERN = 256
"""Characters of a pattern after `like_regex`."""

LONGEST_MATCHED = 4_096
"""Characters of a text that `like_regex` looks at."""

MOST_STEPS = 1_000_000
"""Items that the filters of one search visit, beside `STEPS_EACH`; a short path can lead to any number of them."""

STEPS_EACH = 200
"""Items that filters may visit in addition for each document that they look at."""

Step = Callable[[Any, Any], Iterable[Any]]
"""Given an item and the root, yields what a path leads to next."""

Predicate = Callable[[Any, Any], bool | None]
"""Given an item and the root, tells whether a condition holds; None where that is unknown, as in SQL."""

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
      | (?P<sign>&&|\|\||==|!=|<>|<=|>=|[-$@.?()\[\]*,<>!])
      | (?P<word>[^\W\d][\w$]*)
    )""",
    re.VERBOSE,
)
_COMPARISONS = ("==", "!=", "<>", "<", "<=", ">", ">=")
_FLAGS = {"i": re.IGNORECASE, "s": re.DOTALL, "m": re.MULTILINE}
_LITERALS = {"true": True, "false": False, "null": None}


class Budget:
    """How many steps the filters of one search may still take."""

    def __init__(self) -> None:
        self._left = MOST_STEPS

    def spend(self, steps: int) -> None:
        """Take some steps.

        Raises:
            InvalidInput: there are none left.
        """
        self._left -= steps
        if self._left < 0:
            raise InvalidInput("where", f"visits more than {MOST_STEPS:,} items; give a path that leads to fewer")


@dataclass(frozen=True, slots=True)
class Path:
    """A path that was checked."""

    _items: Callable[[Any, Any], list[Any]]
    _budget: Budget

    def matches(self, document: Any) -> bool:
        """Tell whether the path leads to anything in *document*."""
        self._budget.spend(-STEPS_EACH)
        return bool(self._items(document, document))


def parsed(text: object, field: str, budget: Budget | None = None) -> Path:
    """Check a path, whose evaluation takes its steps from *budget*, by default one of its own.

    Raises:
        InvalidInput: *text* is no path, or more than this package understands of one.
    """
    if not isinstance(text, str):
        raise InvalidInput(field, "is not text")
    if len(text) > LONGEST_PATH:
        raise InvalidInput(field, f"has {len(text)} characters; allowed are {LONGEST_PATH}")
    steps = budget or Budget()
    return Path(_Parser(text, field, steps).whole(), steps)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    value: Any
    at: int


def _tokens(text: str, field: str) -> Iterator[_Token]:
    at = 0
    end = len(text.rstrip())
    while at < end:
        token = _TOKEN.match(text, at)
        if token is None or token.lastgroup is None:
            raise InvalidInput(field, f"is not understood at character {at + 1}")
        kind, value = token.lastgroup, token[token.lastgroup]
        start = token.start(kind)
        yield _Token(kind, _text_of(value, field, start) if kind == "text" else value, start)
        at = token.end()
    yield _Token("end", "", len(text))


def _text_of(quoted: str, field: str, at: int) -> str:
    body = quoted[1:-1]
    if quoted[0] == "'":
        body = body.replace("\\'", "'").replace('"', '\\"')
    try:
        return str(json.loads(f'"{body}"', strict=False))
    except ValueError:
        pass  # it has the text
    raise InvalidInput(field, f"has an escape that is not understood in the text at character {at + 1}")


class _Parser:
    """Recursive descent, a method for each rule of the grammar."""

    def __init__(self, text: str, field: str, budget: Budget) -> None:
        self._field = field
        self._budget = budget
        self._tokens = list(_tokens(text, field))
        self._next = 0
        self._depth = 0

    def whole(self) -> Callable[[Any, Any], list[Any]]:
        """Parse all of the text: a path, or a predicate, which always leads to its truth."""
        if self._take("word", "strict"):
            raise InvalidInput(self._field, "is in strict mode; only lax mode, the default, is understood")
        self._take("word", "lax")
        start = self._next
        path = self._path()
        if self._peek().kind == "end":
            return lambda item, root: list(path(item, root))
        self._next = start
        predicate = self._either()
        self._expect("end", "")
        return lambda item, root: [predicate(item, root)]

    def _either(self) -> Predicate:
        parts = [self._both()]
        while self._take("sign", "||"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else _any_of(parts)

    def _both(self) -> Predicate:
        parts = [self._condition()]
        while self._take("sign", "&&"):
            parts.append(self._condition())
        return parts[0] if len(parts) == 1 else _all_of(parts)

    def _condition(self) -> Predicate:
        if self._take("sign", "!"):
            return _negated(self._exists() if self._take("word", "exists") else self._bracketed())
        if self._take("word", "exists"):
            return self._exists()
        if self._peek().value == "(" and self._peek().kind == "sign":
            return self._known(self._bracketed())
        return self._comparison()

    def _exists(self) -> Predicate:
        self._expect("sign", "(")
        path = self._path()
        self._expect("sign", ")")
        return lambda item, root: any(True for _ in path(item, root))

    def _bracketed(self) -> Predicate:
        self._expect("sign", "(")
        self._depth += 1
        if self._depth > DEEPEST_PATH:
            raise InvalidInput(self._field, f"has brackets more than {DEEPEST_PATH} levels deep")
        inner = self._either()
        self._depth -= 1
        self._expect("sign", ")")
        return inner

    def _known(self, predicate: Predicate) -> Predicate:
        if not self._take("word", "is"):
            return predicate
        self._expect("word", "unknown")
        return lambda item, root: predicate(item, root) is None

    def _comparison(self) -> Predicate:
        left = self._operand()
        token = self._take_next()
        if token.kind == "sign" and token.value in _COMPARISONS:
            return _compared(left, token.value, self._operand(), self._budget)
        if token.kind == "word" and token.value == "starts":
            self._expect("word", "with")
            return _text_test(left, self._prefix())
        if token.kind == "word" and token.value == "like_regex":
            return _text_test(left, self._pattern())
        raise self._unexpected(token, "a comparison")

    def _prefix(self) -> Callable[[str], bool]:
        token = self._expect_kind("text", "text after starts with")
        return lambda text: text.startswith(token.value)

    def _pattern(self) -> Callable[[str], bool]:
        token = self._expect_kind("text", "a pattern after like_regex")
        flags = 0
        if self._take("word", "flag"):
            for letter in self._expect_kind("text", "flags").value:
                if letter not in _FLAGS:
                    raise InvalidInput(self._field, f"has the flag {letter!r}; allowed are {', '.join(_FLAGS)}")
                flags |= _FLAGS[letter]
        pattern, spend = _compiled(token.value, flags, self._field), self._budget.spend
        return lambda text: pattern.search(text[:LONGEST_MATCHED], spend)

    def _operand(self) -> Step:
        token = self._peek()
        if token.kind == "sign" and token.value in ("$", "@"):
            return self._path()
        value = self._literal()
        return lambda item, root: (value,)

    def _literal(self) -> Any:
        token = self._take_next()
        if token.kind == "text":
            return token.value
        if token.kind == "word" and token.value in _LITERALS:
            return _LITERALS[token.value]
        if token.kind == "number":
            return _number(token.value)
        if token.kind == "sign" and token.value == "-":
            return -_number(self._expect_kind("number", "a number").value)
        raise self._unexpected(token, "a path or a value")

    def _path(self) -> Step:
        token = self._take_next()
        if token.kind != "sign" or token.value not in ("$", "@"):
            raise self._unexpected(token, "$")
        if token.value == "@" and self._depth == 0:
            raise self._unexpected(token, "$; @ belongs into a filter")
        steps: list[Step] = [(lambda item, root: (root,)) if token.value == "$" else (lambda item, root: (item,))]
        while (step := self._step()) is not None:
            steps.append(step)
        return _followed(steps, self._budget)

    def _step(self) -> Step | None:
        if self._take("sign", "."):
            return self._member()
        if self._take("sign", "["):
            return self._elements()
        if self._take("sign", "?"):
            return _kept(self._bracketed())
        return None

    def _member(self) -> Step:
        token = self._take_next()
        if token.kind == "sign" and token.value == "*":
            return _every_member
        if token.kind not in ("word", "text"):
            raise self._unexpected(token, "a key")
        if self._peek().value == "(" and self._peek().kind == "sign":
            raise InvalidInput(self._field, f"calls the method {token.value!r}; methods are not understood")
        return _member_named(token.value)

    def _elements(self) -> Step:
        if self._take("sign", "*"):
            self._expect("sign", "]")
            return _every_element
        bounds = [self._bounds()]
        while self._take("sign", ","):
            bounds.append(self._bounds())
        self._expect("sign", "]")
        return _elements_at(bounds)

    def _bounds(self) -> tuple[int, int]:
        first = self._position()
        return (first, self._position()) if self._take("word", "to") else (first, first)

    def _position(self) -> int:
        """Parse a position; below zero counts from the end, as `last` does."""
        if self._take("word", "last"):
            return -1 - (int(self._expect_kind("number", "a number").value) if self._take("sign", "-") else 0)
        token = self._expect_kind("number", "a position")
        if not token.value.isdecimal():
            raise self._unexpected(token, "a whole number")
        return int(token.value)

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take_next(self) -> _Token:
        token = self._peek()
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _take(self, kind: str, value: str) -> bool:
        token = self._peek()
        if token.kind != kind or token.value != value:
            return False
        self._take_next()
        return True

    def _expect(self, kind: str, value: str) -> None:
        if not self._take(kind, value):
            raise self._unexpected(self._peek(), repr(value) if value else "the end")

    def _expect_kind(self, kind: str, wanted: str) -> _Token:
        token = self._take_next()
        if token.kind != kind:
            raise self._unexpected(token, wanted)
        return token

    def _unexpected(self, token: _Token, wanted: str) -> InvalidInput:
        return InvalidInput(self._field, f"is not understood at character {token.at + 1}: expected {wanted}")


def _number(text: str) -> int | float:
    return int(text) if text.isdecimal() else float(text)


def _compiled(pattern: str, flags: int, field: str) -> Pattern:
    if len(pattern) > LONGEST_PATTERN:
        raise InvalidInput(field, f"has a pattern of {len(pattern)} characters; allowed are {LONGEST_PATTERN}")
    try:
        return Pattern(pattern, flags)
    except Unsupported as error:
        problem = f"has a pattern that {error}"
    except (re.error, OverflowError, RecursionError) as error:  # it has the pattern
        problem = f"has a pattern that is not understood: {error}"
    raise InvalidInput(field, problem)


def _followed(steps: Iterable[Step], budget: Budget) -> Step:
    def follow(item: Any, root: Any) -> Iterable[Any]:
        items: list[Any] = [item]
        for step in steps:
            items = list(_counted((reached for each in items for reached in step(each, root)), budget))
        return items

    return follow


def _counted(items: Iterable[Any], budget: Budget) -> Iterator[Any]:
    """Yield *items*, each of which is a step."""
    for item in items:
        budget.spend(1)
        yield item


def _unwrapped(item: Any) -> list[Any]:
    """Return the elements of a list and anything else by itself, as lax mode does."""
    return item if isinstance(item, list) else [item]


def _member_named(key: str) -> Step:
    return lambda item, root: (each[key] for each in _unwrapped(item) if isinstance(each, dict) and key in each)


def _every_member(item: Any, root: Any) -> Iterable[Any]:
    return (value for each in _unwrapped(item) if isinstance(each, dict) for value in each.values())


def _every_element(item: Any, root: Any) -> Iterable[Any]:
    return _unwrapped(item)


def _elements_at(bounds: list[tuple[int, int]]) -> Step:
    def elements(item: Any, root: Any) -> Iterable[Any]:
        items = _unwrapped(item)
        for first, last in bounds:
            start, end = (position + len(items) if position < 0 else position for position in (first, last))
            yield from items[max(start, 0) : max(end + 1, 0)]

    return elements


def _kept(predicate: Predicate) -> Step:
    return lambda item, root: (each for each in _unwrapped(item) if predicate(each, root))


def _all_of(parts: list[Predicate]) -> Predicate:
    def holds(item: Any, root: Any) -> bool | None:
        answers = [part(item, root) for part in parts]
        return False if False in answers else None if None in answers else True

    return holds


def _any_of(parts: list[Predicate]) -> Predicate:
    def holds(item: Any, root: Any) -> bool | None:
        answers = [part(item, root) for part in parts]
        return True if True in answers else None if None in answers else False

    return holds


def _negated(predicate: Predicate) -> Predicate:
    def holds(item: Any, root: Any) -> bool | None:
        answer = predicate(item, root)
        return None if answer is None else not answer

    return holds


def _compared(left: Step, sign: str, right: Step, budget: Budget) -> Predicate:
    """Tell whether any two items compare so; unknown as soon as two cannot be compared, as Postgres has it."""

    def holds(item: Any, root: Any) -> bool | None:
        others = [each for reached in right(item, root) for each in _unwrapped(reached)]
        unknown = False
        for reached in left(item, root):
            for one in _unwrapped(reached):
                for other in _counted(others, budget):
                    answer = _compare(one, sign, other)
                    if answer:
                        return True
                    unknown |= answer is None
        return None if unknown else False

    return holds


def _compare(one: Any, sign: str, other: Any) -> bool | None:
    if (one is None) is not (other is None):
        return sign in ("!=", "<>")  # null differs from everything else, but is neither more nor less
    if one is None:
        return sign in ("==", "<=", ">=")
    if isinstance(one, dict | list) or _kind(one) is not _kind(other):
        return None
    return _ordered(one, sign, other)


def _kind(value: Any) -> type:
    """Return the JSON type of *value*: all numbers are of one."""
    return float if isinstance(value, int) and not isinstance(value, bool) else type(value)


def _ordered(one: Any, sign: str, other: Any) -> bool:
    less, same = bool(one < other), bool(one == other)
    return {
        "==": same,
        "!=": not same,
        "<>": not same,
        "<": less,
        "<=": less or same,
        ">": not (less or same),
        ">=": not less,
    }[sign]


def _text_test(path: Step, test: Callable[[str], bool]) -> Predicate:
    def holds(item: Any, root: Any) -> bool | None:
        unknown = False
        for selected in path(item, root):
            for each in _unwrapped(selected):
                if not isinstance(each, str):
                    unknown = True
                elif test(each):
                    return True
        return None if unknown else False

    return holds
