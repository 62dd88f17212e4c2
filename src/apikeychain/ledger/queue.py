"""What a worker still has to write down of one tenant: its open calls, counted, and its finished entries, in order.

Source: contracts 6.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from apikeychain.model.ledger import Head, LedgerDraft


@dataclass(slots=True, eq=False)
class Intent:
    """What a call is about to do, on its way into the chain: whoever wants to do it waits until it is `settled`.

    Attributes:
        seq: its number in the chain, once it stands there.
        outcome: the entry of the call, where that was over before.
    """

    settled: asyncio.Event = field(default_factory=asyncio.Event)
    seq: int | None = None
    outcome: LedgerDraft | None = None

    def settle(self, seq: int | None) -> None:
        """Tell that it stands in the chain, or that it never will."""
        self.seq = seq
        self.settled.set()


@dataclass(slots=True, eq=False)
class Waiting:
    """An entry that is not written.

    Attributes:
        since: since when.
        draft: what it says.
        intent: where it says what a call is about to do.
    """

    since: float
    draft: LedgerDraft
    intent: Intent | None = None

    def withdraw(self) -> None:
        """Leave the place to the outcome where the call is over: of what never left the gate nothing was intended."""
        if self.intent is not None and self.intent.outcome is not None:
            self.draft, self.intent = self.intent.outcome, None


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
        at_most: its allowance.
        open: slots that were given out and are not filled.
        beyond: those of them that wait for a greater allowance.
        finished: what is not written, the longest waiting first; also intents of slots that are open.
        sent: those of them that were sent and not acknowledged.
        apart: since when its entries fail alone and are written alone, or None.
    """

    at_most: int
    open: int = 0
    beyond: int = 0
    finished: deque[Waiting] = field(default_factory=deque[Waiting])
    sent: Sent | None = None
    apart: float | None = None

    def failing_for(self, now: float) -> float:
        """For how many seconds its longest waiting entry was one of a tenant apart; 0 where there is none."""
        if self.apart is None or not self.finished:
            return 0.0
        return now - max(self.apart, self.finished[0].since)
