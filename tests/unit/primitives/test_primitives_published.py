"""Published vectors, through our own functions."""

from collections.abc import Callable
from typing import Any

import pytest

from apikeychain.errors import SealedValueError
from apikeychain.primitives import (
    argon2id,
    equal,
    gcm_open,
    gcm_seal,
    hkdf_sha256,
    hkdf_sha512,
    hmac_sha256,
    hmac_sha512,
    pbkdf2_sha512,
)
from outside import cases, vectors

Case = dict[str, Any]
_GCM_GROUP = {"keySize": 256, "ivSize": 96, "tagSize": 128}


def _tests(name: str, **group: int) -> list[Case]:
    return [
        {**test, "tagSize": found.get("tagSize")}
        for found in vectors(name)
        if all(found[key] == value for key, value in group.items())
        for test in found["tests"]
    ]


def _number(test: Case) -> str:
    return str(test.get("tcId", test.get("id")))


def _bytes(case: Case, *names: str) -> list[bytes]:
    return [bytes.fromhex(case[name]) for name in names]


@pytest.mark.parametrize("test", _tests("aes_gcm_test", **_GCM_GROUP), ids=_number)
def test_aes_256_gcm_opens_what_is_valid_and_nothing_else(test: Case) -> None:
    key, nonce, aad, plaintext, ciphertext, tag = _bytes(test, "key", "iv", "aad", "msg", "ct", "tag")
    if test["result"] == "valid":
        assert gcm_open(key, nonce, ciphertext + tag, aad) == plaintext
        assert gcm_seal(key, nonce, plaintext, aad) == ciphertext + tag
    else:
        with pytest.raises(SealedValueError):
            gcm_open(key, nonce, ciphertext + tag, aad)


@pytest.mark.parametrize("case", cases("crypto_aes256_gcm"), ids=_number)
def test_aes_256_gcm_has_one_nonce_length_and_one_tag_length(case: Case) -> None:
    key, nonce, aad, plaintext, ciphertext, tag = _bytes(case, "key", "iv", "aad", "msg", "ct", "tag")
    # Doubtful are nonces of another length than 12 bytes: the sealed value has one length, so they are refused.
    if case["expect"] == "valid" and not case.get("doubtful"):
        assert gcm_open(key, nonce, ciphertext + tag, aad) == plaintext
    else:
        with pytest.raises(SealedValueError):
            gcm_open(key, nonce, ciphertext + tag, aad)


@pytest.mark.parametrize(
    ("function", "test"),
    [(hkdf_sha256, test) for test in _tests("hkdf_sha256_test")]
    + [(hkdf_sha512, test) for test in _tests("hkdf_sha512_test")],
)
def test_hkdf_gives_what_is_published_and_no_more_than_it_can(function: Callable[..., bytes], test: Case) -> None:
    key, salt, info, wanted = _bytes(test, "ikm", "salt", "info", "okm")
    if test["result"] == "valid":
        assert function(key, salt=salt, info=info, length=test["size"]) == wanted
    else:
        with pytest.raises(ValueError, match="larger than"):
            function(key, salt=salt, info=info, length=test["size"])


@pytest.mark.parametrize(
    ("function", "test"),
    [(hmac_sha256, test) for test in _tests("hmac_sha256_test")]
    + [(hmac_sha512, test) for test in _tests("hmac_sha512_test")],
)
def test_hmac_gives_what_is_published(function: Callable[..., bytes], test: Case) -> None:
    key, message, tag = _bytes(test, "key", "msg", "tag")
    assert equal(function(key, message)[: test["tagSize"] // 8], tag) is (test["result"] == "valid")


@pytest.mark.parametrize("case", cases("crypto_hmac_sha256"), ids=_number)
def test_a_tag_that_is_cut_short_is_no_tag(case: Case) -> None:
    key, message, tag = _bytes(case, "key", "msg", "tag")
    assert equal(hmac_sha256(key, message), tag) is (case["expect"] == "valid")


@pytest.mark.parametrize("test", _tests("pbkdf2_hmacsha512_test"), ids=_number)
def test_pbkdf2_gives_what_wycheproof_says(test: Case) -> None:
    secret, salt, wanted = _bytes(test, "password", "salt", "dk")
    assert pbkdf2_sha512(secret, salt, iterations=test["iterationCount"], length=test["dkLen"]) == wanted


@pytest.mark.parametrize("case", cases("crypto_pbkdf2_hmac_sha512"), ids=_number)
def test_pbkdf2_gives_what_is_published(case: Case) -> None:
    secret, salt, wanted = _bytes(case, "password", "salt", "out")
    assert pbkdf2_sha512(secret, salt, iterations=case["iterations"], length=case["length"]) == wanted


@pytest.mark.parametrize("case", cases("crypto_argon2id"), ids=_number)
def test_argon2id_gives_what_is_published(case: Case) -> None:
    secret, salt, wanted = _bytes(case, "password", "salt", "out")
    costs = {"passes": case["t"], "kib": case["m_kib"], "lanes": case["p"], "length": case["length"]}
    assert argon2id(secret, salt, **costs) == wanted


def test_hkdf_sha256_is_that_of_rfc_5869_appendix_a_1() -> None:
    key, salt, info = bytes.fromhex("0b" * 22), bytes(range(13)), bytes(range(0xF0, 0xFA))
    wanted = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    assert hkdf_sha256(key, salt=salt, info=info, length=42).hex() == wanted
