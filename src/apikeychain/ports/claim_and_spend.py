"""A limiter that is the replay guard too, and does both in one trip."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from apikeychain.model.quota import Balance, Spend
from apikeychain.ports.rate_limiter import RateLimiter
from apikeychain.ports.replay_guard import Claim, ReplayGuard


@runtime_checkable
class ClaimAndSpend(RateLimiter, ReplayGuard, Protocol):
    """Claims a signed request and spends what its call costs, in one deed: what a plug that is both may offer.

    A keychain asks for it where one object is given as its limiter and as its replay guard.

    Contract (tested by `apikeychain.testing.ClaimAndSpendContract`):
        C1: what is claimed is spent, as by `spend`, and the balances come in the order of the spends.
        C2: what was replayed or forgotten spends nothing and has no balances.
        C3: a claim stands when a bucket has no room; then no bucket is taken from.
        C4: of concurrent ones with one token exactly one is ``"claimed"`` and spends.
        C5: its claims and its buckets are those of `claim` and `spend`.
        C6: one that cannot be reached raises BackendUnavailableError.
    """

    async def claim_and_spend(
        self, token: bytes, timestamp: int, spends: Sequence[Spend]
    ) -> tuple[Claim, tuple[Balance, ...]]:
        """Claim, and where that is the first time, spend.

        Args:
            token: see ReplayGuard.claim.
            timestamp: likewise.
            spends: see RateLimiter.spend.
        """
        ...
