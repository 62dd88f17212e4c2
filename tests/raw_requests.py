"""Requests as bytes that servers read in different ways, each with what a strict reader makes of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from apikeychain.model.headers import Line
from signer import Signer

# passes: it must, as it stands. refused: nothing goes up. either: nothing, or what would pass.
Reading = Literal["passes", "refused", "either"]
Sent = tuple[str, bytes, bytes]

BODY = b'{"amount":100,"to":"alice"}'
JSON: Line = (b"content-type", b"application/json")
ORIGIN: Line = (b"origin", b"https://app.example.com")
CHUNKED: Line = (b"transfer-encoding", b"chunked")
LENGTH: Line = (b"content-length", b"%d" % len(BODY))
HOST: Line = (b"host", b"localhost")
SIGNING = (b"x-key-id", b"x-timestamp", b"x-nonce", b"x-signature")
ALSO_SINGLE = (b"x-iso-user", b"content-type", b"content-length", b"content-encoding", b"sec-fetch-dest")
GET: Sent = ("GET", b"/here/tail?a=1", b"")
POST: Sent = ("POST", b"/here/tail?a=1", BODY)


@dataclass(frozen=True)
class Desk:
    """Writes requests to one route of a gate.

    Attributes:
        path: of the route.
        address: that the requests come from.
    """

    path: str
    signer: Signer
    address: str

    def head(
        self,
        method: str,
        *lines: Line,
        tail: str = "/tail?a=1",
        form: str = "{} {} HTTP/1.1",
        host: Sequence[Line] = (HOST,),
    ) -> bytes:
        """The head of a request.

        Args:
            form: of the request line, for method and target.
        """
        first = form.format(method, self.path + tail).encode()
        own = [*host, (b"connection", b"close"), (b"x-forwarded-for", self.address.encode()), *lines]
        return first + b"\r\n" + b"".join(b"%b: %b\r\n" % line for line in own) + b"\r\n"

    def signing(self, method: str = "POST", body: bytes = BODY, *, tail: str = "/tail?a=1") -> dict[bytes, bytes]:
        """The signing headers of a request; one with a body is of JSON."""
        path, _, query = (self.path + tail).partition("?")
        lines = [JSON] if method == "POST" else []
        return dict(self.signer.sign(path, query.encode(), method=method, body=body, lines=lines))

    def signed(self, *lines: Line, tail: str = "/tail?a=1") -> bytes:
        """The head of a signed POST."""
        return self.head("POST", JSON, *self.signing(tail=tail).items(), *lines, tail=tail)


@dataclass(frozen=True)
class Raw:
    """One request.

    Attributes:
        write: its packets.
        sent: what goes up where it passes.
        leaves: whether the caller leaves behind the last packet.
    """

    name: str
    reading: Reading
    write: Callable[[Desk], Sequence[bytes]]
    sent: Sent = POST
    leaves: bool = False


def chunks(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> list[bytes]:
    """The packets of a chunked body."""
    return [*(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces), end]


def posted(*lines: Line) -> Callable[[Desk], Sequence[bytes]]:
    """An unsigned POST of the body from an allowed page, with these lines."""
    return lambda desk: [desk.head("POST", ORIGIN, JSON, *lines), BODY]


def signed_twice(name: bytes) -> Callable[[Desk], Sequence[bytes]]:
    """A signed POST with one of its signing headers twice, the same both times."""

    def write(desk: Desk) -> Sequence[bytes]:
        signing = desk.signing()
        return [desk.head("POST", JSON, LENGTH, *signing.items(), (name, signing[name])), BODY]

    return write


def announced(*packets: bytes) -> Callable[[Desk], Sequence[bytes]]:
    """A signed POST of the body that tells its hash beforehand, with other bytes behind it."""

    def write(desk: Desk) -> Sequence[bytes]:
        path, _, query = (desk.path + "/tail?a=1").partition("?")
        signing = desk.signer.sign(path, query.encode(), method="POST", body=BODY, lines=[JSON], announce=True)
        length = (b"content-length", b"%d" % sum(map(len, packets)))
        return [desk.head("POST", JSON, length, *signing), *packets]

    return write


def signed_with_twin(name: bytes) -> Callable[[Desk], Sequence[bytes]]:
    """A signed POST with another value under a name with underscores."""
    return lambda desk: [desk.signed(LENGTH, (name.replace(b"-", b"_"), b"1")), BODY]


PLAIN = [
    Raw("a-get", "passes", lambda desk: [desk.head("GET", ORIGIN)], GET),
    Raw("a-post", "passes", posted(LENGTH)),
    Raw("a-post-in-chunks", "passes", lambda d: [d.head("POST", ORIGIN, JSON, CHUNKED), *chunks(BODY[:9], BODY[9:])]),
    Raw("a-post-in-packets", "passes", lambda d: [d.head("POST", ORIGIN, JSON, LENGTH), BODY[:5], BODY[5:9], BODY[9:]]),
    Raw("a-head-in-packets", "passes", lambda desk: _bytewise(desk.head("GET", ORIGIN)), GET),
    Raw("a-foreign-page", "refused", lambda desk: [desk.head("GET", (b"origin", b"https://evil.example"))]),
    Raw("no-origin", "refused", lambda desk: [desk.head("GET")]),
]
SIGNED = [
    Raw("signed-get", "passes", lambda desk: [desk.head("GET", *desk.signing("GET", b"").items())], GET),
    Raw("signed-post", "passes", lambda desk: [desk.signed(LENGTH), BODY]),
    Raw("signed-in-chunks", "passes", lambda desk: [desk.signed(CHUNKED), *chunks(BODY[:1], BODY[1:20], BODY[20:])]),
    Raw(
        "signed-raw-path",
        "passes",
        lambda desk: [desk.signed(LENGTH, tail="/%C3%BC/%41%7e?a=%2541&b=%20"), BODY],
        ("POST", b"/here/%C3%BC/A~?a=%2541&b=%20", BODY),
    ),
    Raw("signed-encoded-slash", "refused", lambda desk: [desk.signed(LENGTH, tail="/a%2Fb?a=1"), BODY]),
    Raw("another-body", "refused", lambda desk: [desk.signed(LENGTH), BODY.replace(b"alice", b"carol")]),
    Raw("a-body-cut-by-its-length", "refused", lambda desk: [desk.signed((b"content-length", b"9")), BODY]),
    Raw("a-body-cut-by-its-chunks", "refused", lambda desk: [desk.signed(CHUNKED), *chunks(BODY[:9])]),
    Raw("an-encoded-body", "refused", lambda desk: [desk.signed(LENGTH, (b"content-encoding", b"gzip")), BODY]),
]
ANNOUNCED = [
    Raw("announced", "passes", announced(BODY[:9], BODY[9:])),
    Raw("announced-and-another", "refused", announced(BODY[:9], BODY[9:].replace(b"alice", b"carol"))),
    Raw("announced-and-shorter", "refused", announced(BODY[:9], BODY[9:-1])),
    Raw("announced-and-longer", "refused", announced(BODY, b" ")),
    Raw("announced-and-left-out", "refused", announced()),
]
TWICE = [
    Raw("two-origins", "refused", posted(LENGTH, (b"origin", b"https://evil.example"))),
    Raw("one-origin-twice", "refused", posted(LENGTH, ORIGIN)),
    Raw("two-types", "refused", posted(LENGTH, (b"content-type", b"text/html"))),
    Raw("two-hosts", "refused", posted(LENGTH, (b"host", b"evil.example"))),
    Raw("two-users", "refused", posted(LENGTH, (b"x-iso-user", b"a"), (b"x-iso-user", b"b"))),
    Raw("two-destinations", "refused", posted(LENGTH, *[(b"sec-fetch-dest", b"empty")] * 2)),
    *[Raw(f"twice-{name.decode()}", "refused", signed_twice(name)) for name in SIGNING],
    *[Raw(f"twin-of-{name.decode()}", "refused", signed_with_twin(name)) for name in (*SIGNING, *ALSO_SINGLE)],
    Raw("signed-under-twins-only", "refused", lambda desk: [_under_twins(desk), BODY]),
]
FRAMED = [
    # The chunks override the length (RFC 9112, 6.3): a server may drop it, so that nothing behind it can tell.
    Raw("a-length-beside-chunks", "either", lambda d: [d.head("POST", ORIGIN, JSON, LENGTH, CHUNKED), *chunks(BODY)]),
    Raw("signed-with-both", "either", lambda desk: [desk.signed(CHUNKED, LENGTH), *chunks(BODY)]),
    Raw("two-lengths", "refused", posted(LENGTH, (b"content-length", b"9"))),
    # One length said twice is one length to some (RFC 9112, 6.3), and none to others.
    Raw("one-length-twice", "either", posted(LENGTH, LENGTH)),
    Raw("a-list-of-lengths", "either", posted((b"content-length", b"%d, %d" % (len(BODY), len(BODY))))),
    Raw("a-length-with-a-sign", "refused", posted((b"content-length", b"+%d" % len(BODY)))),
    Raw("a-length-below-zero", "refused", posted((b"content-length", b"-1"))),
    Raw("a-length-in-hex", "refused", posted((b"content-length", b"0x1b"))),
    Raw("an-unknown-coding", "refused", posted((b"transfer-encoding", b"identity"), LENGTH)),
    Raw("chunked-twice", "refused", lambda d: [d.head("POST", ORIGIN, JSON, CHUNKED, CHUNKED), *chunks(BODY)]),
    Raw("gzip-then-chunked", "refused", lambda d: [_coded(d, b"gzip, chunked"), *chunks(BODY)]),
    Raw("chunked-then-gzip", "refused", lambda d: [_coded(d, b"chunked, gzip"), *chunks(BODY)]),
    Raw("a-tab-before-chunked", "either", lambda desk: [_coded(desk, b"\tchunked"), *chunks(BODY)]),
    Raw("a-blank-before-the-colon", "refused", posted(LENGTH, (b"transfer-encoding ", b"chunked"))),
    Raw("a-folded-line", "either", posted(LENGTH, (b"x-folded", b"a\r\n b"))),
    Raw("a-zero-byte", "refused", posted(LENGTH, (b"x-zero", b"a\0b"))),
    Raw("a-chunk-size-with-a-sign", "refused", lambda desk: [desk.signed(CHUNKED), b"+1b\r\n", BODY, *chunks()]),
    Raw("a-chunk-size-of-letters", "refused", lambda desk: [desk.signed(CHUNKED), b"zz\r\n", BODY, *chunks()]),
    Raw("a-chunk-too-long", "refused", lambda desk: [desk.signed(CHUNKED), b"1b\r\n" + BODY + b"xx\r\n0\r\n\r\n"]),
    Raw("broken-behind-the-first-chunk", "refused", lambda d: [d.signed(CHUNKED), *chunks(BODY, end=b"zz\r\n\r\n")]),
    Raw("a-trailer", "either", lambda d: [d.signed(CHUNKED), *chunks(BODY, end=b"0\r\nx-iso-user: eve\r\n\r\n")]),
]
LINES = [
    Raw("no-host", "refused", lambda desk: [desk.head("GET", ORIGIN, host=())]),
    Raw("old-http-with-a-host", "either", lambda desk: [desk.head("GET", ORIGIN, form="{} {} HTTP/1.0")], GET),
    Raw("a-whole-url", "either", lambda desk: [desk.head("GET", ORIGIN, form="{} http://localhost{} HTTP/1.1")], GET),
    Raw(
        "another-host's-url", "either", lambda d: [d.head("GET", ORIGIN, form="{} http://evil.example{} HTTP/1.1")], GET
    ),
    Raw("a-fragment", "either", lambda desk: [desk.head("GET", ORIGIN, tail="/tail?a=1#b")], GET),
    # ASGI says methods in capitals, and a server may make them so.
    Raw("a-method-in-small-letters", "either", lambda desk: [desk.head("get", ORIGIN)], GET),
    Raw("a-blank-in-the-target", "refused", lambda desk: [desk.head("GET", ORIGIN, tail="/tail /b?a=1")]),
    Raw("dot-segments", "refused", lambda desk: [desk.head("GET", ORIGIN, tail="/a/../tail?a=1")]),
    Raw("encoded-dot-segments", "refused", lambda desk: [desk.head("GET", ORIGIN, tail="/a/%2e%2e/tail?a=1")]),
    Raw("two-slashes", "refused", lambda desk: [desk.head("GET", ORIGIN, tail="//tail?a=1")]),
]
LEAVING = [
    Raw("leaves-in-the-body", "refused", lambda desk: [desk.signed(LENGTH), BODY[:9]], leaves=True),
    Raw("leaves-before-the-body", "refused", lambda desk: [desk.signed(LENGTH)], leaves=True),
    Raw("leaves-between-chunks", "refused", lambda desk: [desk.signed(CHUNKED), *chunks(BODY, end=b"")], leaves=True),
    Raw("leaves-in-a-chunk", "refused", lambda desk: [desk.signed(CHUNKED), b"1b\r\n" + BODY[:9]], leaves=True),
    Raw("leaves-in-the-head", "refused", lambda desk: [desk.signed(LENGTH)[:-2]], leaves=True),
    Raw("leaves-in-a-stream", "refused", lambda d: [d.head("POST", ORIGIN, JSON, LENGTH), BODY[:9]], leaves=True),
    Raw(
        "leaves-in-a-chunked-stream", "refused", lambda d: [_coded(d, b"chunked"), *chunks(BODY, end=b"")], leaves=True
    ),
]
REQUESTS = [*PLAIN, *SIGNED, *ANNOUNCED, *TWICE, *FRAMED, *LINES, *LEAVING]


def _coded(desk: Desk, coding: bytes) -> bytes:
    return desk.head("POST", ORIGIN, JSON, (b"transfer-encoding", coding))


def _under_twins(desk: Desk) -> bytes:
    twins = [(name.replace(b"-", b"_"), value) for name, value in desk.signing().items()]
    return desk.head("POST", ORIGIN, JSON, LENGTH, *twins)


def _bytewise(raw: bytes) -> list[bytes]:
    return [raw[place : place + 1] for place in range(len(raw))]
