"""ValkeyGuard: the quotas and the claims of all workers, on a Valkey or Redis server, in one round trip a call.

One script does the deed, with the server's clock: see `claim_and_spend.lua`. A bucket is what it is in
`memory_windows`, a sliding-window counter or a moving window. All keys expire by themselves.

Keys begin with one hash tag, ``{prefix}``, so that in a cluster they lie on one node: a script touches the marks, one
claim and the buckets of one call, and what the marks say holds for the claims that lie beside them. For more than one
node can do, give each keychain a server or a prefix of its own.

What is lost is not taken for new: with the first claim on a server, with each connection and once a second the script
looks whether the server was started or became the primary since, and notes a birth. What was signed before it, or up
to 32 s after, is "forgotten". That covers a restart with an old copy or none, FLUSHALL, and a fail-over to a replica
that lags behind. A clock that was set ahead and back is covered as far as a claim saw it ahead.

Source: contracts 3 (claim), 7; amendment 12.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self, cast, final

from redis.exceptions import NoScriptError

from apikeychain.backends.valkey.line import Lines
from apikeychain.backends.valkey.wire import Connection, Server, ask, told_as_ours
from apikeychain.errors import BackendSettingsError, BackendUnavailableError, InvalidValueError
from apikeychain.model.quota import Balance, Spend
from apikeychain.ports.replay_guard import Claim

TIMEOUT_SECONDS = 1.0
PREFIX = "apikeychain"
SCRIPT = Path(__file__).with_name("claim_and_spend.lua").read_text(encoding="ascii")
_PREFIX = re.compile(r"[A-Za-z0-9._-]{1,64}")


def parse_prefix(text: str) -> str:
    """A prefix of keys and channels.

    Raises:
        InvalidValueError: not 1 to 64 letters, digits, dots, dashes and underscores.
    """
    if not _PREFIX.fullmatch(text):
        msg = f"not a prefix: {text!r} (1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-')"
        raise InvalidValueError(msg)
    return text


@final
class ValkeyGuard:
    """See RateLimiter, ReplayGuard and ClaimAndSpend. Give one to a keychain as both.

    An async context manager, which may be entered from several event loops, and more than once. It connects again by
    itself. A server that may evict keys is refused, at the opening and at each new connection.

    Args:
        url: ``valkey://[user:password@]host:port/0``, ``valkeys://`` for TLS 1.3, ``unix:///path``; ``redis://`` too.
        prefix: of all its keys.
        timeout_seconds: after which a call fails, connecting included.
        trust: a file with the authorities that the server's certificate may be from; the system's unless given.

    Raises:
        InvalidValueError: no such URL, a prefix that is none, or authorities that cannot be read.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = PREFIX,
        timeout_seconds: float = TIMEOUT_SECONDS,
        trust: Path | str | None = None,
    ) -> None:
        self._tag = f"{{{parse_prefix(prefix)}}}"
        self._marks = f"{self._tag}:marks"
        self._script = SCRIPT
        self._digest = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
        self._lines = Lines(Server(url, trust), self._greet, timeout_seconds)

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            BackendSettingsError: the server may evict claims.
            BackendUnavailableError: it does not answer.
        """
        with told_as_ours():
            await self._lines.enter()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection of this loop."""
        await self._lines.leave()

    async def spend(self, spends: Sequence[Spend]) -> tuple[Balance, ...]:
        """See RateLimiter.spend."""
        if not spends:
            return ()
        _, *said = await self._run([], ["spend"], spends)
        return _balances(spends, said)

    async def claim(self, token: bytes, timestamp: int) -> Claim:
        """See ReplayGuard.claim."""
        claim, _ = await self.claim_and_spend(token, timestamp, ())
        return claim

    async def claim_and_spend(
        self, token: bytes, timestamp: int, spends: Sequence[Spend]
    ) -> tuple[Claim, tuple[Balance, ...]]:
        """See ClaimAndSpend.claim_and_spend."""
        keys = [self._marks, f"{self._tag}:claim:{token.hex()}"]
        outcome, *said = await self._run(keys, ["claim", timestamp], spends)
        claim = cast("Claim", outcome.decode())
        return claim, _balances(spends, said) if claim == "claimed" else ()

    async def _run(self, keys: list[str], words: list[str | int], spends: Sequence[Spend]) -> list[Any]:
        for spend in spends:
            quota = spend.quota
            keys.append(f"{self._tag}:spent:{quota.window_seconds}{'-x'[quota.exact]}:{spend.name}:{spend.bucket}")
            words += (quota.window_seconds, quota.amount, int(quota.exact), spend.cost)
        line = self._lines.here()
        with told_as_ours():
            try:
                said = await line.ask("EVALSHA", self._digest, len(keys), *keys, *words)
            except NoScriptError:
                said = await line.ask("EVAL", self._script, len(keys), *keys, *words)
            except BackendSettingsError as error:
                raise BackendUnavailableError(str(error)) from None
        return cast("list[Any]", said)

    async def _greet(self, connection: Connection) -> None:
        policy = await ask(connection, "EVAL", self._script, 1, self._marks, "greet")
        if policy != b"noeviction":
            msg = (
                f"the server may evict claims, and what was claimed would pass again: maxmemory-policy is "
                f"{policy.decode()}; set it to noeviction, or give a server that holds nothing else"
            )
            raise BackendSettingsError(msg)


def _balances(spends: Sequence[Spend], said: Sequence[int]) -> tuple[Balance, ...]:
    numbers = iter(said)
    return tuple(
        Balance(spend, bool(admitted), remaining, reset)
        for spend, admitted, remaining, reset in zip(spends, numbers, numbers, numbers, strict=True)
    )
