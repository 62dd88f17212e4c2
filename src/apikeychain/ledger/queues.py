"""What a worker still has to write down: its open calls and its finished entries, counted, per tenant and in order.

Source: contracts 6: 4,096 open or unwritten entries a worker, 1,024 a tenant, 5 s at most.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from apikeychain.errors import LedgerUnavailableError, RateLimitedError
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerDraft
from apikeychain.telemetry import queued

MAX_HELD = 4096
MAX_HELD_OF_TENANT = 1024
MAX_WAIT_SECONDS = 5.0
# Else a few addresses that read slowly would hold all places for as long as an answer may last, 15 minutes.
MAX_OPEN_OF_HOLDER = 128


@dataclass(frozen=True, slots=True)
class Sent:
    """The longest waiting entries, as they were sent to the store: whether they stand there is not known.

    Attributes:
        behind: a head that the chain had before.
        drafts: in their order.
    """

    behind: Head
    drafts: list[LedgerDraft]


@dataclass(slots=True)
class Queue:
    """One tenant's.

    Attributes:
        open: slots that were given out and are not filled.
        finished: moment and draft, the longest waiting first.
        sent: those of them that were sent and not acknowledged.
        apart: since when its entries fail alone and are written alone, or None.
    """

    open: int = 0
    finished: deque[tuple[float, LedgerDraft]] = field(default_factory=deque[tuple[float, LedgerDraft]])
    sent: Sent | None = None
    apart: float | None = None

    def failing_for(self, now: float) -> float:
        """For how many seconds its longest waiting entry was one of a tenant apart; 0 where there is none."""
        if self.apart is None or not self.finished:
            return 0.0
        return now - max(self.apart, self.finished[0][0])


class Queues:
    """All of a worker. Moments are seconds of one clock that never goes back.

    Attributes:
        open: how many slots are not filled.
        finished: how many entries are not written.
    """

    def __init__(self) -> None:
        self._queues: dict[TenantId, Queue] = {}
        self._holders: dict[str, int] = {}
        self.open = self.finished = 0

    def __iter__(self) -> Iterator[tuple[TenantId, Queue]]:
        """Tenants with anything held, or apart; a copy, so that it may change meanwhile."""
        return iter(list(self._queues.items()))

    def __getitem__(self, tenant: TenantId) -> Queue:
        """The queue of a tenant that has one."""
        return self._queues[tenant]

    def reserve(self, tenant: TenantId, now: float, holder: str | None) -> None:
        """Take the place of one entry.

        Raises:
            LedgerUnavailableError: the worker or the tenant is at its bound, or the tenant's entries are not written.
            RateLimitedError: the holder has too many places that are not filled, of any tenant.
        """
        held = 0 if holder is None else self._holders.get(holder, 0)
        if held >= MAX_OPEN_OF_HOLDER:
            hint = f"This address has {MAX_OPEN_OF_HOLDER} calls under way: let one end first."
            raise RateLimitedError(hint, headers=((b"retry-after", b"1"),))
        if self.open + self.finished >= MAX_HELD:
            raise LedgerUnavailableError
        queue = self._queues.get(tenant)
        if queue is None:
            queue = self._queues[tenant] = Queue()
        elif (
            queue.open + len(queue.finished) >= MAX_HELD_OF_TENANT
            or (queue.finished and now - queue.finished[0][0] >= MAX_WAIT_SECONDS)
            or (queue.apart is not None and now - queue.apart >= MAX_WAIT_SECONDS)
        ):
            raise LedgerUnavailableError
        queue.open += 1
        self.open += 1
        if holder is not None:
            self._holders[holder] = held + 1

    def fill(self, tenant: TenantId, draft: LedgerDraft, now: float, holder: str | None) -> None:
        """Put the entry into a place that was reserved."""
        if holder is not None:
            self._holders[holder] -= 1
            if not self._holders[holder]:
                del self._holders[holder]
        queue = self._queues[tenant]
        queue.open -= 1
        self.open -= 1
        self._put(queue, draft, now)

    def add(self, tenant: TenantId, draft: LedgerDraft, now: float) -> None:
        """Put an entry without a place: the caller bounds how many."""
        if tenant not in self._queues:
            self._queues[tenant] = Queue()
        self._put(self._queues[tenant], draft, now)

    def _put(self, queue: Queue, draft: LedgerDraft, now: float) -> None:
        queue.finished.append((now, draft))
        self.finished += 1
        queued(1)

    def send(self, tenant: TenantId, behind: Head) -> list[LedgerDraft]:
        """All finished entries of the tenant; from now on they are `sent`."""
        queue = self._queues[tenant]
        queue.sent = Sent(behind, [draft for _, draft in queue.finished])
        return queue.sent.drafts

    def forget(self, tenant: TenantId, count: int) -> None:
        """Forget the `count` longest waiting entries, and what was sent."""
        queue = self._queues[tenant]
        for _ in range(count):
            queue.finished.popleft()
        self.finished -= count
        queued(-count)
        queue.sent = None

    def rejoin(self, tenant: TenantId) -> None:
        """Let the tenant be written with the others again."""
        queue = self._queues[tenant]
        queue.apart = None
        if not queue.open and not queue.finished:
            del self._queues[tenant]
