"""Queries and forms: pairs decoded once, judged by their names, and encoded anew in the caller's order.

Source: contracts 4 ("The query is rebuilt"); RFC 3986, section 3.4; URL Standard, section 5 (forms).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from apikeychain.errors import ParameterRefusedError, PathRefusedError
from apikeychain.model.route import Undeclared
from apikeychain.rules.parameters import LONGEST_NAME, Declared, folded, self_sent, take
from apikeychain.rules.paths import encode_query, encode_query_anew, read_text

# Each pair costs 5 microseconds, so that a MiB of them would hold up every other call for more than a second.
MAX_PAIRS = 1000


@dataclass(frozen=True, slots=True)
class Pair:
    """One ``name=value`` as it came: decoded once, and encoded anew."""

    name: str
    value: str
    encoded: bytes


def split_query(raw: bytes) -> list[Pair]:
    """The pairs of a raw query; ``&`` is the only separator, a bare plus is a plus.

    Raises:
        PathRefusedError: an escape that is broken or not UTF-8.
        ParameterRefusedError: a pair without a name.
    """
    return [_query_pair(piece) for piece in raw.split(b"&")] if raw else []


def _query_pair(piece: bytes) -> Pair:
    name, equals, value = piece.partition(b"=")
    if not name:
        raise ParameterRefusedError
    return Pair(read_text(name), read_text(value), encode_query_anew(name) + equals + encode_query_anew(value))


def split_form(raw: bytes) -> list[Pair]:
    """The pairs of an ``application/x-www-form-urlencoded`` body, where a bare plus is a space.

    Raises:
        ParameterRefusedError: it cannot be read, or has more than 1,000 pairs.
    """
    if raw.count(b"&") >= MAX_PAIRS:
        raise ParameterRefusedError
    try:
        pairs = split_query(raw.replace(b"+", b" "))
    except PathRefusedError:
        raise ParameterRefusedError from None
    return pairs


def encode_pair(name: str, value: str) -> bytes:
    """``name=value`` from plain texts."""
    return encode_query(name.encode()) + b"=" + encode_query(value.encode())


def joined(pairs: Iterable[Pair]) -> bytes:
    """The query or form that these pairs make."""
    return b"&".join(pair.encoded for pair in pairs)


class PairRule:
    """What a query or a form may hold, and what goes up for it.

    Where other names are forwarded, none may be the same as a declared or another one to a reader that reads them in
    any case, as `folded` says.

    Args:
        declared: its parameters, with the keys under which they are judged.
        undeclared: what happens to any other name.
        injected: the name under which the credential goes into this place, or None.
    """

    __slots__ = ("_added", "_by_name", "_folded", "_forward", "_injected")

    def __init__(self, declared: Sequence[Declared], undeclared: Undeclared, injected: str | None) -> None:
        self._by_name = {d.name: d for d in declared}
        self._folded = frozenset(folded(name) for name in self._by_name)
        self._forward = undeclared == "forward"
        self._injected = None if injected is None else folded(injected)
        self._added = tuple((d.key, own) for d in declared if (own := _self_sent(d)))

    def accept(self, pairs: Iterable[Pair], texts: dict[str, list[str]]) -> list[Pair]:
        """The pairs to send, in the caller's order, then what is sent without being asked for. `joined` sends them.

        Args:
            pairs: as they came.
            texts: gets the text of each declared one under its key; they are judged later, all together.

        Raises:
            ParameterRefusedError: undeclared, too long, repeated, fixed, or the injected name.
        """
        accepted: list[Pair] = []
        others: set[str] = set()
        for pair in pairs:
            if len(pair.name) > LONGEST_NAME or (self._injected and folded(pair.name) == self._injected):
                raise ParameterRefusedError
            declared = self._by_name.get(pair.name)
            if declared is None:
                self._admit_other(folded(pair.name), others)
            else:
                take(declared, pair.value, texts)
            accepted.append(pair)
        accepted.extend(pair for key, pair in self._added if key not in texts)
        return accepted

    def _admit_other(self, name: str, others: set[str]) -> None:
        if not self._forward or name in others or name in self._folded:
            raise ParameterRefusedError
        others.add(name)


def _self_sent(declared: Declared) -> Pair | None:
    value = self_sent(declared.parameter)
    return None if value is None else Pair(declared.name, value, encode_pair(declared.name, value))
