"""What refused calls spend: a bucket for each project and address, counted in this process.

A flood of refusals costs no trip to a shared limiter, and no project's quota.

Source: contracts 7 ("Refusals spend a bucket"); amendment 4.
"""

from typing import final

from apikeychain.errors import AnswerError
from apikeychain.model.ids import ProjectId
from apikeychain.ports.rate_limiter import RateLimiter
from apikeychain.rules import quotas
from apikeychain.rules.caller import Caller


@final
class Refusals:
    """Slows down who is refused over and over.

    Args:
        limiter: one of this process, that nothing else uses.
    """

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter

    async def admit(self, project: ProjectId, caller: Caller) -> None:
        """Let a call on; it takes nothing.

        Raises:
            RateLimitedError: so many calls of this address were refused that the bucket is empty.
        """
        quotas.admit(await self._limiter.spend([quotas.refusal_spend(project, caller, cost=0)]))

    async def note(self, project: ProjectId, caller: Caller, error: AnswerError) -> None:
        """Count a call that `error` ended before its quotas were spent, where `quotas.spends_refusal` says so."""
        if quotas.spends_refusal(error):
            await self._limiter.spend([quotas.refusal_spend(project, caller)])
