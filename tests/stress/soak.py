"""Random operations for as long as one likes, on a database of each kind, against the model of the property tests."""

from functools import partial

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.conversations import Conversations, Hands

STEPS = 50
"""Operations on a database before it is emptied, each followed by reads."""


def soak(url: str, driver: str, steps: int) -> int:
    """Do that many *steps* to the database at *url*, one manager with the async *driver*; return the calls made.

    Raises:
        AssertionError: a manager said something else than the model, and the steps that lead there are printed.
    """
    hands = Hands(url, f"{driver}:{url.partition(':')[2]}")
    before = Conversations.calls
    walks = settings(
        max_examples=max(1, steps // STEPS),
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        derandomize=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(partial(Conversations, hands), settings=walks)
    finally:
        hands.close()
    return Conversations.calls - before
