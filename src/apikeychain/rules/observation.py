"""What the watch takes note of in one call: what came of it, and some of the values that were sent.

Of a call that was not admitted it is noted that it was not, and nothing of who made it: anybody can say that he is
somebody. An answer that the caller did not wait for is no failure.

Source: contracts 7; spec 8.2.
"""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypeVar

from apikeychain.errors import (
    CALLER_GONE,
    CredentialRefusedError,
    FailureError,
    OriginRefusedError,
    RateLimitedError,
    ReplayedError,
    SignatureRefusedError,
    TimestampRefusedError,
)
from apikeychain.model.tally import LONGEST_VALUE
from apikeychain.rules.routing import Target
from apikeychain.rules.tallies import HASH_BITS, OTHERS

KEY_BYTES = 32
_T = TypeVar("_T")
# Of one call one value is judged, or two that are short together, of more of them some in turn: it costs about the same
# whatever callers send.
_SHORT = 24
_MOST_LOOKED_AT = 32
_PLAIN = (str, int, float)
_CLASSES = {401: "provider-401", 403: "provider-403", 429: "provider-429"}
_SERVER_ERROR, _CLIENT_ERROR = 500, 400
_UNADMITTED = {
    OriginRefusedError.code: "origin-refused",
    SignatureRefusedError.code: "signature-refused",
    TimestampRefusedError.code: "signature-refused",
    ReplayedError.code: "replayed",
}
_FAILED = frozenset(error.code for error in FailureError.__subclasses__())


def is_admitted(refusal: str | None, *, recorded: bool, routed: bool) -> bool:
    """Whether a call counts as one of somebody who may call.

    Args:
        refusal: the code of what ended it, or None.
        recorded: whether it had a place in the ledger: it passed gate, signature and quota.
        routed: whether it passed all that comes before its quotas; one that was over a quota had no place.
    """
    return recorded or (routed and refusal == RateLimitedError.code)


def failure_of(status: int, refusal: str | None, *, by_provider: bool) -> str | None:
    """What came of a call that was admitted, as one of FAILURES; None for a success.

    Args:
        status: of the answer.
        refusal: the code of a refusal, of a failure, or of what cut the answer.
        by_provider: whether the answer is the provider's.
    """
    if refusal is None:
        return _class_of(status) if by_provider and status >= _CLIENT_ERROR else None
    if refusal == CALLER_GONE:
        return None
    if refusal == CredentialRefusedError.code:
        return "provider-401"
    if refusal == RateLimitedError.code:
        return "rate-limited"
    return "failed" if by_provider or refusal in _FAILED else "refused"


def unadmitted_of(refusal: str) -> str:
    """What kept a call from being admitted, as one of UNADMITTED."""
    return _UNADMITTED.get(refusal, "other")


def taken(target: Target, turn: int) -> tuple[tuple[str, str], ...]:
    """Some of the values that go up, each with the name of its parameter; OTHERS for those that are not declared.

    Args:
        target: what goes up.
        turn: any number, another one for each call: where to begin where there are many values.
    """
    found = [*_values(target, turn)]
    told = found if len(found) < 2 else _chosen(found, turn)  # noqa: PLR2004  # one alone
    watched = target.route.watched
    return tuple([(name if name in watched else OTHERS, str(value)[:LONGEST_VALUE]) for name, value in told])


def value_key(pseudonym_key: bytes) -> bytes:
    """The key of the hashes of values, made of the tenant's key of pseudonyms: with that it is gone."""
    return hashlib.blake2b(key=pseudonym_key, person=b"watch-values-1", digest_size=KEY_BYTES).digest()


def value_hash(key: bytes, parameter: str, value: str) -> int:
    """48 bits that stand for a value of a parameter."""
    said = f"{parameter}\0{value}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(said, key=key, digest_size=HASH_BITS // 8).digest())


def _class_of(status: int) -> str:
    return _CLASSES.get(status, "provider-5xx" if status >= _SERVER_ERROR else "provider-other")


def _values(target: Target, turn: int) -> Iterator[tuple[str, object]]:
    """What the caller has a say in; what the route always sends is nobody's."""
    fixed = target.route.fixed
    yield from target.path_values.items()
    for segment in _some(target.tail, turn):
        yield OTHERS, segment
    for pair in _some(target.pairs, turn):
        if pair.name not in fixed:
            yield pair.name, pair.value
    for name, value in islice(target.members, _MOST_LOOKED_AT):
        if isinstance(value, _PLAIN):
            yield name, value


def _chosen(found: Sequence[tuple[str, object]], turn: int) -> Sequence[tuple[str, object]]:
    """One of several in turn, or two that are short together: of no other it is made out how it is written."""
    first, second = ((name, str(value)) for name, value in (found[turn % len(found)], found[(turn + 1) % len(found)]))
    return [first, second] if len(first[1]) + len(second[1]) <= _SHORT else [first]


def _some(many: Sequence[_T], turn: int) -> Sequence[_T]:
    """As many of them as may be looked at, each in turn."""
    more = len(many) - _MOST_LOOKED_AT
    if more <= 0:
        return many
    begin = turn // _MOST_LOOKED_AT % (more + 1)
    return many[begin : begin + _MOST_LOOKED_AT]
