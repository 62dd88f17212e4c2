"""Looks at Valkey: reachable, encrypted, the primary, with room, keeping what was claimed, with a clock that agrees.

What its access list allows, and whether it stores, only a deed can tell: see `look_at_deeds`.
"""

import asyncio
import re
import ssl
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from apikeychain.backends.valkey import ValkeyGuard
from apikeychain.backends.valkey.wire import Server, ask, told_as_ours
from apikeychain.doctor import verdicts
from apikeychain.doctor.finding import Finding
from apikeychain.environment.variables import plain
from apikeychain.errors import BackendUnavailableError
from apikeychain.model.quota import Quota, Spend
from apikeychain.primitives import KEY_BYTES, random_bytes
from apikeychain.secret import Secret

_CHECK = "valkey"
_SECONDS = 2.0
_FIELD = re.compile(rb"^(\w+):(\S+)", re.MULTILINE)
# One of each kind of bucket; both are gone after three seconds.
_QUOTAS = (Quota(1, 1), Quota(1, 1, exact=True))
_ALLOW = "give its user the keys and commands that the page on sharing limits names, and look at its log"


async def look_at_valkey(
    url: Secret, now: Callable[[], float] = time.time, *, trust: Path | None = None
) -> Sequence[Finding]:
    """All that it tells, on one connection. Nothing is stored.

    Args:
        url: of the server.
        now: this machine's clock.
        trust: see ValkeyGuard.

    Raises:
        BackendUnavailableError: it does not answer, or refuses.
    """
    with told_as_ours():
        async with asyncio.timeout(_SECONDS), Server(plain(url), trust).connection() as connection:
            tls: ssl.SSLObject | None = cast("Any", connection)._writer.get_extra_info("ssl_object")  # noqa: SLF001  # the one place where the package keeps it
            before = now()
            seconds, microseconds = map(int, await ask(connection, "TIME"))
            middle = (before + now()) / 2
            info: bytes = b"".join([await ask(connection, "INFO", part) for part in ("memory", "replication")])
            await connection.disconnect()
    told = {name.decode(): value.decode() for name, value in _FIELD.findall(info)}
    return [
        Finding(_CHECK, "ok", "it answers"),
        verdicts.of_way(_CHECK, (tls.version() or "") if tls else "", is_local=not tls),
        verdicts.of_policy(told.get("maxmemory_policy", "not told")),
        verdicts.of_clock(_CHECK, seconds + microseconds / 1_000_000 - middle),
        verdicts.of_role(told.get("role", "not told")),
        verdicts.of_memory(int(told.get("used_memory", 0)), int(told.get("maxmemory", 0))),
    ]


async def look_at_deeds(guard: ValkeyGuard) -> Sequence[Finding]:
    """A claim and two spends as a worker makes them, of the doctor's own: after two minutes nothing is left of them.

    Args:
        guard: not open.
    """
    try:
        async with guard:
            token = random_bytes(KEY_BYTES)
            await guard.claim(token, int(time.time()))
            await guard.spend([Spend("apikeychain:doctor", token.hex(), quota) for quota in _QUOTAS])
    except BackendUnavailableError as error:
        return [Finding(_CHECK, "failure", f"it refuses a claim or a limit: {error}", _ALLOW)]
    return [Finding(_CHECK, "ok", "claims and limits are stored")]
