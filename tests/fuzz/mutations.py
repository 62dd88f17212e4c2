"""Inputs made of a corpus: short, seeded, the same in every run."""

import random
from collections.abc import Callable, Iterator, Sequence

_MOST = 4
_DIGITS = [b"%d" % digit for digit in range(10)]
_Step = Callable[[random.Random, bytes, Sequence[bytes], Sequence[bytes]], bytes]


def mutations(corpus: Sequence[bytes], tokens: Sequence[bytes], *, count: int, seed: int = 1) -> Iterator[bytes]:
    """`count` inputs, each a file of the corpus that was changed in one to four places."""
    chance = random.Random(seed)  # noqa: S311 - it has to be the same in every run
    for _ in range(count):
        yield mutated(chance, chance.choice(corpus), tokens, corpus)


def mutated(chance: random.Random, data: bytes, tokens: Sequence[bytes], corpus: Sequence[bytes]) -> bytes:
    """`data`, changed in one to four places by pieces that mean something or that others have there."""
    for _ in range(chance.randint(1, _MOST)):
        data = chance.choice(_STEPS)(chance, data, tokens, corpus)
    return data


def _insert(chance: random.Random, data: bytes, tokens: Sequence[bytes], _: Sequence[bytes]) -> bytes:
    place = chance.randint(0, len(data))
    return data[:place] + chance.choice(tokens) + data[place:]


def _append(chance: random.Random, data: bytes, tokens: Sequence[bytes], _: Sequence[bytes]) -> bytes:
    return data + chance.choice(tokens)


def _overwrite(chance: random.Random, data: bytes, tokens: Sequence[bytes], _: Sequence[bytes]) -> bytes:
    place, token = chance.randint(0, len(data)), chance.choice(tokens)
    return data[:place] + token + data[place + len(token) :]


def _byte(chance: random.Random, data: bytes, _: Sequence[bytes], __: Sequence[bytes]) -> bytes:
    place = chance.randint(0, len(data))
    return data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :]


def _digit(chance: random.Random, data: bytes, _: Sequence[bytes], __: Sequence[bytes]) -> bytes:
    places = [place for place, byte in enumerate(data) if ord("0") <= byte <= ord("9")]
    if not places:
        return data
    place = chance.choice(places)
    return data[:place] + chance.choice(_DIGITS) + data[place + 1 :]


def _cut(chance: random.Random, data: bytes, _: Sequence[bytes], __: Sequence[bytes]) -> bytes:
    place = chance.randint(0, len(data))
    return data[:place] + data[place + chance.choice((1, 1, 2, 8)) :]


def _repeat(chance: random.Random, data: bytes, _: Sequence[bytes], __: Sequence[bytes]) -> bytes:
    place = chance.randint(0, len(data))
    end = place + chance.choice((1, 2, 4, 67))
    return data[:end] + data[place:end] + data[end:]


def _other_case(chance: random.Random, data: bytes, _: Sequence[bytes], __: Sequence[bytes]) -> bytes:
    place = chance.randint(0, len(data))
    return data[:place] + data[place : place + 1].swapcase() + data[place + 1 :]


def _splice(chance: random.Random, data: bytes, _: Sequence[bytes], corpus: Sequence[bytes]) -> bytes:
    other = chance.choice(corpus)
    return data[: chance.randint(0, len(data))] + other[chance.randint(0, len(other)) :]


_STEPS: Sequence[_Step] = (_insert, _append, _overwrite, _byte, _digit, _cut, _repeat, _other_case, _splice)
