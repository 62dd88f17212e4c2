import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.errors import (
    OriginRefusedError,
    PreflightRefusedError,
)
from apikeychain.model.call import Reply
from apikeychain.model.headers import Line
from apikeychain.model.origin import Origin
from apikeychain.model.route import ProxyRoute
from apikeychain.rules import cors
from apikeychain.rules.caller import Caller
from apikeychain.rules.snapshot import Snapshot
from sample_project import APP, PROJECT, a_call, a_snapshot

ORIGIN = (b"origin", APP.encode())
ASK_GET = (b"access-control-request-method", b"GET")
ASKED = b"access-control-request-headers"
PAGE = Caller("192.0.2.1", "https", "app.example.com")
SAME = (b"sec-fetch-site", b"same-origin")
PROJECT_OF_APP = a_snapshot()


def _preflight(*lines: Line, project: Snapshot = PROJECT_OF_APP) -> Reply:
    return cors.preflight(a_call(*lines, method="OPTIONS"), project)


def _admit(*lines: Line, method: str = "GET", caller: Caller = PAGE, project: Snapshot = PROJECT_OF_APP) -> str | None:
    return cors.admit(a_call(*lines, method=method), project, caller)


# contracts 2: preflights


def test_an_approved_preflight_says_exactly_what_is_allowed() -> None:
    reply = _preflight(ORIGIN, ASK_GET, (ASKED, b"Content-Type, X-ISO-USER"))
    assert (reply.status, reply.body) == (204, b"")
    assert reply.headers == (
        (b"access-control-allow-origin", APP.encode()),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-allow-methods", b"GET, OPTIONS"),
        (b"access-control-allow-headers", b"Content-Type, X-Iso-User"),
        (b"access-control-max-age", b"600"),
    )


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS"])
def test_a_route_that_allows_get_allows_head(method: bytes) -> None:
    assert _preflight(ORIGIN, (ASK_GET[0], method)).status == 204


@pytest.mark.parametrize("method", [b"", b"get", b"POST", b"DELETE", b"GET ", b"TRACE", b"CONNECT", b"*", b"\xff"])
def test_a_method_that_no_route_has_is_refused_case_counts(method: bytes) -> None:
    with pytest.raises(PreflightRefusedError):
        _preflight(ORIGIN, (ASK_GET[0], method))


@pytest.mark.parametrize(
    "asked",
    [
        [b"content-type", b" X-Iso-User\t"],
        [b""],
        [b"content-type" + b"," * 16],
        [b"," * 15],
        [b"content-type," * 63 + b"content-type"],
    ],
)
def test_allowed_headers_may_be_asked_for_over_lines_and_in_any_case(asked: list[bytes]) -> None:
    assert _preflight(ORIGIN, ASK_GET, *((ASKED, value) for value in asked)).status == 204


@pytest.mark.parametrize(
    "asked",
    [
        [b"x-evil"],
        [b"content-type", b"x-evil"],
        [b"authorization"],
        [b"*"],
        [b"content-type x-iso-user"],
        [b"content-type\r\nx-injected: 1"],
        [b"content_type"],
        [b"content-type" + b"," * 17],
        [b"content-type," * 64 + b"content-type"],
        [b"content-type" + b" " * 4085],
        [b"content-type" + b" " * 2000] * 3,
        [b"\xff"],
    ],
)
def test_a_header_that_no_route_takes_or_too_many_are_refused(asked: list[bytes]) -> None:
    with pytest.raises(PreflightRefusedError):
        _preflight(ORIGIN, ASK_GET, *((ASKED, value) for value in asked))


def test_a_tolerated_prefix_lists_the_names_that_were_asked_for() -> None:
    sdk = ProxyRoute("chat", provider="weather", methods=("POST",), tolerated=("x-stainless-*", "authorization"))
    project = a_snapshot(routes=[sdk])
    ask_post = (ASK_GET[0], b"POST")
    reply = _preflight(ORIGIN, ask_post, (ASKED, b"X-Stainless-OS,authorization,x-stainless-lang"), project=project)
    assert dict(reply.headers)[b"access-control-allow-headers"] == (
        b"Content-Type, X-Iso-User, authorization, x-stainless-lang, x-stainless-os"
    )
    many = [b"x-stainless-%d" % number for number in range(33)]
    assert _preflight(ORIGIN, ask_post, (ASKED, b",".join(many[:32])), project=project).status == 204
    for asked in (b",".join(many), b"x-stainless", b"x-stainless-a b", b"x-stainless-\x00", b"x-stainless-\xff"):
        with pytest.raises(PreflightRefusedError):
            _preflight(ORIGIN, ask_post, (ASKED, asked), project=project)


def test_a_preflight_of_a_foreign_origin_is_refused_before_what_it_asks() -> None:
    with pytest.raises(OriginRefusedError):
        _preflight((b"origin", b"https://evil.example"), (ASK_GET[0], b"nonsense"))


def test_options_without_a_request_method_is_no_preflight() -> None:
    assert not a_call(ORIGIN, method="OPTIONS").is_preflight
    assert not a_call(ASK_GET, method="OPTIONS").is_preflight
    assert not a_call(ORIGIN, ASK_GET, method="GET").is_preflight
    assert a_call(ORIGIN, ASK_GET, method="OPTIONS").is_preflight


# contracts 2: who is admitted


def test_an_origin_on_the_list_is_admitted() -> None:
    assert _admit(ORIGIN) == APP


@pytest.mark.parametrize(
    "origin",
    [
        b"",
        b"null",
        b"*",
        b"https://evil.example",
        b"http://app.example.com",
        b"https://app.example.com/",
        b"https://app.example.com:443",
        b"https://APP.example.com",
        b"https://app.example.com.evil.example",
        b"https://xapp.example.com",
        b"https://app.example.com, https://app.example.com",
        b" https://app.example.com",
        b"https://app.example.com\x00",
        b"\xff\xfe",
    ],
)
def test_any_other_origin_is_refused_also_when_the_rest_looks_right(origin: bytes) -> None:
    project = a_snapshot(referer_fallback=True)
    lines = ((b"origin", origin), SAME, (b"referer", APP.encode() + b"/"))
    with pytest.raises(OriginRefusedError):
        _admit(*lines, project=project)


@given(st.integers(0, len(APP) - 1), st.integers(0, 255), st.sampled_from(["change", "insert", "remove"]))
def test_an_allowed_origin_with_any_byte_changed_is_refused(place: int, byte: int, how: str) -> None:
    good = APP.encode()
    middle = b"" if how == "remove" else bytes([byte])
    mutant = good[:place] + middle + good[place + (how != "insert") :]
    if mutant == good:
        assert _admit((b"origin", mutant)) == APP
        return
    with pytest.raises(OriginRefusedError):
        _admit((b"origin", mutant))


@given(st.binary(max_size=80))
def test_no_bytes_but_the_listed_ones_are_admitted(origin: bytes) -> None:
    with pytest.raises(OriginRefusedError):
        _admit((b"origin", origin))


def test_a_page_of_this_very_host_is_admitted_without_origin_if_the_host_is_on_the_list() -> None:
    assert _admit(SAME) is None
    for caller in (
        Caller("192.0.2.1", "http", "app.example.com"),
        Caller("192.0.2.1", "https", "app.example.com:8443"),
        Caller("192.0.2.1", "https", "APP.example.com"),
        Caller("192.0.2.1", "https", "other.example"),
        Caller("192.0.2.1", "https", "\xff"),
        Caller("192.0.2.1", "https", ""),
    ):
        with pytest.raises(OriginRefusedError):
            _admit(SAME, caller=caller)


@pytest.mark.parametrize("site", [b"same-site", b"cross-site", b"none", b"", b"Same-Origin"])
def test_no_other_word_of_the_browser_stands_in_for_an_origin(site: bytes) -> None:
    with pytest.raises(OriginRefusedError):
        _admit((b"sec-fetch-site", site))


def test_a_call_without_origin_and_without_a_browsers_word_is_refused() -> None:
    with pytest.raises(OriginRefusedError) as refused:
        _admit()
    assert refused.value.hint == "The call has no Origin header: call it from a page, with fetch()."


def test_a_signature_stands_in_place_of_an_origin_and_heals_no_bad_one() -> None:  # contracts 3
    for lines in ([], [SAME]):
        assert _admit((b"x-signature", b"v1=0"), *lines) is None
    with pytest.raises(OriginRefusedError):
        _admit((b"x-signature", b"v1=0"), (b"origin", b"https://evil.example"))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("referer", [APP.encode() + b"/page?x=1", APP.encode() + b"/", APP.encode()])
def test_an_old_browser_is_admitted_by_its_referer_where_the_project_says_so(method: str, referer: bytes) -> None:
    line = (b"referer", referer)
    assert _admit(line, method=method, project=a_snapshot(referer_fallback=True)) is None
    with pytest.raises(OriginRefusedError):
        _admit(line, method=method)


@pytest.mark.parametrize(
    ("method", "lines"),
    [
        ("POST", [(b"referer", APP.encode() + b"/")]),
        ("GET", [(b"referer", APP.encode() + b"/"), (b"sec-fetch-mode", b"cors")]),
        ("GET", [(b"referer", APP.encode() + b"/"), (b"sec-fetch-site", b"cross-site")]),
        ("GET", []),
        ("GET", [(b"referer", b"")]),
        ("GET", [(b"referer", b"https://evil.example/https://app.example.com/")]),
        ("GET", [(b"referer", b"https://app.example.com@evil.example/")]),
        ("GET", [(b"referer", b"https://app.example.com?x=/")]),
        ("GET", [(b"referer", b"https:/app.example.com/")]),
        ("GET", [(b"referer", b"//app.example.com/")]),
    ],
)
def test_a_referer_admits_nothing_else(method: str, lines: list[Line]) -> None:
    with pytest.raises(OriginRefusedError):
        _admit(*lines, method=method, project=a_snapshot(referer_fallback=True))


def test_the_hint_names_the_refused_origin_and_the_command() -> None:
    with pytest.raises(OriginRefusedError) as refused:
        _admit((b"origin", b"http://localhost:3000"))
    assert refused.value.hint == (
        "http://localhost:3000 is not on the list. "
        f"To allow it: apikeychain --development origin allow {PROJECT} http://localhost:3000"
    )
    with pytest.raises(OriginRefusedError, match=r"origin allow p_a+ https://other\.example"):
        _admit(SAME, caller=Caller("192.0.2.1", "https", "other.example"))


@pytest.mark.parametrize("origin", [b"https://a;reboot", b"null", b"https://*", b"\xff", b"http://shop.example"])
def test_no_command_is_shown_for_what_cannot_be_allowed(origin: bytes) -> None:
    with pytest.raises(OriginRefusedError) as refused:
        _admit((b"origin", origin))
    assert "origin allow" not in refused.value.hint
    assert ascii(origin.decode("latin-1")) in refused.value.hint


def test_a_hint_is_short_and_printable_whatever_was_sent() -> None:
    with pytest.raises(OriginRefusedError) as refused:
        _admit((b"origin", bytes(range(256)) * 32))
    assert refused.value.hint.isascii()
    assert refused.value.hint.isprintable()
    assert len(refused.value.hint) < 1000


# contracts 2: what an answer carries


def test_an_admitted_answer_is_readable_with_every_header_that_it_passes() -> None:
    lines = (
        (b"content-type", b"text/plain"),
        (b"link", b"a"),
        (b"link", b"b"),
        (b"retry-after", b"1"),
        (b"access-control-allow-origin", b"*"),
        (b"access-control-allow-private-network", b"true"),
    )
    assert cors.expose(lines, Origin(APP)) == (
        *lines[:4],
        (b"access-control-allow-origin", APP.encode()),
        (b"access-control-allow-credentials", b"true"),
        (
            b"access-control-expose-headers",
            b"content-type, link, X-APIKeyChain-Error, Retry-After, RateLimit, RateLimit-Policy",
        ),
    )


def test_a_call_without_origin_gets_no_cors_header_not_even_the_providers() -> None:
    lines = ((b"content-type", b"text/plain"), (b"access-control-allow-origin", b"*"))
    assert cors.expose(lines, None) == lines[:1]
