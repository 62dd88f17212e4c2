"""How checkpoints get to one witness, whatever became of the others.

What a witness has is asked where it is not known: after a start, and where another worker signed. A checkpoint goes
with the path from there. One that is read from the store was signed by the keys of the round, or it is told and not
published: a witness verifies no signature, and what it keeps stays. A witness that does not answer within 20 s counts
as down until it does; it is asked again at the next round, and nobody waits for it. What it refuses is told and tried
again, but for what another worker has brought further meanwhile.

Source: contracts 6; RFC 6962, section 2.1.2.
"""

import contextlib
import logging
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

from apikeychain.errors import (
    APIKeyChainError,
    BackendUnavailableError,
    DamagedDataError,
    InvalidValueError,
    WitnessRefusedError,
)
from apikeychain.frames import frames_of
from apikeychain.ledger.asking import Asking, each
from apikeychain.ledger.moved import frontier_at, path_from
from apikeychain.ledger.remembered import Remembered
from apikeychain.ledger.telling import MAX_ADVICE, advice, bounded, plain, reasons_of, told_of
from apikeychain.model.checkpoint_round import Publication
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger_records import SignedChain
from apikeychain.ports.store import Store
from apikeychain.ports.witness import Extension, Witness
from apikeychain.proof.checkpoint import Checkpoint, Statement, verify_checkpoint
from apikeychain.proof.note import VerifierKey
from apikeychain.proof.reading import ProofError, require
from apikeychain.rules.checkpoints import checkpoint_of
from apikeychain.rules.merkle import Frontier
from apikeychain.telemetry import plug_failed

# Of as many chains it is remembered what a witness has.
MAX_CHAINS = 100_000
# As many checkpoints go to a witness at once.
MAX_EXTENSIONS = 1000
Frontiers = Remembered[tuple[TenantId, int], Frontier]
_log = logging.getLogger("apikeychain.ledger")


@dataclass(frozen=True, slots=True)
class Trust:
    """By which keys checkpoints are signed.

    Attributes:
        key_lists: all of them, in their order.
        keys: the public keys in them, those of destroyed pairs too.
    """

    key_lists: Sequence[str]
    keys: Sequence[VerifierKey]


@dataclass(frozen=True, slots=True)
class Due:
    """A checkpoint that a witness may not have.

    Attributes:
        size: in the last checkpoint of the chain.
        record: that one, where it was signed just now; else it is read.
        since, path: from the one before it, where it was signed just now.
    """

    tenant: TenantId
    size: int
    record: SignedChain | None = None
    since: int = 0
    path: tuple[bytes, ...] = ()


@final
@dataclass(slots=True)
class _Way:
    """One publication on its way.

    Attributes:
        sizes: of what is due, by tenant.
        latest: what the witness has of each chain of which it was asked.
    """

    trust: Trust
    came: Publication
    sizes: Mapping[TenantId, int]
    latest: dict[TenantId, Checkpoint | None] = field(default_factory=dict[TenantId, Checkpoint | None])


@final
class Publisher:
    """Takes checkpoints to one witness.

    Args:
        store: where the chains and their checkpoints are.
        witness: the plug.
        name: of the witness, in the log.
        frontiers: those of sizes that a witness may have, shared with other publishers.
    """

    def __init__(self, store: Store, witness: Witness, name: str, frontiers: Frontiers) -> None:
        self._store, self._witness, self.name, self._frontiers = store, witness, name, frontiers
        self._sizes: Remembered[TenantId, int] = Remembered(MAX_CHAINS)
        self._vouched: Sequence[str] = ()
        self._asking = Asking()
        self._told = ""

    def lacks(self, due: Due) -> bool:
        """Whether the witness is not known to have this checkpoint."""
        return self._sizes.get(due.tenant) != due.size

    async def publish(self, trust: Trust, dues: Sequence[Due]) -> Publication:
        """Take to the witness what it lacks, and tell what became of it. Raises nothing."""
        came = Publication(self.name)
        try:
            await self._publish(_Way(trust, came, {due.tenant: due.size for due in dues}), dues)
        except WitnessRefusedError as refused:
            came.refused.update(bounded(reasons_of(refused)))
        except BackendUnavailableError as error:
            came.fault = f"it does not answer: {plain(error.hint, MAX_ADVICE)}"
            plug_failed("witnesses")
        except APIKeyChainError as error:
            came.fault = advice(error)
            plug_failed("witnesses")
        except Exception as error:  # noqa: BLE001 - whatever one witness does must not reach the others
            came.fault = f"it failed with {type(error).__name__}"
            plug_failed("witnesses")
            _log.error("publishing to the %s failed\n%s", self.name, frames_of(error))
        self._tell(came)
        return came

    async def _publish(self, way: _Way, dues: Sequence[Due]) -> None:
        if way.trust.key_lists != self._vouched:
            await self._asking.answer(self._witness.vouch(way.trust.key_lists))
            self._vouched = way.trust.key_lists
        await self._ask_latest((due.tenant for due in dues if not self._goes_on(due)), way)
        moments: dict[str, list[Extension]] = {}
        for due in dues:
            extension = await self._extension(due, way)
            if extension is not None:
                moments.setdefault(extension.checkpoint.note, []).append(extension)
        for extensions in moments.values():
            for first in range(0, len(extensions), MAX_EXTENSIONS):
                await self._give(extensions[first : first + MAX_EXTENSIONS], way)

    def _goes_on(self, due: Due) -> bool:
        """Whether the checkpoint was signed just now, and the witness has the one before it."""
        return due.record is not None and self._sizes.get(due.tenant) == due.since

    async def _ask_latest(self, tenants: Iterable[TenantId], way: _Way) -> None:
        async def ask(tenant: TenantId) -> None:
            with _telling(tenant, way.came):
                way.latest[tenant] = await self._asking.answer(self._witness.latest(tenant))

        await each(tenants, ask)

    async def _extension(self, due: Due, way: _Way) -> Extension | None:
        """What is to be given, or None where the witness has it, or where it cannot be made."""
        with _telling(due.tenant, way.came):
            checkpoint = await self._checkpoint(due, way.trust)
            if checkpoint and self._goes_on(due):
                return Extension(checkpoint, due.since, due.path)
            if checkpoint and due.tenant in way.latest:
                return await self._extension_of(way.latest[due.tenant], checkpoint, due, way)
        return None

    async def _checkpoint(self, due: Due, trust: Trust) -> Checkpoint | None:
        """The last one of a chain; who can write to the store alone can put none there that would be published."""
        if due.record:
            return checkpoint_of(due.record)
        async with self._store.reading(due.tenant) as rows:
            record = await rows.get(SignedChain, ())
        if record is None:
            return None
        checkpoint = checkpoint_of(record)
        try:
            statement = verify_checkpoint(checkpoint, trust.keys)
            # Another worker may have signed a later one meanwhile.
            require(
                statement.tenant == due.tenant and statement.size >= due.size, "it is not the last one of this chain"
            )
        except ProofError as fault:
            raise _UnsignedError(str(fault)) from None
        return checkpoint

    async def _extension_of(
        self, latest: Checkpoint | None, checkpoint: Checkpoint, due: Due, way: _Way
    ) -> Extension | None:
        if latest == checkpoint:
            self._keep(due.tenant, way)
            return None
        since = Statement.parse(latest.statement).size if latest else 0
        size = Statement.parse(checkpoint.statement).size
        if since == due.since and due.record:
            return Extension(checkpoint, since, due.path)
        if not 0 < since < size:
            # Where the witness has more than there is, it is the witness who refuses.
            return Extension(checkpoint, since, ())
        frontier = self._frontiers.get((due.tenant, since)) or await frontier_at(self._store, due.tenant, since)
        self._frontiers.put((due.tenant, since), frontier)
        return Extension(checkpoint, since, await path_from(self._store, due.tenant, frontier, size))

    async def _give(self, extensions: Sequence[Extension], way: _Way) -> None:
        given = {TenantId(Statement.parse(one.checkpoint.statement).tenant): one for one in extensions}
        try:
            await self._asking.answer(self._witness.publish(extensions))
        except WitnessRefusedError as error:
            await self._take_refusal(given, reasons_of(error), way)
        else:
            for tenant in given:
                self._keep(tenant, way)

    async def _take_refusal(
        self, given: Mapping[TenantId, Extension], reasons: Mapping[TenantId, str], way: _Way
    ) -> None:
        """Where it is told whose chains were refused the others were kept; else nobody knows."""
        others = {tenant: why for tenant, why in reasons.items() if tenant not in given}
        refused = {tenant: reasons[tenant] for tenant in given if tenant in reasons}
        way.came.refused |= bounded(others) | refused
        for tenant, extension in given.items():
            if tenant in refused:
                self._frontiers.forget((tenant, extension.since))
            if tenant in refused or others:
                self._sizes.forget(tenant)
            else:
                self._keep(tenant, way)
        for tenant in await self._passed(refused, way):
            del way.came.refused[tenant]
            self._keep(tenant, way)

    async def _passed(self, refused: Iterable[TenantId], way: _Way) -> list[TenantId]:
        """Those of which the witness has what it was given, or what another worker has brought it meanwhile."""
        asked = _Way(way.trust, Publication(self.name), way.sizes)
        with contextlib.suppress(BackendUnavailableError):
            await self._ask_latest(refused, asked)
        found: list[TenantId] = []
        for tenant, latest in asked.latest.items():
            with _telling(tenant, asked.came):
                if latest and await self._is_later(latest, tenant, way):
                    found.append(tenant)
        return found

    async def _is_later(self, latest: Checkpoint, tenant: TenantId, way: _Way) -> bool:
        """Whether it is on this very chain as it stands: one that was rolled back is shorter, or differs there."""
        statement = verify_checkpoint(latest, way.trust.keys)
        if statement.tenant != tenant or statement.size < way.sizes[tenant]:
            return False
        async with self._store.reading(tenant) as rows:
            entries = await rows.entries(statement.size - 1, 1)
        return [(entry.seq, entry.hash) for entry in entries] == [(statement.size, statement.head)]

    def _keep(self, tenant: TenantId, way: _Way) -> None:
        self._sizes.put(tenant, way.sizes[tenant])
        way.came.kept.append(tenant)

    def _tell(self, came: Publication) -> None:
        """Log what became of it where that is other than the last time."""
        told = told_of(came)
        if told and told != self._told:
            _log.error("checkpoints were not kept by the %s: %s", self.name, told)
        elif self._told and not told:
            _log.warning("checkpoints are kept by the %s again", self.name)
        self._told = told


class _UnsignedError(Exception):
    """A stored checkpoint that is not what was signed."""


@contextlib.contextmanager
def _telling(tenant: TenantId, came: Publication) -> Generator[None]:
    """What is wrong with one chain is told of it, and the others go on."""
    try:
        yield
    except _UnsignedError as fault:
        came.refused[tenant] = f"its stored checkpoint does not hold, and is not published: {fault}"
    except DamagedDataError as damaged:
        came.refused[tenant] = f"what is kept of it cannot be read: {advice(damaged)}"
    except ProofError as fault:
        came.refused[tenant] = f"what is kept of it is no checkpoint: {fault}"
    except InvalidValueError:
        came.refused[tenant] = "entries are missing between what the witness has and the last checkpoint"
