"""The answers of IAM, read without believing them."""

import pytest

from apikeychain.errors import BackendUnavailableError
from apikeychain.rules import iam

_NAMESPACE = 'xmlns="https://iam.amazonaws.com/doc/2010-05-08/"'
MADE = (
    f"<CreateAccessKeyResponse {_NAMESPACE}><CreateAccessKeyResult><AccessKey><UserName>shop</UserName>"
    "<AccessKeyId>AKIA1</AccessKeyId><SecretAccessKey>se/cret+</SecretAccessKey></AccessKey>"
    "</CreateAccessKeyResult></CreateAccessKeyResponse>"
)


def _error(code: str) -> bytes:
    return f"<ErrorResponse {_NAMESPACE}><Error><Code>{code}</Code></Error></ErrorResponse>".encode()


def test_a_verb_is_a_form() -> None:
    asked = iam.verb("DeleteAccessKey", "a+b", AccessKeyId="AKIA1")
    assert asked.body == b"Action=DeleteAccessKey&Version=2010-05-08&UserName=a%2Bb&AccessKeyId=AKIA1"
    assert (asked.method, asked.path) == ("POST", b"/")


def test_a_new_key_is_read() -> None:
    assert iam.new_key(MADE.encode()) == ("AKIA1", "se/cret+")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"\xff\xfe<\x00a\x00",
        b"<a><AccessKeyId>AKIA1</AccessKeyId></a>",
        b"<a><AccessKeyId>1</AccessKeyId><AccessKeyId>2</AccessKeyId><SecretAccessKey>s</SecretAccessKey></a>",
        b"<!DOCTYPE a>" + MADE.encode(),
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b"<a>&undeclared;</a>",
        MADE.encode()[:-5],
    ],
)
def test_what_is_no_new_key_is_not_read(body: bytes) -> None:
    with pytest.raises(BackendUnavailableError):
        iam.new_key(body)


@pytest.mark.parametrize("key_id", ["x" * 513, "a\nb", "\u202eab"], ids=ascii)
def test_an_id_that_iam_does_not_give_is_not_read(key_id: str) -> None:
    body = f"<a><AccessKeyId>{key_id}</AccessKeyId><SecretAccessKey>se/cret+</SecretAccessKey></a>".encode()
    for reading in (iam.new_key, iam.key_ids):
        with pytest.raises(BackendUnavailableError, match="has no id"):
            reading(body)


def test_an_id_that_is_the_secret_part_is_not_read() -> None:
    body = b"<a><AccessKeyId>se/cret+</AccessKeyId><SecretAccessKey>se/cret+</SecretAccessKey></a>"
    with pytest.raises(BackendUnavailableError, match="in the place of its id"):
        iam.new_key(body)


def test_the_keys_of_a_list_are_read() -> None:
    body = "<a><m><AccessKeyId>AKIA1</AccessKeyId></m><m><AccessKeyId>AKIA2</AccessKeyId></m><AccessKeyId/></a>"
    assert iam.key_ids(body.encode()) == ["AKIA1", "AKIA2"]


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (200, b"", "done"),
        (404, _error("NoSuchEntity"), "gone"),
        (403, _error("AccessDenied"), "refused"),
        (409, _error("LimitExceeded"), "refused"),
        (409, _error("EntityTemporarilyUnmodifiable"), "unknown"),
        (400, _error("Throttling"), "unknown"),
        (400, b"no xml", "refused"),
        (503, b"", "unknown"),
    ],
)
def test_an_answer_tells_what_came_of_it(status: int, body: bytes, told: str) -> None:
    assert iam.told(status, body) == told
