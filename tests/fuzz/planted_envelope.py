"""Faults of the kind that a reader of sealed values gets wrong; each is ours with one thing left out."""

from apikeychain.errors import SealedValueError
from apikeychain.primitives import _message_key, equal, gcm_open, open_value

_SHORTEST = 112


def _opened_after(key: bytes, sealed: bytes, context: bytes, *, compared: int) -> bytes:
    """The plaintext, where that many bytes of the commitment are compared, and nothing of the prefix but its name."""
    if not sealed.startswith(b"AK") or len(sealed) < _SHORTEST:
        raise SealedValueError
    message_key, commitment = _message_key(key, sealed[20:52], context)
    if not equal(commitment[:compared], sealed[52 : 52 + compared]):
        raise SealedValueError
    return gcm_open(message_key, sealed[84:96], sealed[96:], sealed[:84] + context)


def opens_without_the_commitment(key: bytes, sealed: bytes, context: bytes) -> bytes:
    return _opened_after(key, sealed, context, compared=0)


def compares_half_of_the_commitment(key: bytes, sealed: bytes, context: bytes) -> bytes:
    return _opened_after(key, sealed, context, compared=16)


def takes_any_format_and_suite(key: bytes, sealed: bytes, context: bytes) -> bytes:
    return _opened_after(key, sealed, context, compared=32)


def takes_what_stands_behind_a_line_feed(key: bytes, sealed: bytes, context: bytes) -> bytes:
    return open_value(key, sealed.lstrip(b"\n"), context)


def tells_that_a_value_is_short(key: bytes, sealed: bytes, context: bytes) -> bytes:
    if len(sealed) < _SHORTEST:
        raise IndexError
    return open_value(key, sealed, context)


OPENS = (
    opens_without_the_commitment,
    compares_half_of_the_commitment,
    takes_any_format_and_suite,
    takes_what_stands_behind_a_line_feed,
    tells_that_a_value_is_short,
)
