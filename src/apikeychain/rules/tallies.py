"""Calls are counted into a tally, tallies are added up, and what is kept of them is bounded.

`merged` is commutative, and associative where nothing is cut. How many differed is estimated from the smallest of
their hashes (k minimum values): with 256 of them the standard error is 6 per cent.

Source: contracts 7; Bar-Yossef et al., "Counting Distinct Elements in a Data Stream" (2002), 2; Misra and Gries,
"Finding Repeated Elements" (1982).
"""

from collections.abc import Set as AbstractSet
from heapq import nsmallest
from math import log2
from typing import final

from apikeychain.model.tally import (
    LONGEST_VALUE,
    MOST_CALLERS,
    MOST_COUNTRIES,
    MOST_ORIGINS,
    MOST_PARAMETERS,
    MOST_VALUES,
    SKETCH,
    Tally,
    ValueTally,
)

# The parameter that stands for all that the route does not declare.
OTHERS = ""
# The hashes are of so many bits.
HASH_BITS = 48
# While it is counted, as many times more is kept than in the end, so that those who come often are not cut early.
_ROOM = 16
# So many characters of a value, from all over it, tell how evenly its characters are spread; of one that is not ASCII
# also how many are letters and digits.
_SPREAD = 20
# n * log2(n), which the entropy of a value is made of.
_WEIGHTS = (0.0, *(n * log2(n) for n in range(1, _SPREAD + 1)))
_LETTERS = bytes(range(0x41, 0x5B)) + bytes(range(0x61, 0x7B))
_DIGITS = bytes(range(0x30, 0x3A))


def distinct(sketch: AbstractSet[int], most: int = SKETCH) -> int:
    """About how many differed, of which these hashes are kept; exact where there are fewer than `most`."""
    if len(sketch) < most:
        return len(sketch)
    return round((most - 1) * (1 << HASH_BITS) / (max(sketch) + 1))


def merged(one: Tally, other: Tally) -> Tally:
    """Both together; neither of them is changed."""
    return Tally(
        calls=one.calls + other.calls,
        failures=_sum(one.failures, other.failures),
        bytes_out=one.bytes_out + other.bytes_out,
        callers=heaviest(_sum(one.callers, other.callers), MOST_CALLERS),
        sketch=smallest(one.sketch | other.sketch, SKETCH),
        countries=heaviest(_sum(one.countries, other.countries), MOST_COUNTRIES),
        origins=heaviest(_sum(one.origins, other.origins), MOST_ORIGINS),
        parameters=_merged_parameters(one.parameters, other.parameters),
        unadmitted=_sum(one.unadmitted, other.unadmitted),
    )


def merged_values(one: ValueTally, other: ValueTally) -> ValueTally:
    """Both together; neither of them is changed."""
    return ValueTally(
        values=one.values + other.values,
        characters=one.characters + other.characters,
        letters=one.letters + other.letters,
        digits=one.digits + other.digits,
        longest=max(one.longest, other.longest),
        millibits=one.millibits + other.millibits,
        hashes=smallest(one.hashes | other.hashes, MOST_VALUES),
    )


def heaviest(counts: dict[str, int], most: int) -> dict[str, int]:
    """Those that count most, by name where they count the same."""
    if len(counts) <= most:
        return counts
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most])


def smallest(hashes: set[int], most: int) -> set[int]:
    """The smallest of these."""
    return hashes if len(hashes) <= most else set(nsmallest(most, hashes))


def _sum(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    total = dict(one)
    for name, count in other.items():
        total[name] = total.get(name, 0) + count
    return total


def _merged_parameters(one: dict[str, ValueTally], other: dict[str, ValueTally]) -> dict[str, ValueTally]:
    empty = ValueTally()
    total = {name: merged_values(one.get(name, empty), other.get(name, empty)) for name in one.keys() | other.keys()}
    if len(total) <= MOST_PARAMETERS:
        return total
    return dict(sorted(total.items(), key=lambda item: (-item[1].values, item[0]))[:MOST_PARAMETERS])


@final
class Counting:
    """Counts the calls of one route of a project in one window, each in some microseconds.

    Attributes:
        held: what was counted so far, with some more than a tally may hold; `tally` cuts that.
    """

    __slots__ = ("_ceiling", "held")

    def __init__(self) -> None:
        self.held, self._ceiling = Tally(), 1 << HASH_BITS

    @property
    def tally(self) -> Tally:
        """What was counted so far; a copy."""
        return merged(self.held, Tally())

    def add(self, failure: str | None, bytes_out: int, caller: str | None, country: str, origin: str) -> None:
        """Count a call that was admitted.

        Args:
            failure: one of FAILURES, or None for a success.
            bytes_out: of its answer.
            caller: the pseudonym, which is hexadecimal, or None where it is not known.
            country: where from, or "".
            origin: of the page that called, or "".
        """
        tally = self.held
        tally.calls += 1
        tally.bytes_out += bytes_out
        if failure is not None:
            tally.failures[failure] = tally.failures.get(failure, 0) + 1
        if caller is not None:
            _count(tally.callers, caller, MOST_CALLERS)
            self._sketch(int(caller[: HASH_BITS // 4], 16))
        _count(tally.countries, country, MOST_COUNTRIES)
        _count(tally.origins, origin, MOST_ORIGINS)

    def add_unadmitted(self, name: str) -> None:
        """Count a call that was not admitted, as one of UNADMITTED."""
        self.held.unadmitted[name] = self.held.unadmitted.get(name, 0) + 1

    def add_value(self, parameter: str, value: str, hashed: int) -> None:
        """Count a value of a parameter.

        Args:
            parameter: as the route declares it; beyond the first of them, OTHERS.
            value: as the caller sent it; of more than LONGEST_VALUE characters only the beginning is judged.
            hashed: 48 bits under a key of the tenant's.
        """
        parameters = self.held.parameters
        tally = parameters.get(parameter)
        if tally is None:
            name = parameter if len(parameters) < MOST_PARAMETERS - 1 else OTHERS
            tally = parameters.setdefault(name, ValueTally())
        judge_value(tally, value[:LONGEST_VALUE])
        hashes = tally.hashes
        hashes.add(hashed)
        if len(hashes) > _ROOM * MOST_VALUES:
            tally.hashes = smallest(hashes, MOST_VALUES)

    def _sketch(self, hashed: int) -> None:
        if hashed >= self._ceiling:
            return
        sketch = self.held.sketch
        sketch.add(hashed)
        if len(sketch) > 2 * SKETCH:
            self.held.sketch = kept = smallest(sketch, SKETCH)
            self._ceiling = max(kept)


def judge_value(tally: ValueTally, value: str) -> None:
    """Count a value that is short enough into `tally`, without its hash."""
    size = len(value)
    tally.values += 1
    tally.characters += size
    tally.longest = max(tally.longest, size)
    some = value if size <= _SPREAD else value[:: -(-size // _SPREAD)]
    if value.isascii():
        raw = value.encode("ascii")
        tally.letters += size - len(raw.translate(None, _LETTERS))
        tally.digits += size - len(raw.translate(None, _DIGITS))
    else:
        tally.letters += round(sum(map(str.isalpha, some)) * size / len(some))
        tally.digits += round(sum(map(str.isdecimal, some)) * size / len(some))
    if size > 1:
        tally.millibits += _millibits(some)


def _millibits(value: str) -> int:
    """The Shannon entropy of the characters of a value, in thousandths of a bit for each."""
    size, weights = len(value), _WEIGHTS
    spread = sum([weights[value.count(character)] for character in set(value)])
    return round(1000 * (log2(size) - spread / size))


def _count(counts: dict[str, int], name: str, most: int) -> None:
    if name in counts:
        counts[name] += 1
        return
    counts[name] = 1
    if len(counts) > _ROOM * most:
        kept = heaviest(counts, _ROOM * most // 2)
        counts.clear()
        counts.update(kept)
