"""AWS Signature Version 4, judged by the signer of AWS's own client."""

import hashlib
import string
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth  # type: ignore[import-untyped]  # it ships no types
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]  # it ships no types
from botocore.credentials import Credentials  # type: ignore[import-untyped]  # it ships no types
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.errors import SecretUnavailableError
from apikeychain.model.signing_credentials import AWSCredential
from apikeychain.rules import sigv4

MOMENT = datetime(2026, 7, 1, 12, 30, 45, 678_901, tzinfo=UTC)
KEY = sigv4.read_key(b"AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
WITH_TOKEN = sigv4.read_key(b"AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY:FwoGZXIvYXdzEXAMPLE//token==")
PARTS = st.text(string.printable, max_size=8).map(lambda text: "".join(f"%{b:02X}" for b in text.encode()) + "a")
PATHS = st.lists(st.text("abz019-_~:@!$&'()*+,;=") | PARTS, max_size=5).map("/".join)
NAMES = st.text("abz019-._~:@!$()*,/?+", min_size=1, max_size=8)
QUERIES = st.lists(NAMES | st.tuples(NAMES, NAMES).map("=".join), max_size=6).map("&".join)
VALUES = st.text("ab; =\t,\"'", max_size=12).map(str.strip)


class Request(NamedTuple):
    """One that is signed twice."""

    service: str
    tail: str
    key: sigv4.AWSKey = KEY
    host: str = "a.example.com"
    method: str = "GET"
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes = b""


def _signed_by_aws(one: Request) -> dict[str, str]:
    """The headers that botocore puts on the same request at the same moment."""
    credentials = Credentials(one.key.id.decode(), one.key.secret.decode(), one.key.token.decode() or None)
    kind: Any = S3SigV4Auth if one.service == "s3" else SigV4Auth
    signer = kind(credentials, one.service, "eu-central-1")
    url = f"https://{one.host}/{one.tail}"
    request: Any = AWSRequest(method=one.method, url=url, headers=dict(one.headers), data=one.body)
    request.context["timestamp"] = MOMENT.strftime("%Y%m%dT%H%M%SZ")
    signer._modify_request_before_signing(request)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signer._inject_signature_to_request(request, signer.signature(text, request))
    return {name.lower(): str(value) for name, value in request.headers.items() if name not in one.headers}


def _signed_by_us(one: Request) -> dict[str, str]:
    path, _, query = one.tail.partition("?")
    lines = sigv4.signed_lines(
        AWSCredential("eu-central-1", one.service),
        one.key,
        MOMENT,
        method=one.method,
        host=one.host.encode(),
        path=b"/" + path.encode(),
        query=query.encode(),
        headers=[(name.encode(), value.encode()) for name, value in one.headers.items()],
        payload=hashlib.sha256(one.body).hexdigest().encode(),
    )
    return {name.decode(): value.decode() for name, value in lines}


@given(
    st.builds(
        Request,
        service=st.sampled_from(["s3", "execute-api", "bedrock"]),
        tail=st.tuples(PATHS, QUERIES).map(lambda parts: f"{parts[0]}{'?' * bool(parts[1])}{parts[1]}"),
        key=st.sampled_from([KEY, WITH_TOKEN]),
        host=st.sampled_from(["a.example.com", "a.example.com:8443"]),
        method=st.sampled_from(["GET", "PUT", "POST", "DELETE"]),
        headers=st.dictionaries(st.sampled_from(["x-amz-acl", "x-amz-meta-b", "x-amz-target", "content-type"]), VALUES),
        body=st.binary(max_size=20),
    )
)
def test_a_request_is_signed_as_botocore_signs_it(one: Request) -> None:
    assert _signed_by_us(one) == _signed_by_aws(one)


@pytest.mark.parametrize("service", ["s3", "execute-api"])
@pytest.mark.parametrize(
    "tail",
    [
        "",
        "a//b///c/",
        "a%20b/%E4%BD%A0?prefix=a%2Fb&list-type=2&acl",
        "model/a.b-v1%3A0/invoke",
        "?b=2&a=2&a=1&A=0&=x&c=&d",
        "x?a&&b",
    ],
)
def test_what_is_hard_to_write_in_one_way_is_signed_as_botocore_signs_it(service: str, tail: str) -> None:
    assert _signed_by_us(Request(service, tail)) == _signed_by_aws(Request(service, tail))


def test_only_what_could_be_read_in_another_way_is_signed_of_the_headers() -> None:
    lines = {"accept": "*/*", "user-agent": "x", "content-type": "a/b", "x-amz-acl": "private"}
    signed = _signed_by_us(Request("execute-api", "", headers=lines))["authorization"]
    assert "SignedHeaders=content-type;host;x-amz-acl;x-amz-date, " in signed


def test_the_moment_is_told_in_utc() -> None:
    credential, elsewhere = AWSCredential("eu-central-1", "s3"), MOMENT.astimezone(timezone(timedelta(hours=9)))
    common: dict[str, Any] = {"method": "GET", "host": b"h", "path": b"/", "query": b"", "headers": (), "payload": b"x"}
    here = sigv4.signed_lines(credential, KEY, MOMENT, **common)
    assert here == sigv4.signed_lines(credential, KEY, elsewhere, **common)
    assert dict(here)[b"x-amz-date"] == b"20260701T123045Z"
    assert dict(here)[b"x-amz-content-sha256"] == b"x"


@pytest.mark.parametrize(
    ("sent", "plain"),
    [
        (b"/", b"/"),
        (b"/a:b@c!/d%2fe", b"/a%3Ab%40c%21/d%2Fe"),
        (b"/a//b/", b"/a//b/"),
        (b"/~._-/%7e%C3%A9", b"/~._-/~%C3%A9"),
    ],
)
def test_a_path_has_one_spelling(sent: bytes, plain: bytes) -> None:
    assert sigv4.plain_path(sent) == plain
    assert sigv4.plain_path(plain) == plain


@pytest.mark.parametrize(
    ("sent", "plain"),
    [
        (b"", b""),
        (b"a=b:c/d?e", b"a=b%3Ac%2Fd%3Fe"),
        (b"a+b=c+d", b"a%20b=c%20d"),
        (b"a=%2B&acl&&b=c=d", b"a=%2B&acl&b=c%3Dd"),
    ],
)
def test_a_query_has_one_spelling(sent: bytes, plain: bytes) -> None:
    assert sigv4.plain_query(sent) == plain
    assert sigv4.plain_query(plain) == plain


@pytest.mark.parametrize(
    "plain",
    [
        b"AKIDEXAMPLE",
        b"AKIDEXAMPLE:short",
        b":wJalrXUtnFEMI/K7MDENG",
        b"AKID EXAMPLE:wJalrXUtnFEMI/K7MDENG",
        b"AKIDEXAMPLE:wJalrXUt nFEMI/K7MDENG",
        b"AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG:",
        b"AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG:short",
        b"AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG:a token with blanks",
    ],
)
def test_what_is_no_access_key_signs_nothing_and_is_not_told(plain: bytes) -> None:
    with pytest.raises(SecretUnavailableError) as refused:
        sigv4.read_key(plain)
    assert refused.value.hint == (
        "The secret is no AWS access key: write <access key id>:<secret access key>, "
        "and :<session token> behind it where there is one."
    )


def test_a_key_shows_nothing_of_itself() -> None:
    assert repr(WITH_TOKEN) == "AWSKey(...)"
    assert WITH_TOKEN == (b"AKIDEXAMPLE", b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", b"FwoGZXIvYXdzEXAMPLE//token==")


@pytest.mark.parametrize("plain", [b"A:12345678", b"A" * 128 + b":12345678", b"A:12345678:12345678"])
def test_the_shortest_and_the_longest_parts_are_taken(plain: bytes) -> None:
    assert b":".join(filter(None, sigv4.read_key(plain))) == plain


@pytest.mark.parametrize("plain", [b"A" * 129 + b":12345678", b"A:1234567", b"A:12345678:1234567"])
def test_a_part_that_is_longer_or_shorter_is_not(plain: bytes) -> None:
    with pytest.raises(SecretUnavailableError):
        sigv4.read_key(plain)


def test_a_body_that_is_not_signed_is_called_so_as_aws_reads_it() -> None:
    assert sigv4.UNSIGNED_PAYLOAD == b"UNSIGNED-PAYLOAD"
