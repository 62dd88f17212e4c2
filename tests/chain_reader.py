"""Reads a chain on while others write it, and which workers have not ended cleanly."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerEntry
from apikeychain.model.ledger_records import Worker
from apikeychain.ports.store import Store
from apikeychain.rules import chain
from apikeychain.testing.eventually import until


class ChainReader:
    """What stands in a chain so far, read and verified from where it was read to last.

    Attributes:
        found: of each entry its number, its kind, its project and its data.
    """

    def __init__(self, store: Store, tenant: TenantId) -> None:
        self._store, self._head = store, Head.empty(tenant)
        self.found: list[dict[str, Any]] = []

    async def read_on(self) -> int:
        """How many entries of calls came to it."""
        before = len(self.found)
        while page := await self._page():
            self._head = chain.verify(self._head, page)
            self.found += [
                {"seq": entry.seq, "kind": entry.kind, "project": entry.project} | json.loads(entry.payload)["data"]
                for entry in page
            ]
        return sum(entry["kind"] == "call" for entry in self.found[before:])

    async def _page(self) -> Sequence[LedgerEntry]:
        async with self._store.reading(self._head.tenant) as rows:
            return await rows.entries(self._head.size, 1000)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Those of a kind."""
        return [entry for entry in self.found if entry["kind"] == kind]

    def stated(self) -> dict[str, int]:
        """How many entries may be missing at most, by the worker that may have lost them."""
        gaps = self.of("gap")
        assert all(gap["reason"] == "unclean" for gap in gaps)
        assert all(0 < gap["entries"] <= 1024 for gap in gaps)
        return {gap["worker"]: gap["entries"] for gap in gaps}


async def registered(store: Store) -> set[str]:
    """The workers that have not ended cleanly so far, and were not stated."""
    async with store.reading(chain.PLATFORM) as rows:
        return {worker.id for worker in await rows.list(Worker, (), 1000)}


async def until_registered(store: Store, are_enough: Callable[[int], bool], seconds: float) -> None:
    """Until so many workers are."""

    async def are() -> bool:
        return are_enough(len(await registered(store)))

    await until(are, seconds, every=0.1)
