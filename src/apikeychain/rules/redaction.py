"""The secret never comes back: what an answer holds of it is overwritten in place.

A needle is looked for as it stands, across the borders of chunks. What is found keeps its length, so that offsets and
Content-Length stay true: ``[redacted]``, then ``*``. Only a tail that may begin a needle is held back; a needle holds
no line feed, so whatever ends in one leaves at once and no event of a stream waits.

Source: contracts 4 ("Redaction"); spec 4.2.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Self

from apikeychain.errors import UpstreamRefusedError
from apikeychain.model.call import ByteStream, Reply
from apikeychain.model.headers import Line
from apikeychain.model.provider import BasicCredential, Provider
from apikeychain.rules.injection import credential
from apikeychain.secret import MIN_BYTES, Secret

_MARK = b"[redacted]"

# start, stop, and how far into the mark it is at its start
Find = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Needles:
    """What must not come back.

    Attributes:
        texts: the secret and the whole credential, each once, none empty.
    """

    texts: tuple[bytes, ...] = field(repr=False)

    def scrub(self, value: bytes) -> bytes:
        """`value` without them, of the same length."""
        scrubber = Scrubber(self)
        return scrubber.feed(value) + scrubber.flush()


def needles(provider: Provider, secret: Secret) -> Needles:
    """The needles of one call.

    A Basic credential is also looked for without its scheme, and where the secret is ``user:password``, each half
    that is long enough to be a secret of its own.
    """
    plain = secret.reveal()  # read to be looked for: it leaves this module in no form
    whole = credential(provider, secret)
    texts = {plain, whole}
    if isinstance(provider.credential, BasicCredential):
        texts.add(whole.removeprefix(b"Basic "))
        if provider.credential.username is None:
            texts.update(half for half in plain.split(b":", 1) if len(half) >= MIN_BYTES)
    return Needles(tuple(sorted(texts)))


class Scrubber:
    """Overwrites needles in a stream; the output has the length of the input and does not depend on the chunks.

    Overlapping finds are one find. `_covered` says how much of the front of `_held` belongs to a find whose beginning
    has left already, `_offset` how far into its mark that is.
    """

    __slots__ = ("_covered", "_held", "_needles", "_offset")

    def __init__(self, needles: Needles) -> None:
        self._needles = needles.texts
        self._held = b""
        self._covered = 0
        self._offset = 0

    def feed(self, chunk: bytes) -> bytes:
        """What can leave after `chunk`; may be empty."""
        buffer = self._held + chunk
        return self._release(buffer, _first_beginning(buffer, self._needles))

    def flush(self) -> bytes:
        """The rest, at the end of the stream."""
        return self._release(self._held, len(self._held))

    def _release(self, buffer: bytes, end: int) -> bytes:
        """Overwrite and let go of `buffer[:end]`: every find that begins in it is whole in `buffer`."""
        carried = (0, self._covered, self._offset) if self._covered else None
        finds = list(_merged(carried, _finds(buffer, end, self._needles)))
        self._held, self._covered, self._offset = buffer[end:], 0, 0
        if not finds:
            return buffer[:end]
        out = bytearray(buffer[:end])
        for start, stop, offset in finds:
            inside = min(stop, end) - start
            out[start : start + inside] = _mark(offset, inside)
            if stop > end:
                self._covered, self._offset = stop - end, offset + inside
        return bytes(out)


class _ScrubbedStream:
    """See ByteStream. A class, since a generator that was never started would not close what it wraps."""

    __slots__ = ("_closed", "_ended", "_inner", "_scrubber")

    def __init__(self, inner: ByteStream, needles: Needles) -> None:
        self._inner, self._scrubber = inner, Scrubber(needles)
        self._ended = self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._ended:
            try:
                out = self._scrubber.feed(await anext(self._inner))
            except StopAsyncIteration:
                self._ended = True
                out = self._scrubber.flush()
            if out:
                return out
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Close what is wrapped, once."""
        self._ended = True
        if not self._closed:
            self._closed = True
            await self._inner.aclose()


def scrub(reply: Reply, needles: Needles) -> Reply:
    """`reply` without the needles, headers and body.

    A header whose name holds one is dropped.

    Raises:
        UpstreamRefusedError: a Location holds one: an address cannot be overwritten. The caller then closes the body.
    """
    lines: list[Line] = []
    for name, value in reply.headers:
        clean = needles.scrub(value)
        if name == b"location" and clean != value:
            raise UpstreamRefusedError
        if not any(text.lower() in name for text in needles.texts):
            lines.append((name, clean))
    body = needles.scrub(reply.body) if isinstance(reply.body, bytes) else _ScrubbedStream(reply.body, needles)
    return replace(reply, headers=tuple(lines), body=body)


def _mark(offset: int, length: int) -> bytes:
    return (_MARK[offset:] + b"*" * length)[:length]


def _finds(buffer: bytes, end: int, texts: tuple[bytes, ...]) -> list[tuple[int, int]]:
    """Every occurrence that begins before `end`, overlapping ones too, in order."""
    found: list[tuple[int, int]] = []
    for text in texts:
        at = buffer.find(text)
        while 0 <= at < end:
            found.append((at, at + len(text)))
            at = buffer.find(text, at + 1)
    return sorted(found)


def _merged(carried: Find | None, finds: list[tuple[int, int]]) -> Iterator[Find]:
    """Finds in order, those that overlap as one."""
    current = carried
    for start, stop in finds:
        if current is not None and start < current[1]:
            current = (current[0], max(stop, current[1]), current[2])
            continue
        if current is not None:
            yield current
        current = (start, stop, 0)
    if current is not None:
        yield current


def _first_beginning(buffer: bytes, texts: tuple[bytes, ...]) -> int:
    """Where the first tail begins that a needle may continue, else the length."""
    return min(_beginning(buffer, text) for text in texts)


def _beginning(buffer: bytes, text: bytes) -> int:
    at = buffer.find(text[:1], max(0, len(buffer) - len(text) + 1))
    while at >= 0 and not text.startswith(buffer[at:]):
        at = buffer.find(text[:1], at + 1)
    return len(buffer) if at < 0 else at
