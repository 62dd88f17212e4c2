"""What refused calls spend: a bucket for each project and address, counted in this process.

Whoever is refused after a claim, over a quota for one, spends from a second one: a claim is kept for a minute and more,
and the replay guard is everybody's.

A flood of refusals costs no trip to a shared limiter, and no project's quota.

Source: contracts 7 ("Refusals spend a bucket"); amendment 4.
"""

import math
import time
from collections.abc import Callable
from typing import final

from apikeychain.errors import AnswerError
from apikeychain.model.ids import ProjectId
from apikeychain.model.quota import Spend
from apikeychain.ports.rate_limiter import RateLimiter
from apikeychain.rules import quotas
from apikeychain.rules.caller import Caller
from apikeychain.rules.signature import Signature


@final
class Refusals:
    """Slows down who is refused over and over. While nobody was refused lately, nobody's bucket is asked.

    Args:
        limiter: one of this process, that nothing else uses.
        clock: seconds that only grow, as those of the limiter.
    """

    def __init__(self, limiter: RateLimiter, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limiter, self._clock = limiter, clock
        # When the last bucket that counted anything counts nothing any more.
        self._until = -math.inf

    async def admit(self, project: ProjectId, caller: Caller) -> None:
        """Let a call on; it takes nothing.

        Raises:
            RateLimitedError: so many calls of this address were refused that the bucket is empty.
        """
        if self._clock() < self._until:
            await self._require_room(quotas.refusal_spend(project, caller, cost=0))

    async def admit_claim(self, project: ProjectId, caller: Caller, signature: Signature) -> None:
        """Let a signed call claim; it takes nothing.

        Raises:
            RateLimitedError: so many calls of this user or address were refused after their claim.
        """
        if self._clock() < self._until:
            await self._require_room(quotas.overrun_spend(project, caller, signature.user, cost=0))

    async def note(
        self, project: ProjectId, caller: Caller, error: AnswerError, signature: Signature | None = None
    ) -> None:
        """Count a call that `error` ended before it had a place in the ledger.

        Args:
            project: that was called.
            caller: who called.
            error: counts where `quotas.spends_refusal` says so.
            signature: of a call that has claimed, and was not held to its quotas.
        """
        spends = [quotas.refusal_spend(project, caller)] if quotas.spends_refusal(error) else []
        if signature is not None:
            spends.append(quotas.overrun_spend(project, caller, signature.user))
        for spend in spends:
            await self._limiter.spend([spend])
            self._until = max(self._until, self._clock() + 2 * spend.quota.window_seconds)

    async def _require_room(self, spend: Spend) -> None:
        (balance,) = await self._limiter.spend([spend])
        if not balance.admitted:
            quotas.admit([balance])
