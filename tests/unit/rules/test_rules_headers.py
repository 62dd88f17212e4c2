from collections.abc import Callable

import pytest

from apikeychain.errors import (
    DestinationRefusedError,
    HeaderRefusedError,
    HTTPSRequiredError,
    RefusalError,
)
from apikeychain.model.headers import Headers, Line
from apikeychain.rules.caller import Caller
from apikeychain.rules.headers import (
    require_destination,
    require_framing,
    require_https,
    require_single,
    secure,
)
from sample_project import APP, a_call

# contracts 1: refused when repeated
SINGLE = [
    "Origin",
    "Host",
    "Content-Type",
    "Content-Length",
    "Content-Encoding",
    "Transfer-Encoding",
    "Authorization",
    "X-Signature",
    "X-Timestamp",
    "X-Nonce",
    "X-Key-Id",
    "X-Content-Sha256",
    "X-Iso-User",
    "Sec-Fetch-Site",
    "Sec-Fetch-Mode",
    "Sec-Fetch-Dest",
    "Sec-Fetch-User",
    "Sec-Fetch-Storage-Access",
    "Access-Control-Request-Method",
]
HOST = Caller("192.0.2.1", "https", "app.example.com")
BASE = {
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'; sandbox",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
}


def _admits(rule: Callable[[], None]) -> bool:
    try:
        rule()
    except RefusalError:
        return False
    return True


@pytest.mark.parametrize("name", SINGLE)
def test_a_header_that_must_be_single_is_refused_twice_also_in_another_case(name: str) -> None:
    one = (name.encode(), b"a")
    assert _admits(lambda: require_single(Headers([one])))
    with pytest.raises(HeaderRefusedError):
        require_single(Headers([one, (b"accept", b"*/*"), (name.upper().encode(), b"a")]))


@pytest.mark.parametrize("name", [name for name in SINGLE if "-" in name])
def test_an_underscore_twin_is_refused_also_alone(name: str) -> None:
    whole, part = name.replace("-", "_"), name.replace("-", "_", 1)
    for twin in (whole, part):
        with pytest.raises(HeaderRefusedError):
            require_single(Headers([(name.encode(), b"a"), (twin.encode(), b"b")]))
        with pytest.raises(HeaderRefusedError):
            require_single(Headers([(twin.encode(), b"b")]))


def test_other_headers_may_repeat_and_have_underscores() -> None:
    headers = Headers([(b"accept", b"a"), (b"accept", b"b"), (b"my_header", b"c"), (b"my_header", b"c")])
    assert _admits(lambda: require_single(headers))
    twin = Headers([*headers, (b"sec_fetch_site", b"same-origin")])
    assert not _admits(lambda: require_single(twin))


def test_the_hint_names_a_header_of_ours_and_nothing_that_was_sent() -> None:
    with pytest.raises(HeaderRefusedError) as refused:
        require_single(Headers([(b"x_nonce", b"v")]))
    assert refused.value.hint == "Send x-nonce once."
    with pytest.raises(HeaderRefusedError) as refused:
        require_single(Headers([(b"sec_fetch_\xff", b"v")]))
    assert refused.value.hint == "Send each Sec-Fetch header once."


LENGTH, CODING, NAMED = b"content-length", b"transfer-encoding", (b"host", b"app.example.com")


@pytest.mark.parametrize(
    "lines", [[], [(LENGTH, b"0")], [(LENGTH, b"12")], [(CODING, b"chunked")], [(CODING, b"Chunked")]]
)
def test_a_body_with_one_end_is_taken(lines: list[Line]) -> None:
    assert _admits(lambda: require_framing(Headers([NAMED, *lines])))


@pytest.mark.parametrize(
    "lines",
    [
        *(
            [(LENGTH, value)]
            for value in (b"-1", b"1e3", b"+1", b" 1", b"", b"1,1", b"9, 9", b"9" * 19, "\u0661".encode())
        ),
        [(LENGTH, b"9"), (CODING, b"chunked")],
        *(
            [(CODING, value)]
            for value in (b"gzip", b"gzip, chunked", b"identity", b"", b" chunked", b"chunked, chunked")
        ),
    ],
)
def test_a_body_with_two_ends_is_refused(lines: list[Line]) -> None:
    with pytest.raises(HeaderRefusedError):
        require_framing(Headers([NAMED, *lines]))


@pytest.mark.parametrize("lines", [[], [(b"host", b"")], [(b"x-forwarded-host", b"app.example.com")]])
def test_a_call_that_names_no_host_is_refused(lines: list[Line]) -> None:
    with pytest.raises(HeaderRefusedError, match="Host"):
        require_framing(Headers(lines))


@pytest.mark.parametrize("destination", ["empty", "image", "audio", "video", "track", "font", None])
def test_destinations_that_run_nothing_are_served(destination: str | None) -> None:
    lines = [(b"sec-fetch-dest", destination.encode())] if destination else []
    assert _admits(lambda: require_destination(Headers([*lines, (b"sec-fetch-mode", b"cors")])))


@pytest.mark.parametrize(
    "line",
    [
        *[
            (b"sec-fetch-dest", destination)
            for destination in (
                b"document",
                b"iframe",
                b"frame",
                b"embed",
                b"object",
                b"script",
                b"style",
                b"worker",
                b"sharedworker",
                b"serviceworker",
                b"audioworklet",
                b"paintworklet",
                b"manifest",
                b"xslt",
                b"report",
                b"json",
                b"webidentity",
                b"",
                b"Empty",
                b"empty, document",
            )
        ],
        (b"sec-fetch-mode", b"navigate"),
        (b"service-worker", b"script"),
        (b"service-worker", b""),
    ],
)
def test_documents_scripts_and_workers_are_refused(line: tuple[bytes, bytes]) -> None:
    with pytest.raises(DestinationRefusedError):
        require_destination(Headers([line]))


def test_plain_http_is_refused_outside_development() -> None:
    plain = Caller("192.0.2.1", "http", "app.example.com")
    with pytest.raises(HTTPSRequiredError, match="trusted_proxies"):
        require_https(plain, development=False)
    assert _admits(lambda: require_https(plain, development=True))
    assert _admits(lambda: require_https(HOST, development=False))


def test_every_answer_carries_the_lines_once_and_over_any_of_the_providers() -> None:
    lines = (
        (b"content-security-policy", b"default-src *"),
        (b"content-type", b"text/html"),
        (b"x-content-type-options", b"sniff"),
        (b"referrer-policy", b"unsafe-url"),
        (b"referrer-policy", b"origin"),
        (b"cross-origin-resource-policy", b"cross-origin"),
        (b"strict-transport-security", b"max-age=0"),
    )
    secured = secure(lines, a_call(), HOST, development=False)
    expected = BASE | {
        b"content-type": b"text/html",
        b"cross-origin-resource-policy": b"same-origin",
        b"vary": b"Origin",
        b"strict-transport-security": b"max-age=31536000",
    }
    assert dict(secured) == expected
    assert len(secured) == len(expected)


def test_an_answer_to_a_call_with_an_origin_may_be_read_across_origins() -> None:
    secured = secure((), a_call((b"origin", APP.encode())), HOST, development=False)
    assert (b"cross-origin-resource-policy", b"cross-origin") in secured


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], b"Origin"),
        ([b"Accept-Encoding"], b"Accept-Encoding, Origin"),
        ([b"origin"], b"Origin"),
        ([b"ORIGIN , Accept"], b"Accept, Origin"),
        ([b"Accept", b"Accept-Language,"], b"Accept, Accept-Language, Origin"),
        ([b"*"], b"*, Origin"),
    ],
)
def test_vary_is_appended_to_and_never_overwritten(before: list[bytes], after: bytes) -> None:
    lines = tuple((b"vary", value) for value in before)
    secured = secure(lines, a_call(), HOST, development=False)
    assert [value for name, value in secured if name == b"vary"] == [after]


@pytest.mark.parametrize(
    ("scheme", "host", "development"),
    [
        ("http", "app.example.com", False),
        ("https", "app.example.com", True),
        ("https", "localhost:8443", False),
        ("https", "app.LOCALHOST", False),
        ("https", "192.0.2.7", False),
        ("https", "192.0.2.7:8443", False),
        ("https", "[2001:db8::1]:8443", False),
        ("https", "", False),
    ],
)
def test_no_hsts_in_development_on_http_or_for_what_is_no_public_name(
    scheme: str, host: str, development: bool
) -> None:
    secured = secure((), a_call(), Caller("192.0.2.1", scheme, host), development=development)
    assert b"strict-transport-security" not in dict(secured)


def test_hsts_holds_for_a_name_with_a_port() -> None:
    secured = secure((), a_call(), Caller("192.0.2.1", "https", "app.example.com:8443"), development=False)
    assert dict(secured)[b"strict-transport-security"] == b"max-age=31536000"
