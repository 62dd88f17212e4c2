"""The contract of a Store, for whoever writes one."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import pytest

from apikeychain.errors import AlreadyExistsError, BackendUnavailableError, ConflictError
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import Head, LedgerEntry, link
from apikeychain.model.origin import Origin
from apikeychain.model.records import AllowedOrigin, Project, ProjectName, Record, Tenant
from apikeychain.ports.store import Store, TenantStore
from apikeychain.testing.records import ACME, GLOBEX, NOW, RECORDS, SHOP, draft, project, tenant


class StoreContract(ABC):
    """One test for each clause of `apikeychain.ports.store.Store` and `TenantStore`.

    A subclass has a fixture ``store``, which gives an open, empty store, a fixture ``sibling``, which gives another
    worker's store on the same data, and says how the plug is pulled.
    """

    @abstractmethod
    async def pull_plug(self, store: Store) -> None:
        """Make the database of `store` unreachable."""
        ...

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
                for after in {key[:length] for key in keys for length in range(1, 4)} | {(*keys[0], "")}:
                    listed = [record.key for record in await acme.list(kind, after, 100)]
                    assert listed == [key for key in keys if key > after]
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
        assert await take(store, 0.05)
        assert not await take(sibling, 60)
        await asyncio.sleep(0.1)
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

    async def test_s1_a_transaction_is_whole_or_absent(self, stocked: Store) -> None:
        """S1: records, entries and leases alike."""
        with pytest.raises(RuntimeError, match="the host's own"):
            await fail_within(stocked)
        async with stocked.tenant(ACME) as acme:
            assert await acme.get(ProjectName, ("shop",)) is None
            assert await acme.get(Tenant, ()) == tenant(ACME)
            assert not await acme.entries(0, 10)
            assert (await acme.append([draft(1)])).size == 1

    async def test_s2_nobody_sees_what_is_not_yet_done(self, stocked: Store) -> None:
        """S2: a project exists when its transaction has ended."""
        other = ProjectId("p_" + "b" * 20)
        async with stocked.tenant(ACME) as acme:
            await acme.insert(project(other))
            assert await stocked.tenant_of(other) is None
        assert await stocked.tenant_of(other) == ACME

    async def test_s3_tenant_of_names_the_owner(self, stocked: Store) -> None:
        """S3: until the project is removed."""
        assert await stocked.tenant_of(SHOP) == ACME
        assert await stocked.tenant_of(ProjectId("p_" + "z" * 20)) is None
        async with stocked.tenant(ACME) as acme:
            await acme.remove(Project, (SHOP,), 1)
        assert await stocked.tenant_of(SHOP) is None

    async def test_s4_tenants_pages_through_the_ids(self, store: Store) -> None:
        """S4: by code point; a chain alone makes no tenant."""
        ids = [TenantId(text) for text in ("Zeta", "a", "a-1", "a1", "b", "0")]
        await store.append_many({TenantId("chain-only"): [draft(1)]})
        for each in ids:
            async with store.tenant(each) as one:
                await one.insert(tenant(each))
        assert list(await store.tenants("", 100)) == sorted(ids)
        assert list(await store.tenants("", 2)) == sorted(ids)[:2]
        assert list(await store.tenants("Zeta", 2)) == ["a", "a-1"]

    async def test_s5_append_many_appends_to_each_chain(self, store: Store) -> None:
        """S5: and returns the heads."""
        await store.append_many({ACME: [draft(1)]})
        heads = await store.append_many({ACME: [draft(2), draft(3)], GLOBEX: [draft(1)]})
        assert {tenant: head.size for tenant, head in heads.items()} == {ACME: 3, GLOBEX: 1}
        for each, head in heads.items():
            assert require_chain(await chain(store, each)) == head

    async def test_s6_concurrent_appends_make_one_chain(self, store: Store, sibling: Store) -> None:
        """S6: of two workers, by both verbs."""

        async def one(worker: Store) -> None:
            async with worker.tenant(ACME) as acme:
                await acme.append([draft(1), draft(2)])

        appends = [one(worker) for worker in (store, sibling) for _ in range(5)]
        groups = [worker.append_many({ACME: [draft(3)], GLOBEX: [draft(4)]}) for worker in (store, sibling)]
        await asyncio.gather(*appends, *groups)
        assert require_chain(await chain(store, ACME)).size == 22  # noqa: PLR2004  # ten times two, and two
        assert require_chain(await chain(store, GLOBEX)).size == 2  # noqa: PLR2004  # two groups

    async def test_s7_a_store_that_is_down_says_so(self, store: Store) -> None:
        """S7: every verb, in our words."""
        await self.pull_plug(store)
        with pytest.raises(BackendUnavailableError):
            await store.tenant_of(SHOP)
        with pytest.raises(BackendUnavailableError):
            await store.tenants("", 1)
        with pytest.raises(BackendUnavailableError):
            await store.append_many({ACME: [draft(1)]})
        with pytest.raises(BackendUnavailableError):
            await chain(store, ACME)

    async def test_s8_nothing_is_left_without_its_owner(self, stocked: Store) -> None:
        """S8: neither without its tenant nor without its project; the transaction is absent as a whole."""
        ownerless = AllowedOrigin(project=ProjectId("p_" + "z" * 20), origin=Origin("https://a.example"), created=NOW)
        kept = replace(ownerless, project=SHOP)
        with pytest.raises(ConflictError):  # noqa: PT012 - the end of the transaction raises
            async with stocked.tenant(ACME) as acme:
                await acme.insert(kept)
                await acme.insert(ownerless)
        with pytest.raises(ConflictError):
            async with stocked.tenant(TenantId("nobody")) as nobody:
                await nobody.insert(project(ownerless.project))
        with pytest.raises(ConflictError):  # noqa: PT012 - the end of the transaction raises
            async with stocked.tenant(ACME) as acme:
                await acme.insert(kept)
                await acme.remove(Project, (SHOP,), 1)
        async with stocked.tenant(ACME) as acme:
            assert await acme.list(AllowedOrigin, (), 10) == []
            assert await acme.get(Project, (SHOP,)) is not None
        assert await stocked.tenant_of(ownerless.project) is None


async def names_in_pages(store: TenantStore, size: int) -> Sequence[str]:
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


async def chain(store: Store, owner: TenantId) -> Sequence[LedgerEntry]:
    """All entries of a tenant."""
    async with store.tenant(owner) as one:
        return await one.entries(0, 1_000_000)


async def fail_within(store: Store) -> None:
    """A transaction that does one of everything and then breaks."""
    async with store.tenant(ACME) as acme:
        await acme.insert(ProjectName(name="shop", project=SHOP))
        await acme.remove(Tenant, (), 1)
        await acme.append([draft(1)])
        await acme.lease("sweep", 60)
        msg = "the host's own"
        raise RuntimeError(msg)


def require_chain(entries: Sequence[LedgerEntry]) -> Head:
    """The head of the chain, which holds without a gap or a fork."""
    head = Head.empty(entries[0].tenant)
    for entry in entries:
        assert entry.seq == head.size + 1, f"a gap behind {head.size}"
        assert entry.hash == link(head.hash, entry.payload), f"a fork at {entry.seq}"
        head = entry.head
    return head
