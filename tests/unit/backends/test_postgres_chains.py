"""Drafts behind many chains at once: all or none, and whose chain cannot be gone on with is named."""

import asyncio

import pytest

from apikeychain.backends.sql import SQLStore
from apikeychain.errors import DamagedDataError
from apikeychain.testing.chains import require_chain
from apikeychain.testing.records import ACME, GLOBEX, draft, tenant
from served_postgres import Database, shop_in


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM apikeychain.heads WHERE tenant = 'globex'",
        "UPDATE apikeychain.heads SET size = 1 WHERE tenant = 'globex'",
        "UPDATE apikeychain.heads SET size = -1 WHERE tenant = 'globex'",
        "UPDATE apikeychain.heads SET hash = '\\x00' WHERE tenant = 'globex'",
    ],
    ids=["gone", "behind", "no size", "no hash"],
)
async def test_a_head_that_is_not_where_its_chain_ends_is_named_and_nothing_is_written(
    database: Database, damage: str
) -> None:
    async with shop_in(database) as store:
        async with store.tenant(GLOBEX) as globex:
            await globex.insert(tenant(GLOBEX))
        before = await store.append_many({ACME: [draft(1)], GLOBEX: [draft(1), draft(2)]})
        database.execute(damage)
        with pytest.raises(DamagedDataError) as caught:
            await store.append_many({ACME: [draft(2)], GLOBEX: [draft(3)]})
        assert caught.value.tenant == GLOBEX
        assert await store.append_many({ACME: []}) == {ACME: before[ACME]}


async def test_groups_that_share_tenants_wait_for_each_other_and_not_for_ever(database: Database) -> None:
    async with shop_in(database) as store, SQLStore.postgres(database.url) as other:
        both = {ACME: [draft(1)], GLOBEX: [draft(1)]}
        turned = dict(reversed(both.items()))
        await asyncio.gather(*(each.append_many(given) for each in (store, other) for given in (both, turned) * 5))
        for owner in both:
            async with store.reading(owner) as chain:
                entries = await chain.entries(0, 100)
            assert len(entries) == 20
            require_chain(entries)


async def test_what_cannot_be_written_together_is_written_in_turn(database: Database) -> None:
    async with shop_in(database) as store:
        database.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF current_setting('apikeychain.tenants') <> '' THEN RAISE unique_violation; END IF; RETURN new; END $$; "
            "CREATE TRIGGER refuse BEFORE INSERT ON apikeychain.ledger FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
        heads = await store.append_many({ACME: [draft(1)], GLOBEX: [draft(1), draft(2)]})
        assert {owner: head.size for owner, head in heads.items()} == {ACME: 1, GLOBEX: 2}
        async with store.reading(GLOBEX) as chain:
            assert require_chain(await chain.entries(0, 10)) == heads[GLOBEX]
