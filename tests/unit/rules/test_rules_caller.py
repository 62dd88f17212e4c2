import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.rules.caller import Caller, bucket_address, identify, parse_trusted
from sample_project import a_call

NOBODY = parse_trusted(())
PROXIES = parse_trusted(("10.0.0.0/8", "2001:db8:ffff::/48"))


def test_without_trusted_proxies_the_peer_is_the_caller_whatever_was_forwarded() -> None:
    call = a_call(
        (b"host", b"app.example.com"),
        (b"x-forwarded-for", b"203.0.113.9"),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-host", b"evil.example"),
        scheme="http",
        peer="10.0.0.1",
    )
    assert identify(call, NOBODY) == Caller("10.0.0.1", "http", "app.example.com")


def test_a_trusted_proxy_stands_in_for_address_scheme_and_host() -> None:
    call = a_call(
        (b"host", b"internal:8000"),
        (b"x-forwarded-for", b"203.0.113.9"),
        (b"x-forwarded-proto", b"HTTPS"),
        (b"x-forwarded-host", b"app.example.com"),
        scheme="http",
        peer="10.0.0.1",
    )
    assert identify(call, PROXIES) == Caller("203.0.113.9", "https", "app.example.com")


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ([b"1.1.1.1, 203.0.113.9"], "203.0.113.9"),
        ([b"1.1.1.1, 203.0.113.9, 10.2.3.4"], "203.0.113.9"),
        ([b"1.1.1.1", b"203.0.113.9,\t10.2.3.4 "], "203.0.113.9"),
        ([b"203.0.113.9, 2001:db8:ffff::1"], "203.0.113.9"),
        ([b"203.0.113.9:4711"], "203.0.113.9"),
        ([b"2001:db8::9"], "2001:db8::9"),
        ([b"[2001:db8::9]"], "2001:db8::9"),
        ([b"[2001:db8::9]:4711"], "2001:db8::9"),
        ([b"::ffff:203.0.113.9"], "203.0.113.9"),
        ([b"2001:DB8:0:0::9"], "2001:db8::9"),
    ],
)
def test_the_rightmost_untrusted_entry_is_the_caller(forwarded: list[bytes], address: str) -> None:
    call = a_call(*((b"x-forwarded-for", value) for value in forwarded), peer="10.0.0.1")
    assert identify(call, PROXIES).address == address


@pytest.mark.parametrize(
    "forwarded",
    [
        [],
        [b""],
        [b"unknown"],
        [b"203.0.113.9, unknown"],
        [b"203.0.113.9, 10.2.3.4, _hidden"],
        [b"203.0.113.9, \xff"],
        [b"203.0.113.9,"],
        [b"10.2.3.4, 10.2.3.5"],
        [b"1.2.3"],
        [b"[2001:db8::9"[:3]],
        [b"203.0.113.9" + b",10.2.3.4" * 32],
        [b"2001:db8::9%" + b"a" * 60],
    ],
)
def test_a_malformed_trusted_or_endless_list_leaves_the_peer(forwarded: list[bytes]) -> None:
    call = a_call(*((b"x-forwarded-for", value) for value in forwarded), peer="10.0.0.1")
    assert identify(call, PROXIES).address == "10.0.0.1"


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("forwarded", [b"", b"ftp", b"https, wss", b"https,", b"\xff"])
def test_an_unknown_forwarded_scheme_is_ignored(scheme: str, forwarded: bytes) -> None:
    call = a_call((b"x-forwarded-proto", forwarded), scheme=scheme, peer="10.0.0.1")
    assert identify(call, PROXIES).scheme == scheme


def test_of_several_forwarded_values_the_nearest_proxys_counts() -> None:
    call = a_call(
        (b"host", b"internal"),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-proto", b"https, http"),
        (b"x-forwarded-host", b"evil.example, app.example.com"),
        peer="10.0.0.1",
    )
    caller = identify(call, PROXIES)
    assert (caller.scheme, caller.host) == ("http", "app.example.com")


@pytest.mark.parametrize("peer", ["", "testclient", "/run/app.sock"])
def test_a_peer_without_an_address_is_named_as_the_server_names_it_and_never_trusted(peer: str) -> None:
    call = a_call((b"x-forwarded-for", b"203.0.113.9"), peer=peer)
    assert identify(call, PROXIES) == Caller(peer, "https", "")


def test_a_peer_behind_a_unix_socket_is_believed_where_it_is_named() -> None:
    believed = parse_trusted(("10.0.0.0/8", "unix"))
    lines = ((b"x-forwarded-for", b"203.0.113.9, 10.0.0.1"), (b"x-forwarded-proto", b"https"))
    assert identify(a_call(*lines, peer=""), believed).address == "203.0.113.9"
    assert identify(a_call(peer=""), believed).address == ""
    assert identify(a_call(*lines, peer="10.0.0.9"), believed).address == "203.0.113.9"
    for peer in ("testclient", "192.0.2.1", "unix"):
        assert identify(a_call(*lines, peer=peer), believed).address == peer


def test_what_is_remembered_of_an_address_is_not_taken_for_the_word_of_other_proxies() -> None:
    call = a_call((b"x-forwarded-for", b"203.0.113.9, 10.0.0.2"), peer="10.0.0.1")
    known = ((PROXIES, "203.0.113.9"), (NOBODY, "10.0.0.1"), (parse_trusted(("10.0.0.1/32",)), "10.0.0.2"))
    for trusted, address in known * 2:
        assert identify(call, trusted).address == address


def test_a_trusted_proxy_says_in_which_country_a_caller_is() -> None:
    believed = parse_trusted(("10.0.0.0/8",), "CF-IPCountry")
    line = (b"cf-ipcountry", b"DE")
    assert identify(a_call(line, peer="10.0.0.1"), believed).country == "DE"
    assert identify(a_call((b"CF-IPCountry", b"de"), peer="10.0.0.1"), believed).country == "DE"
    assert identify(a_call((b"cf-ipcountry", b"FR"), line, peer="10.0.0.1"), believed).country == "DE"
    assert identify(a_call(peer="10.0.0.1"), believed).country == ""


def test_nobody_else_says_it() -> None:
    line = (b"cf-ipcountry", b"DE")
    believed = parse_trusted(("10.0.0.0/8",), "cf-ipcountry")
    assert identify(a_call(line, peer="203.0.113.9"), believed).country == ""
    assert identify(a_call(line, (b"x-forwarded-for", b"10.0.0.1"), peer="203.0.113.9"), believed).country == ""
    assert identify(a_call(line, peer=""), believed).country == ""
    assert identify(a_call(line, (b"", b"DE"), peer="10.0.0.1"), PROXIES).country == ""


@pytest.mark.parametrize("told", [b"XX", b"zz", b"T1", b"", b"DEU", b"D", b"D\xc9", b"\xc4\xd6", "DE\u2028".encode()])
def test_what_is_no_country_counts_as_not_known(told: bytes) -> None:
    believed = parse_trusted(("10.0.0.0/8",), "cf-ipcountry")
    assert identify(a_call((b"cf-ipcountry", told), peer="10.0.0.1"), believed).country == ""


def test_a_mapped_peer_is_the_ipv4_address_it_stands_for() -> None:
    call = a_call((b"x-forwarded-for", b"203.0.113.9"), peer="::ffff:10.0.0.1")
    assert identify(call, PROXIES).address == "203.0.113.9"
    assert identify(call, NOBODY).address == "10.0.0.1"


def test_the_own_origin_is_scheme_and_host_as_they_came() -> None:
    assert Caller("192.0.2.1", "https", "app.example.com:8443").own_origin == b"https://app.example.com:8443"


@pytest.mark.parametrize(
    ("address", "bucket"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("testclient", "testclient"),
        ("/run/app.sock", "/run/app.sock"),
        ("a b\n\u00e9", "a%20b%0A%C3%A9"),
    ],
)
def test_addresses_count_as_32_and_64_bits(address: str, bucket: str) -> None:  # contracts 7: /32 and /64
    assert bucket_address(address) == bucket
    assert bucket_address(bucket) == bucket


@given(st.binary(max_size=200), st.binary(max_size=60), st.binary(max_size=60))
def test_no_forwarded_bytes_raise_or_make_a_scheme(address: bytes, scheme: bytes, host: bytes) -> None:
    lines = ((b"x-forwarded-for", address), (b"x-forwarded-proto", scheme), (b"x-forwarded-host", host))
    caller = identify(a_call(*lines, peer="10.0.0.1"), PROXIES)
    assert caller.scheme in {"http", "https"}
    assert bucket_address(caller.address).isascii()


@given(st.text(max_size=50))
def test_a_bucket_is_printable_ascii(address: str) -> None:
    bucket = bucket_address(address)
    assert all("!" <= character <= "~" for character in bucket)
