"""Claims signed calls, and spends what they cost in the same trip where one plug does both.

A claim comes first and a replay spends nothing. A call that will be refused before its quotas claims all the same, as
it does where limiter and replay guard are two; its refusal is told in its turn.

Source: amendment 12; contracts 3, 7.
"""

from collections.abc import Callable, Sequence
from typing import final

from apikeychain.errors import AnswerError
from apikeychain.model.quota import Balance, Spend
from apikeychain.ports.claim_and_spend import ClaimAndSpend
from apikeychain.ports.rate_limiter import RateLimiter
from apikeychain.ports.replay_guard import Claim, ReplayGuard
from apikeychain.telemetry import reach


@final
class Claims:
    """Claims with `replay_guard`, and spends with it where it is the limiter too and offers both in one."""

    def __init__(self, replay_guard: ReplayGuard, limiter: RateLimiter) -> None:
        self._replay_guard = replay_guard
        self._both = limiter if isinstance(limiter, ClaimAndSpend) and replay_guard is limiter else None

    async def claim(
        self, token: bytes, timestamp: int, spends: Callable[[], Sequence[Spend]]
    ) -> tuple[Claim, Sequence[Balance] | None]:
        """Claim a call; with the balances of its spends where they were spent with it.

        Args:
            token: see ReplayGuard.claim.
            timestamp: likewise.
            spends: says what the call costs, or raises what will refuse it. Asked only where both go in one trip.
        """
        if self._both is None:
            return await reach("replay_guard", self._replay_guard.claim(token, timestamp)), None
        try:
            asked = spends()
        except AnswerError:
            return await reach("replay_guard", self._replay_guard.claim(token, timestamp)), None
        return await reach("replay_guard", self._both.claim_and_spend(token, timestamp, asked))
