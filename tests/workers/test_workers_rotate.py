"""Four workers at once find many secrets due: each is turned once."""

from functools import partial
from pathlib import Path

from apikeychain import APIKeyChainSettings, Secret
from apikeychain.backends.local_keys import LocalKeyService
from apikeychain.backends.memory_signals import MemorySignals
from apikeychain.backends.sql import SQLStore
from apikeychain.ledger.notary import Notary
from apikeychain.tenants import registry
from apikeychain.tenants.change import Office
from apikeychain.testing.processes import at_once
from apikeychain.vault.key_services import KeyServices
from apikeychain.vault.vault import Vault
from key_api import key_api
from management import WEATHER
from rotation_house import OWN, KeyProvider
from served_postgres import Database
from turning_worker import ACME, SECRETS, now, turn_all

_WORKERS = 4


async def test_four_workers_turn_each_secret_once(database: Database, tmp_path: Path) -> None:
    provider = KeyProvider(idempotent=False)
    async with LocalKeyService(tmp_path / "keys", create=True) as keys, SQLStore.postgres(database.url) as store:
        services = KeyServices(keys)
        office = Office(
            store=store,
            key_services=services,
            vault=Vault(services, kdf="pbkdf2-sha512"),
            signals=MemorySignals(),
            settings=APIKeyChainSettings(kdf="pbkdf2-sha512"),
            networks={},
            now=now,
            witnesses=(),
            alert_sinks={},
            notary=Notary(store, services, (), origin="a.example", now=now),
        )
        acme = await registry.create_tenant(office, ACME, "test")
        shop = await acme.create_project("shop")
        first = {f"s{number}": provider.made(f"first-{number}") for number in range(SECRETS)}
        secrets = {name: Secret(key.value) for name, key in first.items()}
        await shop.configure(providers=[WEATHER])
        for name, secret in secrets.items():
            await shop.put_secret(name, secret, provider="weather")
            await shop.add_rotation(name, OWN, key_id=first[name].id)
            await shop.rotate(name)
        with key_api(provider, seconds=0.02) as url:
            deed = partial(turn_all, tmp_path / "keys", url, shop.id)
            await at_once(partial(SQLStore.postgres, database.url), [deed] * _WORKERS)
        assert provider.asked["create"] == SECRETS
        assert provider.asked["verify"] == SECRETS
        assert provider.asked["list"] == 0
        assert {info.version for info in await shop.list_secrets()} == {2}
        kinds = [entry.kind for entry in await acme.entries(0, 10_000)]
        assert kinds.count("rotation.switched") == SECRETS
        await acme.verify_ledger()
