"""Long answers and bodies: how much later an event comes, and what the gate holds of 100 MiB that go through it."""

import http.client
import secrets
import ssl
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from urllib.parse import urlsplit

from apikeychain.client.signing import sign

from .load import BROWSER, FailedLoadError
from .machine import LOAD_CORE, forget_peak, memory_bytes
from .provider import HOST, PEERS_HOST, Provider
from .running import free_port, running
from .targets import HERE, Kind, Target, target

MIB = 100
_PIECE = bytes(65536)
_FIRST = b"data: first\n\n"
_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Streams:
    """What was found.

    Attributes:
        direct: seconds until the first event of the provider; `through` those until it comes through the gate.
        down: bytes that the gate's memory grew by at most while 100 MiB came down; `up` while they went up.
    """

    direct: float
    through: float
    down: int
    up: int


def measure(provider: Provider, python: str, calls: int) -> Streams:
    """One gate before a provider of streams; the figures of events are medians of so many calls, in turn."""
    port = free_port()
    certificate = ["--ssl-keyfile", f"{provider.folder}/leaf.key", "--ssl-certfile", f"{provider.folder}/leaf.pem"]
    command = [python, "-m", "uvicorn", "--factory", "peers:streams", "--port", str(port), *certificate]
    log = provider.folder / "streams-provider.log"
    kind = Kind("hosts:gate", environment={"BASE": f"https://{HOST}:{port}"})
    with (
        running(command, core=LOAD_CORE, port=port, log=log, environment={"MIB": str(MIB)}, folder=HERE),
        target("streams", kind, provider, python) as gate,
    ):
        context = ssl.create_default_context(cafile=provider.authority)
        direct = HTTPSConnection(PEERS_HOST, port, context=context, timeout=_PATIENCE)
        through = HTTPConnection("127.0.0.1", urlsplit(gate.base).port, timeout=_PATIENCE)
        events = [
            (_first_event(direct, "/v1/events", {}), _first_event(through, *_signed(gate, "events")))
            for _ in range(calls)
        ]
        waited = [statistics.median(each) for each in zip(*events, strict=True)]
        down = _grown(gate, lambda: _read(_asked(through, "GET", *_signed(gate, "down"))))
        up = _grown(gate, lambda: _read(_sent(through, *_signed(gate, "up", _zeros()))))
        direct.close()
        through.close()
    return Streams(waited[0], waited[1], down, up)


def _zeros() -> Iterator[bytes]:
    return (_PIECE for _ in range(MIB * 2**20 // len(_PIECE)))


def _signed(gate: Target, route: str, body: Iterable[bytes] | None = None) -> tuple[str, Mapping[str, str]]:
    """Path and header lines of a signed call, of a POST where there is a body."""
    digest = sha256()
    for piece in body or ():
        digest.update(piece)
    path = gate.path.partition("?")[0].rpartition("/")[0] + f"/{route}"
    lines = [*BROWSER, *([(b"content-type", b"application/octet-stream")] if body else [])]
    signature = sign(
        gate.require_signer(),
        method="POST" if body else "GET",
        target=path.encode(),
        headers=lines,
        body_sha256=digest.hexdigest(),
        timestamp=int(time.time()),
        nonce=secrets.token_urlsafe(18),
    )
    return path, {name.decode(): value.decode() for name, value in (*lines, *signature)}


def _asked(connection: HTTPConnection, method: str, path: str, headers: Mapping[str, str]) -> HTTPResponse:
    connection.request(method, path, headers=dict(headers))
    return _good(connection)


def _sent(connection: HTTPConnection, path: str, headers: Mapping[str, str]) -> HTTPResponse:
    length = {"content-length": str(MIB * 2**20)}
    connection.request("POST", path, body=_zeros(), headers={**headers, **length})
    return _good(connection)


def _good(connection: HTTPConnection) -> HTTPResponse:
    answer = connection.getresponse()
    if answer.status != http.client.OK:
        msg = f"{answer.status}: {answer.read()!r}"
        raise FailedLoadError(msg)
    return answer


def _first_event(connection: HTTPConnection, path: str, headers: Mapping[str, str]) -> float:
    """Seconds until it is there."""
    began = time.perf_counter()
    answer = _asked(connection, "GET", path, headers)
    first = answer.read1(len(_FIRST))
    waited = time.perf_counter() - began
    if first != _FIRST:
        msg = f"the first event is {first!r}"
        raise FailedLoadError(msg)
    _read(answer)
    return waited


def _read(answer: HTTPResponse) -> None:
    while answer.read(len(_PIECE)):
        pass


def _grown(gate: Target, deed: Callable[[], None]) -> int:
    """By how many bytes the memory of the gate grew at most."""
    before = memory_bytes(gate.process.pid)
    forget_peak(gate.process.pid)
    deed()
    return max(0, memory_bytes(gate.process.pid, "VmHWM") - before)
