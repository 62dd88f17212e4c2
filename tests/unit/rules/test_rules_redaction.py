"""The secret never comes back, whatever the chunks."""

import base64
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apikeychain.errors import UpstreamRefusedError, UpstreamTimeoutError
from apikeychain.model.call import Reply
from apikeychain.model.provider import (
    BasicCredential,
    Credential,
    HeaderCredential,
    OAuth2Credential,
    Provider,
    QueryCredential,
)
from apikeychain.model.signing_credentials import AWSCredential, HMACCredential
from apikeychain.rules.redaction import needles, scrub
from apikeychain.rules.scrubbing import Needles, Scrubber
from apikeychain.secret import Secret
from exchange import Chunks

SECRET = Secret("sk-0123+456789")
PLAIN = SECRET.reveal()


def _needles(place: Credential, secret: Secret = SECRET) -> Needles:
    return needles(Provider("weather", "https://a.example", place), secret)


KEY = _needles(HeaderCredential("x-key", "Bearer "))
FORMS = [PLAIN, b"sk-0123%2b456789", PLAIN.hex().upper().encode(), base64.b64encode(PLAIN), b"sk%2D0123&#43;456789"]


def _in_chunks(needle: Needles, chunks: Sequence[bytes]) -> bytes:
    scrubber = Scrubber(needle)
    return b"".join([*(scrubber.feed(chunk) for chunk in chunks), scrubber.flush()])


def test_a_find_keeps_its_length() -> None:
    assert KEY.scrub(b"a" + PLAIN + b"b") == b"a[redacted]****b"
    assert Needles((b"12345678",)).scrub(b"12345678") == b"[redacted"[:8]
    assert KEY.scrub(b"Bearer " + PLAIN) == b"[redacted]***********"
    assert KEY.scrub(PLAIN + PLAIN) == b"[redacted]****" * 2


@pytest.mark.parametrize(
    ("place", "echo"),
    [
        (HeaderCredential("x-key", "Bearer "), b"Bearer sk-0123+456789"),
        (QueryCredential("key"), b"sk-0123%2B456789"),
        (QueryCredential("key"), PLAIN),
        (BasicCredential("ann"), base64.b64encode(b"ann:" + PLAIN)),
        (BasicCredential("ann"), b"Basic " + base64.b64encode(b"ann:" + PLAIN)),
        (BasicCredential(), base64.b64encode(PLAIN)),
    ],
)
def test_the_secret_and_the_whole_credential_are_found(place: Credential, echo: bytes) -> None:
    found = _needles(place)
    for text in (echo, PLAIN):
        out = found.scrub(b"<" + text + b">")
        assert out == b"<" + (b"[redacted]" + b"*" * 99)[: len(text)] + b">"


def test_each_half_of_a_basic_secret_is_one_too_unless_it_is_short() -> None:
    found = _needles(BasicCredential(), Secret("ann:long-password"))
    assert found.scrub(b"ann long-password") == b"ann [redacted]***"
    assert b"sk_live_123" not in _needles(BasicCredential(), Secret("sk_live_123:")).scrub(b"no such key: sk_live_123")


@pytest.mark.parametrize(
    ("place", "stored", "shown"),
    [
        (BasicCredential(), "ann: long-password ", "long-password"),
        (BasicCredential(), "ann-smith :long-password", "ann-smith"),
        (HeaderCredential("authorization"), "Bearer sk-0123+456789", "sk-0123+456789"),
        (HeaderCredential("authorization"), "ApiKey  ann-smith:long-password", "long-password"),
        (HeaderCredential("authorization"), "ApiKey  ann-smith:long-password", "ann-smith"),
    ],
)
def test_what_a_provider_may_take_out_of_a_secret_is_found_too(place: Credential, stored: str, shown: str) -> None:
    found = _needles(place, Secret(stored.strip()))
    assert found.scrub(b"<%b>" % shown.encode()) == b"<" + (b"[redacted]" + b"*" * 99)[: len(shown)] + b">"


def test_a_secret_behind_a_prefix_is_one_whole() -> None:
    found = _needles(HeaderCredential("x-key", "Key "), Secret("one two-three-four"))
    assert found.scrub(b"two-three-four") == b"two-three-four"


def test_everything_up_to_the_last_line_feed_leaves_at_once() -> None:
    scrubber = Scrubber(KEY)
    assert scrubber.feed(b"data: Be\nsk-01\n\n") == b"data: Be\nsk-01\n\n"
    assert scrubber.feed(b"data: sk-01") == b""
    assert scrubber.feed(b"23\n") == b"data: sk-0123\n"
    assert scrubber.feed(b"Bearer sk-0123+456789") == b""
    assert scrubber.feed(b" Bear") == b""
    assert scrubber.flush() == b"[redacted]*********** Bear"
    assert scrubber.flush() == b""


# Letters that the mark has not: else the end of a mark and what stands behind it could look like so short a needle.
ALPHABET = st.sampled_from([b"x", b"y", b"xy", b"xxy", b"\n", b"xyxyxyxy", b"xxxxxxxx"])
SOME_NEEDLES = st.lists(st.text("xy", min_size=2, max_size=9).map(str.encode), min_size=1, max_size=3, unique=True)


@given(SOME_NEEDLES, st.lists(ALPHABET, max_size=30))
@example([b"xxxx", b"xxy"], [b"x"] * 9)
@example([b"xx", b"xy", b"yxyy"], [b"xyxyxyxy", b"y", b"x"])
def test_chunks_make_no_difference_and_nothing_is_left(texts: list[bytes], chunks: list[bytes]) -> None:
    found, whole = Needles(tuple(texts)), b"".join(chunks)
    out = _in_chunks(found, chunks)
    assert out == found.scrub(whole) == _in_chunks(found, [whole[i : i + 1] for i in range(len(whole))])
    assert len(out) == len(whole)
    assert not any(text in out for text in texts)


@given(st.data(), st.binary(max_size=200), st.integers(0, 200))
def test_a_secret_anywhere_in_any_bytes_is_found(data: st.DataObject, around: bytes, at: int) -> None:
    whole = around[:at] + PLAIN + around[at:]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    chunks = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    out = _in_chunks(KEY, chunks)
    assert PLAIN not in out
    assert len(out) == len(whole)
    assert out == KEY.scrub(whole)


def test_needles_do_not_show_what_they_look_for() -> None:
    assert "sk-0123" not in repr(KEY)


def test_headers_and_a_whole_body_are_scrubbed() -> None:
    lines = ((b"x-request-id", b"for " + PLAIN), (b"etag", b'"e"'), (b"x-ratelimit-" + PLAIN.lower(), b"1"))
    reply = scrub(Reply(200, lines, b"key " + PLAIN), KEY)
    assert reply == Reply(200, ((b"x-request-id", b"for [redacted]****"), (b"etag", b'"e"')), b"key [redacted]****")


@pytest.mark.parametrize("form", FORMS)
def test_a_location_that_holds_the_secret_does_not_pass(form: bytes) -> None:
    kept = Reply(302, ((b"location", b"https://cdn.example/a%20b"),))
    assert scrub(kept, KEY) == kept
    with pytest.raises(UpstreamRefusedError):
        scrub(Reply(302, ((b"location", b"https://cdn.example/?k=" + form),)), KEY)


@pytest.mark.parametrize("form", FORMS)
def test_a_header_is_scrubbed_of_each_form_and_one_whose_name_holds_it_is_dropped(form: bytes) -> None:
    reply = scrub(Reply(200, ((b"x-request-id", b"(" + form + b")"), (b"x-" + form, b"1")), form), KEY)
    assert form not in reply.headers[0][1]
    assert [name for name, _ in reply.headers] == [b"x-request-id"]
    assert isinstance(reply.body, bytes)
    assert reply.body.startswith(b"[redacted]")


def test_a_retiring_secret_is_looked_for_too() -> None:
    both = needles(Provider("weather", "https://a.example", HeaderCredential("x-key")), SECRET, Secret("retiring"))
    assert both.scrub(b"retiring " + PLAIN) == b"[redacte [redacted]****"


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(AWSCredential(region="eu-west-1", service="s3"), id="aws"),
        pytest.param(HMACCredential(header="x-signature", signed="{key_id}{body}"), id="hmac"),
    ],
)
def test_a_retiring_secret_of_another_form_is_looked_for_as_it_stands(place: Credential) -> None:
    serves, old = Secret("AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMIK7MDENG"), Secret("of-another-form")
    both = needles(Provider("weather", "https://a.example", place), serves, old)
    assert {b"wJalrXUtnFEMIK7MDENG", b"of-another-form"} <= {*both.texts}


async def test_a_stream_is_scrubbed_as_it_comes_and_closed_once() -> None:
    chunks = Chunks(b"a sk-0", b"", b"123+456789 b\n", b"Bear")
    body = scrub(Reply(200, (), chunks), KEY).body
    assert not isinstance(body, bytes)
    assert [chunk async for chunk in body] == [b"a [redacted]**** b\n", b"Bear"]
    assert chunks.closed == 0
    await body.aclose()
    await body.aclose()
    assert chunks.closed == 1
    assert [chunk async for chunk in body] == []


def test_the_headers_of_a_streamed_answer_are_scrubbed_likewise() -> None:
    reply = scrub(Reply(200, ((b"x-echo", PLAIN), (b"x-other", b"kept")), Chunks(b"a")), KEY)
    assert reply.headers == ((b"x-echo", b"[redacted]****"), (b"x-other", b"kept"))


async def test_a_stream_that_was_never_asked_is_closed_all_the_same() -> None:
    chunks = Chunks(b"a")
    body = scrub(Reply(200, (), chunks), KEY).body
    assert not isinstance(body, bytes)
    await body.aclose()
    assert chunks.closed == 1
    assert [chunk async for chunk in body] == []


async def test_a_stream_that_breaks_gives_no_clean_end_and_nothing_that_was_held_back() -> None:
    body = scrub(Reply(200, (), Chunks(b"a\nsk-0", error=UpstreamTimeoutError())), KEY).body
    assert not isinstance(body, bytes)
    assert await anext(body) == b"a\n"
    with pytest.raises(UpstreamTimeoutError):
        await anext(body)


@given(st.binary(max_size=60), st.sampled_from((b"", PLAIN[:-1], *FORMS)), st.binary(max_size=60))
def test_a_whole_value_is_scrubbed_as_a_stream_is(before: bytes, middle: bytes, after: bytes) -> None:
    value = before + middle + after
    assert KEY.scrub(value) == _in_chunks(KEY, [value])
    assert KEY.is_clean(value) == (KEY.scrub(value) == value)


@pytest.mark.parametrize("form", FORMS)
def test_what_holds_a_form_is_not_clean(form: bytes) -> None:
    assert not KEY.is_clean(b"a" + form + b"b")
    assert KEY.is_clean(b"a" + form[:-3] + b"%2b&amp;" + form[-3:])


@pytest.mark.parametrize(
    ("place", "stored", "shown"),
    [
        (AWSCredential("eu-central-1", "s3"), "AKIDEXAMPLE:secret/access+key", "secret/access+key"),
        (AWSCredential("eu-central-1", "s3"), "AKIDEXAMPLE:secret/access+key:token==/012", "secret/access+key"),
        (AWSCredential("eu-central-1", "s3"), "AKIDEXAMPLE:secret/access+key:token==/012", "token==/012"),
        (HMACCredential(header="x-s", signed="{body}"), "ann:key-012345", "ann:key-012345"),
        (HMACCredential(header="x-s", signed="{body}", key_id_header="x-k"), "ann:key-012345", "key-012345"),
        (OAuth2Credential(), "token/0123+456", "token/0123+456"),
        (OAuth2Credential(), "token/0123+456", "Bearer token/0123+456"),
    ],
)
def test_each_secret_part_of_a_credential_that_signs_is_found_in_every_form(
    place: Credential, stored: str, shown: str
) -> None:
    found, plain = _needles(place, Secret(stored)), shown.encode()
    for form in (plain, plain.hex().encode(), base64.b64encode(plain), base64.urlsafe_b64encode(b"a" + plain)):
        assert b"[redacted]" in found.scrub(b"<" + form + b">")
    assert b"[redacted]" in found.scrub(b"<" + plain.replace(b"/", b"%2F").replace(b"+", b"&#43;") + b">")


def test_the_id_of_a_key_that_signs_is_told_since_it_goes_up_as_it_stands() -> None:
    for place in (AWSCredential("a", "s3"), HMACCredential(header="x-s", signed="{body}", key_id_header="x-k")):
        assert _needles(place, Secret("AKIDEXAMPLE:secret/access+key")).scrub(b"AKIDEXAMPLE") == b"AKIDEXAMPLE"


def test_a_part_of_a_secret_that_is_not_made_of_parts_is_told() -> None:
    found = _needles(QueryCredential("key"), Secret("a-first-part:a-second-part"))
    assert found.scrub(b"a-second-part, a-first-part") == b"a-second-part, a-first-part"


def test_needles_beside_others_are_as_if_they_were_made_together() -> None:
    both, together = KEY.beside(b"a-signature/0123"), Needles((*KEY.texts, b"a-signature/0123"))
    assert (both, both.longest, both.lowered) == (together, together.longest, together.lowered)
    assert KEY.beside(b"12345678").longest == KEY.longest
    assert b"a-signature/0123" not in KEY.texts
    for text in (b"a-signature/0123", b"A-SIGNATURE/0123".hex().encode(), b"a-signature%2f0123", PLAIN, *FORMS):
        assert both.scrub(b"<" + text + b">") == together.scrub(b"<" + text + b">")
    assert b"signature" not in both.scrub(b"a-signature/0123 a-signature%2f0123")
