"""Queries and forms: pairs decoded once, judged by their names, and encoded anew in the caller's order.

Source: contracts 4 ("The query is rebuilt"); RFC 3986, section 3.4; URL Standard, section 5 (forms).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from apikeychain.errors import ParameterRefusedError, PathRefusedError
from apikeychain.model.route import Undeclared
from apikeychain.rules.parameters import LONGEST_NAME, Declared, folded, self_sent, take, undeclared_name
from apikeychain.rules.paths import BARE_QUERY, encode_query, encode_query_anew, read_text

# Each pair costs 5 microseconds, so that a MiB of them would hold up every other call for more than a second.
MAX_PAIRS = 1000
# What goes up as it came: nothing in it is escaped, and nothing would be.
_BARE_PAIR = rb"%b++(?:=%b*+)?" % (BARE_QUERY, BARE_QUERY)
_BARE_PAIRS = re.compile(rb"%b(?:&%b)*+" % (_BARE_PAIR, _BARE_PAIR)).fullmatch
_NAMES_AND_VALUES = re.compile("([^&=]+)=?([^&]*)").findall


@dataclass(slots=True)
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
    if not raw:
        return []
    pieces = raw.split(b"&")
    if not _BARE_PAIRS(raw):
        return [_query_pair(piece) for piece in pieces]
    texts = _NAMES_AND_VALUES(raw.decode())
    return [Pair(name, value, piece) for (name, value), piece in zip(texts, pieces, strict=True)]


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
    return b"&".join([pair.encoded for pair in pairs])


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
        self._folded = frozenset(folded(d.name) for d in declared)
        self._forward = undeclared == "forward"
        self._injected = None if injected is None else folded(injected)
        self._by_name = {d.name: d for d in declared if folded(d.name) != self._injected}
        self._added = tuple((d.key, own) for d in declared if (own := _self_sent(d)))

    def accept(self, pairs: Sequence[Pair], texts: dict[str, list[str]]) -> list[Pair]:
        """The pairs to send, in the caller's order, then what is sent without being asked for. `joined` sends them.

        Args:
            pairs: as they came.
            texts: gets the text of each declared one under its key; they are judged later, all together.

        Raises:
            ParameterRefusedError: undeclared, too long, repeated, fixed, or the injected name.
        """
        by_name = self._by_name
        others: set[str] = set()
        for pair in pairs:
            if pair.name in by_name:
                take(by_name[pair.name], pair.value, texts)
            else:
                self._admit_other(pair.name, others)
        return [*pairs, *(self._missing(texts) if self._added else ())]

    def _missing(self, texts: Mapping[str, Sequence[str]]) -> list[Pair]:
        """What is sent without being asked for, where the caller did not send it."""
        return [pair for key, pair in self._added if key not in texts]

    def _admit_other(self, name: str, others: set[str]) -> None:
        if not self._forward or len(name) > LONGEST_NAME:
            raise undeclared_name(name)
        read = folded(name)
        if read == self._injected or read in others or read in self._folded:
            raise undeclared_name(name)
        others.add(read)


def _self_sent(declared: Declared) -> Pair | None:
    value = self_sent(declared.parameter)
    return None if value is None else Pair(declared.name, value, encode_pair(declared.name, value))
