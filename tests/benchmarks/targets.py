"""Everything that is measured, each a server of its own on the proxies' core."""

import json
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

from apikeychain.client.signing import Signer

from . import load
from .machine import PROXY_CORE
from .provider import Provider, nginx_proxy
from .running import Running, free_port, running

KEY = "sk-test-0123456789abcdef0123456789abcdef"
QUERY = "?q=Paris&limit=10"
PEER_TARGET = "/v1/thing" + QUERY
LEAN = ("--no-proxy-headers", "--no-server-header", "--no-date-header")
HERE = Path(__file__).parent
_LEAST_RATE = 3_000
# The report holds the gate to none at all. Where more fail something else is measured.
_MAY_FAIL = 0.02


@dataclass(frozen=True, slots=True)
class Target:
    """A server that is up.

    Attributes:
        base: where it listens.
        path: of what is asked for.
        signer: whose signature each request needs, or None.
    """

    process: Running
    base: str
    path: str
    signer: Signer | None

    def requests(self, count: int) -> Iterable[bytes]:
        """As many as one run needs."""
        return load.plain(self.path) if self.signer is None else load.signed(self.signer, self.path, count)

    def require_signer(self) -> Signer:
        """That of a gate."""
        assert self.signer
        return self.signer


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing to be measured.

    Attributes:
        app: the factory, ``module:name`` beside this file.
        server: what serves it.
        tls: whether a peer speaks TLS to the provider; the gate always does.
        options: further ones of the server's command.
        environment: further variables; one without a value is given its value by `at`.
    """

    app: str
    server: Literal["uvicorn", "granian"] = "uvicorn"
    tls: bool = False
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] | None = None

    @property
    def is_gate(self) -> bool:
        """Whether it is ours."""
        return self.app.startswith("hosts:")

    def needs(self, variable: str) -> bool:
        """Whether it has the variable without a value."""
        return (self.environment or {}).get(variable) == ""

    def at(self, **places: str) -> Self:
        """It, with the values of those variables that it names and gives none."""
        given = {name: value or places[name] for name, value in (self.environment or {}).items()}
        return replace(self, environment=given)


@contextmanager
def target(name: str, kind: Kind, provider: Provider, python: str) -> Generator[Target]:
    """One of them, up and ready, run by the interpreter `python`."""
    data = provider.folder / name
    data.mkdir(exist_ok=True)
    port = free_port()
    peers_base = provider.peers_tls if kind.tls else provider.plain
    environment = {
        "BASE": provider.tls if kind.is_gate else peers_base,
        "AUTHORITY": provider.authority,
        "SSL_CERT_FILE": provider.authority,
        "KEY": KEY,
        "DATA": str(data),
        **(kind.environment or {}),
    }
    log = provider.folder / f"{name}.log"
    command = _command(kind, python, port)
    with running(command, core=PROXY_CORE, port=port, log=log, environment=environment, folder=HERE) as process:
        yield _gate(process, port, data) if kind.is_gate else Target(process, _base(port), PEER_TARGET, None)


@contextmanager
def nginx(provider: Provider) -> Generator[Target]:
    """nginx as a proxy that sets one header: the limit."""
    with nginx_proxy(provider, KEY) as (process, base):
        yield Target(process, base, PEER_TARGET, None)


def drive(one: Target, folder: Path, *, connections: int, seconds: float, rate: float, opening: int = 0) -> load.Load:
    """One run; `rate` is that of the run before, from which follows how many requests have to be signed."""
    count = int(max(rate, _LEAST_RATE) * seconds * 1.5) + 10 * connections
    return load.drive(
        one.process,
        one.base,
        one.requests(count),
        connections=connections,
        seconds=seconds,
        folder=folder,
        opening=opening,
        may_fail=_MAY_FAIL,
    )


def _gate(process: Running, port: int, data: Path) -> Target:
    ready = json.loads((data / "ready.json").read_text(encoding="ascii"))
    if "key" not in ready:
        return Target(process, _base(port), ready["url"], None)
    return Target(process, _base(port), ready["url"] + QUERY, Signer.of(ready["key_id"], ready["key"]))


def _base(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _command(kind: Kind, python: str, port: int) -> list[str]:
    address = ["--host", "127.0.0.1", "--port", str(port), "--factory"]
    if kind.server == "granian":
        options = ["--interface", "asgi", "--workers", "1", "--no-ws", "--log-level", "warning"]
        return [str(Path(python).with_name("granian")), *address, *options, *kind.options, kind.app]
    options = ["--no-access-log", "--log-level", "warning"]
    return [python, "-m", "uvicorn", *address, *options, *kind.options, kind.app]
