"""Whose errands a worker looks at next: each tenant has its turn, whatever another one has waiting."""

from collections import Counter
from collections.abc import Mapping, Sequence

from apikeychain.model.errand import Errand

MOST_AT_ONCE = 16
MOST_OF_TENANT = 4


def in_turn(waiting: Sequence[Errand], working: Mapping[str, int]) -> list[Errand]:
    """Those to begin with now.

    Args:
        waiting: all that are due and not begun, the one that waits longest first.
        working: how many of each tenant are begun and not over.

    Returns:
        First those of whom fewest are begun, as many as there is room for: 16 in all, 4 of one tenant.
    """
    counted = Counter[str](working)
    ranked: list[tuple[int, Errand]] = []
    for errand in waiting:
        ranked.append((counted[errand.tenant], errand))
        counted[errand.tenant] += 1
    allowed = [one for one in ranked if one[0] < MOST_OF_TENANT]
    room = max(MOST_AT_ONCE - sum(working.values()), 0)
    return [errand for _, errand in sorted(allowed, key=lambda one: one[0])[:room]]
