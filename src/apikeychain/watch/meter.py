"""What calls spend from the quotas of their project, in one deed.

Source: contracts 7.
"""

import time
from collections.abc import Callable, Sequence
from typing import final

from apikeychain.errors import HeaderLines
from apikeychain.model.origin import Origin
from apikeychain.model.quota import Balance, Spend
from apikeychain.ports.rate_limiter import RateLimiter
from apikeychain.rules import quotas
from apikeychain.rules.caller import Caller
from apikeychain.rules.routing import CompiledRoute
from apikeychain.rules.snapshot import Snapshot
from apikeychain.telemetry import reach
from apikeychain.watch.labels import Labels
from apikeychain.watch.mentions import Mentions


@final
class Meter:
    """Says what a call costs and takes it: `spends`, then `spend`, or `settle` where a claim spent it in its own trip.

    Args:
        limiter: that all workers share.
        clock: monotonic seconds.
    """

    def __init__(self, limiter: RateLimiter, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limiter, self._clock = limiter, clock
        self._labels, self._mentions = Labels(), Mentions()

    async def spend(self, project: Snapshot, spends: Sequence[Spend]) -> HeaderLines:
        """Take one call from all buckets, and return the RateLimit lines. See `spends` and `settle`."""
        return self.settle(project, await reach("rate_limiter", self._limiter.spend(spends)))

    def spends(
        self,
        project: Snapshot,
        route: CompiledRoute,
        caller: Caller,
        *,
        origin: Origin | None,
        user: str | None,
        proven: bool,
    ) -> tuple[Spend, ...]:
        """What the call spends: see `quotas.spends`. A user beyond the bound of live ones is left out."""
        if user is not None:
            bucket = quotas.user_bucket(project, caller, user, proven=proven)
            if bucket is not None and not self._labels.have_room(bucket, self._clock()):
                user = None
        return quotas.spends(project, route, caller, origin=origin, user=user, proven=proven)

    def settle(self, project: Snapshot, balances: Sequence[Balance]) -> HeaderLines:
        """The RateLimit lines of a call that is admitted.

        Where the project only observes its quotas, one that is used up is named in the log, at most once a minute, and
        the call admitted. It has then taken from no bucket, just as if it had been refused: the log tells of exactly
        those calls that would have been.

        Raises:
            RateLimitedError: a quota is used up.
        """
        observe = project.project.observe_quotas
        empty = quotas.used_up(balances) if observe else ()
        for spend in empty:
            self._mentions.note(project.project.id, _observed(spend.name), self._clock())
        lines = quotas.admit(balances, observe=observe)
        if project.user_quota is not None and not empty:
            self._keep_user(balances)
        return lines

    def _keep_user(self, balances: Sequence[Balance]) -> None:
        for spend, _, _, _ in balances:
            if spend.name == "user":
                self._labels.keep(spend.bucket, self._clock() + 2 * spend.quota.window_seconds)


def _observed(name: str) -> str:
    return f"the quota {name!r} is used up; its calls are admitted all the same, since quotas are only observed"
