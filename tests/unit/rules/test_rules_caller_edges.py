"""Who calls, at the limits of what a proxy writes: the last hop, the longest address, the odd character."""

import pytest

from apikeychain.rules.caller import Caller, bucket_address, identify, parse_trusted
from sample_project import a_call

FORWARDED = b"x-forwarded-for"


def _behind_a_proxy(forwarded: bytes) -> str:
    call = a_call((b"host", b"a"), (FORWARDED, forwarded), peer="10.0.0.1")
    return identify(call, parse_trusted(("10.0.0.0/8",))).address


@pytest.mark.parametrize(("hops", "address"), [(31, "203.0.113.9"), (32, "10.0.0.1"), (40, "10.0.0.1")])
def test_32_hops_are_read_from_the_right(hops: int, address: str) -> None:
    assert _behind_a_proxy(b"203.0.113.9" + b", 10.0.0.2" * hops) == address


def test_a_longer_list_is_read_from_its_right_end() -> None:
    assert _behind_a_proxy(b"10.0.0.2, " * 40 + b"203.0.113.9, 10.0.0.3") == "203.0.113.9"


def test_an_address_may_have_64_characters() -> None:
    longest = "fe80::1%" + "z" * 56
    assert bucket_address(longest) == "fe80::/64"
    assert bucket_address(longest + "z") == longest + "z"


@pytest.mark.parametrize("forwarded", [b"X203.0.113.9", b"203.0.113.9X", b"[2001:db8::1", b"[2001:db8::1]:80]"])
def test_an_entry_is_an_address_or_nothing(forwarded: bytes) -> None:
    known = {b"[2001:db8::1": "2001:db8::1", b"[2001:db8::1]:80]": "2001:db8::1"}
    assert _behind_a_proxy(forwarded) == known.get(forwarded, "10.0.0.1")


@pytest.mark.parametrize(
    ("lines", "host"),
    [
        ([], "inner.example"),
        ([(b"x-forwarded-host", b"a.example")], "a.example"),
        ([(b"x-forwarded-host", b"b.example, \ta.example ")], "a.example"),
        ([(b"x-forwarded-host", b"Xa.exampleX")], "Xa.exampleX"),
        ([(b"x-forwarded-host", b"")], "inner.example"),
    ],
)
def test_the_host_is_what_the_nearest_proxy_says_or_else_the_calls_own(
    lines: list[tuple[bytes, bytes]], host: str
) -> None:
    call = a_call((b"host", b"inner.example"), *lines, peer="10.0.0.1")
    assert identify(call, parse_trusted(("10.0.0.0/8",))) == Caller("10.0.0.1", "https", host)


def test_a_peer_that_is_no_address_is_counted_as_printable_text() -> None:
    assert bucket_address("unix:/run/a%1 b\n\xe4X") == "unix:/run/a%1%20b%0A%C3%A4X"
