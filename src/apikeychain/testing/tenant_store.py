"""The part of a Store's contract that is about one tenant."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from apikeychain.errors import AlreadyExistsError, ConflictError, InvalidValueError
from apikeychain.model.ledger import Head
from apikeychain.model.records import Project, ProjectName, Record, Tenant
from apikeychain.ports.store import Store, TenantReader
from apikeychain.testing.chains import chain, require_chain
from apikeychain.testing.records import ACME, GLOBEX, RECORDS, SHOP, draft, project, tenant


class TenantStoreContract:
    """One test for each clause of `apikeychain.ports.store.TenantReader` and `TenantStore`.

    `apikeychain.testing.StoreContract` is the class to subclass.
    """

    @pytest.fixture
    async def stocked(self, store: Store) -> Store:
        """The store with two tenants; the first has a project."""
        async with store.tenant(ACME) as acme:
            await acme.insert(tenant(ACME))
            await acme.insert(project(SHOP))
        async with store.tenant(GLOBEX) as globex:
            await globex.insert(tenant(GLOBEX))
        return store

    async def test_t1_get_returns_what_was_stored(self, stocked: Store) -> None:
        """T1: of every kind, also after a replacement; None for what is not there."""
        for record in RECORDS:
            async with stocked.tenant(ACME) as acme:
                assert await acme.get(type(record), record.key) is None
                await acme.insert(record)
                assert await acme.get(type(record), record.key) == record
        for record in (tenant(ACME), project(SHOP), *RECORDS):
            newer: Record = replace(record, generation=2)
            async with stocked.tenant(ACME) as acme:
                assert await acme.get(type(record), record.key) == record
                await acme.replace(newer, 1)
            async with stocked.tenant(ACME) as acme:
                assert await acme.get(type(record), record.key) == newer

    async def test_t2_list_pages_through_the_keys_by_code_point(self, stocked: Store) -> None:
        """T2: every page size finds every key once; `after` may be shorter or longer than a key."""
        names = ["a", "a-b", "a.b", "a0", "b", "B", "Z", "_", "ä", "\uffff", "\U0001f511"]
        async with stocked.tenant(ACME) as acme:
            for name in names:
                await acme.insert(ProjectName(name=name, project=SHOP))
            for size in (1, 3, 100):
                assert await names_in_pages(acme, size) == sorted(names)
            for record in RECORDS[1:]:
                await acme.insert(record)
            for kind in {type(record) for record in RECORDS}:
                keys = [record.key for record in await acme.list(kind, (), 100)]
                assert keys == sorted(keys)
                for after in {key[:length] for key in keys if key for length in range(1, 4)} | {(*keys[0], "")}:
                    listed = [record.key for record in await acme.list(kind, after, 100)]
                    assert listed == [key for key in keys if not after or key > after]
            assert len(await acme.list(Tenant, (), 1)) == 1

    async def test_t3_insert_of_a_taken_key_stores_nothing(self, stocked: Store) -> None:
        """T3: the transaction can go on, and the first record stands."""
        async with stocked.tenant(ACME) as acme:
            with pytest.raises(AlreadyExistsError):
                await acme.insert(project(SHOP, name="other"))
            await acme.insert(ProjectName(name="shop", project=SHOP))
        async with stocked.tenant(ACME) as acme:
            assert await acme.get(Project, (SHOP,)) == project(SHOP)
            assert await acme.get(ProjectName, ("shop",))

    async def test_t4_replace_needs_the_generation(self, stocked: Store) -> None:
        """T4: a stale one and one that is gone conflict."""
        async with stocked.tenant(ACME) as acme:
            with pytest.raises(ConflictError):
                await acme.replace(project(SHOP, generation=3), 2)
            with pytest.raises(ConflictError):
                await acme.replace(ProjectName(name="gone", project=SHOP), 1)
            await acme.replace(project(SHOP, generation=2), 1)
            with pytest.raises(ConflictError):
                await acme.replace(project(SHOP, generation=2), 1)

    async def test_t5_remove_needs_the_generation(self, stocked: Store) -> None:
        """T5: a stale one and one that is gone conflict."""
        async with stocked.tenant(ACME) as acme:
            with pytest.raises(ConflictError):
                await acme.remove(Project, (SHOP,), 2)
            await acme.remove(Project, (SHOP,), 1)
            assert await acme.get(Project, (SHOP,)) is None
            with pytest.raises(ConflictError):
                await acme.remove(Project, (SHOP,), 1)

    async def test_t6_append_puts_drafts_behind_the_chain(self, store: Store) -> None:
        """T6: in their order; none leaves the head where it is."""
        async with store.tenant(ACME) as acme:
            assert await acme.append([]) == Head.empty(ACME)
            first = await acme.append([draft(1), draft(2)])
            assert await acme.append([]) == first
        async with store.tenant(ACME) as acme:
            last = await acme.append([draft(3)])
            entries = await acme.entries(0, 10)
        assert last == require_chain(entries)
        assert [entry.seq for entry in entries] == [1, 2, 3]
        assert entries[1].head == first
        head = Head.empty(ACME)
        for number, entry in enumerate(entries, start=1):
            assert entry == draft(number).behind(head)
            head = entry.head

    async def test_t7_entries_pages_through_the_chain(self, store: Store) -> None:
        """T7: above `after`, at most `limit`."""
        async with store.tenant(ACME) as acme:
            await acme.append([draft(number) for number in range(10)])
            assert [entry.seq for entry in await acme.entries(0, 3)] == [1, 2, 3]
            assert [entry.seq for entry in await acme.entries(8, 3)] == [9, 10]
            assert not await acme.entries(10, 3)

    async def test_t8_a_lease_has_one_holder(self, store: Store, sibling: Store) -> None:
        """T8: it is renewed for its holder, and free when its time is over."""
        assert await take(store, 60)
        assert not await take(sibling, 60)
        assert await take(store, 1)
        assert not await take(sibling, 60)
        await asyncio.sleep(1.1)
        assert await take(sibling, 60)
        assert not await take(store, 60)

    async def test_t9_tenants_do_not_meet(self, stocked: Store, sibling: Store) -> None:
        """T9: nothing that one has is seen, changed or held by the other."""
        name = ProjectName(name="shop", project=SHOP)
        async with stocked.tenant(ACME) as acme:
            await acme.insert(name)
            await acme.append([draft(1)])
        assert await take(stocked, 60)
        async with sibling.tenant(GLOBEX) as globex:
            assert await globex.get(ProjectName, name.key) is None
            assert not await globex.list(ProjectName, (), 10)
            assert not await globex.entries(0, 10)
            with pytest.raises(ConflictError):
                await globex.replace(replace(name, generation=2), 1)
            with pytest.raises(ConflictError):
                await globex.remove(ProjectName, name.key, 1)
            assert await globex.lease("sweep", 60)
            await globex.insert(replace(name, generation=7))
            assert (await globex.append([draft(1)])).size == 1
        async with stocked.tenant(ACME) as acme:
            assert await acme.get(ProjectName, name.key) == name
            assert len(await acme.entries(0, 10)) == 1

    async def test_t10_head_is_the_end_of_the_chain(self, store: Store) -> None:
        """T10: of one that is empty, of what is stored and of what the transaction appended."""
        async with store.tenant(ACME) as acme:
            assert await acme.head() == Head.empty(ACME)
            assert await acme.append([draft(1), draft(2)]) == await acme.head()
        async with store.reading(ACME) as acme:
            assert await acme.head() == require_chain(await acme.entries(0, 10))
        async with store.reading(GLOBEX) as globex:
            assert await globex.head() == Head.empty(GLOBEX)

    async def test_t11_retain_leaves_numbers_and_hashes(self, store: Store) -> None:
        """T11: and all else as it was; the draft is the last entry, and a range that is not there changes none."""
        retained = replace(draft(6), kind="retained")
        async with store.tenant(ACME) as acme:
            await acme.append([draft(number) for number in range(1, 6)])
        async with store.tenant(GLOBEX) as globex:
            await globex.append([draft(1), draft(2)])
        before = await chain(store, ACME)
        async with store.tenant(ACME) as acme:
            for first, last in ((0, 1), (3, 2), (1, 6), (6, 6)):
                with pytest.raises(InvalidValueError):
                    await acme.retain(first, last, retained)
        assert await chain(store, ACME) == before
        async with store.tenant(ACME) as acme:
            head = await acme.retain(2, 4, retained)
            assert await acme.head() == head
        dropped = [entry.dropped() for entry in before[1:4]]
        assert await chain(store, ACME) == [before[0], *dropped, before[4], retained.behind(before[4].head)]
        assert require_chain(await chain(store, GLOBEX)).size == 2  # noqa: PLR2004  # as it was
        async with store.tenant(ACME) as acme:
            head = await acme.retain(1, 6, retained)
        after = await chain(store, ACME)
        assert (after[-1].head, [entry.is_dropped for entry in after]) == (head, [*[True] * 6, False])
        assert [entry.hash for entry in after[:5]] == [entry.hash for entry in before]

    async def test_t12_replace_all_needs_every_generation(self, stocked: Store) -> None:
        """T12: of any kinds together; of none it is nothing."""
        newer: list[Record] = [replace(record, generation=2) for record in (tenant(ACME), project(SHOP), *RECORDS)]
        async with stocked.tenant(ACME) as acme:
            for record in RECORDS:
                await acme.insert(record)
        async with stocked.tenant(ACME) as acme:
            await acme.replace_all([])
            await acme.replace_all(newer)
        gone = ProjectName(name="gone", project=SHOP, generation=3)
        other = replace(project(SHOP), generation=3)
        for wrong in (newer[-1], replace(newer[-1], generation=4), gone):
            with pytest.raises(ConflictError):
                async with stocked.tenant(ACME) as acme:
                    await acme.replace_all([other, wrong])
        with pytest.raises(ConflictError):
            async with stocked.tenant(GLOBEX) as globex:
                await globex.replace_all([other])
        async with stocked.tenant(ACME) as acme:
            assert [await acme.get(type(record), record.key) for record in newer] == newer


async def names_in_pages(store: TenantReader, size: int) -> Sequence[str]:
    """All project names, read in pages of that size."""
    found: list[str] = []
    while page := await store.list(ProjectName, (found[-1],) if found else (), size):
        assert len(page) <= size
        found += [record.name for record in page]
    return found


async def take(store: Store, seconds: float) -> bool:
    """Whether the store got the lease."""
    async with store.tenant(ACME) as acme:
        return await acme.lease("sweep", seconds)
