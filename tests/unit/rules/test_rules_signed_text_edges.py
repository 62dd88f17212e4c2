"""What a signed text is made of: its order, its limits and the words of each refusal."""

import pytest

from apikeychain.errors import InvalidValueError
from apikeychain.model.headers import Headers
from apikeychain.rules.signed_text import SignedText, header_block, parse_signed_headers


def test_a_text_with_a_line_feed_in_a_part_says_so() -> None:
    with pytest.raises(ValueError, match=r"^a line feed in a part of a signed text$"):
        SignedText(**dict.fromkeys(SignedText._fields, b"\n")).encoded()


def test_a_header_block_says_why_there_is_none() -> None:
    with pytest.raises(ValueError, match=r"^a signed header that is sent twice$"):
        header_block(("a",), Headers([(b"a", b"1"), (b"a", b"2")]))
    with pytest.raises(ValueError, match=r"^a line feed in a signed header$"):
        header_block(("a",), Headers([(b"a", b"\n")]))


def test_signed_headers_are_in_the_order_of_their_names_whatever_order_was_given() -> None:
    names = [f"x-{number:02}" for number in range(32)]
    assert parse_signed_headers(names[::-1]) == tuple(names)


@pytest.mark.parametrize(
    "name",
    [
        "x-signature",
        "x-timestamp",
        "x-nonce",
        "x-key-id",
        "x-content-sha256",
        "content-type",
        "content-length",
        "transfer-encoding",
        "connection",
        "x-iso-user",
        "cookie",
        "authorization",
    ],
)
def test_a_header_that_is_covered_or_changes_on_its_way_is_named(name: str) -> None:
    told = f"^the header '{name}' cannot be a signed header: it is covered already, or changes on its way$"
    with pytest.raises(InvalidValueError, match=told):
        parse_signed_headers([name.title()])


def test_too_many_signed_headers_are_counted() -> None:
    with pytest.raises(InvalidValueError, match=r"^33 signed headers are too many: 32 at the most$"):
        parse_signed_headers([f"x-{number}" for number in range(33)])
