from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.errors import InvalidValueError
from apikeychain.model.origin import is_host, parse_origin
from outside import cases

ENTRIES = cases("cors_config")


@pytest.mark.parametrize(
    "text",
    [
        "https://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com:65535",
        "https://app.example.com:80",
        "https://localhost",
        "https://my_app.example.com",
        "https://xn--bcher-kva.example",
        "https://192.0.2.1",
        "https://[2001:db8::1]:8443",
        "https://" + "a" * 63 + ".example",
    ],
)
def test_what_a_browser_writes_is_an_origin(text: str) -> None:
    assert parse_origin(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "null",
        "app.example.com",
        "//app.example.com",
        "https://",
        "https://*",
        "https://*.example.com",
        "https://app.example.com/",
        "https://app.example.com?x",
        "https://app.example.com#x",
        "https://user@app.example.com",
        "https://app.example.com:",
        "https://app.example.com:0",
        "https://app.example.com:0443",
        "https://app.example.com:443",
        "https://app.example.com:65536",
        "https://app.example.com:99999",
        "https://app.example.com\n",
        " https://app.example.com",
        "HTTPS://app.example.com",
        "https://App.example.com",
        "https://b\u00fccher.example",
        "https://app.example.com.",
        "https://.example.com",
        "https://app..example.com",
        "https://-app.example.com",
        "https://app-.example.com",
        "https://" + "a" * 64 + ".example",
        "https://" + ".".join(["a" * 49] * 6),
        "https://xn--",
        "https://xn--abc-",
        "https://xn--99999999",
        "https://256.0.2.1",
        "https://192.0.2",
        "https://192.0.02.1",
        "https://0x7f000001",
        "https://127.0.0.0x1",
        "https://app.example.0x",
        "https://[2001:db8:0::1]",
        "https://[2001:DB8::1]",
        "https://[::1",
        "https://[:::]",
        "https://[fe80::1%25eth0]",
        "wss://app.example.com",
        "chrome-extension://abcdef",
        "https://a.example https://b.example",
        "https://a.example,https://b.example",
    ],
)
def test_anything_else_is_refused_and_the_text_says_what_was_given(text: str) -> None:
    with pytest.raises(InvalidValueError, match=r"not an origin|not a host|browsers do not send"):
        parse_origin(text, development=True)


@pytest.mark.parametrize("text", ["http://localhost", "http://localhost:3000", "http://127.0.0.1:5173", "http://[::1]"])
def test_http_is_for_this_machine_in_development(text: str) -> None:
    assert parse_origin(text, development=True) == text
    with pytest.raises(InvalidValueError, match="development only"):
        parse_origin(text)


@pytest.mark.parametrize("text", ["http://app.example.com", "http://app.localhost", "http://127.0.0.2", "http://[::2]"])
def test_http_is_for_nothing_else(text: str) -> None:
    with pytest.raises(InvalidValueError, match="development only"):
        parse_origin(text, development=True)


def test_the_default_port_of_http_is_80() -> None:
    assert parse_origin("http://localhost:443", development=True) == "http://localhost:443"
    with pytest.raises(InvalidValueError, match="leave it out"):
        parse_origin("http://localhost:80", development=True)


@given(st.text(max_size=60))
def test_no_text_makes_it_raise_anything_else(text: str) -> None:
    try:
        parsed = parse_origin("https://" + text)
    except InvalidValueError:
        return
    assert parsed.isascii()
    assert parsed == parsed.lower()
    assert not set(parsed) & set("*?#@/\\ \n") - {"/"}


@given(st.from_regex(r"[a-z0-9.:x-]{0,20}", fullmatch=True))
def test_a_host_is_never_a_number_in_disguise(text: str) -> None:
    last = text.rpartition(".")[2]
    if is_host(text) and last.isdigit():
        assert text.count(".") == 3


if ENTRIES:

    @pytest.mark.parametrize("case", ENTRIES, ids=lambda case: case["id"])
    def test_entries_that_others_tried(case: dict[str, Any]) -> None:
        entry = bytes.fromhex(case["entry_hex"]).decode("utf-8", "surrogateescape")
        # Plain http beyond this machine is refused, which the doubtful cases leave open.
        if case["expect"] == "accept" and not case.get("doubtful"):
            assert parse_origin(entry) == entry
        else:
            with pytest.raises(InvalidValueError):
                parse_origin(entry)
