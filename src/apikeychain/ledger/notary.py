"""The notary: signs checkpoints of all chains that moved, and takes them to the witnesses.

It acts every 60 s, as soon as this worker has written 1,000 entries, when it is asked to, and at the end of a worker
that wrote anything. Where nothing moved, nothing is signed and nothing is stored. Nothing of a call waits for it: it
only counts what the ledger has written.

Several workers take turns. One of them makes the rounds of every minute, as long as it does; a lease of the store says
which. Nothing that fails ends the notary: what was not done is done in the next round.

Source: contracts 6 ("every 60 s or 1,000 entries, to the witnesses"); architecture "State, and many workers".
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any, final

from apikeychain.errors import APIKeyChainError, BackendUnavailableError, ConflictError
from apikeychain.frames import frames_of
from apikeychain.ledger.checkpoint_keys import CheckpointSigners
from apikeychain.ledger.publishing import Due, Publisher, Trust
from apikeychain.ledger.signing_round import Memory, SigningRound
from apikeychain.ledger.turn import CLOCK_LEASE, CLOCK_SECONDS, TurnLostError, lease, turn
from apikeychain.model.checkpoint_round import CheckpointRound, Publication
from apikeychain.ports.store import Store
from apikeychain.ports.witness import Witness
from apikeychain.telemetry import round_ended
from apikeychain.vault.key_services import KeyServices

ROUND_SECONDS = 60.0
ROUND_ENTRIES = 1000
# Between two rounds, however much is written.
PAUSE_SECONDS = 1.0
# So long a round waits for witnesses; one that takes longer goes on beside it.
PUBLISH_SECONDS = 10.0
CLOSE_SECONDS = 5.0
_TURN_SECONDS = 10.0
_LAST_SECONDS = 1.0
_log = logging.getLogger("apikeychain.ledger")


@final
class Notary:
    """Signs and publishes.

    Args:
        store: where the chains are.
        key_services: the default one wraps the keys that sign.
        witnesses: who is told.
        origin: the name of the ledger.
        now: the time.
        clock: seconds that only grow.

    Attributes:
        signers: the keys.
    """

    def __init__(
        self,
        store: Store,
        key_services: KeyServices,
        witnesses: Sequence[Witness],
        *,
        origin: str,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._origin, self._now, self._clock = store, origin, now, clock
        self.signers = CheckpointSigners(store, key_services, origin=origin, now=now, clock=clock)
        self._memory = Memory()
        self._publishers = [
            Publisher(store, witness, f"witness {number} ({type(witness).__name__})", self._memory.frontiers)
            for number, witness in enumerate(witnesses, 1)
        ]
        self._publishing: dict[Publisher, asyncio.Task[Publication]] = {}
        # A lease does not tell two of one store apart.
        self._alone = asyncio.Lock()
        self._acting: asyncio.Task[None] | None = None
        self._wanted: asyncio.Event | None = None
        self._entries, self._told = 0, ""

    def count(self, entries: int) -> None:
        """Note that this worker wrote so many entries."""
        self._entries += entries
        if self._wanted and self._entries >= ROUND_ENTRIES:
            self._wanted.set()

    async def run(self) -> None:
        """Act when it is time, until cancelled; then `close`."""
        wanted = self._wanted = asyncio.Event()
        while True:
            is_early = await _is_set(wanted, ROUND_SECONDS)
            wanted.clear()
            self._acting = asyncio.create_task(self._act(self._turn_of_many(is_early=is_early)))
            await asyncio.wait([self._acting])
            await asyncio.sleep(PAUSE_SECONDS)

    async def checkpoint(self) -> CheckpointRound:
        """A round now: sign every chain that moved, and take the witnesses what they lack.

        Raises:
            ConflictError: another worker signs, and takes more than 10 s.
            SealedValueError: the keys that sign do not open.
            InvalidValueError: the ledger has another origin than the settings say.
            BackendUnavailableError: the store or the key service does not answer.
        """
        return await self._round(wait_seconds=_TURN_SECONDS)

    async def close(self, *, is_last: bool, seconds: float = CLOSE_SECONDS) -> None:
        """End what is under way, and before that act once more, for at most `seconds`.

        Args:
            is_last: whether to act once more, where this worker wrote anything since the last round.
            seconds: as long a store, a key service or a witness may hold it up.
        """
        end = self._clock() + seconds
        if is_last and self._acting:
            await asyncio.wait([self._acting], timeout=seconds)
        if is_last and self._entries and not (self._acting and not self._acting.done()):
            self._acting = asyncio.create_task(self._act(self._round(wait_seconds=0)))
            await asyncio.wait([self._acting], timeout=max(end - self._clock(), 0))
        left = [task for task in (self._acting, *self._publishing.values()) if task and not task.done()]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=_LAST_SECONDS)
        self.signers.forget()

    async def _act(self, acting: Coroutine[Any, Any, object]) -> None:
        """Act, and tell what kept from it, once."""
        told = ""
        try:
            await acting
        except ConflictError:
            # Another worker acts.
            return
        except BackendUnavailableError as error:
            told = f"the store or the key service does not answer: {error.hint}"
        except APIKeyChainError as error:
            told = str(error) or type(error).__name__
        except Exception as error:  # noqa: BLE001 - a bug in one round must not end the notary
            told = type(error).__name__
            _log.error("a round of checkpoints failed\n%s", frames_of(error))
        if told and told != self._told:
            _log.error("no checkpoints are signed for now: %s", told)
        self._told = told

    async def _turn_of_many(self, *, is_early: bool) -> None:
        """A round, unless it is time for one and another worker makes those."""
        if is_early or await lease(self._store, CLOCK_LEASE, CLOCK_SECONDS):
            await self._round(wait_seconds=0)

    async def _round(self, *, wait_seconds: float) -> CheckpointRound:
        # What is written from now on is for the next round; what this one does not come to, too.
        entries, self._entries = self._entries, 0
        try:
            return await self._counted_round(wait_seconds)
        except BaseException:
            self._entries += entries
            raise

    async def _counted_round(self, wait_seconds: float) -> CheckpointRound:
        try:
            async with self._alone, turn(self._store, self._clock, wait_seconds=wait_seconds) as mine:
                found = SigningRound(self._store, self.signers, self._origin, self._now, self._memory, mine)
                publications = await self._sign_and_publish(found)
        except ConflictError:
            # Another worker acts: no round of ours.
            raise
        except Exception as error:
            round_ended(error)
            raise
        round_ended(None)
        return CheckpointRound(found.signed, found.broken, publications)

    async def _sign_and_publish(self, found: SigningRound) -> list[Publication]:
        publications: list[Publication] = []
        with contextlib.suppress(TurnLostError):
            async with contextlib.aclosing(found.run()) as moments:
                async for dues in moments:
                    publications += await self._publish(found.trust, dues)
        return publications

    async def _publish(self, trust: Trust, dues: Sequence[Due]) -> list[Publication]:
        """Give each witness what it lacks, all at once; one that is busy gets it the next time."""
        came: list[Publication] = []
        begun: dict[Publisher, asyncio.Task[Publication]] = {}
        for publisher in self._publishers:
            lacking = [due for due in dues if publisher.lacks(due)]
            if lacking and not self._is_busy(publisher):
                begun[publisher] = asyncio.create_task(publisher.publish(trust, lacking))
            elif lacking:
                came.append(_under_way(publisher))
        self._publishing |= begun
        if begun:
            await asyncio.wait(begun.values(), timeout=PUBLISH_SECONDS)
        return came + [task.result() if task.done() else _under_way(one) for one, task in begun.items()]

    def _is_busy(self, publisher: Publisher) -> bool:
        task = self._publishing.get(publisher)
        return task is not None and not task.done()


def _under_way(publisher: Publisher) -> Publication:
    return Publication(publisher.name, fault="it has not taken yet what it was given")


async def _is_set(event: asyncio.Event, seconds: float) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
