"""The origin gate at its limits: the last byte that passes, the first that does not, and each word of a refusal."""

import pytest

from apikeychain.errors import OriginRefusedError, PreflightRefusedError
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
SAME = (b"sec-fetch-site", b"same-origin")
PAGE = Caller("192.0.2.1", "https", "app.example.com")
TOLERANT = a_snapshot(routes=[ProxyRoute("sdk", provider="weather", tolerated=("x-sdk-*",))])


def _approved(*values: bytes, project: Snapshot = TOLERANT) -> bytes:
    call = a_call(ORIGIN, ASK_GET, *((ASKED, value) for value in values), method="OPTIONS")
    return dict(cors.preflight(call, project).headers)[b"access-control-allow-headers"]


def _hint(*lines: Line, method: str = "GET") -> str:
    with pytest.raises(OriginRefusedError) as refused:
        cors.admit(a_call(*lines, method=method), a_snapshot(), PAGE)
    return refused.value.hint


@pytest.mark.parametrize("lines", [1, 2])
def test_4096_bytes_of_asked_headers_pass_and_one_more_does_not(lines: int) -> None:
    padded = b"content-type" + b" " * (4096 // lines - len("content-type"))
    assert _approved(*[padded] * lines)
    with pytest.raises(PreflightRefusedError):
        _approved(*[padded] * (lines - 1), padded + b" ")


def test_every_character_of_a_token_may_stand_in_a_tolerated_name() -> None:
    characters = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
    assert _approved(b"x-sdk-" + characters).endswith(b", x-sdk-" + characters)
    for byte in set(range(256)) - set(characters + characters.upper() + b","):
        with pytest.raises(PreflightRefusedError):
            _approved(b"x-sdk-" + bytes([byte]) + b"x")


def test_tolerated_names_are_listed_in_their_order_whatever_order_was_asked() -> None:
    names = [b"x-sdk-%02d" % number for number in range(32)]
    assert _approved(b",".join(reversed(names))).endswith(b", " + b", ".join(names))


def test_a_refused_preflight_says_what_no_route_has() -> None:
    with pytest.raises(PreflightRefusedError) as refused:
        cors.preflight(a_call(ORIGIN, (ASK_GET[0], b"PUT"), method="OPTIONS"), a_snapshot())
    assert refused.value.hint == "Nothing of this project that is enabled has the method."
    with pytest.raises(PreflightRefusedError) as refused:
        _approved(b"x-evil")
    assert refused.value.hint == "Nothing of this project that is enabled takes one of the headers asked for."


def test_a_preflight_without_origin_is_refused_as_one_of_an_empty_origin() -> None:
    with pytest.raises(OriginRefusedError) as refused:
        cors.preflight(a_call(ASK_GET, method="OPTIONS"), a_snapshot())
    assert refused.value.hint == "'' cannot be allowed: only https://host[:port] can, and http for localhost."


def test_each_refused_origin_is_told_its_own_remedy() -> None:
    other = b"https://other.example"
    assert _hint((b"origin", other)) == (
        "https://other.example is not on the list. "
        f"To allow it: apikeychain origin allow {PROJECT} https://other.example"
    )
    assert _hint((b"origin", b"http://shop.example")) == (
        "'http://shop.example' cannot be allowed: only https://host[:port] can, and http for localhost."
    )
    assert _hint((b"origin", b"x" * 300)).startswith(f"'{'x' * 200}' cannot")


def test_only_what_begins_as_a_cors_header_is_taken_out_of_an_answer() -> None:
    lines = ((b"access-controlled", b"1"), (b"x-access-control-allow-origin", b"2"), (b"access-control-x", b"3"))
    assert cors.expose(lines, None) == lines[:2]
    assert cors.expose(lines, Origin(APP))[:2] == lines[:2]


@pytest.mark.parametrize(
    ("lines", "page"),
    [
        ([], None),
        ([ORIGIN], APP),
        ([(b"origin", b"https://evil.example")], None),
        ([(b"origin", b"\xff")], None),
        ([(b"origin", b""), SAME], None),
        ([SAME], APP),
        ([(b"sec-fetch-site", b"cross-site")], None),
        ([(b"origin", b"https://evil.example"), SAME], None),
        ([(b"referer", APP.encode() + b"/shop")], None),
    ],
)
def test_a_page_is_what_origin_says_or_else_this_very_host_by_the_browsers_word(
    lines: list[Line], page: str | None
) -> None:
    assert cors.page_of(a_call(*lines), a_snapshot(), PAGE) == page


def test_a_host_that_is_not_on_the_list_is_no_page() -> None:
    elsewhere = Caller("192.0.2.1", "https", "other.example")
    assert cors.page_of(a_call(SAME), a_snapshot(), elsewhere) is None


@pytest.mark.parametrize(
    ("lines", "method", "page"),
    [
        ([], "GET", APP),
        ([], "HEAD", APP),
        ([], "POST", None),
        ([(b"sec-fetch-mode", b"cors")], "GET", None),
        ([(b"x-signature", b"v1=")], "GET", None),
        ([(b"origin", b"https://evil.example")], "GET", None),
    ],
)
def test_a_page_of_an_old_browser_is_what_referer_says_where_that_is_believed(
    lines: list[Line], method: str, page: str | None
) -> None:
    call = a_call((b"referer", APP.encode() + b"/shop?x=1"), *lines, method=method)
    assert cors.page_of(call, a_snapshot(referer_fallback=True), PAGE) == page
    foreign = a_call((b"referer", b"https://evil.example/"), *lines, method=method)
    assert cors.page_of(foreign, a_snapshot(referer_fallback=True), PAGE) is None


@pytest.mark.parametrize("blank", [b"\x0b", b"\x0c", b"\r", b"\n"])
def test_only_a_space_and_a_tab_are_blanks_around_an_asked_name(blank: bytes) -> None:
    assert _approved(b" \tcontent-type\t ")
    for name in (blank + b"content-type", b"content-type" + blank):
        with pytest.raises(PreflightRefusedError):
            _approved(name)
