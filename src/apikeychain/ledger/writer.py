"""Puts what the queues hold behind the chains, each entry once, whatever the store answers.

A store may have written what it does not acknowledge. So a head of each chain from before is kept while entries are
on their way, and where no answer came, the chain is read from there on before anything is sent again: what one
transaction put stands there as one run. Only an entry of another worker that is equal to the last byte could be taken
for one of these.

Source: contracts 6.
"""

import logging
from collections.abc import Callable, Sequence

from apikeychain.errors import BackendUnavailableError, DamagedDataError, DoesNotExistError
from apikeychain.frames import frames_of
from apikeychain.ledger import outcome
from apikeychain.ledger.queue import Sent
from apikeychain.ledger.queues import Queues
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerDraft
from apikeychain.ports.store import Store
from apikeychain.telemetry import flushed, reach

PAGE = 1000
# Of that many chains the end is remembered; of others it is asked before the next group.
MAX_HEADS = 10_000
# Tenants that are written in one transaction: a database holds a lock for each.
MAX_GROUP = 1000
_log = logging.getLogger("apikeychain.ledger")


class Writer:
    """Writes groups.

    Args:
        store: where the chains are.
        queues: what is to be written.
        clock: that of the queues.
        lost: told of a tenant whose entries were given up: how many, and why.
    """

    def __init__(
        self,
        store: Store,
        queues: Queues,
        clock: Callable[[], float],
        lost: Callable[[TenantId, int, str], None],
    ) -> None:
        self._store, self._queues, self._clock, self._lost = store, queues, clock, lost
        self._heads: dict[TenantId, Head] = {}

    async def write(self) -> None:
        """Write every finished entry: everybody's together, and alone whoever is set apart.

        Raises:
            BackendUnavailableError: the store does not answer; the entries are kept.
        """
        before = {tenant for tenant, queue in self._queues if queue.apart is not None}
        ready = [tenant for tenant, queue in self._queues if queue.finished and tenant not in before]
        for first in range(0, len(ready), MAX_GROUP):
            group: Sequence[TenantId] = ready[first : first + MAX_GROUP]
            while group and (error := await self._fault_of(group)) is not None:
                group = self._set_apart(group, error)
        for tenant, queue in self._queues:
            if queue.apart is not None and (error := await self._fault_of([tenant])) is not None:
                self._keep_or_give_up(tenant, error, new=tenant not in before)

    async def _fault_of(self, group: Sequence[TenantId]) -> Exception | None:
        """Write what the tenants of `group` have, and return what one of them may have caused."""
        try:
            await self._learn_heads([tenant for tenant in group if tenant not in self._heads])
            await self._send(group)
        except BackendUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever one tenant's entries cause must not stop the others
            return error
        for tenant in group:
            self._queues.rejoin(tenant)
        return None

    async def _learn_heads(self, tenants: Sequence[TenantId]) -> None:
        """Ask where chains end, and forget what turns out to stand there."""
        if not tenants:
            return
        empty: dict[TenantId, Sequence[LedgerDraft]] = dict.fromkeys(tenants, ())
        heads = await reach("store", self._store.append_many(empty))
        for tenant in tenants:
            sent = self._queues[tenant].sent
            if sent and (first := await self._place_of(tenant, sent, heads[tenant])):
                self._queues.written(tenant, len(sent.drafts), first)
            self._heads[tenant] = heads[tenant]

    async def _place_of(self, tenant: TenantId, sent: Sent, head: Head) -> int | None:
        """The number of the first entry of what was sent, where it stands in the chain."""
        after, count = sent.behind.size, len(sent.drafts)
        while head.size - after >= count:
            async with self._store.reading(tenant) as rows:
                entries = await rows.entries(after, PAGE + count)
            if first := outcome.place_of(sent.drafts, entries, tenant, after):
                return first
            after += PAGE
        return None

    async def _send(self, group: Sequence[TenantId]) -> None:
        """Write what is finished. No head is known while it is on its way, nor where it does not arrive."""
        drafts = {t: self._queues.send(t, self._heads.pop(t)) for t in group if self._queues[t].finished}
        if not drafts:
            return
        heads = await flushed(self._store.append_many(drafts))
        self._heads |= {tenant: heads[tenant] for tenant in drafts}
        for tenant, sent in drafts.items():
            self._queues.written(tenant, len(sent), heads[tenant].size - len(sent) + 1)
        while len(self._heads) > MAX_HEADS:
            del self._heads[next(iter(self._heads))]

    def _set_apart(self, group: Sequence[TenantId], error: Exception) -> Sequence[TenantId]:
        """Set apart whoever may have caused `error`, and return the others."""
        apart = outcome.suspects(group, error)
        for tenant in apart:
            self._queues[tenant].apart = self._clock()
        if not isinstance(error, DamagedDataError | DoesNotExistError):
            _log.error("a group of ledger entries failed: each tenant's are written alone\n%s", frames_of(error))
        return [tenant for tenant in group if tenant not in apart]

    def _keep_or_give_up(self, tenant: TenantId, error: Exception, *, new: bool) -> None:
        queue = self._queues[tenant]
        reason = outcome.reason_to_give_up(error, queue.failing_for(self._clock()))
        if reason and queue.finished:
            self._lost(tenant, self._queues.give_up(tenant), reason)
        if isinstance(error, DoesNotExistError):
            self._queues.rejoin(tenant)
        elif new:
            # Of another error never the text: a plug's may hold what was to be written.
            told = error if isinstance(error, DamagedDataError) else type(error).__name__
            _log.error("ledger entries of tenant %s cannot be written, its calls are refused: %s", tenant, told)
