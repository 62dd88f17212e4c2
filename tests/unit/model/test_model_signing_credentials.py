"""Credentials that sign, as data: what cannot be is refused with what to do."""

import re
from typing import Any

import pytest

from apikeychain.errors import InvalidValueError
from apikeychain.model.provider import Provider
from apikeychain.model.signing_credentials import AWSCredential, HMACCredential


@pytest.mark.parametrize("service", ["s3", "s3-outposts", "s3-object-lambda"])
def test_s3_takes_a_body_unsigned(service: str) -> None:
    credential = AWSCredential("eu-central-1", service)
    assert (credential.is_s3, credential.signs_body) == (True, False)


@pytest.mark.parametrize("service", ["execute-api", "s3vectors", "bedrock"])
def test_any_other_service_takes_it_signed_only(service: str) -> None:
    credential = AWSCredential("eu-central-1", service)
    assert (credential.is_s3, credential.signs_body) == (False, True)


@pytest.mark.parametrize("text", ["", "EU", "a b", "a/b", "a\n", "a" * 65, "\u0661"])
def test_what_is_no_region_or_service_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match="not the name of an AWS region"):
        AWSCredential(text, "s3")
    with pytest.raises(InvalidValueError, match="not the name of an AWS service"):
        AWSCredential("eu-central-1", text)


@pytest.mark.parametrize("path", ["/a:b", "/a$", "/a@b", "/(a)"])
def test_the_path_of_an_aws_base_url_has_one_spelling(path: str) -> None:
    with pytest.raises(InvalidValueError, match="the path of an AWS base URL has letters, digits and"):
        Provider("aws", f"https://a.example{path}", AWSCredential("eu-central-1", "s3"))


def test_a_plain_path_is_taken() -> None:
    assert Provider("aws", "https://a.example/a-b_c.d~e/1", AWSCredential("eu-central-1", "s3")).name == "aws"


def _hmac(**fields: Any) -> HMACCredential:
    return HMACCredential(**{"header": "X-Sign", "signed": "{method}{path}{body}"} | fields)


def test_only_a_body_that_is_signed_has_to_be_whole() -> None:
    assert _hmac().signs_body
    assert _hmac(signed="{body_sha256}").signs_body
    assert not _hmac(signed="{method}{path}").signs_body


def test_its_headers_are_those_that_it_sets() -> None:
    assert _hmac().header_names == {"x-sign"}
    assert _hmac(timestamp_header="X-Time", key_id_header="X-Key").header_names == {"x-sign", "x-time", "x-key"}
    assert AWSCredential("a", "s3").header_names == {
        "authorization",
        "x-amz-date",
        "x-amz-content-sha256",
        "x-amz-security-token",
    }


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"header": "Host"}, "not a header that can be set here: 'Host'"),
        ({"timestamp_header": "a b"}, "not a header that can be set here: 'a b'"),
        ({"key_id_header": "Cookie"}, "not a header that can be set here: 'Cookie'"),
        ({"timestamp_header": "x-sign"}, "the signature, the time and the key id go into headers of their own"),
        ({"timestamp_header": "A", "key_id_header": "a"}, "the signature, the time and the key id go into headers"),
        ({"algorithm": "md5"}, "algorithm is one of 'sha256', 'sha512', not 'md5'"),
        ({"encoding": "base32"}, "encoding is one of 'hex', 'base64', not 'base32'"),
        ({"timestamp_unit": "days"}, "timestamp_unit is one of 'seconds', 'milliseconds', not 'days'"),
        ({"prefix": "a\n"}, "a header value is printable ASCII"),
        ({"prefix": "{method}"}, "prefix takes in braces key_id, timestamp, and no other brace"),
        ({"signed": ""}, "what is signed is 1 to 1024 printable ASCII characters and line breaks"),
        ({"signed": "{body}" + "x" * 1019}, "what is signed is 1 to 1024 printable ASCII"),
        ({"signed": "{body}\r"}, "what is signed is 1 to 1024 printable ASCII"),
        ({"signed": "{bodies}"}, "signed takes in braces body, body_sha256, host, key_id, method, path, query, target"),
        ({"signed": "{body}{"}, "and no other brace"),
        ({"signed": "{{body}}"}, "and no other brace"),
        ({"signed": "{}"}, "and no other brace"),
        ({"signed": "constant"}, "what is signed holds nothing of the call"),
        ({"signed": "{key_id}"}, "what is signed holds nothing of the call"),
        ({"signed": "{timestamp}{body}"}, "the time is signed and not sent: give timestamp_header="),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, str], problem: str) -> None:
    with pytest.raises(InvalidValueError, match=re.escape(problem)):
        _hmac(**fields)


def test_the_longest_text_is_taken_and_the_time_may_be_sent_before_the_signature() -> None:
    assert len(_hmac(signed="{body}" + "x" * 1018).signed) == 1024
    assert _hmac(signed="{timestamp}", prefix="t={timestamp},v1=").header_names == {"x-sign"}


@pytest.mark.parametrize(
    ("fields", "length"),
    [
        ({}, 64),
        ({"algorithm": "sha512"}, 128),
        ({"encoding": "base64"}, 44),
        ({"algorithm": "sha512", "encoding": "base64"}, 88),
    ],
)
def test_a_signature_has_one_length(fields: dict[str, str], length: int) -> None:
    assert _hmac(**fields).signature_bytes == length
    assert AWSCredential("a", "s3").signature_bytes == 64
