"""Signing headers: what is read is well formed, and says the same when it is written again; a MAC is of one text.

An input is a request as it comes: ``METHOD path?query``, then ``name: value`` lines, each ended by CR LF. The form, the
window and the signed text are written out here once more, without a regular expression.
"""

import base64
import hashlib
import hmac
import string
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from apikeychain.errors import (
    HeaderRefusedError,
    InvalidValueError,
    SignatureRefusedError,
    TimestampRefusedError,
)
from apikeychain.model.call import Call
from apikeychain.model.headers import Headers
from apikeychain.model.session_key import SessionKey
from apikeychain.rules import headers as header_rules
from apikeychain.rules import signature
from apikeychain.rules.signature import Signature
from apikeychain.secret import Secret
from exchange import a_call

Read = Callable[[Headers], Signature]
RequireWindow = Callable[[Signature, datetime], None]
RequireMac = Callable[[Secret | None, Signature, Call, Sequence[str], bytes], bytes]

TOKENS = (
    *(b"x-key-id: ", b"x-timestamp: ", b"x-nonce: ", b"x-content-sha256: ", b"x-signature: ", b"x-iso-user: "),
    *(
        b"x-added: ",
        b"content-type: ",
        b"content-length: 0",
        b"\r\n",
        b"\n",
        b"v1=",
        b",v1=",
        b"v2=",
        b"s1.",
        b".",
        b"0" * 64,
    ),
    *(b"1800000000", b"1800000029", b"1800000030", b"1799999970", b"1800000060", b"YWxpY2U", b"=", b",", b"_", b"+"),
    *(b"-", b" ", b"\t", b"\x00", b"\xff", "\u0661".encode(), b"A" * 64, b"n" * 16, b"POST ", b"?", b"e3b0c442"),
)
_KEY = Secret("aks_" + "k" * 43)
_NAMES = ("x-added",)
_EMPTY = hashlib.sha256(b"").hexdigest().encode()
_WORD = frozenset((string.ascii_letters + string.digits + "-_").encode())
_ID = _WORD | {ord(".")}
_DIGITS = frozenset(string.digits.encode())
_HEX = frozenset(b"0123456789abcdef")


def one_input(
    data: bytes,
    read: Read = signature.read,
    require_window: RequireWindow = signature.require_window,
    require_mac: RequireMac = signature.require_mac,
) -> None:
    """`data` as a request, and each of its words as the id of a session key."""
    for word in data.decode("utf-8", "surrogateescape").split():
        _require_one_spelling(word)
    call = _call(data)
    if not _has_single_headers(call.headers):
        return
    names = [name for name in header_rules.SIGNING if name in call.headers]
    assert signature.is_signed(call.headers) == bool(names)
    try:
        sent = read(call.headers)
    except SignatureRefusedError:
        assert not _is_well_formed(call.headers)
        return
    assert _is_well_formed(call.headers)
    assert _written(sent, names) == {name: call.headers.get(name) for name in names}
    for moment in _moments(sent):
        _require_30_seconds(sent, moment, require_window)
    _require_its_own_mac(call, sent, require_mac)


def _call(data: bytes) -> Call:
    request, *rest = data.split(b"\r\n")
    method, _, target = request.partition(b" ")
    path, _, query = target.partition(b"?")
    lines = [(name, value) for name, colon, value in (line.partition(b": ") for line in rest) if colon]
    return a_call(path, query, (b"host", b"shop.example"), *lines, method=method.decode("latin-1"))


def _has_single_headers(headers: Headers) -> bool:
    try:
        header_rules.require_single(headers)
        header_rules.require_framing(headers)
    except HeaderRefusedError:
        return False
    return True


def _require_one_spelling(word: str) -> None:
    try:
        session = SessionKey.read(word)
    except InvalidValueError:
        return
    assert session.id == word
    assert session.user.isascii()
    assert session.user.isprintable()


def _is_well_formed(headers: Headers) -> bool:
    key_id, stamp, mac = (headers.get(name) or b"" for name in (b"x-key-id", b"x-timestamp", b"x-signature"))
    nonce, digest = headers.get(b"x-nonce"), headers.get(b"x-content-sha256")
    return (
        _is(key_id, _ID, 1, 200)
        and (not key_id.startswith(b"s1.") or _is_session(key_id))
        and _is(stamp, _DIGITS, 1, 11)
        and mac[:3] == b"v1="
        and _is(mac[3:], _HEX, 64, 64)
        and (nonce is None or _is(nonce, _WORD, 16, 64))
        and (digest is None or _is(digest, _HEX, 64, 64))
    )


def _is(value: bytes, letters: frozenset[int], least: int, most: int) -> bool:
    return least <= len(value) <= most and letters.issuperset(value)


def _is_session(key_id: bytes) -> bool:
    parts = key_id.split(b".")
    if len(parts) != 4:
        return False
    _, parent, expiry, user = parts
    if not parent or not _is(expiry, _DIGITS, 1, 11) or (expiry[:1] == b"0" and expiry != b"0") or len(user) % 4 == 1:
        return False
    label = base64.b64decode(user + b"=" * (-len(user) % 4), b"-_", validate=True)
    return base64.urlsafe_b64encode(label).rstrip(b"=") == user and _is(label, frozenset(range(0x21, 0x7F)), 1, 128)


def _written(sent: Signature, names: Sequence[bytes]) -> dict[bytes, bytes | None]:
    """The signing headers that say what was read."""
    lines = {
        b"x-key-id": (sent.session.id if sent.session else sent.key_id).encode(),
        b"x-timestamp": sent.timestamp,
        b"x-nonce": sent.nonce,
        b"x-content-sha256": sent.content_sha256,
        b"x-signature": b"v1=" + sent.mac.hex().encode(),
    }
    return {name: value for name, value in lines.items() if value or name in names}


def _moments(sent: Signature) -> list[int]:
    """Microseconds around the borders: when the window opens and closes, and when the session is over."""
    signed = int(sent.timestamp)
    borders = [signed - 30, signed, signed + 30, *([sent.session.expiry] if sent.session else [])]
    return [border * 10**6 + step for border in borders for step in (-1, 0, 1)]


def _require_30_seconds(sent: Signature, moment: int, require_window: RequireWindow) -> None:
    now = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment)
    in_time = abs(moment - int(sent.timestamp) * 10**6) < 30 * 10**6
    over = sent.session is not None and moment >= sent.session.expiry * 10**6
    try:
        require_window(sent, now)
    except TimestampRefusedError:
        assert not in_time
    except SignatureRefusedError:
        assert in_time
        assert over
    else:
        assert in_time
        assert not over


def _require_its_own_mac(call: Call, sent: Signature, require_mac: RequireMac) -> None:
    digest = sent.content_sha256 or _EMPTY
    text = _text(call, sent, digest)
    right = hmac.new(_KEY.reveal(), text, "sha256").digest()
    empty = call.headers.get(b"content-length")
    good = _is_one_reading(call, text) and (empty is None or int(empty) > 0 or digest == _EMPTY)
    assert _holds(require_mac, _KEY, sent._replace(mac=right), call, digest) == good
    assert _holds(require_mac, _KEY, sent, call, digest) == (good and sent.mac == right)
    for place in (0, 15, 16, 31):
        wrong = bytes(byte ^ (index == place) for index, byte in enumerate(right))
        assert not _holds(require_mac, _KEY, sent._replace(mac=wrong), call, digest)
    nobody = hmac.new(b"apikeychain/v1/claim", text, "sha256").digest()
    assert not _holds(require_mac, None, sent._replace(mac=nobody), call, digest)


def _holds(require_mac: RequireMac, key: Secret | None, sent: Signature, call: Call, digest: bytes) -> bool:
    try:
        mac = require_mac(key, sent, call, _NAMES, digest)
    except SignatureRefusedError:
        return False
    assert mac == sent.mac
    return True


def _text(call: Call, sent: Signature, digest: bytes) -> bytes:
    block = b"x-added:" + (call.headers.get(b"x-added") or b"") + b"\n"
    parts = [b"apikeychain-v1", call.project.encode(), sent.key_id.encode(), sent.timestamp, sent.nonce]
    parts += [call.method.encode("latin-1"), b"/" + call.project.encode() + b"/proxy/" + call.path, call.query]
    parts += [call.headers.get(b"content-type") or b"", call.headers.get(b"x-iso-user") or b""]
    parts += [hashlib.sha256(block).hexdigest().encode(), digest]
    return b"\n".join(parts)


def _is_one_reading(call: Call, text: bytes) -> bool:
    added = call.headers.all(b"x-added")
    return text.count(b"\n") == 11 and len(added) < 2 and b"\n" not in b"".join(added)
