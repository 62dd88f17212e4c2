"""Request headers at their limits, and what each refusal tells the caller to send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.errors import AnswerError, DestinationRefusedError, HeaderRefusedError, HTTPSRequiredError
from apikeychain.model.headers import Headers, Line
from apikeychain.rules import headers
from apikeychain.rules.caller import Caller

HOST = (b"host", b"a")


def _framing(*lines: Line) -> str:
    with pytest.raises(HeaderRefusedError) as refused:
        headers.require_framing(Headers(lines))
    return refused.value.hint


def test_a_length_has_up_to_18_digits() -> None:
    headers.require_framing(Headers([HOST, (b"content-length", b"9" * 18)]))
    length = "Send one Content-Length, a number, or Transfer-Encoding: chunked."
    assert _framing(HOST, (b"content-length", b"9" * 19)) == length
    assert _framing(HOST, (b"content-length", b"1"), (b"transfer-encoding", b"chunked")) == length


def test_what_is_missing_or_of_another_coding_is_said() -> None:
    assert _framing() == "Send a Host."
    assert _framing(HOST, (b"transfer-encoding", b"gzip")) == "The one transfer coding that is taken is chunked."


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        (b"host", "Send host once."),
        (b"x-signature", "Send x-signature once."),
        (b"sec-fetch-site", "Send each Sec-Fetch header once."),
    ],
)
def test_a_header_that_came_twice_or_with_a_twin_is_named(name: bytes, hint: str) -> None:
    for lines in ([(name, b"a"), (name, b"a")], [(name.replace(b"-", b"_", 1) if b"-" in name else b"", b"a")]):
        if lines[0][0]:
            with pytest.raises(HeaderRefusedError) as refused:
                headers.require_single(Headers(lines))
            assert refused.value.hint == hint


def test_a_name_that_only_begins_alike_may_come_twice() -> None:
    headers.require_single(Headers([(b"sec-fetchx", b"1")] * 2))


def test_who_may_not_read_an_answer_or_comes_over_http_is_told_how_to_come() -> None:
    told: list[AnswerError] = []
    with pytest.raises(DestinationRefusedError) as page:
        headers.require_destination(Headers([(b"sec-fetch-dest", b"document")]))
    told.append(page.value)
    with pytest.raises(HTTPSRequiredError) as plain:
        headers.require_https(Caller("192.0.2.1", "http", "a"), development=False)
    told.append(plain.value)
    assert [error.hint for error in told] == [
        "Call it with fetch(), or as an image, audio, video, track or font.",
        "Where a proxy ends TLS, name its address in Settings.trusted_proxies.",
    ]


NAMES = [*sorted(headers.SINGLE), b"sec-fetch-site", b"sec-fetch-x", b"accept", b"cookie", b"x-other", b"x_other"]
UNDERSCORED = [name.replace(b"-", b"_", places) for name in NAMES for places in range(3)]
SPELLED = [spelled for name in UNDERSCORED for spelled in (name, name.title())]


@given(st.lists(st.sampled_from(SPELLED), max_size=6))
def test_a_header_that_must_be_single_is_so_in_all_its_spellings(names: list[bytes]) -> None:
    spelled = [name.lower().replace(b"_", b"-") for name in names]
    single = [name for name in spelled if name in headers.SINGLE or name.startswith(b"sec-fetch-")]
    is_doubtful = len(set(single)) < len(single) or any(
        b"_" in name and other in single for name, other in zip(names, spelled, strict=True)
    )
    try:
        headers.require_single(Headers((name, b"") for name in names))
    except HeaderRefusedError:
        assert is_doubtful
    else:
        assert not is_doubtful
