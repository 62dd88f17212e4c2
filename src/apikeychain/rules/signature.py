"""Whether a signature holds: read strictly, in its window, its MAC compared in constant time.

Reading, window, MAC, window again, then the claim: each step is a function here, and the pipeline puts them in order. A
fault of the form and a wrong MAC are one answer. The time is told apart, because a caller can only repair a clock that
it knows to be wrong, and it is judged before any key is looked at.

Source: contracts 3; spec 6.3.
"""

import hashlib
import hmac
import re
from binascii import unhexlify
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from apikeychain.errors import (
    CallerMissingError,
    InvalidValueError,
    ReplayedError,
    SignatureMissingError,
    SignatureRefusedError,
    TimestampRefusedError,
)
from apikeychain.model.call import Call
from apikeychain.model.headers import Headers
from apikeychain.model.records import SigningKey
from apikeychain.model.route import Require
from apikeychain.model.session_key import SESSION_PREFIX, SessionKey
from apikeychain.ports.replay_guard import Claim
from apikeychain.rules.bodies import declared_length
from apikeychain.rules.forwarding import dropped_names
from apikeychain.rules.headers import SIGNING
from apikeychain.rules.signed_text import MAC_PREFIX, SignedText, header_block
from apikeychain.secret import Secret

WINDOW_NANOSECONDS = 30 * 10**9
_CLAIM = b"apikeychain/v1/claim"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Each alone, in the order in which a fault is told; none lets a line feed pass.
_FORMS = {
    b"x-key-id": rb"[A-Za-z0-9._-]{1,200}",
    b"x-signature": MAC_PREFIX + rb"[0-9a-f]{64}",
    b"x-timestamp": rb"[0-9]{1,11}",
    b"x-nonce": rb"[A-Za-z0-9_-]{16,64}",
    b"x-content-sha256": rb"[0-9a-f]{64}",
}
_OPTIONAL = frozenset({b"x-nonce", b"x-content-sha256"})
# All of them, joined by line feeds in the order of SIGNING.
_TOGETHER = re.compile(b"\n".join(b"(%b)%b" % (_FORMS[name], b"?" if name in _OPTIONAL else b"") for name in SIGNING))
_NAMES = frozenset(SIGNING)
_RANK: dict[Require, int] = {"origin": 0, "session": 1, "signature": 2}


class Signature(NamedTuple):
    """The signing headers of a request, strictly read.

    Attributes:
        timestamp: as sent: decimal unix seconds.
        nonce: as sent, or empty.
        content_sha256: as sent, or None where the body has to be hashed.
        mac: the 32 bytes.
        session: what the key id says, where it is that of a session key.
    """

    key_id: str
    timestamp: bytes
    nonce: bytes
    content_sha256: bytes | None
    mac: bytes
    session: SessionKey | None

    @property
    def signing_key_id(self) -> str:
        """The id of the stored key behind it."""
        return self.session.parent if self.session else self.key_id

    @property
    def user(self) -> str | None:
        """Whom a session key names."""
        return self.session.user if self.session else None


def is_signed(headers: Headers) -> bool:
    """Whether a request has any signing header: then it is verified, whatever else would admit it."""
    return not _NAMES.isdisjoint(headers.first)


def read(headers: Headers) -> Signature:
    """The signature of a request that `is_signed`; `headers.require_single` has seen that each header is single.

    Raises:
        SignatureRefusedError: one that has to be there is not, or is malformed.
    """
    get = headers.get
    together = _TOGETHER.fullmatch(b"\n".join([get(name) or b"" for name in SIGNING]))
    if together is None or get(b"x-nonce") == b"" or get(b"x-content-sha256") == b"":
        raise SignatureRefusedError(_hint(_malformed(headers)))
    key_id, timestamp, nonce, digest, mac = together.groups(b"")
    name = key_id.decode()
    return Signature(name, timestamp, nonce, digest or None, unhexlify(mac[len(MAC_PREFIX) :]), _session(name))


def require_window(signature: Signature, now: datetime) -> None:
    """Refuse what was signed 30 seconds ago or longer, or ahead of now, and a session that is over.

    Raises:
        TimestampRefusedError: the time is another.
        SignatureRefusedError: the session key has expired.
    """
    nanoseconds = (now - _EPOCH) // _MICROSECOND * 1000
    if abs(nanoseconds - int(signature.timestamp) * 10**9) >= WINDOW_NANOSECONDS:
        hint = "The clocks differ by 30 s or more, or it was signed that long ago."
        raise TimestampRefusedError(hint)
    if signature.session is not None and nanoseconds >= signature.session.expiry * 10**9:
        hint = "The session key has expired: ask the application for a new one."
        raise SignatureRefusedError(hint)


def require_user(signature: Signature, user: bytes | None) -> None:
    """Refuse a session key in the hands of another user.

    Raises:
        SignatureRefusedError: X-Iso-User is not whom the session key names.
    """
    if signature.session is not None and user != signature.session.user.encode():
        hint = "A session key is good with the X-Iso-User that it names only."
        raise SignatureRefusedError(hint)


def key_of(keys: Mapping[str, SigningKey], signature: Signature, moment: datetime) -> SigningKey | None:
    """The stored key that a signature was made with, or whose session key; None where there is none that is good.

    Args:
        keys: of the project, by id.
        signature: as it was read.
        moment: of the call.
    """
    stored = keys.get(signature.signing_key_id)
    return stored if stored is not None and stored.is_good(moment) else None


def require_mac(
    key: Secret | None, signature: Signature, call: Call, names: Sequence[str], body_sha256: bytes
) -> bytes:
    """The 32 bytes of the right MAC, after the one that was sent has proved to be that.

    Args:
        key: the text of the key, or None where there is none: it takes as long then.
        signature: as it was read.
        call: what it covers.
        names: the project's signed headers.
        body_sha256: 64 lower-case hex digits.

    Raises:
        SignatureRefusedError: it does not hold.
    """
    dropped = dropped_names(call.headers)
    if dropped and not dropped.isdisjoint([b"content-type", *[name.encode() for name in names]]):
        # Whoever lists it takes it away from what goes up, behind the signature's back.
        raise SignatureRefusedError(_hint(b"connection"))
    try:
        right = _text(call, signature, names, body_sha256).mac(_CLAIM if key is None else key.reveal())
    except ValueError:
        raise SignatureRefusedError from None
    if not hmac.compare_digest(right, signature.mac) or key is None:
        raise SignatureRefusedError
    if declared_length(call) == 0:
        # It never streams by, so that nothing later would miss it.
        require_body(signature, b"")
    return right


def require_claim(claim: Claim) -> None:
    """Refuse what came before.

    Raises:
        ReplayedError: this very request.
        TimestampRefusedError: nobody remembers whether it did.
    """
    if claim == "replayed":
        raise ReplayedError
    if claim == "forgotten":
        hint = "Signed before the last start of this server: sign it again."
        raise TimestampRefusedError(hint)


def require_body(signature: Signature | None, body: bytes) -> None:
    """Refuse a body other than the one that was announced with the signature.

    Raises:
        SignatureRefusedError: its hash is another.
    """
    announced = signature.content_sha256 if signature else None
    if announced is not None and hashlib.sha256(body).hexdigest().encode() != announced:
        raise SignatureRefusedError(_hint(b"x-content-sha256"))


async def matching(chunks: AsyncIterable[bytes], signature: Signature) -> AsyncIterator[bytes]:
    """The chunks of the body that was announced with the signature, as they come.

    Raises:
        SignatureRefusedError: at the end, if it was another: so that whoever sends it on cuts it.
    """
    digest = hashlib.sha256()
    async for chunk in chunks:
        digest.update(chunk)
        yield chunk
    if digest.hexdigest().encode() != signature.content_sha256:
        raise SignatureRefusedError(_hint(b"x-content-sha256"))


def claim_token(project: str, signature: Signature, mac: bytes) -> bytes:
    """The 32 bytes under which this very request is claimed, so that it passes once.

    Args:
        project: its id.
        signature: as it was read.
        mac: as we computed it: of the one that was sent there may be several spellings.
    """
    parts = (_CLAIM, project.encode(), signature.key_id.encode(), signature.nonce or mac)
    return hashlib.sha256(b"\0".join(parts)).digest()


def require(level: Require, signature: Signature | None) -> None:
    """Refuse a call that brings less than the project or route asks for.

    Raises:
        SignatureMissingError: it is not signed, or with a session key where that is not enough.
    """
    brought: Require = "origin" if signature is None else "session" if signature.session else "signature"
    if _RANK[brought] < _RANK[level]:
        hint = f"Sign it with a {'signing key' if level == 'signature' else 'session key or a signing key'}."
        raise SignatureMissingError(hint)


def require_caller(needed: bool, caller: str | None) -> None:  # noqa: FBT001 - the project's own field
    """Refuse a call whose caller the host has not named, where the project asks for one.

    Raises:
        CallerMissingError: nobody is named.
    """
    if needed and caller is None:
        hint = 'Let a middleware outside of ours set scope["apikeychain.caller"] after its login.'
        raise CallerMissingError(hint)


def _text(call: Call, signature: Signature, names: Sequence[str], body_sha256: bytes) -> SignedText:
    project = call.project.encode("latin-1")
    return SignedText(
        project=project,
        key_id=signature.key_id.encode(),
        timestamp=signature.timestamp,
        nonce=signature.nonce,
        method=call.method.encode("latin-1"),
        path=b"/%b/%b/%b" % (project, call.area.encode("latin-1"), call.path),
        query=call.query,
        content_type=call.headers.get(b"content-type") or b"",
        user=call.headers.get(b"x-iso-user") or b"",
        block=header_block(names, call.headers),
        body_sha256=body_sha256,
    )


def _malformed(headers: Headers) -> bytes:
    """The first that is not there and has to be, or is malformed."""
    sent = {name: headers.get(name) for name in _FORMS}
    needed = {name: value or b"" for name, value in sent.items() if value is not None or name not in _OPTIONAL}
    return next(name for name, value in needed.items() if not re.fullmatch(_FORMS[name], value))


def _session(key_id: str) -> SessionKey | None:
    try:
        return SessionKey.read(key_id) if key_id.startswith(SESSION_PREFIX) else None
    except InvalidValueError:
        raise SignatureRefusedError(_hint(b"x-key-id")) from None


def _hint(name: bytes) -> str:
    return f"{name.decode()} is missing, malformed or not that of this request."
