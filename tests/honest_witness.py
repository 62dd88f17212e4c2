"""A witness in memory that keeps what extends itself, and can be pulled, slowed down or set to hang."""

import asyncio
from collections.abc import Iterable, Sequence

from apikeychain.errors import BackendUnavailableError, DamagedDataError, WitnessRefusedError
from apikeychain.model.ids import TenantId
from apikeychain.ports.witness import Extension
from apikeychain.proof.checkpoint import Checkpoint, Statement, verify_checkpoint, verify_extension
from apikeychain.proof.key_list import follow
from apikeychain.proof.note import VerifierKey
from apikeychain.proof.reading import ProofError


class HonestWitness:
    """See Witness.

    Attributes:
        kept: all checkpoints of each chain, in their order, with the path from the one before.
        lists: all key lists.
        reachable: whether it answers; `bugs` are raised next, each once.
        unreadable: the chains of which it cannot read what it has.
        passing: what each answer waits for.
        asked: how often it was asked for the latest; `given`: how many checkpoints came with each publishing.
    """

    def __init__(self) -> None:
        self.kept: dict[TenantId, list[tuple[Checkpoint, tuple[bytes, ...]]]] = {}
        self.lists: list[str] = []
        self.reachable = True
        self.bugs: list[Exception] = []
        self.passing = asyncio.Event()
        self.passing.set()
        self.unreadable: set[TenantId] = set()
        self.asked = 0
        self.given: list[int] = []

    async def latest(self, tenant: TenantId) -> Checkpoint | None:
        await self._reach()
        self.asked += 1
        if tenant in self.unreadable:
            what = "a checkpoint"
            raise DamagedDataError(what, tenant)
        return self.kept[tenant][-1][0] if tenant in self.kept else None

    async def publish(self, extensions: Sequence[Extension]) -> None:
        await self._reach()
        self.given.append(len(extensions))
        reasons: dict[str, str] = {}
        for extension in extensions:
            statement = Statement.parse(extension.checkpoint.statement)
            try:
                self._keep(TenantId(statement.tenant), statement, extension)
            except ProofError as fault:
                reasons[statement.tenant] = str(fault)
        if reasons:
            raise WitnessRefusedError(reasons)

    async def vouch(self, key_lists: Sequence[str]) -> None:
        await self._reach()
        try:
            follow(key_lists, None)
        except ProofError as fault:
            raise WitnessRefusedError({"": str(fault)}) from None
        if [*key_lists[: len(self.lists)]] != self.lists:
            raise WitnessRefusedError({"": "others are kept"})
        self.lists = [*key_lists]

    async def key_lists(self) -> Sequence[str]:
        return [*self.lists]

    def sizes(self, tenant: TenantId) -> list[int]:
        """Of the checkpoints that are kept of a chain."""
        return [Statement.parse(checkpoint.statement).size for checkpoint, _ in self.kept.get(tenant, ())]

    def verified(self, keys: Iterable[VerifierKey] | None = None) -> dict[TenantId, Statement]:
        """The last statement on each chain, once every checkpoint and every step between two was verified.

        Args:
            keys: that are trusted; else all that the lists tell of.
        """
        trusted = follow(self.lists, None) if keys is None else [*keys]
        found: dict[TenantId, Statement] = {}
        for tenant, checkpoints in self.kept.items():
            for checkpoint, path in checkpoints:
                statement = verify_checkpoint(checkpoint, trusted)
                if tenant in found:
                    verify_extension(found[tenant], statement, path)
                found[tenant] = statement
        return found

    def _keep(self, tenant: TenantId, statement: Statement, extension: Extension) -> None:
        kept = self.kept.setdefault(tenant, [])
        if kept and kept[-1][0] == extension.checkpoint:
            return
        if kept:
            earlier = Statement.parse(kept[-1][0].statement)
            verify_extension(earlier, statement, extension.path)
        kept.append((extension.checkpoint, extension.path))

    async def _reach(self) -> None:
        await self.passing.wait()
        if self.bugs:
            raise self.bugs.pop()
        if not self.reachable:
            msg = "it was pulled"
            raise BackendUnavailableError(msg)
