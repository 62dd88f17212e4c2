"""The place of one entry, from the moment that a call may pass to the end of its answer.

Source: contracts 6.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Self, final

from apikeychain.errors import InternalError, LedgerUnavailableError
from apikeychain.ledger.queue import Intent
from apikeychain.ledger.queues import MAX_WAIT_SECONDS
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import LedgerDraft

Intend = Callable[[TenantId, LedgerDraft], Intent]
Fill = Callable[[TenantId, LedgerDraft, str | None, Intent | None], None]
Note = Callable[[TenantId, str | None], Awaitable[Fill]]


@final
class Slot:
    """Whoever reserved it fills it, exactly once: a call that passed leaves one entry.

    Args:
        fill: takes the entry; None where the place is of no use before `note` was awaited.
        intend: takes what the call is about to do; None where that is not written down before.
        note: waits until the place is one that may be lost, and brings `fill`; None where it is one already.
        tenant: in whose chain.
        holder: with whose places it is counted.
    """

    __slots__ = ("_fill", "_holder", "_intend", "_intent", "_note", "_tenant")

    def __init__(
        self, fill: Fill | None, intend: Intend | None, note: Note | None, tenant: TenantId, holder: str | None
    ) -> None:
        self._fill = fill
        self._intend, self._note, self._tenant, self._holder = intend, note, tenant, holder
        self._intent: Intent | None = None

    @property
    def is_noted(self) -> bool:
        """Whether the store has it noted that the entry may be lost; else `note` is to be awaited before anything."""
        return self._note is None

    async def note(self) -> Self:
        """This slot, once that is noted. Where it raises, also where it is cancelled, the place is given back.

        Raises:
            InternalError: it was asked for already, or it is noted.
            LedgerUnavailableError: it could not be noted in time, so the call must not be made.
        """
        if self._note is None:
            msg = "a ledger slot is noted once, and not where it was before"
            raise InternalError(msg)
        note, self._note = self._note, None
        self._fill = await note(self._tenant, self._holder)
        return self

    @property
    def is_ahead(self) -> bool:
        """Whether `intend` is still to be awaited before the call is sent."""
        return self._intend is not None

    async def intend(self, draft: LedgerDraft) -> None:
        """Wait until what the call is about to do stands in the chain; the entry that fills this place names it then.

        Raises:
            InternalError: it is not to be written down before, or it was already.
            LedgerUnavailableError: it could not be written in time, so the call must not be made.
        """
        if self._intend is None:
            msg = "a ledger slot takes one intent, and none where nothing is written ahead"
            raise InternalError(msg)
        intend, self._intend = self._intend, None
        intent = self._intent = intend(self._tenant, draft)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(MAX_WAIT_SECONDS):
                await intent.settled.wait()
        if intent.seq is None:
            raise LedgerUnavailableError

    def fill(self, draft: LedgerDraft) -> None:
        """Put the entry into its place; it is written soon.

        Raises:
            InternalError: it was filled before, or given back, or it is not noted.
        """
        if self._fill is None:
            msg = "a ledger slot was filled twice, or is none that may be filled"
            raise InternalError(msg)
        fill, self._fill = self._fill, None
        fill(self._tenant, draft, self._holder, self._intent)
