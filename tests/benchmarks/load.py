"""The load: wrk on a core of its own, and the requests that it sends."""

import os
import re
import secrets
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from apikeychain.client.signing import Signer, sign

from .machine import LOAD_CORE, cpu_seconds
from .running import Running

ORIGIN = "https://app.example.com"
BROWSER = (
    (b"host", b"127.0.0.1"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"accept", b"application/json, text/plain, */*"),
    (b"accept-language", b"en-US,en;q=0.5"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"origin", ORIGIN.encode()),
    (b"referer", b"https://app.example.com/"),
    (b"sec-fetch-dest", b"empty"),
    (b"sec-fetch-mode", b"cors"),
    (b"sec-fetch-site", b"cross-site"),
    # As the host's own proxy adds them, which ends TLS.
    (b"x-forwarded-for", b"203.0.113.7"),
    (b"x-forwarded-proto", b"https"),
)
_REPLAY = Path(__file__).with_name("replay.lua")
_NOTHING = sha256().hexdigest()
_PATIENCE = 10.0
_ENOUGH = 65536
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True, slots=True)
class Load:
    """What one run brought.

    Attributes:
        calls: answered ones, `bad` of them with a status that is no success, `broken` what the sockets did.
        rate: calls a second.
        median: seconds; `p99` those that one call in a hundred takes longer than.
        cpu: seconds of the processor that a call cost the target.
    """

    calls: int
    bad: int
    broken: str
    rate: float
    median: float
    p99: float
    cpu: float


class FailedLoadError(Exception):
    """Some calls were not answered as they should be: what was measured is something else."""


def plain(target: str, lines: Iterable[tuple[bytes, bytes]] = BROWSER) -> Iterable[bytes]:
    """One request as a browser sends it, for a target that tells no two apart."""
    return [_raw(target, lines)]


def signed(signer: Signer, target: str, count: int) -> Iterable[bytes]:
    """As many requests, each with a signature of its own."""
    now = int(time.time())
    for _ in range(count):
        lines = sign(
            signer,
            method="GET",
            target=target.encode(),
            headers=BROWSER,
            body_sha256=_NOTHING,
            timestamp=now,
            nonce=secrets.token_urlsafe(18),
        )
        yield _raw(target, (*BROWSER, *lines))


def drive(
    target: Running,
    base: str,
    requests: Iterable[bytes],
    *,
    connections: int,
    seconds: float,
    folder: Path,
    opening: int = 0,
    may_fail: float = 0.0,
) -> Load:
    """Send the requests over and over, as fast as they are answered.

    Args:
        opening: see `offer`.
        may_fail: what part of them, where whoever asks tells how many did.

    Raises:
        FailedLoadError: more of them were not answered with success.
    """
    requests = list(requests)
    _require_success(base, requests.pop() if len(requests) > 1 else requests[0])
    load = offer(target, base, requests, connections=connections, seconds=seconds, folder=folder, opening=opening)
    if not load.calls or load.bad > may_fail * load.calls or load.broken:
        answer = _answer(base, requests[-1])
        msg = f"{load.bad} of {load.calls} calls at {base} failed {load.broken}; one more: {answer}"
        raise FailedLoadError(msg)
    return load


def offer(
    target: Running,
    base: str,
    requests: Iterable[bytes],
    *,
    connections: int,
    seconds: float,
    folder: Path,
    opening: int = 0,
    delay: float = 0.0,
) -> Load:
    """Send the requests over and over, each connection `delay` seconds after its last answer.

    Args:
        opening: so many seconds before the first of them all connections are opened. uvloop accepts one for each turn
            of its loop, and of some thousand calls the slowest hundredth would be those that waited for that.
    """
    file = folder / "requests"
    with file.open("wb") as records:
        records.writelines(b"%d\n%s" % (len(each), each) for each in requests)
    before = cpu_seconds(target.pid)
    environment = {
        "REQUESTS": str(file),
        "DELAY_MS": str(round(delay * 1e3)),
        "OPENING_MS": str(opening * 1000),
        "CONNECTIONS": str(connections),
    }
    whole = max(1, round(seconds)) + opening
    told = _wrk(base, connections, whole, environment)
    return _read(told, cpu_seconds(target.pid) - before, whole / (whole - opening))


def _require_success(base: str, request: bytes) -> None:
    answer = _answer(base, request)
    if not answer.startswith("HTTP/1.1 200 "):
        msg = f"{base} answers {answer}"
        raise FailedLoadError(msg)


def _answer(base: str, request: bytes) -> str:
    """What is said first to one request."""
    host, _, port = base.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=_PATIENCE) as connection:
        connection.sendall(request)
        return connection.recv(_ENOUGH).decode("latin-1")


def _raw(target: str, lines: Iterable[tuple[bytes, bytes]]) -> bytes:
    head = b"".join(b"%s: %s\r\n" % line for line in lines)
    return b"GET %s HTTP/1.1\r\n%s\r\n" % (target.encode(), head)


def _wrk(base: str, connections: int, seconds: int, environment: Mapping[str, str]) -> str:
    command = ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    command += ["--latency", "--timeout", "10s", "-s", str(_REPLAY), base]
    done = subprocess.run(  # noqa: S603 - our own command
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=True, timeout=seconds + 60
    )
    return done.stdout


def _read(told: str, used: float, longer: float) -> Load:
    calls = int(_found(r"(\d+) requests in", told, "0"))
    return Load(
        calls=calls,
        bad=int(_found(r"Non-2xx or 3xx responses: (\d+)", told, "0")),
        broken=_found(r"Socket errors: (.*)", told, ""),
        rate=float(_found(r"Requests/sec:\s+([\d.]+)", told, "0")) * longer,
        median=_seconds(_found(r"\s50%\s+(\S+)", told, "0us")),
        p99=_seconds(_found(r"\s99%\s+(\S+)", told, "0us")),
        cpu=used / max(calls, 1),
    )


def _found(pattern: str, told: str, otherwise: str) -> str:
    match = re.search(pattern, told)
    return match[1] if match else otherwise


def _seconds(text: str) -> float:
    unit = text.lstrip("0123456789.")
    return float(text.removesuffix(unit)) * _UNITS[unit]
