"""However the bytes of a request are divided over packets, the answer is one; and whatever byte of a signed request is
another, it is refused, or what the gate saw of it was the same request.

Covered by a signature (contracts 3): the method, the raw path, the raw query, the body, and the values of `COVERED`.
Not covered, so that a change of it is no change of the request: the case of a header's name, blanks round a header's
value, the version of HTTP, and every other header. `x-content-sha256` tells beforehand what is covered anyway: the
same request comes with it or without it, and never with another value.
"""

import asyncio
import contextlib
import itertools
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import pytest
import pytest_asyncio
from hypothesis import event, example, given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apikeychain import APIKeyChainMiddleware, APIKeyChainSettings, HeaderCredential, Provider, ProxyRoute, RawBody
from apikeychain.model.headers import Headers, Line
from apikeychain.testing.local_provider import Received
from gate import APP, Gate, open_gate
from signer import Signer
from wire import PARSERS, served

COVERED = (
    b"x-key-id",
    b"x-timestamp",
    b"x-nonce",
    b"x-signature",
    b"content-type",
    b"x-iso-user",
    b"accept",
)
ANNOUNCED = b"x-content-sha256"
# Method, path, query, the values of COVERED, the body in one piece, the values of ANNOUNCED.
Seen = tuple[str, bytes, bytes, list[tuple[bytes, ...]], list[bytes], tuple[bytes, ...]]
ROUTE = ProxyRoute(
    "echo",
    provider="weather",
    path="/here",
    tail=True,
    undeclared="forward",
    methods=["GET", "POST"],
    body=RawBody(["application/json"]),
)
WITH_HEADER = Provider("weather", "https://weather.localhost", HeaderCredential("X-Api-Key"))
BODY = b'{"amount":100,"to":"alice"}'
QUERY = b"a=1&b=%20x"
Kind = Literal["get", "post", "announced"]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class Written:
    """A request: what no signature covers stands first in its head.

    Attributes:
        first: the request line.
        covered: header lines, each with its end.
    """

    first: bytes
    covered: bytes
    body: bytes

    def bytes(self, address: str) -> bytes:
        free = [b"host: host.example", b"x-forwarded-proto: https"]
        free += [f"x-forwarded-for: {address}".encode(), b"content-length: %d" % len(self.body)]
        return self.first + b"".join(line + b"\r\n" for line in free) + self.covered + b"\r\n" + self.body


class Site:
    """A server in front of a provider. Not a dataclass: hypothesis would print all of it.

    Attributes:
        seen: the covered parts of each request as the server handed them on.
    """

    def __init__(self, port: int, gate: Gate, signer: Signer, seen: list[Seen]) -> None:
        self.port, self.gate, self.signer, self.seen = port, gate, signer, seen
        self.addresses = itertools.count()

    def write(self, kind: Kind) -> Written:
        """A signed request that was never sent."""
        method, body = ("GET", b"") if kind == "get" else ("POST", BODY)
        path = self.gate.shop.url("echo") + "/tail%C3%BC"
        lines: list[Line] = [(b"accept", b"*/*"), (b"x-iso-user", b"alice"), (b"content-type", b"application/json")]
        lines = lines[:2] if kind == "get" else lines
        signing = self.signer.sign(path, QUERY, method=method, body=body, lines=lines, announce=kind == "announced")
        first = f"{method} {path}?{QUERY.decode()} HTTP/1.1\r\n".encode()
        return Written(first, b"".join(b"%s: %s\r\n" % line for line in [*lines, *signing]), body)

    async def send(self, written: Written, cuts: Sequence[int] = ()) -> tuple[int, bytes]:
        """The status of a request (0: none) and the body of its answer.

        Args:
            cuts: where its bytes are divided. The end of a head that has none any more is sent behind.
        """
        number = next(self.addresses)
        raw = written.bytes(f"198.18.{number >> 8}.{number & 255}") + b"\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        head, body = b"", b""
        with contextlib.suppress(ConnectionError, EOFError):
            for start, end in itertools.pairwise([0, *sorted(cut % len(raw) for cut in cuts), len(raw)]):
                writer.write(raw[start:end])
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: ([0-9]+)", head)
            body = await reader.readexactly(int(length[1]) if length else 0)
        writer.close()
        return int(head[9:12] or 0), body

    async def taken(self, written: Written, cuts: Sequence[int] = ()) -> tuple[int, list[Received]]:
        """The status of a request, and the whole requests that the provider saw of it."""
        before = len(self.gate.provider.requests)
        status, _ = await self.send(written, cuts)
        return status, [received for received in self.gate.provider.requests[before:] if received.is_whole]


async def nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    """The host's own application: whatever is not for the gate is not there."""
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def watching(app: ASGIApp, seen: list[Seen]) -> ASGIApp:
    """`app`, with what reaches it of the covered parts of each request written down."""

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        # Without the blanks around a value, which are none of it and which some servers hand on.
        lines, pieces = Headers([(name, value.strip(b" \t")) for name, value in scope["headers"]]), [b""]
        path = scope["raw_path"].partition(b"?")[0]
        values = [lines.all(name) for name in COVERED]
        seen.append((scope["method"], path, scope["query_string"], values, pieces, lines.all(ANNOUNCED)))

        async def receive_seen() -> Message:
            message = await receive()
            pieces[:] = [b"".join([*pieces, message.get("body", b"")])]
            return message

        await app(scope, receive_seen, send)

    return watched


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=PARSERS)
async def site(request: pytest.FixtureRequest) -> AsyncGenerator[Site, None]:
    trusting = APIKeyChainSettings(trusted_proxies=("127.0.0.1",))
    async with open_gate(settings=trusting, provider=WITH_HEADER, routes=[ROUTE]) as gate:
        await gate.shop.configure(quota="1000000/minute", address_quota="1000000/minute", signed_headers=["accept"])
        shown = await gate.shop.add_signing_key()
        await asyncio.sleep(0.02)  # until the changes were heard
        seen: list[Seen] = []
        signer = Signer(shown.id, shown.key.reveal(), gate.shop.id, signed_headers=["accept"])
        async with served(watching(APIKeyChainMiddleware(nowhere, gate.keychain), seen), request.param) as port:
            yield Site(port, gate, signer, seen)


KINDS = st.sampled_from(["get", "post", "announced"])


@settings(max_examples=150, deadline=None)
@given(kind=KINDS, cuts=st.lists(st.integers(0, 2**16), max_size=12))
@example(kind="post", cuts=list(range(1000)))
async def test_a_signed_request_is_one_however_its_bytes_are_divided(kind: Kind, cuts: list[int], site: Site) -> None:
    status, (received,) = await site.taken(site.write(kind), cuts)
    assert status == 200
    assert (received.method, received.target) == ("GET" if kind == "get" else "POST", b"/here/tail%C3%BC?a=1&b=%20x")
    assert bytes(received.body) == (b"" if kind == "get" else BODY)
    assert received.headers.get(b"content-type") == (None if kind == "get" else b"application/json")


@settings(max_examples=80, deadline=None)
@given(
    lines=st.sampled_from([(), (b"origin: " + APP.encode(),), (b"origin: https://evil.example",), (b"x-nonce: ab",)]),
    cuts=st.lists(st.integers(0, 2**16), max_size=12),
)
async def test_an_unsigned_request_is_one_too(lines: tuple[bytes, ...], cuts: list[int], site: Site) -> None:
    first = f"POST {site.gate.shop.url('echo')} HTTP/1.1\r\n".encode()
    head = b"".join(line + b"\r\n" for line in (b"content-type: application/json", *lines))
    written = Written(first, head, BODY)
    before = len(site.gate.provider.requests)
    whole, divided = await site.send(written), await site.send(written, cuts)
    assert whole == divided
    seen = [(received.target, bytes(received.body)) for received in site.gate.provider.requests[before:]]
    assert seen == [(b"/here", BODY)] * (2 if whole[0] == 200 else 0)
    assert (whole[0] == 200) == (lines == (b"origin: " + APP.encode(),))


@dataclass(frozen=True)
class Change:
    """Another byte, one more or one less, at a place that is counted from the start of `part`."""

    part: Literal["first", "covered", "body"]
    how: Literal["flip", "insert", "delete"]
    place: int
    byte: int

    def of(self, written: Written) -> Written:
        parts = {"first": written.first, "covered": written.covered, "body": written.body}
        old = parts[self.part] or b"\0"
        place = self.place % len(old)
        middle = {
            "flip": bytes([old[place] ^ (self.byte or 1)]),
            "insert": bytes([self.byte, old[place]]),
            "delete": b"",
        }
        parts[self.part] = old[:place] + middle[self.how] + old[place + 1 :]
        return Written(**parts)


CHANGES = st.builds(
    Change,
    st.sampled_from(["first", "covered", "body"]),
    st.sampled_from(["flip", "insert", "delete"]),
    st.integers(0, 2**16),
    st.integers(0, 255) | st.sampled_from([0x20, *b" \t\r\n\0?#&;:%_/"]),
)


@settings(max_examples=600, deadline=None)
@given(kind=KINDS, change=CHANGES)
@example(kind="post", change=Change("covered", "flip", 0, 0x20))
@example(kind="post", change=Change("covered", "delete", 7, 0))
async def test_a_signed_request_of_which_a_byte_is_another_is_refused(kind: Kind, change: Change, site: Site) -> None:
    written = site.write(kind)
    changed = change.of(written)
    start = len(site.seen)
    status, seen = await site.taken(changed)
    is_taken = 200 <= status < 300
    assert status < 500
    assert len(seen) == is_taken
    event(f"taken: {is_taken}")
    # The request as it was signed passes if the changed one was refused, and is a replay if that was the same one.
    again, _ = await site.taken(written)
    if is_taken:
        assert again == 401
        *covered, announced = site.seen[start]
        *same, right = _sent(written)
        assert covered == same
        assert announced in {(), right}
    elif kind == "announced":
        # The claim of a body that was announced comes before the body, so that a wrong one may have used it up.
        assert again in {200, 401}
    else:
        assert again == 200


def _sent(written: Written) -> Seen:
    """The covered parts of a request, read off its own bytes."""
    method, target, _ = written.first.split(b" ")
    path, _, query = target.partition(b"?")
    lines = Headers((line.split(b": ", 1)[0], line.split(b": ", 1)[1]) for line in written.covered.split(b"\r\n")[:-1])
    values = [lines.all(name) for name in COVERED]
    return (method.decode(), path, query, values, [written.body], lines.all(ANNOUNCED))


CHANGED_ALIKE: dict[str, Callable[[bytes], bytes]] = {
    "names in another case": lambda lines: lines.replace(b"x-nonce", b"X-NONCE").replace(b"x-key-id", b"X-Key-Id"),
    "blanks round a value": lambda lines: lines.replace(b"x-nonce: ", b"x-nonce:   ").replace(b"*/*", b"*/* \t"),
    "another header": lambda lines: lines + b"user-agent: another\r\ncookie: a=b\r\n",
}


@pytest.mark.parametrize("name", CHANGED_ALIKE)
@pytest.mark.parametrize("kind", ["get", "post", "announced"])
async def test_what_is_not_covered_makes_no_other_request(name: str, kind: Kind, site: Site) -> None:
    written = site.write(kind)
    alike = Written(written.first, CHANGED_ALIKE[name](written.covered), written.body)
    assert alike != written
    assert [(await site.taken(one))[0] for one in (alike, written, alike)] == [200, 401, 401]


async def test_an_announced_body_that_is_left_out_is_missed(site: Site) -> None:
    written = site.write("announced")
    for _ in range(2):
        assert await site.taken(Written(written.first, written.covered, b"")) == (401, [])
    status, _ = await site.taken(written)
    assert status == 200
