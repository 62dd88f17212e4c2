"""Whoever only reads waits for nobody who writes."""

import sqlite3
from pathlib import Path

from apikeychain import APIKeyChain, APIKeyChainSettings
from apikeychain.embedded import DATABASE
from management import contents, fill

QUICK = APIKeyChainSettings(kdf="pbkdf2-sha512")


async def test_every_verb_that_only_reads_goes_on_while_another_process_writes(tmp_path: Path) -> None:
    async with APIKeyChain.embedded(tmp_path, settings=QUICK) as keychain:
        acme = await keychain.create_tenant("acme")
        shop = await acme.create_project("shop")
        await fill(shop)
        known, project = await contents(shop), await shop.show()
        writer = sqlite3.connect(tmp_path / DATABASE, isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM projects")
        assert await keychain.list_tenants() == ["acme"]
        assert (await (await keychain.tenant("acme")).project("shop")).id == shop.id
        assert (await keychain.project(shop.id)).name == "shop"
        assert await acme.list_projects() == [project]
        assert await contents(shop) == known
        assert (await acme.verify_ledger()).size == len(await acme.entries())
        async with APIKeyChain.embedded(tmp_path, settings=QUICK) as beside:
            assert await beside.list_tenants() == ["acme"]
        assert writer.in_transaction
        writer.close()
