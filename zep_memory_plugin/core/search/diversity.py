"""Maximal marginal relevance (Carbonell, Goldstein 1998): results that answer, and differ from each other."""

import math
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from operator import mul

from ...terms.cutting import terms
from .candidates import Candidate

Likeness = Callable[[int, int], float]
"""How alike two candidates, named by their positions, are: 0 to 1."""


def diversified(candidates: Sequence[Candidate], alike: Likeness, mmr_lambda: float, count: int) -> list[Candidate]:
    """Return *count* of *candidates*, best first: of what is left always the one that answers and adds most.

    *mmr_lambda* is the weight of answering the query, against differing from what was chosen before.
    """
    relevance = _shares_of_best(candidates)
    left = list(range(len(candidates)))
    nearest = [0.0] * len(candidates)
    chosen: list[int] = []
    while left and len(chosen) < count:
        best = max(left, key=lambda each: mmr_lambda * relevance[each] - (1 - mmr_lambda) * nearest[each])
        left.remove(best)
        chosen.append(best)
        for each in left:
            nearest[each] = max(nearest[each], alike(each, best))
    return [candidates[each] for each in chosen]


def alike_by_meaning(vectors: Sequence[bytes]) -> Likeness:
    """Compare candidates by the cosine of their embeddings, which have length 1."""
    unpacked = [struct.unpack(f"<{len(vector) // 4}f", vector) for vector in vectors]
    return lambda one, other: sum(map(mul, unpacked[one], unpacked[other]))


def alike_by_words(texts: Sequence[str]) -> Likeness:
    """Compare candidates by the cosine of the term counts of their *texts*."""
    counts = [Counter(terms(text)) for text in texts]
    lengths = [math.sqrt(sum(count * count for count in each.values())) for each in counts]

    def alike(one: int, other: int) -> float:
        shared = sum(count * counts[other][term] for term, count in counts[one].items() if term in counts[other])
        return shared / (lengths[one] * lengths[other]) if shared else 0.0

    return alike


def _shares_of_best(candidates: Sequence[Candidate]) -> list[float]:
    """Return scores between 0 and 1, so that they compare with likeness."""
    scores = [candidate.score for candidate in candidates]
    lowest, highest = min(scores, default=0.0), max(scores, default=0.0)
    if lowest >= 0:
        lowest = 0.0
    return [(score - lowest) / ((highest - lowest) or 1.0) for score in scores]
