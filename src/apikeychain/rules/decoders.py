"""The decoders of content codings, all in one shape: bytes in, at most a piece out.

zlib is Python's own; br and zstd come with the extra ``encodings`` and are loaded when the first such answer comes.

Source: RFC 1950 and 1952 (zlib, gzip: members in a row); RFC 7932 (br); RFC 8878 (zstd: frames in a row); RFC 9659 (the
window of zstd).
"""

import sys
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

from apikeychain.errors import MissingExtraError

PIECE_BYTES = 64 * 1024
# brotli ends a piece with the block of its buffer in which the limit lies; the first block has just under 32 KiB.
_BROTLI_BYTES = 16 * 1024
_GZIP, _ZLIB = 31, 15
# RFC 9659: the largest window, as a power of two, that a reader of the coding has to have.
_WINDOW_LOG = 23


class Member(Protocol):
    """Undoes a coding from its beginning to its end.

    Attributes:
        errors: what `feed` raises at broken data.
        more: whether there may be more without more data: then `feed(b"")` comes next.
        eof: whether its end was reached; `rest` is what came behind it.
    """

    @property
    def errors(self) -> tuple[type[Exception], ...]: ...  # noqa: D102 - see above
    @property
    def more(self) -> bool: ...  # noqa: D102 - see above
    @property
    def eof(self) -> bool: ...  # noqa: D102 - see above
    @property
    def rest(self) -> bytes: ...  # noqa: D102 - see above

    def feed(self, data: bytes) -> bytes:
        """The next piece, at most 64 KiB; it may be empty."""
        ...


class Decoder:
    """A member, or several in a row where a coding has them."""

    __slots__ = ("_begin", "_is_empty", "_member", "_several", "_was_empty")

    def __init__(self, begin: Callable[[], Member], *, several: bool) -> None:
        self._begin, self._several = begin, several
        self._member = begin()
        self._is_empty, self._was_empty = True, False

    @property
    def more(self) -> bool:
        """Whether `feed(b"")` comes next."""
        return bool(self._member.rest) if self._member.eof else self._member.more

    @property
    def ended(self) -> bool:
        """Whether the body may end here."""
        return self._member.eof and not self._member.rest

    def feed(self, data: bytes) -> bytes:
        """The next piece, at most 64 KiB; it may be empty.

        Args:
            data: what came, b"" exactly where `more` holds.

        Raises:
            ValueError: the data is broken.
        """
        if self._member.eof:
            data = self._member.rest + data
            self._next()
        try:
            out = self._member.feed(data)
        except self._member.errors:
            raise ValueError from None
        self._is_empty = self._is_empty and not out
        return out

    def _next(self) -> None:
        # An empty member may end a file or mark a place in it; a row of them is nothing but work.
        if not self._several or (self._is_empty and self._was_empty):
            raise ValueError
        self._member = self._begin()
        self._is_empty, self._was_empty = True, self._is_empty


class _Zlib:
    """See Member."""

    __slots__ = ("_inner", "more")

    errors = (zlib.error,)

    def __init__(self, window_bits: int) -> None:
        self._inner, self.more = zlib.decompressobj(window_bits), False

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def rest(self) -> bytes:
        return self._inner.unused_data

    def feed(self, data: bytes) -> bytes:
        out = self._inner.decompress(self._inner.unconsumed_tail + data, PIECE_BYTES)
        self.more = len(out) == PIECE_BYTES
        return out


class _Brotli:
    """See Member. brotli itself refuses what comes behind its end."""

    __slots__ = ("_inner", "errors", "more")

    rest = b""

    def __init__(self) -> None:
        brotli = _extra("brotli", "br")
        self._inner, self.errors, self.more = brotli.Decompressor(), (brotli.error,), False

    @property
    def eof(self) -> bool:
        return bool(self._inner.is_finished())

    def feed(self, data: bytes) -> bytes:
        out = bytes(self._inner.process(data, output_buffer_limit=_BROTLI_BYTES))
        # It also takes more data while there is more in it of what it has.
        self.more = len(out) >= _BROTLI_BYTES or not self._inner.can_accept_more_data()
        return out


class _Zstd:
    """See Member: one frame."""

    __slots__ = ("_inner", "errors")

    def __init__(self) -> None:
        zstd = _extra("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd", "zstd")
        self._inner = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG})
        self.errors = (zstd.ZstdError,)

    @property
    def more(self) -> bool:
        return not self._inner.needs_input

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    @property
    def rest(self) -> bytes:
        return bytes(self._inner.unused_data)

    def feed(self, data: bytes) -> bytes:
        return bytes(self._inner.decompress(data, PIECE_BYTES))


DECODERS: dict[bytes, Callable[[], Decoder]] = {
    b"gzip": lambda: Decoder(lambda: _Zlib(_GZIP), several=True),
    b"x-gzip": lambda: Decoder(lambda: _Zlib(_GZIP), several=True),
    b"deflate": lambda: Decoder(lambda: _Zlib(_ZLIB), several=False),
    b"br": lambda: Decoder(_Brotli, several=False),
    b"zstd": lambda: Decoder(_Zstd, several=True),
}
"""By the name of the coding. Each raises MissingExtraError where its package is missing."""


def _extra(module: str, coding: str) -> Any:  # noqa: ANN401 - a module that may not be there has no type
    try:
        return import_module(module)
    except ImportError:
        asked = f"a provider's answer in the content coding {coding}"
        raise MissingExtraError(asked, "encodings") from None
