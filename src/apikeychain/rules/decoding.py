"""An answer that came encoded, although identity was asked for, leaves decoded: only so can the secret be found in it.

It is decoded as it streams, one bounded piece at a time, to at most a hundred times its size. What ends before its
coding does, goes on after it, or is broken breaks the stream: such an answer never has a clean end.

Source: contracts 4 ("Redaction"); RFC 9110, 8.4.
"""

from apikeychain.errors import UpstreamRefusedError
from apikeychain.model.call import ByteStream, Reply, UpstreamReply, has_body
from apikeychain.model.headers import Headers
from apikeychain.rules.answer import rewritten
from apikeychain.rules.decoders import DECODERS, Decoder
from apikeychain.rules.filtered import FilteredStream, WholeStream

# More is a bomb: what is worth sending repeats itself less.
MOST_TIMES = 100
# So much is handed to a decoder at once: it copies what it cannot take yet, again and again.
_SLICE_BYTES = 16 * 1024
_PARTIAL = 206


def decode(reply: Reply, upstream: UpstreamReply, method: str) -> Reply:
    """`reply` as it was before it was encoded, if it was.

    Args:
        reply: what passes of `upstream`, with its body.
        upstream: the answer as it came.
        method: of the call: the answer to a HEAD has the lines of a body, and none.

    Raises:
        UpstreamRefusedError: the coding is unknown, one of several, or that of a part.
        MissingExtraError: the packages are missing that decode it. With either the caller closes `upstream.body`.
    """
    if b"content-encoding" not in upstream.headers.first:
        return reply
    coding = _coding_of(upstream.headers)
    if coding is None:
        return reply
    begin = DECODERS.get(coding)
    if begin is None or reply.status == _PARTIAL:
        hint = "the provider's answer has a content coding that cannot be undone"
        raise UpstreamRefusedError(hint)
    if not has_body(reply.status, method) or upstream.headers.get(b"content-length") == b"0":
        return rewritten(reply, reply.body)
    body = WholeStream(reply.body) if isinstance(reply.body, bytes) else reply.body
    return rewritten(reply, _DecodedStream(body, begin()))


def _coding_of(headers: Headers) -> bytes | None:
    """The coding other than identity. Several in a row are one that nobody knows."""
    codings = [coding.strip().lower() for line in headers.all(b"content-encoding") for coding in line.split(b",")]
    return b",".join(coding for coding in codings if coding != b"identity") if set(codings) - {b"identity"} else None


class _DecodedStream(FilteredStream):
    __slots__ = ("_broken", "_came", "_decoder", "_left", "_made")

    def __init__(self, inner: ByteStream, decoder: Decoder) -> None:
        super().__init__(inner)
        self._decoder = decoder
        self._left = memoryview(b"")
        self._came = self._made = 0
        self._broken = False

    async def _next(self) -> bytes:
        if self._broken:
            hint = "the provider's answer is not what its content coding says"
            raise UpstreamRefusedError(hint)
        if self._left or self._decoder.more:
            return self._piece()
        await self._take()
        return b""

    async def _take(self) -> None:
        try:
            chunk = await anext(self._inner)
        except StopAsyncIteration:
            self._ended = self._decoder.ended
            self._broken = not self._ended
        else:
            self._left = memoryview(chunk)
            self._came += len(chunk)

    def _piece(self) -> bytes:
        """The next piece, which may be empty; none of one that is broken leaves."""
        data = b""
        if not self._decoder.more:
            data, self._left = bytes(self._left[:_SLICE_BYTES]), self._left[_SLICE_BYTES:]
        try:
            piece = self._decoder.feed(data)
        except ValueError:
            piece, self._broken = b"", True
        self._made += len(piece)
        self._broken = self._broken or self._made > MOST_TIMES * self._came
        return b"" if self._broken else piece
