from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from apikeychain.backends.memory_store import MemoryStore, MemoryTenantReader
from apikeychain.errors import LedgerBrokenError
from apikeychain.ledger.verify import verify
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerDraft, LedgerEntry

ACME = TenantId("acme")
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


async def written(count: int) -> MemoryStore:
    store = MemoryStore()
    await store.append_many({ACME: drafts(count)})
    return store


def drafts(count: int) -> list[LedgerDraft]:
    return [LedgerDraft(at=NOON, kind="call", actor="gate", data={"n": number}) for number in range(count)]


async def test_a_chain_that_does_not_exist_is_an_empty_one() -> None:
    assert await verify(MemoryStore(), ACME) == Head.empty(ACME)


@pytest.mark.parametrize("count", [1, 9, 10, 11, 25])
async def test_every_page_is_verified_and_told(count: int) -> None:
    store = await written(count)
    told: list[tuple[int, int | None]] = []
    head = await verify(store, ACME, lambda done, total: told.append((done, total)), batch=10)
    assert head.size == count
    pages = [*range(10, count, 10), count]
    assert told == [*((page, None) for page in pages), (count, count)]


class Tampered(MemoryStore):
    """A store in which somebody changed one entry behind its back."""

    def __init__(self, seq: int) -> None:
        super().__init__()
        self.seq = seq

    @asynccontextmanager
    async def reading(self, tenant: TenantId) -> AsyncIterator[MemoryTenantReader]:
        async with super().reading(tenant) as rows:
            rows._entries = [replace(e, actor="nobody") if e.seq == self.seq else e for e in rows._entries]
            yield rows


@pytest.mark.parametrize("seq", [1, 10, 11, 25])
async def test_the_broken_entry_is_found_on_any_page(seq: int) -> None:
    store = Tampered(seq)
    await store.append_many({ACME: drafts(25)})
    with pytest.raises(LedgerBrokenError, match=f"the ledger of 'acme' is broken at entry {seq}: .*actor") as caught:
        await verify(store, ACME, batch=10)
    assert (caught.value.tenant, caught.value.seq) == ("acme", seq)


async def test_entries_that_come_meanwhile_are_verified_too() -> None:
    class Growing(MemoryStore):
        grown = 0

        @asynccontextmanager
        async def reading(self, tenant: TenantId) -> AsyncIterator[MemoryTenantReader]:
            if self.grown < 3:
                self.grown += 1
                await self.append_many({tenant: drafts(10)})
            async with super().reading(tenant) as rows:
                yield rows

    assert (await verify(Growing(), ACME, batch=10)).size == 30


async def test_no_more_than_a_page_is_held() -> None:
    sizes: list[int] = []

    class Measured(MemoryStore):
        @asynccontextmanager
        async def reading(self, tenant: TenantId) -> AsyncIterator[MemoryTenantReader]:
            async with super().reading(tenant) as rows:
                whole = rows.entries

                async def entries(after: int, limit: int) -> Sequence[LedgerEntry]:
                    sizes.append(len(page := await whole(after, limit)))
                    return page

                rows.entries = entries  # type: ignore[method-assign]  # counts what passes
                yield rows

    store = Measured()
    await store.append_many({ACME: drafts(2500)})
    assert (await verify(store, ACME)).size == 2500
    assert sizes == [1000, 1000, 500, 0]


async def test_a_cut_tail_leaves_a_chain_that_holds_but_is_shorter() -> None:
    store = await written(10)
    head = await verify(store, ACME)
    store._house.rooms[ACME].entries.pop()
    cut = await verify(store, ACME)
    assert (cut.size, head.size) == (9, 10)
