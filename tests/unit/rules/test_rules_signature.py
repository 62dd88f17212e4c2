"""The signature of a call: read strictly, in its window, its MAC right to the last bit."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from apikeychain import Secret
from apikeychain.errors import (
    CallerMissingError,
    InvalidValueError,
    ReplayedError,
    SignatureMissingError,
    SignatureRefusedError,
    TimestampRefusedError,
)
from apikeychain.model.call import Call
from apikeychain.model.headers import Headers, Line
from apikeychain.model.route import Require
from apikeychain.model.session_key import SessionKey, parse_user
from apikeychain.rules import signature
from apikeychain.rules.signature import Signature
from apikeychain.rules.signed_text import NOTHING_SHA256, SignedText, header_block, parse_signed_headers
from exchange import a_call
from signer import Signer

KEY = Secret("aks_" + "k" * 43)
AT = 1_800_000_000
NOW = datetime.fromtimestamp(AT, UTC)
PATH = "/api/apikeychain/p_" + "a" * 20 + "/proxy/weather"
SESSION = SessionKey("k_1", AT + 60, "alice")


def signed(*lines: Line, nonce: str = "n" * 16, key_id: str = "k_1") -> list[Line]:
    return Signer(key_id, KEY.reveal(), "p_" + "a" * 20).sign(PATH, b"q=x", lines=lines, at=AT, nonce=nonce)


def read(lines: list[Line]) -> Signature:
    return signature.read(Headers(lines))


def call_of(lines: list[Line]) -> Call:
    return replace(a_call(b"weather", b"q=x"), headers=Headers(lines), project="p_" + "a" * 20)


def with_line(name: bytes, value: bytes | None) -> list[Line]:
    kept = [line for line in signed() if line[0] != name]
    return kept if value is None else [*kept, (name, value)]


def test_what_our_signer_sends_is_read() -> None:
    sent = read(signed())
    assert (sent.key_id, sent.signing_key_id, sent.session) == ("k_1", "k_1", None)
    assert (sent.timestamp, sent.nonce, sent.content_sha256) == (b"1800000000", b"n" * 16, None)
    assert len(sent.mac) == 32


@pytest.mark.parametrize("name", [b"x-signature", b"x-timestamp", b"x-nonce", b"x-key-id", b"x-content-sha256"])
def test_one_signing_header_makes_a_call_a_signed_one(name: bytes) -> None:
    assert signature.is_signed(Headers([(name, b"")]))
    assert not signature.is_signed(Headers([(b"accept", b"*/*"), (b"authorization", b"Bearer x")]))


@pytest.mark.parametrize("name", [b"x-signature", b"x-timestamp", b"x-key-id"])
def test_what_has_to_be_there_is_asked_for(name: bytes) -> None:
    with pytest.raises(SignatureRefusedError) as refused:
        read(with_line(name, None))
    assert refused.value.hint.startswith(name.decode())
    assert refused.value.headers == ((b"www-authenticate", b"APIKeyChain-HMAC"),)


HEX = b"0" * 64


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((b"x-key-id", value) for value in (b"", b"a b", b"\xe4", b"a" * 201, b"a/b", b" a")),
        *(
            (b"x-timestamp", value)
            for value in (b"", b"-1", b"+1", b"1.0", b"1e9", b" 1", b"1 ", b"1_0", b"1" * 12, "\u0661".encode())
        ),
        *((b"x-nonce", value) for value in (b"", b"n" * 15, b"n" * 65, b"n" * 15 + b".", b"n" * 16 + b" ")),
        *(
            (b"x-signature", value)
            for value in (
                b"",
                HEX,
                b"v1=" + HEX[:-1],
                b"v1=" + HEX + b"0",
                b"v2=" + HEX,
                b"V1=" + HEX,
                b"v1=" + b"A" * 64,
                b"v1=" + HEX + b",v1=" + HEX,
                b" v1=" + HEX,
                b"v1=" + b"g" * 64,
            )
        ),
        *((b"x-content-sha256", value) for value in (b"", HEX[:-1], HEX + b"0", b"A" * 64)),
        *(
            (b"x-key-id", value)
            for value in (
                b"s1.",
                b"s1.k",
                b"s1.k.1",
                b"s1.k.x.YQ",
                b"s1.k.1.YQ.b",
                b"s1..1.YQ",
                b"s1.k.01.YQ",
                b"s1.k.1_0.YQ",
                b"s1.k.1.YQ==",
                b"s1.k.1.YR",
                b"s1.k.1.",
                b"s1.k.1.IA",
                b"s1.k.1.5A",
                b"s1.k.-1.YQ",
                b"s1.k.123456789012.YQ",
                b"s1.k.1.Y",
            )
        ),
    ],
)
def test_what_is_malformed_is_refused(name: bytes, value: bytes) -> None:
    with pytest.raises(SignatureRefusedError):
        read(with_line(name, value))


@pytest.mark.parametrize("length", [1, 11])
def test_timestamps_have_one_to_eleven_digits(length: int) -> None:
    assert read(with_line(b"x-timestamp", b"1" * length)).timestamp == b"1" * length


@pytest.mark.parametrize("nonce", [b"n" * 16, b"n" * 64, b"AZaz09_-AZaz09_-"])
def test_nonces_have_16_to_64_characters(nonce: bytes) -> None:
    assert read(with_line(b"x-nonce", nonce)).nonce == nonce


def test_key_ids_have_up_to_200_characters() -> None:
    assert read(with_line(b"x-key-id", b"a" * 200)).key_id == "a" * 200


def test_a_session_key_says_whose_it_is() -> None:
    sent = read(with_line(b"x-key-id", SESSION.id.encode()))
    assert sent.session == SESSION
    assert (sent.signing_key_id, sent.key_id) == ("k_1", SESSION.id)


MICROSECOND = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("away", "good"),
    [
        (timedelta(0), True),
        (timedelta(seconds=30), False),
        (timedelta(seconds=-30), False),
        (timedelta(seconds=30) - MICROSECOND, True),
        (MICROSECOND - timedelta(seconds=30), True),
        (timedelta(days=1), False),
        (timedelta(days=-1), False),
    ],
)
def test_the_window_is_open_for_less_than_30_seconds_on_both_sides(away: timedelta, good: bool) -> None:
    sent = read(signed())
    if good:
        signature.require_window(sent, NOW + away)
    else:
        with pytest.raises(TimestampRefusedError):
            signature.require_window(sent, NOW + away)


@pytest.mark.parametrize(("seconds", "good"), [(0, False), (1, True)])
def test_a_session_is_over_at_its_expiry(seconds: int, good: bool) -> None:
    session = SessionKey("k_1", AT + seconds, "alice")
    sent = read(with_line(b"x-key-id", session.id.encode()))
    if good:
        signature.require_window(sent, NOW)
        signature.require_window(sent, NOW + timedelta(seconds=1) - MICROSECOND)
    else:
        with pytest.raises(SignatureRefusedError, match="expired"):
            signature.require_window(sent, NOW)


@pytest.mark.parametrize("user", [None, b"", b"bob", b"Alice", b"alice "])
def test_a_session_key_is_its_users(user: bytes | None) -> None:
    sent = read(with_line(b"x-key-id", SESSION.id.encode()))
    signature.require_user(sent, b"alice")
    signature.require_user(read(signed()), user)
    with pytest.raises(SignatureRefusedError, match="X-Iso-User"):
        signature.require_user(sent, user)


def test_the_right_mac_is_given_back() -> None:
    lines = signed()
    mac = signature.require_mac(KEY, read(lines), call_of(lines), (), NOTHING_SHA256)
    assert mac == read(lines).mac


@pytest.mark.parametrize("bit", [0, 7, 100, 255])
def test_a_mac_that_differs_in_a_bit_is_refused(bit: int) -> None:
    lines = signed()
    sent = read(lines)
    flipped = sent._replace(mac=(int.from_bytes(sent.mac, "big") ^ (1 << bit)).to_bytes(32, "big"))
    with pytest.raises(SignatureRefusedError):
        signature.require_mac(KEY, flipped, call_of(lines), (), NOTHING_SHA256)


def test_without_a_key_no_mac_is_right_not_even_that_of_the_stand_in() -> None:
    lines = Signer("k_1", b"apikeychain/v1/claim", "p_" + "a" * 20).sign(PATH, b"q=x", at=AT, nonce="n" * 16)
    with pytest.raises(SignatureRefusedError):
        signature.require_mac(None, read(lines), call_of(lines), (), NOTHING_SHA256)


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "POST"},
        {"project": "p_" + "b" * 20},
        {"area": "js"},
        {"path": b"weather/x"},
        {"query": b"q=y"},
        {"headers": Headers([(b"content-type", b"text/plain")])},
        {"headers": Headers([(b"x-iso-user", b"bob")])},
        {"path": b"weather\n"},
    ],
)
def test_every_part_of_the_call_is_covered(changed: dict[str, object]) -> None:
    lines = signed()
    with pytest.raises(SignatureRefusedError):
        signature.require_mac(KEY, read(lines), replace(call_of(lines), **changed), (), NOTHING_SHA256)  # type: ignore[arg-type]  # the table above


def test_signed_headers_count_with_their_names_and_absence_is_emptiness() -> None:
    names = ("accept", "x-order")
    lines: list[Line] = [(b"x-order", b"7")]
    signer = Signer("k_1", KEY.reveal(), "p_" + "a" * 20, signed_headers=names)
    sent = [*lines, *signer.sign(PATH, b"q=x", lines=lines, at=AT, nonce="n" * 16)]
    assert signature.require_mac(KEY, read(sent), call_of(sent), names, NOTHING_SHA256)
    with pytest.raises(SignatureRefusedError):
        signature.require_mac(KEY, read(sent), call_of(sent), ("x-order",), NOTHING_SHA256)
    doubled = [(b"x-order", b"7"), *sent]
    with pytest.raises(SignatureRefusedError):
        signature.require_mac(KEY, read(sent), call_of(doubled), names, NOTHING_SHA256)


@pytest.mark.parametrize(
    ("listed", "good"),
    [(b"close", True), (b"keep-alive, accept", True), (b"Content-Type", False), (b"close, X-Order", False)],
)
def test_a_connection_line_takes_nothing_away_that_is_signed(listed: bytes, good: bool) -> None:
    signer = Signer("k_1", KEY.reveal(), "p_" + "a" * 20, signed_headers=("x-order",))
    sent: list[Line] = [*signer.sign(PATH, b"q=x", at=AT, nonce="n" * 16), (b"connection", listed)]
    if good:
        assert signature.require_mac(KEY, read(sent), call_of(sent), ("x-order",), NOTHING_SHA256)
    else:
        with pytest.raises(SignatureRefusedError, match=r"^connection is missing, malformed or not"):
            signature.require_mac(KEY, read(sent), call_of(sent), ("x-order",), NOTHING_SHA256)


def test_the_header_block_is_one_line_a_name() -> None:
    assert header_block((), Headers([(b"a", b"1"), (b"a", b"2")])) == b""
    assert header_block(("a", "b"), Headers([(b"b", b"2"), (b"c", b"3"), (b"c", b"4")])) == b"a:\nb:2\n"
    with pytest.raises(ValueError, match="line feed in a signed header"):
        header_block(("a",), Headers([(b"a", b"1\nb:2")]))


@pytest.mark.parametrize("part", [field for field in SignedText._fields if field != "block"])
def test_no_part_of_the_text_holds_a_line_feed(part: str) -> None:
    fields = dict.fromkeys(SignedText._fields, b"x")
    assert SignedText(**fields).encoded().count(b"\n") == 11
    with pytest.raises(ValueError, match="line feed in a part"):
        SignedText(**fields | {part: b"x\ny"}).encoded()


def test_a_request_is_claimed_by_its_nonce_or_else_by_its_mac() -> None:
    named, bare = read(signed()), read(signed(nonce=""))
    tokens = {
        signature.claim_token("p_x", named, b"m" * 32),
        signature.claim_token("p_y", named, b"m" * 32),
        signature.claim_token("p_x", named._replace(key_id="k_2"), b"m" * 32),
        signature.claim_token("p_x", named._replace(nonce=b"o" * 16), b"m" * 32),
        signature.claim_token("p_x", bare, b"m" * 32),
        signature.claim_token("p_x", bare, b"o" * 32),
    }
    assert len(tokens) == 6
    assert signature.claim_token("p_x", named, b"o" * 32) == signature.claim_token("p_x", named, b"m" * 32)
    # contracts 3: the claimed token, to the byte
    parts = b"apikeychain/v1/claim\0p_x\0k_1\0" + b"n" * 16
    assert signature.claim_token("p_x", named, b"") == hashlib.sha256(parts).digest()


def test_a_claim_is_admitted_once() -> None:
    signature.require_claim("claimed")
    with pytest.raises(ReplayedError):
        signature.require_claim("replayed")
    with pytest.raises(TimestampRefusedError):
        signature.require_claim("forgotten")


BROUGHT: dict[Require, Signature | None] = {
    "origin": None,
    "session": read(with_line(b"x-key-id", SESSION.id.encode())),
    "signature": read(signed()),
}
LEVELS: list[Require] = ["origin", "session", "signature"]


@pytest.mark.parametrize("asked", LEVELS)
@pytest.mark.parametrize("brought", LEVELS)
def test_more_than_is_asked_for_is_enough_and_less_is_not(asked: Require, brought: Require) -> None:
    if LEVELS.index(brought) >= LEVELS.index(asked):
        signature.require(asked, BROUGHT[brought])
    else:
        with pytest.raises(SignatureMissingError):
            signature.require(asked, BROUGHT[brought])


def test_the_hint_says_with_what_to_sign() -> None:
    with pytest.raises(SignatureMissingError, match=r"^Sign it with a session key or a signing key"):
        signature.require("session", None)
    with pytest.raises(SignatureMissingError, match=r"^Sign it with a signing key"):
        signature.require("signature", BROUGHT["session"])


def test_a_caller_is_asked_for_where_the_project_says_so() -> None:
    signature.require_caller(False, None)
    signature.require_caller(True, "u-17")
    with pytest.raises(CallerMissingError):
        signature.require_caller(True, None)


def announced(body: bytes) -> Signature:
    return read(with_line(b"x-content-sha256", hashlib.sha256(body).hexdigest().encode()))


def test_a_body_is_the_announced_one() -> None:
    signature.require_body(None, b"anything")
    signature.require_body(read(signed()), b"anything")
    signature.require_body(announced(b"abc"), b"abc")
    for other in (b"", b"ab", b"abcd"):
        with pytest.raises(SignatureRefusedError):
            signature.require_body(announced(b"abc"), other)


async def _chunks(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def test_a_streamed_body_is_judged_at_its_end() -> None:
    assert [chunk async for chunk in signature.matching(_chunks(b"ab", b"c"), announced(b"abc"))] == [b"ab", b"c"]
    stream = signature.matching(_chunks(b"ab", b"d"), announced(b"abc"))
    assert [await anext(stream), await anext(stream)] == [b"ab", b"d"]
    with pytest.raises(SignatureRefusedError):
        await anext(stream)


@pytest.mark.parametrize("user", ["a", "alice@example.com", "!" * 128, "~"])
def test_a_users_label_is_printable(user: str) -> None:
    assert parse_user(user) == user
    assert signature.read(Headers(with_line(b"x-key-id", SessionKey("k", 1, user[:100]).id.encode()))).session


@pytest.mark.parametrize("user", ["", " ", "a b", "\x7f", "ä", "x" * 129, "a\n"])
def test_what_is_no_label_is_refused(user: str) -> None:
    with pytest.raises(InvalidValueError, match="not a user label"):
        parse_user(user)


def test_signed_headers_are_sorted_and_single() -> None:
    assert parse_signed_headers(["X-B", "x-a", "x-b"]) == ("x-a", "x-b")
    assert len(parse_signed_headers([f"x-{number}" for number in range(32)])) == 32


@pytest.mark.parametrize(
    "names",
    [
        ["x a"],
        [""],
        [f"x-{number}" for number in range(33)],
    ],
)
def test_what_cannot_be_signed_is_refused(names: list[str]) -> None:
    with pytest.raises(InvalidValueError):
        parse_signed_headers(names)
