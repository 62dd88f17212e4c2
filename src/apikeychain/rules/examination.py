"""What was done to a chain that does not hold, entry by entry, with no more memory than a page needs.

A chain that was changed breaks where it was changed, and goes on behind that. What was done shows in four things: what
an entry says of its own place, what its hash is made of, what the hash of the next one is made of, and where the chain
is said to end. So a bad entry waits for the one behind it, and is judged with it:

- The next one's hash is made of its stored hash: the place is right and the payload was edited.
- Its payload fits and only its hash does not, while the next one fits the payload: the hash was edited.
- It says another place than the next one: entries are missing, were moved, or it was put there.
- Its hash is made of an entry further up: two entries stand behind one, the chain was forked.

An entry whose body was dropped says nothing: its place is the number under which it is stored, and its hash is what
the entry behind it is made of, or what a `retained` entry covers. What none covers is told at the end.

Two things look alike: an entry with an edited payload, and the entry before it replaced together with its own hash.
What the chain cannot show at all (its end cut off together with the stored head, all of it written anew) shows against
what is known of it from elsewhere (`anchors`).

Source: contracts 6; spec 9.3; RFC 6962, 2.1 (what a head commits to).
"""

from collections.abc import Sequence
from dataclasses import replace

from apikeychain.errors import LedgerBrokenError
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerEntry, link
from apikeychain.model.ledger_report import LedgerReport, Manipulation
from apikeychain.rules import chain
from apikeychain.rules.anchors import Anchors
from apikeychain.rules.branches import REMEMBERED, Branches
from apikeychain.rules.faults import Faults
from apikeychain.rules.retained import Retention
from apikeychain.rules.statements import Said, is_behind, place_of, said_by, with_bytes

_NEITHER = "it fits neither the entry before it nor the one behind it"
_EITHER = "its hash does not link its payload to the entry before it (or that one was replaced, with its hash)"


class Examination:
    """Reads a chain to its end and says what was done to it.

    Args:
        tenant: whose chain it is.
        anchors: what is known of it from elsewhere, and where what was signed begins to be read.
        stored: where the store says that it ends, before anything is read; None where that cannot be read.
    """

    def __init__(self, tenant: TenantId, anchors: Anchors | None = None, stored: Head | None = None) -> None:
        self._anchors = anchors or Anchors(Head.empty(tenant))
        self._origin = self._head = self._anchors.start
        self._size = stored.size if stored else chain.MAX_INTEGER
        # The number under which the entry before is stored, and how far that is from what it says of its place.
        self._stored_seq, self._shift = self._origin.size, 0
        # What the hash of the next one may be made of, what that of the last one was, and whether both are known.
        self._behind, self._before, self._sure = {self._head.hash}, set[bytes](), True
        # Whether the next entries may be renumbered: behind what was taken out or put in.
        self._loose = False
        self._branches, self._retention = Branches(self._origin), Retention(self._anchors.frontier)
        self._furthest, self._read = self._origin.size, 0
        self._forked, self._faults = False, Faults()
        self._waiting: LedgerEntry | None = None

    def read(self, entries: Sequence[LedgerEntry]) -> None:
        """The next entries, in the order of the store."""
        self._read += len(entries)
        for stored in entries[self._pass(entries) :]:
            entry = with_bytes(stored)
            if self._waiting:
                self._judge(self._waiting, entry)
                self._waiting = None
            if entry.is_dropped and self._stands_behind(entry):
                self._accept_dropped(entry)
            elif self._fits(entry):
                self._accept(entry, self._head.size + 1)
            else:
                self._waiting = entry

    def end(self, stored: Head | None) -> LedgerReport:
        """What was found, once all entries were read.

        Args:
            stored: where the store says that the chain ends; None where that cannot be read.
        """
        if self._waiting:
            self._judge(self._waiting, stored)
        if not self._anchors.ends_before_start(self._furthest):
            self._compare_stored(stored)
        self._anchors.judge(self._faults, self._furthest, stored)
        for run in self._retention.uncovered:
            self._faults.add(run.first, Manipulation.DELETED, run.reason, run.entries)
        self._faults.settle()
        found, anchors = self._faults, self._anchors
        return LedgerReport(
            head=self._head,
            read=self._read,
            faults=found.shown,
            counts=found.count,
            anchors=anchors.compared,
            since=self._origin if self._origin.size else None,
            unheard=self._retention.unsigned(anchors.signed),
            dropped=self._retention.dropped,
            covering=tuple(self._retention.covering),
        )

    def _pass(self, entries: Sequence[LedgerEntry]) -> int:
        """How many of `entries` stand in their places, as nearly always all do: those are read quickly."""
        if self._waiting or self._shift or self._loose or self._behind != {self._head.hash}:
            return 0
        start = self._head.size
        try:
            chain.verify(self._head, entries)
            good = len(entries)
        except LedgerBrokenError as broken:
            good = broken.seq - 1 - start
        self._anchors.pass_by(start, [entry.hash for entry in entries[:good]])
        self._retention.read(entries[:good])
        for entry in entries[max(good - REMEMBERED, 0) : good]:
            self._go_on(entry, entry.seq)
        return good

    def _fits(self, entry: LedgerEntry) -> bool:
        """Whether it stands in its place, and shows that it does."""
        place = self._head.size + 1
        here = self._stands_behind(entry) and said_by(entry) == Said(self._head.tenant, place)
        return here and self._links(entry) and not self._fault_of(entry, place)

    def _accept(self, entry: LedgerEntry, place: int, behind: set[bytes] | None = None, *, sure: bool = True) -> None:
        """Go on behind `entry`, which has the place `place` in the chain.

        Args:
            entry: it.
            place: what it says of it, or is taken to be.
            behind: what the hash of the next one may be made of, where its own hash may be wrong.
            sure: whether that is known.
        """
        self._retention.read([entry])
        self._go_on(entry, place, behind, sure=sure)
        self._anchors.meet(place, entry.hash, self._behind)

    def _accept_dropped(self, entry: LedgerEntry) -> None:
        """Go on behind an entry without a body, which says nothing of its place but where it is stored."""
        next_ = self._head.size + 1
        place = next_ if self._loose else entry.seq - self._shift
        if place > next_:
            self._faults.miss(next_, place - 1)
        self._accept(entry, place)

    def _go_on(self, entry: LedgerEntry, place: int, behind: set[bytes] | None = None, *, sure: bool = True) -> None:
        self._before, self._behind, self._sure = self._behind, behind or {entry.hash}, sure
        self._head = Head(self._head.tenant, place, entry.hash)
        self._stored_seq, self._shift, self._loose = entry.seq, entry.seq - place, False
        self._furthest = max(self._furthest, place)
        self._branches.remember(place, entry.hash)

    def _leave(self, entry: LedgerEntry) -> None:
        """Go on behind `entry`, which has no place in the chain, or had its place further up."""
        self._stored_seq, self._loose = entry.seq, True

    def _judge(self, entry: LedgerEntry, next_: LedgerEntry | Head | None) -> None:
        """Say what was done where `entry` does not fit.

        Args:
            entry: it.
            next_: what stands behind it: an entry, or the end that the store tells; None where that cannot be read.
        """
        said, place, follows = said_by(entry), self._head.size + 1, place_of(next_)
        alien = isinstance(next_, LedgerEntry) and self._is_foreign(said_by(next_))
        # The next one was written behind this one, in this place.
        stays = is_behind(next_, entry.hash) and follows in {place + 1, None} and not alien
        if not self._stands_behind(entry):
            self._judge_outside(entry, said)
        elif self._is_foreign(said) and (self._links(entry) or not stays):
            self._faults.add(place, Manipulation.SPLICED, "its payload is that of an entry of another tenant")
            if follows == place:
                self._leave(entry)
            else:
                self._go_on_unsure(entry)
        elif said.seq is None or said.seq == place or stays:
            self._judge_in_place(entry, next_, said)
        elif said.seq > place:
            self._judge_behind_gap(entry, said.seq)
        else:
            self._judge_further_up(entry, said.seq)

    def _judge_outside(self, entry: LedgerEntry, said: Said) -> None:
        """It is stored under a number that no entry can have there: one below 1, or none at all."""
        numbered = type(entry.seq) is int
        where = f"under the number {entry.seq}" if numbered else "under what is no whole number"
        if self._is_foreign(said):
            self._faults.add(self._head.size, Manipulation.SPLICED, f"an entry of another tenant stands {where}")
        elif said.seq is None:
            self._faults.add(self._head.size, Manipulation.INSERTED, f"what is no entry stands {where}")
        else:
            self._faults.stray(said.seq, where)

    def _judge_in_place(self, entry: LedgerEntry, next_: LedgerEntry | Head | None, said: Said) -> None:
        place = self._head.size + 1
        links, fault, is_next = self._links(entry), self._fault_of(entry, place), said.seq == place
        confirmed = is_behind(next_, entry.hash)
        made = {digest for digest in self._made_of(entry) if is_next and is_behind(next_, digest)}
        branch = self._branch_of(entry) if is_next and self._sure and not links else None
        if branch is not None:
            self._fork(entry, place, branch)
        elif is_next and not fault and not self._sure and (confirmed or next_ is None):
            self._accept(entry, place)
        elif links or confirmed or (fault and is_next and not self._sure):
            self._faults.add(place, Manipulation.EDITED, fault or _EITHER)
            self._accept(entry, place)
        elif made:
            self._faults.add(place, Manipulation.EDITED, "its hash was changed; the next one fits its payload")
            self._accept(entry, place, made)
        else:
            self._judge_without_neighbours(entry, next_, is_next=is_next)

    def _judge_without_neighbours(self, entry: LedgerEntry, next_: LedgerEntry | Head | None, *, is_next: bool) -> None:
        place, follows = self._head.size + 1, place_of(next_)
        if follows == place or (place > self._size and follows != place + 1):
            self._faults.add(place, Manipulation.INSERTED, _NEITHER)
            self._leave(entry)
        elif is_next and isinstance(next_, LedgerEntry) and self._fault_of(next_, place + 1):
            self._faults.add(place, Manipulation.EDITED, f"{_EITHER}, and the next one does not hold either")
            self._go_on_unsure(entry)
        else:
            self._faults.add(place, Manipulation.REPLACED, _NEITHER)
            self._go_on_unsure(entry)

    def _judge_behind_gap(self, entry: LedgerEntry, says: int) -> None:
        self._faults.miss(self._head.size + 1, says - 1)
        self._loose = True
        if fault := self._fault_of(entry, says):
            self._faults.add(says, Manipulation.EDITED, fault)
        self._accept(entry, says)

    def _judge_further_up(self, entry: LedgerEntry, says: int) -> None:
        where = f"in the place of entry {entry.seq}"
        if self._faults.find(says, where):
            self._behind = {self._head.hash, entry.hash}
            self._branches.remember(says, entry.hash)
        elif self._branches.stood_at(says) == entry.hash:
            self._faults.add(entry.seq, Manipulation.INSERTED, f"a copy of entry {says} stands {where}")
        elif says == self._head.size and self._links(entry, self._before):
            reason = "it stands between two entries of which the second was written behind the first"
            self._faults.add(self._stored_seq, Manipulation.INSERTED, reason)
            self._accept(entry, says)
        elif (branch := self._branch_of(entry)) is not None:
            self._fork(entry, says, branch)
        else:
            self._faults.add(entry.seq, Manipulation.INSERTED, f"it says that it is entry {says}, which it is not")
        self._leave(entry)

    def _fork(self, entry: LedgerEntry, says: int, branch: int) -> None:
        behind = f"entry {branch}" if branch else "the beginning"
        self._faults.add(entry.seq, Manipulation.FORKED, f"here a second chain goes on behind {behind}")
        self._forked = True
        self._accept(entry, says)
        self._loose = True

    def _go_on_unsure(self, entry: LedgerEntry) -> None:
        """Go on behind `entry`, which has taken the place of another, whose hash may be lost."""
        self._accept(entry, self._head.size + 1, sure=False)

    def _compare_stored(self, stored: Head | None) -> None:
        end = self._head
        if stored is None:
            self._faults.add(end.size + 1, Manipulation.EDITED, "the stored head, behind which it goes, cannot be read")
        elif self._forked or (stored.hash in self._behind and stored.size in {end.size, self._stored_seq}):
            return
        elif stored.size > end.size:
            self._faults.cut(end.size + 1, stored.size)
        elif stored.size < end.size:
            reason = f"the stored head counts {stored.size} entries: it was put behind them, or the head was set back"
            self._faults.add(stored.size + 1, Manipulation.INSERTED, reason, end.size - stored.size)
        elif self._sure:
            self._faults.add(end.size, Manipulation.REPLACED, "the stored head has another hash")

    def _is_foreign(self, said: Said) -> bool:
        return bool(said.owner) and said.owner != self._head.tenant

    def _stands_behind(self, entry: LedgerEntry) -> bool:
        return type(entry.seq) is int and entry.seq > self._stored_seq

    def _fault_of(self, entry: LedgerEntry, place: int) -> str:
        """What is wrong with its payload and columns; that entries were renumbered is told once."""
        if self._loose or entry.seq - place == self._shift:
            entry = replace(entry, seq=place)
        return chain.payload_fault(entry)

    def _links(self, entry: LedgerEntry, among: set[bytes] | None = None) -> bool:
        return any(entry.hash == link(digest, entry.payload) for digest in among or self._behind)

    def _made_of(self, entry: LedgerEntry) -> set[bytes]:
        """What its hash would be by its payload."""
        return {link(digest, entry.payload) for digest in self._behind}

    def _branch_of(self, entry: LedgerEntry) -> int | None:
        """The place of the entry further up behind which it was written, as far as that is remembered."""
        if self._faults.many:
            return None
        return self._branches.find(lambda digest: self._links(entry, {digest}))
