"""The contract of a Store, for whoever writes one."""

import asyncio
from abc import ABC, abstractmethod
from dataclasses import replace

import pytest

from apikeychain.errors import BackendUnavailableError, ConflictError
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import Head
from apikeychain.model.origin import Origin
from apikeychain.model.records import AllowedOrigin, Project, ProjectName, Tenant
from apikeychain.ports.store import Store
from apikeychain.testing.chains import chain, require_chain
from apikeychain.testing.records import ACME, CHAIN_RECORDS, GLOBEX, NOW, SHOP, draft, project, tenant
from apikeychain.testing.tenant_store import TenantStoreContract, take


class StoreContract(TenantStoreContract, ABC):
    """One test for each clause of `apikeychain.ports.store.Store`, `TenantReader` and `TenantStore`.

    A subclass has a fixture ``store``, which gives an open, empty store, a fixture ``sibling``, which gives another
    worker's store on the same data, and says how the plug is pulled.
    """

    @abstractmethod
    async def pull_plug(self, store: Store) -> None:
        """Make the database of `store` unreachable."""
        ...

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
        """S5: and returns the heads; without drafts it only tells them."""
        assert await store.append_many({ACME: ()}) == {ACME: Head.empty(ACME)}
        await store.append_many({ACME: [draft(1)]})
        heads = await store.append_many({ACME: [draft(2), draft(3)], GLOBEX: [draft(1)]})
        assert {tenant: head.size for tenant, head in heads.items()} == {ACME: 3, GLOBEX: 1}
        assert await store.append_many({ACME: (), GLOBEX: ()}) == heads
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
            await take(store, 1)
        with pytest.raises(BackendUnavailableError):
            await chain(store, ACME)

    async def test_s8_nothing_is_left_without_its_owner(self, stocked: Store) -> None:
        """S8: neither without its tenant nor without its project; the transaction is absent as a whole."""
        async with stocked.tenant(TenantId("platform")) as platform:
            for record in CHAIN_RECORDS:
                await platform.insert(record)
        async with stocked.reading(TenantId("platform")) as platform:
            assert [await platform.get(type(record), record.key) for record in CHAIN_RECORDS] == [*CHAIN_RECORDS]
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

    async def test_s9_a_broken_append_is_settled_when_a_head_is_told(self, store: Store, sibling: Store) -> None:
        """S9: cancelled at many moments, whoever asks; it stands in both chains or in none, now and later."""
        for moment in range(40):
            appending = asyncio.ensure_future(store.append_many({ACME: [draft(1)], GLOBEX: [draft(2)]}))
            await asyncio.sleep(moment / 10_000)
            appending.cancel()
            await asyncio.wait([appending])
            heads = await (sibling if moment % 2 else store).append_many({ACME: (), GLOBEX: ()})
            assert heads[ACME].size == heads[GLOBEX].size
            assert await store.append_many({ACME: (), GLOBEX: ()}) == heads
        # Cancelled while another worker's transaction kept it waiting: nothing comes up once the way is free.
        for moment in range(4):
            async with sibling.tenant(ACME) as acme:
                await acme.append([draft(3)])
                appending = asyncio.ensure_future(store.append_many({ACME: [draft(1)], GLOBEX: [draft(2)]}))
                await asyncio.sleep(0.05)
                appending.cancel()
                await asyncio.sleep(moment / 100)
            await asyncio.wait([appending])
            heads = await sibling.append_many({ACME: (), GLOBEX: ()})
            assert heads[ACME].size - heads[GLOBEX].size == moment + 1
            await asyncio.sleep(0.2)
            assert await store.append_many({ACME: (), GLOBEX: ()}) == heads

    async def test_s10_a_reading_shows_one_moment_beside_every_transaction(
        self, stocked: Store, sibling: Store
    ) -> None:
        """S10: of two workers; whoever reads never changes anything."""
        newer = project(SHOP, generation=2)
        async with stocked.reading(ACME) as reader:
            assert await reader.get(Project, (SHOP,)) == project(SHOP)
            for worker, generation in ((stocked, 1), (sibling, 2)):
                async with worker.tenant(ACME) as acme:
                    await acme.replace(replace(newer, generation=generation + 1), generation)
                    await acme.append([draft(generation)])
                    async with worker.reading(ACME) as beside:
                        assert await beside.get(Project, (SHOP,)) == project(SHOP, generation=generation)
            assert await reader.get(Project, (SHOP,)) == project(SHOP)
            assert await reader.list(Project, (), 10) == [project(SHOP)]
            assert not await reader.entries(0, 10)
            assert await reader.head() == Head.empty(ACME)
            verbs = ("insert", "replace", "remove", "append", "retain", "lease")
            assert not [verb for verb in verbs if hasattr(reader, verb)]
        async with sibling.reading(ACME) as reader:
            assert await reader.get(Project, (SHOP,)) == replace(newer, generation=3)
            assert len(await reader.entries(0, 10)) == 2  # noqa: PLR2004  # one of each worker


async def fail_within(store: Store) -> None:
    """A transaction that does one of everything and then breaks."""
    async with store.tenant(ACME) as acme:
        await acme.insert(ProjectName(name="shop", project=SHOP))
        await acme.remove(Tenant, (), 1)
        await acme.append([draft(1)])
        await acme.lease("sweep", 60)
        msg = "the host's own"
        raise RuntimeError(msg)
