"""An outgoing HMAC, recomputed here from what a provider's page would say."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

import pytest

from apikeychain.errors import SecretUnavailableError
from apikeychain.model.signing_credentials import HMACCredential
from apikeychain.rules.hmac_signing import HMACKey, read_key, signed_lines

MOMENT = datetime(2026, 7, 1, 12, 30, 45, 678_901, tzinfo=UTC)
KEY = HMACKey(b"ann", b"key-0123456789")
CALL: dict[str, Any] = {
    "method": "POST",
    "host": b"api.example.com:8443",
    "path": b"/v1/a%20b",
    "query": b"x=1&y",
    "body": b'{"a":"{method}"}',
}


def _mac(text: bytes, algorithm: str = "sha256") -> bytes:
    return hmac.new(b"key-0123456789", text, algorithm).digest()


@pytest.mark.parametrize(
    ("signed", "text"),
    [
        ("{method}\n{host}\n{path}", b"POST\napi.example.com:8443\n/v1/a%20b"),
        ("{query}|{target}", b"x=1&y|/v1/a%20b?x=1&y"),
        ("{body}", b'{"a":"{method}"}'),
        ("{body_sha256}", hashlib.sha256(b'{"a":"{method}"}').hexdigest().encode()),
        ("v0:{key_id}:{method}{method}", b"v0:ann:POSTPOST"),
    ],
)
def test_each_part_is_signed_as_it_is_sent(signed: str, text: bytes) -> None:
    lines = signed_lines(HMACCredential(header="X-Sign", signed=signed), KEY, MOMENT, **CALL)
    assert lines == ((b"x-sign", _mac(text).hex().encode()),)


def test_a_target_without_a_query_has_no_question_mark() -> None:
    credential = HMACCredential(header="x-sign", signed="{target}")
    assert signed_lines(credential, KEY, MOMENT, **CALL | {"query": b""})[0][1] == _mac(b"/v1/a%20b").hex().encode()


def test_time_and_key_id_go_into_headers_of_their_own() -> None:
    credential = HMACCredential(
        header="X-Sign",
        signed="{timestamp}.{body}",
        algorithm="sha512",
        encoding="base64",
        timestamp_header="X-Time",
        key_id_header="X-Key",
    )
    mac = base64.b64encode(_mac(b'1782909045.{"a":"{method}"}', "sha512"))
    lines = signed_lines(credential, KEY, MOMENT, **CALL)
    assert lines == ((b"x-time", b"1782909045"), (b"x-key", b"ann"), (b"x-sign", mac))


def test_time_and_key_id_may_stand_before_the_signature() -> None:
    credential = HMACCredential(
        header="Authorization",
        signed="{timestamp}",
        prefix="ACME id={key_id},t={timestamp},s=",
        timestamp_unit="milliseconds",
    )
    (line,) = signed_lines(credential, KEY, MOMENT, **CALL)
    mac = _mac(b"1782909045678").hex().encode()
    assert line == (b"authorization", b"ACME id=ann,t=1782909045678,s=" + mac)


def test_the_secret_is_the_key_unless_its_id_is_sent() -> None:
    alone = HMACCredential(header="x-sign", signed="{body}")
    assert read_key(alone, b"ann:key-0123456789") == (b"", b"ann:key-0123456789")
    for fields in ({"key_id_header": "x-key"}, {"prefix": "{key_id}:"}, {"signed": "{key_id}{body}"}):
        named = HMACCredential(**{"header": "x-sign", "signed": "{body}"} | fields)  # type: ignore[arg-type]  # of tests
        assert read_key(named, b"ann:key-0123:456789") == (b"ann", b"key-0123:456789")


@pytest.mark.parametrize("plain", [b"key-0123456789", b":key-0123456789", b"a b:key-0123456789", b"ann:short"])
def test_a_key_whose_id_is_missing_signs_nothing_and_is_not_told(plain: bytes) -> None:
    with pytest.raises(SecretUnavailableError) as refused:
        read_key(HMACCredential(header="x-sign", signed="{body}", key_id_header="x-key"), plain)
    assert refused.value.hint == (
        "The secret is no key with its id: write <key id>:<key>, the key of at least 8 bytes."
    )


def test_a_key_shows_nothing_of_itself() -> None:
    assert repr(KEY) == "HMACKey(...)"


def test_the_bounds_of_a_key_and_its_id_belong_to_them() -> None:
    named = HMACCredential(header="x-sign", signed="{body}", key_id_header="x-key")
    for plain in (b"a:12345678", b"a" * 256 + b":12345678"):
        assert b":".join(read_key(named, plain)) == plain
    for plain in (b"a" * 257 + b":12345678", b"a:1234567"):
        with pytest.raises(SecretUnavailableError):
            read_key(named, plain)
