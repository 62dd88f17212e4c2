"""Signatures: what we make others take, and what we take is what the published vectors call valid."""

import inspect
from typing import Any

import pytest

from apikeychain.primitives import (
    ed25519_public_key,
    ed25519_sign,
    mldsa65_public_key,
    mldsa65_sign,
    random_bytes,
)
from apikeychain.proof.note import ED25519, MLDSA65, VerifierKey
from apikeychain.proof.reading import ProofError
from outside import vectors

Case = dict[str, Any]
# RFC 8032, section 7.1: seed, public key, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
            "655141438e7a100b"
        ),
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
            "b00d291612bb0c00"
        ),
    ),
]
MAKERS = {ED25519: (ed25519_public_key, ed25519_sign), MLDSA65: (mldsa65_public_key, mldsa65_sign)}
LENGTHS = {ED25519: (32, 64), MLDSA65: (1952, 3309)}


def _tests(name: str) -> list[tuple[Case, Case]]:
    """Those without a context: ours is always empty. `mu` alone is no message."""
    return [
        (group, test) for group in vectors(name) for test in group["tests"] if not test.get("ctx") and "msg" in test
    ]


def _number(value: object) -> str:
    return str(value["tcId"]) if isinstance(value, dict) and "tcId" in value else ""


def holds(algorithm: str, public: bytes, signature: bytes, message: bytes) -> bool:
    try:
        VerifierKey("example.com/gate", algorithm, public).verify(signature, message)
    except ProofError:
        return False
    return True


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032, ids=["empty", "one byte"])
def test_ed25519_is_that_of_rfc_8032(seed: str, public: str, message: str, signature: str) -> None:
    made = ed25519_public_key(bytes.fromhex(seed))
    assert made.hex() == public
    assert ed25519_sign(bytes.fromhex(seed), bytes.fromhex(message)).hex() == signature
    assert holds(ED25519, made, bytes.fromhex(signature), bytes.fromhex(message))


@pytest.mark.parametrize("algorithm", MAKERS)
def test_what_a_fresh_key_signs_holds_and_nothing_else(algorithm: str) -> None:
    public_key, sign = MAKERS[algorithm]
    seed = random_bytes(32)
    public, signature = public_key(seed), sign(seed, b"the text")
    assert (len(public), len(signature)) == LENGTHS[algorithm]
    assert holds(algorithm, public, signature, b"the text")
    assert not holds(algorithm, public, signature, b"the texT")
    assert not holds(algorithm, public_key(random_bytes(32)), signature, b"the text")
    assert not holds(algorithm, public, signature[:-1], b"the text")
    assert not holds(algorithm, public, signature + b"\0", b"the text")
    for place in range(0, len(signature), 97):
        bad = bytearray(signature)
        bad[place] ^= 1
        assert not holds(algorithm, public, bytes(bad), b"the text")


@pytest.mark.parametrize("algorithm", MAKERS)
def test_a_seed_has_32_bytes(algorithm: str) -> None:
    for function in MAKERS[algorithm]:
        rest = [b"the text"] * (len(inspect.signature(function).parameters) - 1)
        for length in (0, 31, 33, 64):
            with pytest.raises(ValueError, match="32 bytes"):
                function(bytes(length), *rest)


@pytest.mark.parametrize(("group", "test"), _tests("mldsa_65_verify_test"), ids=_number)
def test_ml_dsa_65_takes_what_is_valid_and_nothing_else(group: Case, test: Case) -> None:
    public, signature, message = (bytes.fromhex(text) for text in (group["publicKey"], test["sig"], test["msg"]))
    assert holds(MLDSA65, public, signature, message) is (test["result"] == "valid")


@pytest.mark.parametrize(("group", "test"), _tests("mldsa_65_sign_seed_test"), ids=_number)
def test_a_seed_makes_the_published_ml_dsa_65_key_whose_signatures_hold(group: Case, test: Case) -> None:
    seed, message = bytes.fromhex(group["privateSeed"]), bytes.fromhex(test["msg"])
    if test["result"] != "valid":
        with pytest.raises(ValueError, match="32 bytes"):
            mldsa65_public_key(seed)
        return
    public = mldsa65_public_key(seed)
    assert public.hex() == group["publicKey"]
    assert holds(MLDSA65, public, bytes.fromhex(test["sig"]), message)
    assert holds(MLDSA65, public, mldsa65_sign(seed, message), message)
