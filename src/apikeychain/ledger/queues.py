"""What a worker still has to write down: its open calls and its finished entries, counted, per tenant and in order.

Of a tenant no more is held than its allowance, which the store has noted before (`notes`). A place beyond it is taken
at once, so that it counts for every bound, and is of no use until more was noted.

Source: contracts 6: 4,096 open or unwritten entries a worker, 1,024 a tenant, 5 s at most.
"""

from collections.abc import Callable, Iterator

from apikeychain.errors import LedgerUnavailableError, RateLimitedError
from apikeychain.ledger.queue import Intent, Queue, Sent, Waiting
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerDraft
from apikeychain.rules.allowances import outlasts
from apikeychain.rules.call_entries import outcome_of
from apikeychain.telemetry import queued

MAX_HELD = 4096
MAX_HELD_OF_TENANT = 1024
MAX_WAIT_SECONDS = 5.0
# Else a few addresses that read slowly would hold all places for as long as an answer may last, 15 minutes.
MAX_OPEN_OF_HOLDER = 128
# Of the ledger, 0.1 s each: 50 in those 5 s, and four times as many, since calls do not come evenly.
_TURNS = 200


def nobody(_: int) -> None:
    """Told of entries that were written, where nobody wants to know."""


class Queues:
    """All of a worker. Moments are seconds of one clock that never goes back.

    Args:
        at_most: the allowance of a tenant of which nothing is noted.

    Attributes:
        open: how many slots are not filled.
        finished: how many entries are not written.
        noted: the allowances of tenants.
        short: tenants whose allowance would not outlast a store that is away for as long as entries may wait.
    """

    def __init__(self, told: Callable[[int], None] = nobody, at_most: int = MAX_HELD_OF_TENANT) -> None:
        self._told = told
        self._queues: dict[TenantId, Queue] = {}
        self._holders: dict[str, int] = {}
        self._at_most = at_most
        self._idle: dict[TenantId, float] = {}
        self.open = self.finished = 0
        self.noted: dict[TenantId, int] = {}
        self.short: set[TenantId] = set()

    def __iter__(self) -> Iterator[tuple[TenantId, Queue]]:
        """Tenants with anything held, or apart; a copy, so that it may change meanwhile."""
        return iter(list(self._queues.items()))

    def __getitem__(self, tenant: TenantId) -> Queue:
        """The queue of a tenant that has one."""
        return self._queues[tenant]

    def reserve(self, tenant: TenantId, now: float, holder: str | None) -> bool:
        """Take the place of one entry, and tell whether it is within the allowance: else it waits for `come_within`.

        Raises:
            LedgerUnavailableError: the worker or the tenant is at its bound, or the tenant's entries are not written.
            RateLimitedError: the holder has too many places that are not filled, of any tenant.
        """
        held = 0 if holder is None else self._holders.get(holder, 0)
        if held >= MAX_OPEN_OF_HOLDER:
            hint = f"This address has {MAX_OPEN_OF_HOLDER} calls under way: let one end first."
            raise RateLimitedError(hint, headers=((b"retry-after", b"1"),))
        self._require_place(tenant, now)
        queue = self._queues.get(tenant) or self._new_queue(tenant)
        is_within = queue.open + len(queue.finished) < queue.at_most
        queue.open += 1
        self.open += 1
        if holder is not None:
            self._holders[holder] = held + 1
        if not is_within:
            queue.beyond += 1
        return is_within

    def come_within(self, tenant: TenantId) -> bool:
        """Whether one of the places that wait is within the allowance by now; it waits no longer then."""
        queue = self._queues[tenant]
        is_within = queue.open - queue.beyond + len(queue.finished) < queue.at_most
        queue.beyond -= is_within
        return is_within

    def give_back(self, tenant: TenantId, holder: str | None) -> None:
        """Take back a place that waits: nothing was done in it."""
        queue = self._queues[tenant]
        queue.beyond -= 1
        self._free(queue, holder)
        if not queue.open and not queue.finished and queue.apart is None:
            del self._queues[tenant]

    def allow(self, tenant: TenantId, at_most: int) -> None:
        """Hold so many of the tenant."""
        self.noted[tenant] = at_most
        if tenant in self._queues:
            self._queues[tenant].at_most = at_most

    def forget_idle(self, now: float, seconds: float) -> None:
        """Hold nothing more of tenants of which nothing was held for so long."""
        for tenant in self.noted.keys() - self._queues.keys():
            self._idle.setdefault(tenant, now)
        for tenant in [tenant for tenant, since in self._idle.items() if now - since >= seconds]:
            del self._idle[tenant], self.noted[tenant]

    def close(self) -> None:
        """Hold nothing more of anybody."""
        self.noted, self._idle = {}, {}
        for queue in self._queues.values():
            queue.at_most = 0

    def _require_place(self, tenant: TenantId, now: float) -> None:
        queue = self._queues.get(tenant)
        if self.open + self.finished >= MAX_HELD or (
            queue is not None
            and (
                queue.open + len(queue.finished) >= MAX_HELD_OF_TENANT
                or (queue.finished and now - queue.finished[0].since >= MAX_WAIT_SECONDS)
                or (queue.apart is not None and now - queue.apart >= MAX_WAIT_SECONDS)
            )
        ):
            raise LedgerUnavailableError

    def intend(self, tenant: TenantId, draft: LedgerDraft, now: float) -> Intent:
        """Put what a call is about to do, beside its place.

        Raises:
            LedgerUnavailableError: as `reserve`.
        """
        self._require_place(tenant, now)
        intent = Intent()
        self._put(self._queues[tenant], Waiting(now, draft, intent))
        return intent

    def fill(
        self, tenant: TenantId, draft: LedgerDraft, now: float, holder: str | None, intent: Intent | None = None
    ) -> None:
        """Put the entry into a place that was reserved; behind the intent, where there is one."""
        queue = self._queues[tenant]
        self._free(queue, holder)
        if intent is None or (intent.settled.is_set() and intent.seq is None):
            self._put(queue, Waiting(now, draft))
        elif intent.seq is None:
            intent.outcome = draft
        else:
            self._put(queue, Waiting(now, outcome_of(intent.seq, draft)))

    def _free(self, queue: Queue, holder: str | None) -> None:
        if holder is not None:
            self._holders[holder] -= 1
            if not self._holders[holder]:
                del self._holders[holder]
        queue.open -= 1
        self.open -= 1

    def add(self, tenant: TenantId, draft: LedgerDraft, now: float) -> None:
        """Put an entry without a place: the caller bounds how many."""
        self._put(self._queues.get(tenant) or self._new_queue(tenant), Waiting(now, draft))

    def _new_queue(self, tenant: TenantId) -> Queue:
        self._idle.pop(tenant, None)
        queue = self._queues[tenant] = Queue(self.noted.get(tenant, self._at_most))
        return queue

    def _put(self, queue: Queue, waiting: Waiting) -> None:
        queue.finished.append(waiting)
        self._count(1)

    def send(self, tenant: TenantId, behind: Head) -> list[LedgerDraft]:
        """All finished entries of the tenant; from now on they are `sent`. None of them stands in the chain."""
        queue = self._queues[tenant]
        for waiting in queue.finished:
            waiting.withdraw()
        queue.sent = Sent(behind, [waiting.draft for waiting in queue.finished])
        return queue.sent.drafts

    def written(self, tenant: TenantId, count: int, first: int) -> None:
        """Forget the `count` longest waiting entries, which stand in the chain from the number `first` on."""
        if tenant in self.noted and not outlasts(self.noted[tenant], count, _TURNS):
            self.short.add(tenant)
        outcomes: list[Waiting] = []
        for seq, waiting in enumerate(self._take(tenant, count), start=first):
            if waiting.intent is not None:
                waiting.intent.settle(seq)
                if waiting.intent.outcome is not None:
                    outcomes.append(Waiting(waiting.since, outcome_of(seq, waiting.intent.outcome)))
        for waiting in reversed(outcomes):
            # They have waited the longest.
            self._queues[tenant].finished.appendleft(waiting)
        self._count(len(outcomes))
        self._told(count)

    def give_up(self, tenant: TenantId) -> int:
        """Forget all finished entries of the tenant, and say how many that were."""
        lost = len(self._queues[tenant].finished)
        for waiting in self._take(tenant, lost):
            if waiting.intent is not None:
                waiting.intent.settle(None)
        return lost

    def _take(self, tenant: TenantId, count: int) -> list[Waiting]:
        queue = self._queues[tenant]
        queue.sent = None
        self._count(-count)
        return [queue.finished.popleft() for _ in range(count)]

    def _count(self, entries: int) -> None:
        self.finished += entries
        queued(entries)

    def rejoin(self, tenant: TenantId) -> None:
        """Let the tenant be written with the others again."""
        queue = self._queues[tenant]
        queue.apart = None
        if not queue.open and not queue.finished:
            del self._queues[tenant]
