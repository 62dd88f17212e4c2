"""The sealed value: our vectors, the format's borders, and what any change does to it."""

import json
import random
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from apikeychain.errors import SealedValueError
from apikeychain.model.keys import length_prefixed
from apikeychain.primitives import (
    _seal,
    argon2id,
    equal,
    gcm_open,
    key_version_of,
    open_value,
    random_bytes,
    seal_value,
    stretch,
)
from vectors import make_sealed_value_v1 as other

VECTORS: dict[str, list[dict[str, Any]]] = json.loads(other.FILE.read_text())
KEY, VERSION, CONTEXT = bytes(range(32)), bytes(range(16)), b"\0\0\0\4acme"


def _name(vector: dict[str, Any]) -> str:
    return str(vector["name"])


def test_the_vector_file_is_what_the_second_implementation_writes() -> None:
    assert json.loads(json.dumps(other.document())) == VECTORS


@pytest.mark.parametrize("vector", VECTORS["values"], ids=_name)
def test_what_the_second_implementation_sealed_opens_and_is_sealed_alike(vector: dict[str, Any]) -> None:
    names = ("key", "version", "plaintext", "context", "sealed")
    key, version, plaintext, context, sealed = (bytes.fromhex(vector[name]) for name in names)
    assert open_value(key, sealed, context) == plaintext
    assert key_version_of(sealed) == version
    assert _seal(key, version, plaintext, context, salt=sealed[20:52], nonce=sealed[84:96]) == sealed


@pytest.mark.parametrize("vector", VECTORS["failures"], ids=_name)
def test_every_fault_is_the_same_error_without_a_word(vector: dict[str, Any]) -> None:
    key, context, sealed = (bytes.fromhex(vector[name]) for name in ("key", "context", "sealed"))
    with pytest.raises(SealedValueError) as caught:
        open_value(key, sealed, context)
    assert caught.value.args == ()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@given(key=st.binary(min_size=32, max_size=32), plaintext=st.binary(max_size=300), context=st.binary(max_size=100))
def test_what_was_sealed_opens(key: bytes, plaintext: bytes, context: bytes) -> None:
    sealed = seal_value(key, VERSION, plaintext, context)
    assert open_value(key, sealed, context) == plaintext
    assert len(sealed) == 112 + len(plaintext)


@given(data=st.data(), plaintext=st.binary(max_size=64), mask=st.integers(1, 255))
def test_any_changed_byte_closes_it(data: st.DataObject, plaintext: bytes, mask: int) -> None:
    sealed = bytearray(seal_value(KEY, VERSION, plaintext, CONTEXT))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= mask
    with pytest.raises(SealedValueError):
        open_value(KEY, bytes(sealed), CONTEXT)


@given(raw=st.binary(max_size=300))
def test_any_bytes_at_all_are_refused_with_the_one_error(raw: bytes) -> None:
    for sealed in (raw, b"AK\x01\x01" + raw):
        with pytest.raises(SealedValueError):
            open_value(KEY, sealed, CONTEXT)


_FIELDS = st.lists(st.text(max_size=5), min_size=8, max_size=8)


@given(one=_FIELDS, two=_FIELDS)
def test_a_value_opens_in_its_own_context_only(one: list[str], two: list[str]) -> None:
    sealed = seal_value(KEY, VERSION, b"plaintext", length_prefixed(one))
    assert open_value(KEY, sealed, length_prefixed(list(one))) == b"plaintext"
    assume(one != two)
    with pytest.raises(SealedValueError):
        open_value(KEY, sealed, length_prefixed(two))


def test_a_second_key_never_opens_a_value_even_where_its_tag_would_hold() -> None:
    sealed = seal_value(KEY, VERSION, b"plaintext", CONTEXT)
    with pytest.raises(SealedValueError):
        open_value(bytes(32), sealed, CONTEXT)


def test_a_key_or_key_version_of_another_length_seals_nothing() -> None:
    for key, version in ((KEY[:-1], VERSION), (KEY[:16], VERSION), (KEY, VERSION + b"x"), (KEY, b"")):
        with pytest.raises(SealedValueError):
            seal_value(key, version, b"plaintext", CONTEXT)


def test_a_short_key_or_nonce_opens_nothing() -> None:
    for key, nonce in ((KEY[:16], bytes(12)), (KEY, bytes(16)), (KEY, b"")):
        with pytest.raises(SealedValueError):
            gcm_open(key, nonce, bytes(32), b"")


def test_no_nonce_depends_on_time_or_a_seeded_generator() -> None:
    """env-18."""
    state, made = random.getstate(), []
    for _ in range(2):
        random.seed(0)
        made.append(seal_value(KEY, VERSION, b"plaintext", CONTEXT))
    random.setstate(state)
    assert made[0][20:52] != made[1][20:52]
    assert made[0][84:96] != made[1][84:96]


_FORKED = """
import os, sys
from apikeychain.primitives import seal_value
seal_value(bytes(32), bytes(16), b"before the fork", b"")
for _ in range(8):
    if not os.fork():
        values = [seal_value(bytes(32), bytes(16), b"x", b"") for _ in range(1000)]
        os.write(1, b"".join(value[20:52] + value[84:96] for value in values))
        os._exit(0)
    os.wait()
"""


def test_forked_processes_never_draw_the_same_nonce() -> None:
    """env-17."""
    command = [sys.executable, "-c", _FORKED]
    drawn = subprocess.run(command, capture_output=True, check=True).stdout  # noqa: S603 - our own text above
    pairs = [drawn[at : at + 44] for at in range(0, len(drawn), 44)]
    assert len(pairs) == 8000
    assert len({pair[:32] for pair in pairs}) == len({pair[32:] for pair in pairs}) == 8000


@pytest.mark.parametrize("kdf", ["argon2id:m=8", "argon2i", "scrypt", "pbkdf2-sha512:1000", "pbkdf2-sha1", ""])
def test_no_other_profile_can_be_named(kdf: str) -> None:
    """env-15, env-35: costs are constants, so there is no stored number to lower."""
    with pytest.raises(SealedValueError):
        stretch(kdf, KEY, KEY)


@pytest.mark.full_key_costs
def test_argon2id_is_the_second_profile_of_rfc_9106() -> None:
    assert stretch("argon2id", KEY, KEY) == argon2id(KEY, KEY, passes=3, kib=65536, lanes=4)


def test_random_bytes_are_as_many_as_asked_and_differ() -> None:
    assert len(random_bytes(32)) == 32
    assert not equal(random_bytes(32), random_bytes(32))
