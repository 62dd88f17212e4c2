"""Looks at Valkey: reachable, encrypted, keeping what was claimed, with a clock that agrees."""

import asyncio
import ipaddress
import re
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any, cast
from urllib.parse import urlsplit

from apikeychain.backends.valkey.wire import Server, ask, told_as_ours
from apikeychain.doctor import verdicts
from apikeychain.doctor.finding import Finding
from apikeychain.environment.variables import plain
from apikeychain.secret import Secret

_CHECK = "valkey"
_SECONDS = 2.0
_POLICY = re.compile(rb"^maxmemory_policy:(\S+)", re.MULTILINE)


async def look_at_valkey(url: Secret, now: Callable[[], float] = time.time) -> Sequence[Finding]:
    """All of it, on one connection. Nothing is stored.

    Args:
        url: of the server.
        now: this machine's clock.

    Raises:
        BackendUnavailableError: it does not answer, or refuses.
    """
    with told_as_ours():
        async with asyncio.timeout(_SECONDS), Server(plain(url)).connection() as connection:
            tls: ssl.SSLObject | None = cast("Any", connection)._writer.get_extra_info("ssl_object")  # noqa: SLF001  # the one place where the package keeps it
            before = now()
            seconds, microseconds = map(int, await ask(connection, "TIME"))
            middle = (before + now()) / 2
            memory: bytes = await ask(connection, "INFO", "memory")
            await connection.disconnect()
    policy = _POLICY.search(memory)
    return [
        Finding(_CHECK, "ok", "it answers"),
        verdicts.of_way(_CHECK, (tls.version() or "") if tls else "", is_local=_is_local(plain(url))),
        verdicts.of_policy(policy[1].decode() if policy else "not told"),
        verdicts.of_clock(_CHECK, seconds + microseconds / 1_000_000 - middle),
    ]


def _is_local(url: str) -> bool:
    parts = urlsplit(url)
    host = parts.hostname or "localhost"
    try:
        return parts.scheme == "unix" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
