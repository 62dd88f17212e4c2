"""A provider is data that cannot be wrong."""

from typing import Any

import pytest

from apikeychain.errors import InvalidValueError
from apikeychain.model.provider import BaseURL, BasicCredential, HeaderCredential, Provider, QueryCredential
from outside import cases

KEY = HeaderCredential("X-Api-Key")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("https://api.example.com", ("https", "api.example.com", 443, "")),
        ("https://api.example.com/v1/a:b", ("https", "api.example.com", 443, "/v1/a:b")),
        ("https://weather.localhost:8443", ("https", "weather.localhost", 8443, "")),
    ],
)
def test_a_base_url_has_one_spelling(text: str, parts: tuple[str, str, int, str]) -> None:
    base = BaseURL.parse(text)
    assert (base.scheme, base.host, base.port, base.path) == parts
    assert base.text == text
    assert Provider("a", text, KEY).address == base


@pytest.mark.parametrize(
    "text",
    [
        *("", "api.example.com", "http://api.example.com", "ftp://api.example.com", "https://", "https:///v1"),
        *(
            "https://API.example.com",
            "https://api.example.com//",
            "https://api.example.com/v1//",
            "HTTPS://api.example.com",
        ),
        *("https://api.example.com:443", "https://api.example.com:0", "https://api.example.com:65536"),
        *("https://api.example.com:", "https://api.example.com:x", "https://api.example.com:+1", "https://[::1"),
        *("https://user@api.example.com", "https://user:pw@api.example.com", "https://@api.example.com"),
        *(
            "https://api.example.com?a=b",
            "https://api.example.com#x",
            "https://api.example.com/?",
            "https://a.example/#",
        ),
        *("https://127.0.0.1", "https://[::1]", "https://1.2.3.4:8443", "https://2130706433", "https://0x7f.1"),
        *("https://localhost", "https://localhost:8443", "https://a.0x7f", "https://a.0x", "https://metadata"),
        *("https://api.example.com/..", "https://api.example.com/./v1", "https://api.example.com//v1"),
        *("https://api.example.com/a%2fb", "https://api.example.com/a b", "https://api.example.com\\@evil.test"),
        *(
            "https://api.example.com\n",
            " https://api.example.com",
            "https://api.exam\tple.com",
            "https://ex\u00e4mple.com",
        ),
        *("https://api..example.com", "https://-a.example", "https://*.example.com", "https://api.example.com/\u00e9"),
    ],
)
def test_any_other_base_url_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError):
        Provider("a", text, KEY)


@pytest.mark.parametrize(
    "header", ["", "a b", "x:y", "x\n", "h\u00e9", "Host", "content-length", "Connection", "Cookie"]
)
def test_a_credential_is_no_header_that_means_something_else(header: str) -> None:
    with pytest.raises(InvalidValueError):
        HeaderCredential(header)


@pytest.mark.parametrize("prefix", ["a\r\nb", "\u00e9", "\0", "x" * 1025])
def test_a_prefix_is_printable(prefix: str) -> None:
    with pytest.raises(InvalidValueError):
        HeaderCredential("X-Key", prefix)


@pytest.mark.parametrize("name", ["", "a b", "a&b", "a=b", "a[]", "\u00e9", "a" * 65])
def test_a_query_credential_has_a_plain_name(name: str) -> None:
    with pytest.raises(InvalidValueError):
        QueryCredential(name)


def test_a_basic_username_ends_where_the_colon_stands() -> None:
    assert BasicCredential("ann").username == "ann"
    assert BasicCredential().username is None
    for username in ("a:b", "a\n", "\u00e9"):
        with pytest.raises(InvalidValueError):
            BasicCredential(username)


def test_what_a_provider_sends_with_every_call_is_printable() -> None:
    for lines in ((("X-A", "a\r\nb"),), (("Host", "a"),), (("a b", "c"),)):
        with pytest.raises(InvalidValueError):
            Provider("a", "https://a.example", KEY, headers=lines)
    for agent in ("a\n", "\u00e9"):
        with pytest.raises(InvalidValueError):
            Provider("a", "https://a.example", KEY, user_agent=agent)
    with pytest.raises(InvalidValueError):
        Provider("A", "https://a.example", KEY)


def test_a_final_slash_makes_no_other_provider() -> None:
    assert Provider("a", "https://a.example/v1/", KEY) == Provider("a", "https://a.example/v1", KEY)


# Names inside a cluster are names: they are refused when they are dialled, by their addresses.
@pytest.mark.parametrize(
    "case",
    [c for c in cases("provider_base_url") if not c.get("doubtful") and "kubernetes" not in c["url"]],
    ids=lambda c: c["id"],
)
def test_outside_base_urls_are_told_apart(case: dict[str, Any]) -> None:
    if case["expect"] == "accept":
        assert Provider("a", case["url"], KEY).address.host in case["url"]
        return
    with pytest.raises(InvalidValueError):
        Provider("a", case["url"], KEY)
