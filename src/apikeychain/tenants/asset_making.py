"""An asset as it is kept: its hashes, and its body in every coding that it is served in, made once.

Source: contracts 9; RFC 1952 (gzip); RFC 7932 (br).
"""

import gzip
import hashlib
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from apikeychain.errors import InvalidValueError
from apikeychain.model.asset import MAX_ASSET_BYTES
from apikeychain.model.asset_bodies import AssetBodies

_GZIP_LEVEL, _BR_QUALITY = 9, 11


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeAsset:
    """What is made of a body.

    Attributes:
        size: of the body itself, in bytes, no coding applied.
        sha256: of that, in lower-case hex; `sha384` and `sha512` likewise.
        packed: what is sealed.
    """

    size: int
    sha256: str
    sha384: str
    sha512: str
    packed: bytes = field(repr=False)


def made_of(body: bytes) -> MadeAsset:
    """What is kept of a body; seconds for some MiB, so for a thread.

    A coding that makes it no shorter is left out, and so is br without the extra ``encodings``.
    """
    # The time of the making is none of the content: equal bodies are equal in every coding.
    gzipped = gzip.compress(body, _GZIP_LEVEL, mtime=0)
    bodies = AssetBodies(body, *(coded if len(coded) < len(body) else b"" for coded in (gzipped, _br(body))))
    return MadeAsset(
        size=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        sha384=hashlib.sha384(body).hexdigest(),
        sha512=hashlib.sha512(body).hexdigest(),
        packed=bodies.pack(),
    )


def body_of(given: bytes | Path) -> bytes:
    """The bytes, or those of a file, of which no more are read than are refused; for a thread.

    Raises:
        InvalidValueError: the file cannot be read.
    """
    if isinstance(given, bytes):
        return given
    try:
        with given.open("rb") as file:
            return file.read(MAX_ASSET_BYTES + 1)
    except OSError as error:
        msg = f"the file {str(given)!r} cannot be read: {error.strerror}"
        raise InvalidValueError(msg) from None


def _br(body: bytes) -> bytes:
    try:
        brotli: Any = import_module("brotli")  # it needs the extra `encodings`
    except ImportError:
        return b""
    return cast("bytes", brotli.compress(body, mode=brotli.MODE_TEXT, quality=_BR_QUALITY))
