"""The ledger of a worker: calls are written in groups, at most 100 ms after they ended (the mode "buffered").

A call that may pass takes a slot first and fills it when it is over: where nothing can be written down, nothing is
done. Entries leave the memory only once the store has them, in the order in which they were filled.

What can go wrong with a group:

- The store does not answer: every entry is kept, and the group is tried again after 0.1, 0.2, 0.4 ... 1 s. What turns
  out to stand there is not written twice (`writer`).
- Anything else, which one tenant's entries or damaged data can cause: that tenant stays apart, so that it keeps nobody
  else waiting, and its calls are refused. What a tenant has that is gone, or that failed for 60 s, is lost, and the
  chain of the platform says in a `gap` entry how much (`outcome`).
- A bug: it is logged, and the next turn comes all the same.

Source: contracts 6; pitfalls 50 (loss is counted and chained).
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from datetime import datetime

from apikeychain.errors import BackendUnavailableError, InternalError
from apikeychain.frames import frames_of
from apikeychain.ledger.queues import Queues
from apikeychain.ledger.refusals import Refusals
from apikeychain.ledger.writer import Writer
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import LedgerDraft
from apikeychain.ports.store import Store
from apikeychain.rules.chain import PLATFORM

FLUSH_SECONDS = 0.1
FLUSH_ENTRIES = 256
MAX_BACKOFF_SECONDS = 1.0
DRAIN_SECONDS = 10.0
_Fill = Callable[[TenantId, LedgerDraft, str | None], None]
_log = logging.getLogger("apikeychain.ledger")


class Slot:
    """The place of one entry. Whoever reserved it fills it, exactly once: a call that passed leaves one entry."""

    __slots__ = ("_fill", "_holder", "_tenant")

    def __init__(self, fill: _Fill, tenant: TenantId, holder: str | None) -> None:
        self._fill: _Fill | None = fill
        self._tenant, self._holder = tenant, holder

    def fill(self, draft: LedgerDraft) -> None:
        """Put the entry into its place; it is written soon.

        Raises:
            InternalError: it was filled before.
        """
        if self._fill is None:
            msg = "a ledger slot was filled twice"
            raise InternalError(msg)
        fill, self._fill = self._fill, None
        fill(self._tenant, draft, self._holder)


class Ledger:
    """Takes entries of calls at once and writes them in the background.

    It belongs to no loop until it is used. Where `run` is not running, whoever answered a call awaits `flush`.

    Args:
        store: where the chains are.
        now: the time that refusals are dated with.
        clock: seconds that never go back, for how long an entry waits.
    """

    def __init__(
        self,
        store: Store,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now, self._clock = now, clock
        self._queues, self._refusals = Queues(), Refusals()
        self._writer = Writer(store, self._queues, clock, self._tell_lost)
        self._failures = 0
        self._writing: asyncio.Task[None] | None = None
        self._full: asyncio.Event | None = None
        self._idle: asyncio.Event | None = None

    def reserve(self, tenant: TenantId, holder: str | None = None) -> Slot:
        """The place of the entry that a call of `tenant` will leave.

        Args:
            tenant: in whose chain.
            holder: whose places that are not filled yet are counted together; None counts for nobody.

        Raises:
            LedgerUnavailableError: it could not be written down, so the call must not be made.
            RateLimitedError: its holder has as many calls under way as one may have.
        """
        self._queues.reserve(tenant, self._clock(), holder)
        return Slot(self._fill, tenant, holder)

    def _fill(self, tenant: TenantId, draft: LedgerDraft, holder: str | None) -> None:
        self._queues.fill(tenant, draft, self._clock(), holder)
        if self._full and self._queues.finished >= FLUSH_ENTRIES:
            self._full.set()
        if self._idle and not self._queues.open:
            self._idle.set()

    def count_refusal(self, tenant: TenantId, project: ProjectId, code: str) -> None:
        """Count a call that was refused before it had a slot."""
        self._refusals.count(tenant, project, code, self._now())

    async def run(self) -> None:
        """Write until cancelled; then `drain`."""
        full = self._full = asyncio.Event()
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(full.wait(), FLUSH_SECONDS)
                full.clear()
                await self._flush_or_wait()
        finally:
            self._full = None

    async def _flush_or_wait(self) -> None:
        """Write, and where that fails wait until it is worth another try."""
        try:
            await self.flush()
        except BackendUnavailableError:
            pass
        except asyncio.CancelledError:
            # One that a plug let out and nobody asked for: the ledger goes on.
            if (task := asyncio.current_task()) is None or task.cancelling():
                raise
            _log.error("the ledger was not written in this turn: something cancelled it")
        except Exception as error:  # noqa: BLE001 - a bug in one turn must not end the ledger
            _log.error("the ledger was not written in this turn\n%s", frames_of(error))
        else:
            return
        await asyncio.sleep(min(MAX_BACKOFF_SECONDS, FLUSH_SECONDS * 2 ** min(self._failures - 1, 10)))

    async def flush(self) -> None:
        """Write every finished entry. A flush under way is joined, and outlives whoever waits for it.

        While a flush of another thread's loop is under way nothing is waited for: the entries go with the next one.

        Raises:
            BackendUnavailableError: the store does not answer; the entries are kept.
        """
        writing = self._writing
        if writing is None or writing.done() or not writing.get_loop().is_running():
            writing = self._writing = asyncio.create_task(self._write())
        if writing.get_loop() is asyncio.get_running_loop():
            await asyncio.shield(writing)

    async def drain(self, seconds: float = DRAIN_SECONDS) -> None:
        """Wait for open calls and write everything, refusals too, for at most `seconds`.

        For calls that are still open then, the chain of their tenant says in a `gap` entry how many there were.
        """
        end = self._clock() + seconds
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_filled(), seconds)
        self._add_gaps()
        self._add_refusals(every=True)
        await self._flush_or_wait()
        while self._queues.finished and self._clock() < end:
            await asyncio.sleep(FLUSH_SECONDS / 2)
            await self._flush_or_wait()
        if self._queues.finished:
            _log.error("closed with %d ledger entries that could not be written", self._queues.finished)

    async def _all_filled(self) -> None:
        self._idle = asyncio.Event()
        if self._queues.open:
            await self._idle.wait()
        self._idle = None

    def _add_gaps(self) -> None:
        for tenant, queue in self._queues:
            if queue.open:
                self._add_gap(tenant, {"reason": "closed", "entries": queue.open})

    def _add_gap(self, tenant: TenantId, data: dict[str, str | int]) -> None:
        draft = LedgerDraft(at=self._now(), kind="gap", actor="gate", data={**data})
        self._queues.add(tenant, draft, self._clock())

    def _add_refusals(self, *, every: bool = False) -> None:
        for tenant, draft in self._refusals.take(self._now(), every=every):
            self._queues.add(tenant, draft, self._clock())
        if self._refusals.beyond:
            self._add_gap(PLATFORM, {"reason": "refusals", "entries": self._refusals.beyond})
            self._refusals.beyond = 0

    async def _write(self) -> None:
        failures, self._failures = self._failures, self._failures + 1
        if not failures:
            self._add_refusals()
        await self._writer.write()
        self._failures = 0

    def _tell_lost(self, tenant: TenantId, entries: int, reason: str) -> None:
        _log.error("gave up %d ledger entries of tenant %s: %s", entries, tenant, reason)
        if tenant != PLATFORM:
            self._add_gap(PLATFORM, {"reason": reason, "tenant": tenant, "entries": entries})
