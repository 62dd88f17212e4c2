"""A signature at its limits, and what each refusal tells the caller to do."""

import hashlib
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain import Secret
from apikeychain.errors import CallerMissingError, SignatureMissingError, SignatureRefusedError, TimestampRefusedError
from apikeychain.model.call import Call
from apikeychain.model.headers import Headers, Line
from apikeychain.model.session_key import SessionKey
from apikeychain.rules import signature
from apikeychain.rules.signature import Signature
from apikeychain.rules.signed_text import NOTHING_SHA256
from exchange import a_call
from signer import Signer

KEY = Secret("aks_" + "k" * 43)
PROJECT = "p_" + "a" * 20
AT = 1_800_000_000
NOW = datetime.fromtimestamp(AT, UTC)
PATH = f"/api/apikeychain/{PROJECT}/proxy/weather"
OTHER_SHA256 = hashlib.sha256(b"abc").hexdigest().encode()


def _signed(key_id: str = "k_1") -> list[Line]:
    return Signer(key_id, KEY.reveal(), PROJECT).sign(PATH, b"q=x", at=AT, nonce="n" * 16)


def _read(*lines: Line, key_id: str = "k_1") -> Signature:
    return signature.read(Headers([*_signed(key_id), *lines]))


def _call(*lines: Line) -> Call:
    return replace(a_call(b"weather", b"q=x"), headers=Headers([*_signed(), *lines]), project=PROJECT)


def _hint_of(name: str) -> str:
    return f"{name} is missing, malformed or not that of this request."


def test_a_key_id_may_be_one_character() -> None:
    assert _read(key_id="k").key_id == "k"


@pytest.mark.parametrize("name", ["x-key-id", "x-timestamp", "x-nonce", "x-signature", "x-content-sha256"])
def test_a_malformed_header_is_named(name: str) -> None:
    kept = [line for line in _signed() if line[0] != name.encode()]
    with pytest.raises(SignatureRefusedError) as refused:
        signature.read(Headers([*kept, (name.encode(), b"?")]))
    assert refused.value.hint == _hint_of(name)


def test_a_malformed_session_key_is_named_as_the_key_id() -> None:
    with pytest.raises(SignatureRefusedError) as refused:
        _read(key_id="s1.k")
    assert refused.value.hint == _hint_of("x-key-id")


def test_who_comes_at_the_wrong_time_is_told_what_to_repair() -> None:
    with pytest.raises(TimestampRefusedError) as late:
        signature.require_window(_read(), NOW + timedelta(minutes=1))
    assert late.value.hint == "The clocks differ by 30 s or more, or it was signed that long ago."
    session = SessionKey("k_1", AT, "alice")
    with pytest.raises(SignatureRefusedError) as over:
        signature.require_window(_read(key_id=session.id), NOW)
    assert over.value.hint == "The session key has expired: ask the application for a new one."
    with pytest.raises(TimestampRefusedError) as forgotten:
        signature.require_claim("forgotten")
    assert forgotten.value.hint == "Signed before the last start of this server: sign it again."


def test_who_brings_too_little_is_told_what_is_missing() -> None:
    session = SessionKey("k_1", AT + 60, "alice")
    with pytest.raises(SignatureRefusedError) as foreign:
        signature.require_user(_read(key_id=session.id), b"bob")
    assert foreign.value.hint == "A session key is good with the X-Iso-User that it names only."
    with pytest.raises(SignatureMissingError) as unsigned:
        signature.require("session", None)
    assert unsigned.value.hint == "Sign it with a session key or a signing key."
    with pytest.raises(CallerMissingError) as nobody:
        signature.require_caller(True, None)
    assert nobody.value.hint == ('Let a middleware outside of ours set scope["apikeychain.caller"] after its login.')


@pytest.mark.parametrize("length", [b"0", b"00"])
def test_a_call_with_an_empty_body_that_announced_another_is_refused_with_its_mac(length: bytes) -> None:
    lines = ((b"content-length", length),)
    sent = _read()._replace(content_sha256=OTHER_SHA256)
    with pytest.raises(SignatureRefusedError) as refused:
        signature.require_mac(KEY, sent, _call(*lines), (), NOTHING_SHA256)
    assert refused.value.hint == _hint_of("x-content-sha256")
    rightly = sent._replace(content_sha256=NOTHING_SHA256)
    assert signature.require_mac(KEY, rightly, _call(*lines), (), NOTHING_SHA256) == sent.mac


@pytest.mark.parametrize("lines", [(), ((b"content-length", b"1"),), ((b"content-length", b"3"),)])
def test_a_body_that_is_still_to_come_is_judged_when_it_came(lines: tuple[Line, ...]) -> None:
    sent = _read()._replace(content_sha256=OTHER_SHA256)
    assert signature.require_mac(KEY, sent, _call(*lines), (), NOTHING_SHA256) == sent.mac


async def test_another_body_than_the_announced_one_is_named_whole_or_streamed() -> None:
    announced = _read((b"x-content-sha256", OTHER_SHA256))
    with pytest.raises(SignatureRefusedError) as whole:
        signature.require_body(announced, b"abd")
    with pytest.raises(SignatureRefusedError) as streamed:
        [chunk async for chunk in signature.matching(a_call(chunks=[b"abd"]).body, announced)]
    assert whole.value.hint == streamed.value.hint == _hint_of("x-content-sha256")


def test_a_session_key_names_its_user_and_a_signing_key_none() -> None:
    signed = Signature("k_1", b"1", b"", None, b"", None)
    assert signed.user is None
    assert signed._replace(session=SessionKey("k_1", 99, "alice")).user == "alice"


# In the order in which a fault is told.
FORMS = {
    b"x-key-id": rb"[A-Za-z0-9._-]{1,200}",
    b"x-signature": rb"v1=[0-9a-f]{64}",
    b"x-timestamp": rb"[0-9]{1,11}",
    b"x-nonce": rb"[A-Za-z0-9_-]{16,64}",
    b"x-content-sha256": rb"[0-9a-f]{64}",
}
VALUES = (
    *(b"", b"?", b"\n", b"k_1", b"k_1\n1", b"1", b"1\n" + b"n" * 16, b"1" * 12),
    *(b"n" * 16, b"n" * 65, b"n" * 16 + b"\n" + b"0" * 64, b"0" * 64, b"0" * 64 + b"\nv1=" + b"0" * 64),
    *(b"v1=" + b"0" * 64, b"v1=" + b"A" * 64, b"\nv1=" + b"0" * 64),
)
GOOD = {name: value for name, value in _signed() if name in FORMS}


@given(st.dictionaries(st.sampled_from(list(FORMS)), st.none() | st.sampled_from(VALUES), max_size=3))
def test_what_is_read_together_is_what_each_header_says_alone(changed: dict[bytes, bytes | None]) -> None:
    sent = {name: value for name, value in (GOOD | changed).items() if value is not None}
    optional = {b"x-nonce", b"x-content-sha256"}
    asked = [name for name in FORMS if name in sent or name not in optional]
    faults = [name.decode() for name in asked if not re.fullmatch(FORMS[name], sent.get(name, b""))]
    if faults:
        with pytest.raises(SignatureRefusedError) as refused:
            signature.read(Headers(sent.items()))
        assert refused.value.hint == _hint_of(faults[0])
        return
    read = signature.read(Headers(sent.items()))
    assert (read.key_id.encode(), read.timestamp) == (sent[b"x-key-id"], sent[b"x-timestamp"])
    assert (read.nonce, read.content_sha256) == (sent.get(b"x-nonce", b""), sent.get(b"x-content-sha256"))
    assert b"v1=" + read.mac.hex().encode() == sent[b"x-signature"]
