"""How much of what is alike is tried: a part with every run of the suite, all of it by hand.

`ZEP_TEST_THOROUGH=1 pytest tests/hostile` takes the better part of an hour.
"""

import os
from typing import TypeVar

T = TypeVar("T")

THOROUGH = "ZEP_TEST_THOROUGH" in os.environ


def some(cases: dict[str, T], every: int) -> dict[str, T]:
    """Return one of *every* so many *cases*, the first among them; all in a thorough run."""
    names = list(cases)[:: 1 if THOROUGH else every]
    return {name: cases[name] for name in names}
