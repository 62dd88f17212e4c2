"""The secret never comes back: what an answer holds of it is overwritten in place.

It is looked for in its forms, across the borders of chunks: as it stands, in hex, in base64, and with any of its
bytes escaped. What is found keeps its length, so that offsets and Content-Length stay true: ``[redacted]``, then
``*``. What is held back goes by place and not by content; no form holds a line feed, so whatever ends in one leaves
at once and no event of a stream waits.

Source: contracts 4 ("Redaction"); spec 4.2.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from apikeychain.errors import SecretUnavailableError, UpstreamRefusedError
from apikeychain.model.call import ByteStream, Reply
from apikeychain.model.headers import Line
from apikeychain.model.provider import BasicCredential, HeaderCredential, Provider
from apikeychain.model.signing_credentials import AWSCredential, HMACCredential
from apikeychain.rules import hmac_signing, sigv4
from apikeychain.rules.filtered import FilteredStream
from apikeychain.rules.injection import credential
from apikeychain.rules.scrubbing import PIECE, Needles, Scrubber
from apikeychain.secret import MIN_BYTES, Secret


def needles(provider: Provider, *secrets: Secret) -> Needles:
    """The needles of one call: what may have been injected into it.

    A Basic credential is also looked for without its scheme. So is a secret that holds the scheme itself, as in
    ``Bearer <token>``, and of ``user:password`` each half that is long enough to be a secret of its own. A Bearer token
    is looked for alone, and so is each secret part of a credential that signs; the id of its key is none, which goes
    up as it stands.

    Args:
        provider: whose credential it is.
        secrets: the current version, and those that retire. One whose form is not that in which calls to the provider
            are signed by now is looked for as it stands.
    """
    texts: set[bytes] = set()
    for secret in secrets:
        plain = secret.reveal()  # read to be looked for: it leaves this module in no form
        whole = credential(provider, secret)
        texts |= {plain, whole, whole.removeprefix(b"Basic ")}
        with suppress(SecretUnavailableError):
            texts.update(part for part in map(bytes.strip, _parts(provider, plain)) if len(part) >= MIN_BYTES)
    return Needles(tuple(sorted(texts)))


def plain_needles(*secrets: Secret) -> Needles:
    """The needles of secrets that belong to no provider: each as it stands."""
    return Needles(tuple(sorted({secret.reveal() for secret in secrets})))  # read to be looked for, as above


def _parts(provider: Provider, plain: bytes) -> Iterator[bytes]:
    """What a provider may take out of a secret and show by itself."""
    place = provider.credential
    if isinstance(place, BasicCredential) and place.username is None:
        yield from plain.split(b":", 1)
    elif isinstance(place, HeaderCredential) and not place.prefix:
        _, _, token = plain.partition(b" ")
        yield token
        yield from token.split(b":", 1)
    elif isinstance(place, AWSCredential):
        key = sigv4.read_key(plain)
        yield key.secret
        yield key.token
    elif isinstance(place, HMACCredential):
        yield hmac_signing.read_key(place, plain).key


class _ScrubbedStream(FilteredStream):
    __slots__ = ("_scrubber",)

    def __init__(self, inner: ByteStream, needles: Needles) -> None:
        super().__init__(inner)
        self._scrubber = Scrubber(needles)

    async def _next(self) -> bytes:
        try:
            return self._scrubber.feed(await anext(self._inner))
        except StopAsyncIteration:
            self._ended = True
            return self._scrubber.flush()


def scrub(reply: Reply, needles: Needles) -> Reply:
    """`reply` without the needles, headers and body.

    A header whose name holds one is dropped.

    Raises:
        UpstreamRefusedError: a Location holds one: an address cannot be overwritten. The caller then closes the body.
    """
    body, lines = reply.body, reply.headers
    if not isinstance(body, bytes):
        return _with(reply, _scrubbed(lines, needles), _ScrubbedStream(body, needles))
    if len(body) <= PIECE and _is_clean(lines, needles, body):
        return reply
    return _with(reply, _scrubbed(lines, needles), needles.scrub(body))


def _with(reply: Reply, lines: tuple[Line, ...], body: bytes | ByteStream) -> Reply:
    return Reply(reply.status, lines, body, idle_seconds=reply.idle_seconds, total_seconds=reply.total_seconds)


def _scrubbed(lines: tuple[Line, ...], needles: Needles) -> tuple[Line, ...]:
    if _is_clean(lines, needles):
        return lines
    kept: list[Line] = []
    for name, value in lines:
        clean = needles.scrub(value)
        if name == b"location" and clean != value:
            raise UpstreamRefusedError
        if needles.scrub(name) == name and not any(text in name for text in needles.lowered):
            kept.append((name, clean))
    return tuple(kept)


def _is_clean(lines: Sequence[Line], needles: Needles, body: bytes = b"") -> bool:
    """Whether nothing of it holds one. It is searched as one text: no form goes on behind a line feed."""
    names = b"\n".join([name for name, _ in lines])
    whole = b"\n".join([names, *[value for _, value in lines], body])
    return needles.is_clean(whole, names)
