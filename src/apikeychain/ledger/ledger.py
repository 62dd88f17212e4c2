"""The ledger of a worker: calls are written in groups, at most 100 ms after they ended (the mode "buffered").

A call that may pass takes a slot first and fills it when it is over: where nothing can be written down, nothing is
done. Entries leave the memory only once the store has them, in the order in which they were filled.

In the mode "write-ahead" a call also waits, before it is sent, until its intent stands in the chain. All that wait are
written together, 2 ms after the first of them came, with the outcomes that are there by then. Who leaves meanwhile, or
waits for 5 s, is not sent: an intent that does not stand there yet gives its place to the outcome.

What an unclean end may lose is noted before it can be lost (`notes`): the first call of a tenant waits for that, and
one that would go beyond what is noted. While the store is away these are refused, and all others go on for as long as
entries may wait.

What can go wrong with a group:

- The store does not answer: every entry is kept, and the group is tried again after 0.1, 0.2, 0.4 ... 1 s. What turns
  out to stand there is not written twice (`writer`).
- The store hangs: the turn is cancelled after 10 s and counts as not answered. One that cannot be cancelled is waited
  for again, and nothing is written beside it; nobody waits for it longer than for one that can.
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
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any

from apikeychain.errors import BackendUnavailableError, LedgerUnavailableError
from apikeychain.frames import frames_of
from apikeychain.ledger.notes import Notes, Terms
from apikeychain.ledger.queue import Intent
from apikeychain.ledger.queues import MAX_HELD_OF_TENANT, MAX_WAIT_SECONDS, Queues, nobody
from apikeychain.ledger.refusals import Refusals
from apikeychain.ledger.slot import Fill, Slot
from apikeychain.ledger.sweep import Sweeper
from apikeychain.ledger.writer import Writer
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import LedgerDraft
from apikeychain.ports.store import Store
from apikeychain.rules.chain import PLATFORM
from apikeychain.telemetry import gap_stated, plug_failed

FLUSH_SECONDS = 0.1
FLUSH_ENTRIES = 256
# How long the first of those that wait for their intents waits for more of them.
COMMIT_SECONDS = 0.002
# A store that answers at all answers within half of that: what its own limits let through has hung.
WRITE_SECONDS = 10.0
MAX_BACKOFF_SECONDS = 1.0
DRAIN_SECONDS = 10.0
# For the last turn, also where open calls took all the time of the drain.
LAST_SECONDS = 1.0
_log = logging.getLogger("apikeychain.ledger")


class Ledger:
    """Takes entries of calls at once and writes them in the background.

    It belongs to no loop until it is used. Where `run` is not running, whoever answered a call awaits `flush`.

    Args:
        store: where the chains are.
        now: the time that refusals are dated with.
        ahead: whether a call is sent only once its intent stands in the chain.
        terms: of the notes on what may be lost; None where nothing is noted, and an unclean end is nowhere stated.
        clock: seconds that never go back, for how long an entry waits.
        written: told how many entries stand in the chains now that did not before; it must not wait for anything.
    """

    def __init__(
        self,
        store: Store,
        *,
        now: Callable[[], datetime],
        ahead: bool = False,
        terms: Terms | None = None,
        clock: Callable[[], float] = time.monotonic,
        written: Callable[[int], None] = nobody,
    ) -> None:
        self._store, self._now, self._ahead, self._clock = store, now, ahead, clock
        self._queues, self._refusals = Queues(written, at_most=0 if terms else MAX_HELD_OF_TENANT), Refusals()
        self._notes = Notes(store, self._queues, now=now, clock=clock, terms=terms) if terms else None
        self._writer = Writer(store, self._queues, clock, self._tell_lost)
        self._failures = 0
        self._writing: asyncio.Task[None] | None = None
        self._hung: asyncio.Task[None] | None = None
        self._wanted: asyncio.Event | None = None
        self._idle: asyncio.Event | None = None
        self._are_waiting = False

    @property
    def unwritten(self) -> int:
        """How many finished entries are not written."""
        return self._queues.finished

    def reserve(self, tenant: TenantId, holder: str | None = None) -> Slot:
        """The place of the entry that a call of `tenant` will leave; of use once it `is_noted`.

        Args:
            tenant: in whose chain.
            holder: whose places that are not filled yet are counted together; None counts for nobody.

        Raises:
            LedgerUnavailableError: it could not be written down, so the call must not be made.
            RateLimitedError: its holder has as many calls under way as one may have.
        """
        intend = self._intend if self._ahead else None
        if self._queues.reserve(tenant, self._clock(), holder):
            return Slot(self._fill, intend, None, tenant, holder)
        return Slot(None, intend, self._note, tenant, holder)

    async def _note(self, tenant: TenantId, holder: str | None) -> Fill:
        """Wait until so much is noted that the place is within it, or give it back."""
        try:
            async with asyncio.timeout(MAX_WAIT_SECONDS):
                while self._notes and not self._queues.come_within(tenant):
                    await self._notes.grow(tenant)
        except BaseException as error:
            self._queues.give_back(tenant, holder)
            self._tell_idle()
            if isinstance(error, TimeoutError):
                raise LedgerUnavailableError from None
            raise
        return self._fill

    def _intend(self, tenant: TenantId, draft: LedgerDraft) -> Intent:
        intent = self._queues.intend(tenant, draft, self._clock())
        self._are_waiting = True
        if self._wanted:
            self._wanted.set()
        return intent

    def _fill(self, tenant: TenantId, draft: LedgerDraft, holder: str | None, intent: Intent | None) -> None:
        self._queues.fill(tenant, draft, self._clock(), holder, intent)
        if self._wanted and self._queues.finished >= FLUSH_ENTRIES:
            self._wanted.set()
        if self._idle:
            self._tell_idle()

    def _tell_idle(self) -> None:
        if self._idle and not self._queues.open:
            self._idle.set()

    def count_refusal(self, tenant: TenantId, project: ProjectId, code: str) -> None:
        """Count a call that was refused before it had a slot."""
        self._refusals.count(tenant, project, code, self._now())

    def work(self) -> Sequence[Coroutine[Any, Any, None]]:
        """What is to run, each in a task of its own, until it is cancelled; then `drain`."""
        if self._notes is None:
            return [self.run()]
        return [self.run(), self._notes.run(), Sweeper(self._store, self._notes, self._now).run()]

    async def run(self) -> None:
        """Write until cancelled; then `drain`."""
        wanted = self._wanted = asyncio.Event()
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(FLUSH_SECONDS):
                        await wanted.wait()
                wanted.clear()
                if self._are_waiting and self._queues.finished < FLUSH_ENTRIES:
                    await asyncio.sleep(COMMIT_SECONDS)
                await self._flush_or_wait()
        finally:
            self._wanted = None

    async def _flush_or_wait(self, seconds: float = WRITE_SECONDS) -> None:
        """Write, and where that fails wait until it is worth another try."""
        try:
            await self.flush(seconds)
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

    async def flush(self, seconds: float = WRITE_SECONDS) -> None:
        """Write every finished entry. A flush under way is joined, and outlives whoever waits for it.

        While a flush of another thread's loop is under way nothing is waited for: the entries go with the next one.

        Raises:
            BackendUnavailableError: the store does not answer, or hangs; the entries are kept.
        """
        writing = self._writing
        if writing is None or writing.done() or not writing.get_loop().is_running():
            writing = self._writing = asyncio.create_task(self._write())
            writing.add_done_callback(_look_at)
        if writing.get_loop() is asyncio.get_running_loop():
            await self._join(writing, seconds)

    async def _join(self, writing: "asyncio.Task[None]", seconds: float) -> None:
        await asyncio.wait([writing], timeout=seconds)
        if not writing.done():
            plug_failed("store")
            writing.cancel()
            self._hung = writing
        if not writing.done() or (writing.cancelled() and writing is self._hung):
            msg = f"the store does not answer: it has been writing for {seconds:g} s"
            raise BackendUnavailableError(msg)
        writing.result()

    async def drain(self, seconds: float = DRAIN_SECONDS) -> None:
        """Wait for open calls and write everything, refusals too, for at most `seconds`.

        For calls that are still open then, the chain of their tenant says in a `gap` entry how many there were. Where
        all of it was written, nothing is noted any more.
        """
        end = self._clock() + seconds
        if self._queues.open:
            await self._wait_for_calls(seconds)
        if self._notes:
            self._notes.close()
        self._add_gaps()
        self._add_refusals(every=True)
        while True:
            await self._flush_or_wait(max(end - self._clock(), LAST_SECONDS))
            if not self._queues.finished:
                await self._take_notes_back(max(end - self._clock(), LAST_SECONDS))
                return
            if self._clock() >= end:
                _log.error("closed with %d ledger entries that could not be written", self._queues.finished)
                return
            await asyncio.sleep(FLUSH_SECONDS / 2)

    async def _take_notes_back(self, seconds: float) -> None:
        if self._notes:
            await self._notes.take_back(seconds)

    async def _wait_for_calls(self, seconds: float) -> None:
        """Wait until no call is open, and write meanwhile: some of them wait for that."""
        idle = self._idle = asyncio.Event()
        writing = asyncio.create_task(self.run())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await idle.wait()
        self._idle = None
        writing.cancel()
        await asyncio.wait([writing])

    def _add_gaps(self) -> None:
        for tenant, queue in self._queues:
            if queue.open > queue.beyond:
                self._add_gap(tenant, {"reason": "closed", "entries": queue.open - queue.beyond})

    def _add_gap(self, tenant: TenantId, data: dict[str, str | int]) -> None:
        draft = LedgerDraft(at=self._now(), kind="gap", actor="gate", data={**data})
        self._queues.add(tenant, draft, self._clock())
        gap_stated()

    def _add_refusals(self, *, every: bool = False) -> None:
        for tenant, draft in self._refusals.take(self._now(), every=every):
            self._queues.add(tenant, draft, self._clock())
        if self._refusals.beyond:
            self._add_gap(PLATFORM, {"reason": "refusals", "entries": self._refusals.beyond})
            self._refusals.beyond = 0

    async def _write(self) -> None:
        self._are_waiting = False
        failures, self._failures = self._failures, self._failures + 1
        if not failures:
            self._add_refusals()
        await self._writer.write()
        self._failures = 0
        if self._notes and not self._ahead:
            self._notes.lengthen()

    def _tell_lost(self, tenant: TenantId, entries: int, reason: str) -> None:
        _log.error("gave up %d ledger entries of tenant %s: %s", entries, tenant, reason)
        if tenant != PLATFORM:
            self._add_gap(PLATFORM, {"reason": reason, "tenant": tenant, "entries": entries})


def _look_at(writing: "asyncio.Task[None]") -> None:
    """Where nobody waits for it any more asyncio would log its error, with all its text."""
    if not writing.cancelled():
        writing.exception()
