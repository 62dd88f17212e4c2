"""Kill -9 at every place of a turn: another process takes it up, and in the end one key lives, which we hold."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import pytest

from apikeychain import APIKeyChainSettings, Secret
from apikeychain.backends.local_keys import LocalKeyService
from apikeychain.backends.memory_signals import MemorySignals
from apikeychain.backends.sql import SQLStore
from apikeychain.ledger.notary import Notary
from apikeychain.rotation.scene import scene_of
from apikeychain.tenants import registry
from apikeychain.tenants.change import Office
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin
from apikeychain.testing.eventually import until
from apikeychain.vault.key_services import KeyServices
from apikeychain.vault.vault import Vault
from forks import Forks, forking
from key_api import key_api
from killed_turns import clock_of
from management import WEATHER
from rotation_house import OWN, SECRET, KeyProvider

# More than a turn and its end pass: who is told to die there does not.
_NOWHERE = 1_000_000
# Spread over the places of a turn, of which there are about fifty, and of the end of a key, of which there are a dozen.
_SOME = (0, 5, 9, 10, 11, 13, 18, 22, 27, 33, 38)


@dataclass
class Turning:
    """A project on SQLite, its provider, and the processes that turn its keys."""

    data: Path
    provider: KeyProvider
    office: Office
    acme: TenantAdmin
    shop: ProjectAdmin
    forks: Forks

    async def work(self, place: int = _NOWHERE) -> None:
        """One worker, until it is done or dead."""
        pid = await self.forks.begin(place)
        await until(lambda: not _is_running(pid), 60)
        assert await self.serving() in {key.value for key in self.provider.alive()}

    async def serving(self) -> str:
        async with self.office.store.reading(self.acme.id) as reader:
            scene = await scene_of(reader, self.shop.id, SECRET)
        assert scene is not None
        vault, provider = Vault(self.office.key_services, kdf="pbkdf2-sha512"), scene.registered.provider
        return (await vault.open_secret(scene.tenant, scene.openers, scene.sealed, provider)).reveal().decode()

    def go_on(self, seconds: float) -> None:
        past = float((self.data / "clock").read_text()) + seconds
        (self.data / "clock").write_text(str(past))

    async def turn(self, place: int) -> None:
        """One turn in which one worker dies at that place, and if it is not dead by then, at the end of the old key."""
        before, orders = await self.serving(), self.provider.asked["create"]
        await self.shop.rotate(SECRET)
        await self.work(place)
        await self.work()
        assert self.provider.asked["create"] - orders in {1, 2}
        assert await self.serving() != before
        assert before in {key.value for key in self.provider.alive()}
        self.go_on(3601)
        await self.work(place % 15)
        await self.work()
        assert [key.value for key in self.provider.alive()] == [await self.serving()]


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
async def turning(tmp_path: Path) -> AsyncGenerator[Turning, None]:
    (tmp_path / "clock").write_text("0")
    provider = KeyProvider(idempotent=False)
    async with (
        LocalKeyService(tmp_path / "keys", create=True) as keys,
        SQLStore.sqlite(tmp_path / "store.db") as store,
    ):
        services = KeyServices(keys)
        office = Office(
            store=store,
            key_services=services,
            vault=Vault(services, kdf="pbkdf2-sha512"),
            signals=MemorySignals(),
            settings=APIKeyChainSettings(kdf="pbkdf2-sha512"),
            networks={},
            now=lambda: clock_of(tmp_path),
            witnesses=(),
            alert_sinks={},
            notary=Notary(store, services, (), origin="a.example", now=lambda: clock_of(tmp_path)),
        )
        acme = await registry.create_tenant(office, "acme", "test")
        shop = await acme.create_project("shop")
        first = provider.made("first")
        await shop.configure(providers=[WEATHER], secrets={SECRET: Secret(first.value)}, enabled=True)
        await shop.add_rotation(SECRET, OWN, key_id=first.id)
        with key_api(provider) as url:
            told = {"TURN_DATA": str(tmp_path), "TURN_PROJECT": shop.id, "TURN_URL": url}
            async with forking("killed_turns.py", told) as forks:
                yield Turning(tmp_path, provider, office, acme, shop, forks)


async def test_a_turn_survives_the_death_of_its_worker_at_any_place(turning: Turning) -> None:
    for place in _SOME:
        await turning.turn(place)
    assert (await turning.acme.verify_ledger()).size > 5 * len(_SOME)


@pytest.mark.long
async def test_a_turn_survives_the_death_of_its_worker_at_every_place(turning: Turning) -> None:
    for place in range(100):
        await turning.turn(place)
