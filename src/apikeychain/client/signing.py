"""The header lines that sign a request: one function for `SignedAuth`, the command and whoever sends by other means.

What the signature covers is `apikeychain.rules.signed_text`, the page that the verifier reads too. The JavaScript
beside this file writes the same text; vectors hold the two together.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import BinaryIO, Self

from apikeychain.errors import InvalidValueError
from apikeychain.model.headers import Headers, Line
from apikeychain.model.session_key import SESSION_PREFIX, SessionKey, parse_user
from apikeychain.rules.signed_text import MAC_PREFIX, SignedText, header_block, parse_signed_headers
from apikeychain.secret import Secret

PREFIX = "/api/apikeychain"
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
_NONCE_BYTES = 18
_PIECE_BYTES = 1 << 20
_METHOD = re.compile(r"[A-Za-z-]{1,32}")
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,200}")
_PREFIX = re.compile(r"(?:/[^/?#\s]+)*")
_PROJECT = re.compile(rb"/([^/]+)/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Who signs, for requests of one project or of several.

    Attributes:
        key: its text, as it was shown.
        prefix: the path under which the gate is served, any mount of the host included.
        signed_headers: the project's: lower case, sorted.
        user: sent as ``x-iso-user``, or "" for none.
    """

    key_id: str
    key: Secret
    prefix: str
    signed_headers: tuple[str, ...]
    user: str

    @classmethod
    def of(
        cls,
        key_id: str,
        key: Secret | str,
        *,
        prefix: str = PREFIX,
        signed_headers: Sequence[str] = (),
        user: str | None = None,
    ) -> Self:
        """A signer, every part of it judged.

        Args:
            key_id: of a signing key or of a session key.
            key: its text, as it was shown.
            prefix: the path under which the gate is served.
            signed_headers: those that the project says.
            user: who calls; without one, whom a session key names.

        Raises:
            InvalidValueError: one of them cannot be. The text never holds the key.
        """
        if not _KEY_ID.fullmatch(key_id):
            msg = "not a key id: 1 to 200 of A-Z, a-z, 0-9, dot, underscore and hyphen"
            raise InvalidValueError(msg)
        if not _PREFIX.fullmatch(prefix):
            msg = f"a prefix is a path without a final slash, like {PREFIX}, not {prefix!r}"
            raise InvalidValueError(msg)
        return cls(
            key_id=key_id,
            key=key if isinstance(key, Secret) else Secret(key),
            prefix=prefix,
            signed_headers=parse_signed_headers(signed_headers),
            user=parse_user(user) if user is not None else _user_of(key_id),
        )


def sign(
    signer: Signer,
    *,
    method: str,
    target: bytes,
    headers: Iterable[Line],
    body_sha256: str,
    timestamp: int,
    nonce: str,
) -> list[Line]:
    """The lines that sign a request, to stand in place of any that it has of these names.

    ``x-content-sha256`` is always among them: the gate then judges the signature before it reads the body, and need not
    keep the body to do so.

    Args:
        signer: who signs.
        method: as it is sent.
        target: path and query, byte for byte as they are sent.
        headers: the lines that are sent; the content type, X-Iso-User and the signed headers are taken from them.
        body_sha256: 64 lower-case hex digits.
        timestamp: unix seconds.
        nonce: 16 to 64 of ``A-Za-z0-9_-``, another for each send.

    Raises:
        InvalidValueError: the path is not under the prefix, or a part cannot be signed.
    """
    if not _METHOD.fullmatch(method):
        msg = f"not a method: {method!r}"
        raise InvalidValueError(msg)
    path, _, query = target.partition(b"?")
    path, project = _below(signer.prefix, path)
    sent = Headers((name, value.strip(b" \t")) for name, value in headers)
    user = signer.user.encode() or _one(sent, b"x-iso-user")
    try:
        text = SignedText(
            project=project,
            key_id=signer.key_id.encode(),
            timestamp=str(timestamp).encode(),
            nonce=nonce.encode(),
            method=method.encode(),
            path=path,
            query=query,
            content_type=_one(sent, b"content-type"),
            user=user,
            block=header_block(signer.signed_headers, sent),
            body_sha256=body_sha256.encode(),
        )
        mac = text.mac(signer.key.reveal())
    except ValueError as error:
        msg = f"this request cannot be signed: {error}"
        raise InvalidValueError(msg) from None
    lines = [
        (b"x-key-id", text.key_id),
        (b"x-timestamp", text.timestamp),
        (b"x-nonce", text.nonce),
        (b"x-content-sha256", text.body_sha256),
        (b"x-signature", MAC_PREFIX + mac.hex().encode()),
    ]
    return [*lines, (b"x-iso-user", user)] if user else lines


def require_gate(scheme: str, host: str) -> None:
    """Raise InvalidValueError unless it is https, or this machine: what is signed shall not be read on its way."""
    if scheme != "https" and not (scheme == "http" and host in _THIS_MACHINE):
        msg = f"signed requests go over https, or to this machine: not {scheme}://{host}"
        raise InvalidValueError(msg)


def fresh_nonce() -> str:
    """A nonce of 18 random bytes: 24 characters."""
    return secrets.token_urlsafe(_NONCE_BYTES)


def sha256_of(source: str | PathLike[str] | BinaryIO) -> str:
    """The 64 lower-case hex digits for ``x-content-sha256``, read piece by piece.

    Args:
        source: a path, or an open binary file: from where it stands to its end, and it is then put back there.
    """
    if isinstance(source, str | PathLike):
        with Path(source).open("rb") as file:
            return sha256_of(file)
    start, digest = source.tell(), hashlib.sha256()
    while piece := source.read(_PIECE_BYTES):
        digest.update(piece)
    source.seek(start)
    return digest.hexdigest()


def _below(prefix: str, path: bytes) -> tuple[bytes, bytes]:
    """The path after the prefix, and the project in it."""
    rest = path.removeprefix(prefix.encode())
    project = _PROJECT.match(rest)
    if project is None or not path.startswith(prefix.encode() + b"/"):
        msg = f"only what is under {prefix}/<project id>/ is signed: another path would get a signature for nothing"
        raise InvalidValueError(msg)
    return rest, project[1]


def _one(headers: Headers, name: bytes) -> bytes:
    values = headers.all(name)
    if len(values) > 1:
        msg = f"{name.decode()} is sent twice"
        raise InvalidValueError(msg)
    return values[0] if values else b""


def _user_of(key_id: str) -> str:
    """Whom the id of a session key names; "" for that of a signing key."""
    return SessionKey.read(key_id).user if key_id.startswith(SESSION_PREFIX) else ""
