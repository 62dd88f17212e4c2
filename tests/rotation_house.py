"""A project whose secret turns, the provider of its keys, and engines of several workers, which can be killed.

The clock is the test's. The store's leases run by it too.
"""

import itertools
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Literal

import pytest

import canary
from apikeychain import APIKeyChainSettings, Secret, agenda
from apikeychain.backends import memory_store
from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.backends.memory_signals import MemorySignals
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.errors import BackendUnavailableError, RotationRefusedError
from apikeychain.ledger.notary import Notary
from apikeychain.listing import every
from apikeychain.model.alert import Alert, OutgoingAlert
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.rotation_records import Rotation
from apikeychain.model.rotators import HostRotation, HowToRotate
from apikeychain.ports.rotator import NewKey, Order, Rotator
from apikeychain.ports.store import Store, TenantReader, TenantStore
from apikeychain.rotation.engine import TOPIC, Engine, subject_of
from apikeychain.rotation.page import Workshop
from apikeychain.rotation.scene import Scene, scene_of
from apikeychain.tenants import registry
from apikeychain.tenants.change import Office
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin
from apikeychain.vault.key_services import KeyServices
from apikeychain.vault.vault import Vault
from management import WEATHER

OWN = HostRotation(name="own")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "weather"


class KilledError(BaseException):
    """The process is dead: nothing catches it."""


class Clock:
    """Of the wall and of leases, turned together."""

    def __init__(self) -> None:
        self.past = 0.0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.past)

    def seconds(self) -> float:
        return self.past

    def go_on(self, seconds: float) -> None:
        self.past += seconds


@dataclass
class Fuse:
    """Ends a process at a chosen place.

    Attributes:
        left: how many places are passed before; None for all.
        is_dead: whether it ended; nothing more comes of it then.
    """

    left: int | None = None
    is_dead: bool = False
    places: list[str] = field(default_factory=list)

    def pass_by(self, place: str) -> None:
        self.places.append(place)
        if self.left is not None:
            self.left -= 1
            self.is_dead = self.is_dead or self.left < 0
        if self.is_dead:
            raise KilledError(place)


class FusedStore:
    """A store of a worker that can die before and after each of its writes."""

    def __init__(self, store: Store, fuse: Fuse) -> None:
        self._store, self._fuse = store, fuse

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @asynccontextmanager
    async def tenant(self, tenant: TenantId) -> AsyncGenerator[TenantStore, None]:
        self._fuse.pass_by("before a write")
        async with self._store.tenant(tenant) as records:
            yield records
        self._fuse.pass_by("after a write")

    @asynccontextmanager
    async def reading(self, tenant: TenantId) -> AsyncGenerator[TenantReader, None]:
        if self._fuse.is_dead:
            raise KilledError
        async with self._store.reading(tenant) as reader:
            yield reader


@dataclass
class MadeKey:
    """One at the provider."""

    id: str
    label: str
    value: str
    alive: bool = True


class KeyProvider:
    """What makes keys, as faithfully as it is told to.

    Attributes:
        faults: what it does instead, one question after the other; "" for what is right. `refuses` says no;
            `refuses-after` says no and does it; `pretends` says yes and does nothing; `away` does nothing and does
            not answer; `silent` does it and does not answer; `repeats` does it twice.
        idempotent: whether a label that it knows gives the same key again; else it lists keys by their labels.
        ended: told of each key that ends.
    """

    def __init__(self, *, idempotent: bool) -> None:
        self.keys: dict[str, MadeKey] = {}
        self.faults: list[str] = []
        self.idempotent = idempotent
        self.asked: Counter[str] = Counter()
        self.ended: Callable[[MadeKey], Any] = lambda _: None
        self._numbers = itertools.count(1)

    def made(self, label: str) -> MadeKey:
        known = [key for key in self.keys.values() if key.label == label and key.alive]
        if self.idempotent and label and known:
            return known[0]
        return self.unmade(label, keep=True)

    def unmade(self, label: str, *, keep: bool = False) -> MadeKey:
        number = next(self._numbers)
        key = MadeKey(f"key-{number}", label, canary.secret(f"made-{number:04}"))
        if keep:
            self.keys[key.id] = key
        return key

    def fault(self, question: str) -> str:
        self.asked[question] += 1
        return self.faults.pop(0) if self.faults else ""

    def end(self, key_id: str) -> None:
        key = self.keys.get(key_id)
        if key is not None and key.alive:
            self.ended(key)
            key.alive = False

    def alive(self) -> list[MadeKey]:
        return [key for key in self.keys.values() if key.alive]


class ModelRotator:
    """Keeps what `Rotator` promises, as far as its provider lets it."""

    def __init__(self, provider: KeyProvider, fuse: Fuse) -> None:
        self._provider, self._fuse = provider, fuse

    async def create(self, order: Order) -> NewKey:
        if order.again and not self._provider.idempotent:
            for other in self._provider.alive():
                if other.label == order.label and other.id not in order.known:
                    self._provider.end(other.id)
        key: MadeKey | None = None

        def act() -> None:
            nonlocal key
            key = self._provider.made(order.label)

        self._asked("create", act)
        key = key or self._provider.unmade(order.label)
        return NewKey(key=Secret(key.value), id=key.id)

    async def verify(self, key: Secret) -> None:
        self._asked("verify", lambda: None)
        if key.reveal().decode() not in {made.value for made in self._provider.alive()}:
            raise RotationRefusedError("the provider does not take the key")  # noqa: TRY003, EM101  # a test's

    async def revoke(self, key_id: str) -> Literal["gone"] | None:
        is_known = key_id in {key.id for key in self._provider.alive()}
        self._asked("revoke", lambda: self._provider.end(key_id))
        return None if is_known else "gone"

    def _asked(self, question: str, act: Callable[[], None]) -> None:
        self._fuse.pass_by(f"before {question}")
        fault = self._provider.fault(question)
        if (question, fault) == ("revoke", "pretends"):
            # Nobody could tell.
            fault = ""
        if fault not in {"refuses", "away", "pretends"}:
            act()
        if fault == "repeats" and (question != "create" or self._provider.idempotent):
            act()
        self._fuse.pass_by(f"after {question}")
        if fault in {"refuses", "refuses-after"}:
            raise RotationRefusedError(f"the provider refused to {question}")  # noqa: TRY003, EM102  # a test's
        if fault in {"away", "silent"}:
            raise BackendUnavailableError


@dataclass
class RotationHouse:
    """What all workers share, and the project.

    Attributes:
        store: of the hands that manage, not of a worker.
        share: what draws give.
    """

    clock: Clock
    store: MemoryStore
    keys: MemoryKeyService
    office: Office
    provider: KeyProvider
    acme: TenantAdmin
    shop: ProjectAdmin
    share: float = 0.5
    announced: list[ProjectId] = field(default_factory=list)

    def worker(self, fuse: Fuse | None = None, rotator: Rotator | None = None) -> Engine:
        """One more, with a store and a vault of its own."""
        held = fuse or Fuse()
        own: Any = FusedStore(self.store.sibling(), held)

        async def announce(project: ProjectId) -> None:
            held.pass_by("before the news")
            self.announced.append(project)

        return Engine(self.workshop(own, rotator or ModelRotator(self.provider, held), announce))

    def workshop(self, store: Store, rotator: Rotator, announce: Any = None) -> Workshop:
        """What an engine works with."""
        return Workshop(
            store=store,
            vault=Vault(KeyServices(self.keys), kdf="pbkdf2-sha512", clock=self.clock.seconds),
            rotator_of=lambda _: rotator,
            is_shared=lambda _: False,
            announce=announce or self.office.announce,
            now=self.clock.now,
            share=lambda: self.share,
        )

    async def attend(self, engine: Engine | None = None) -> None:
        """Do what is due."""
        await attend(engine or self.worker(), self.acme.id, self.shop.id, SECRET)

    async def scene(self) -> Scene:
        """All that is stored of the secret."""
        async with self.store.reading(self.acme.id) as reader:
            scene = await scene_of(reader, self.shop.id, SECRET)
        assert scene is not None
        return scene

    async def states(self) -> list[str]:
        return [key.state for key in (await self.scene()).keys]

    async def serving(self) -> str:
        """The value of the secret as calls send it."""
        scene = await self.scene()
        vault = Vault(KeyServices(self.keys), kdf="pbkdf2-sha512")
        provider = scene.registered.provider
        return (await vault.open_secret(scene.tenant, scene.openers, scene.sealed, provider)).reveal().decode()

    async def alerts(self) -> list[Alert]:
        async with self.store.reading(self.acme.id) as reader:
            return [outgoing.alert for outgoing in await every(reader, OutgoingAlert)]

    async def due(self, **hours: float) -> Rotation:
        """Go on to when the next turn begins."""
        rotation = (await self.scene()).rotation
        self.clock.past = max(self.clock.past, (rotation.due - NOON).total_seconds())
        return rotation


async def attend(engine: Engine, tenant: TenantId, project: ProjectId, secret: str) -> None:
    """Do what is due for one secret, as if the engine had found it."""
    store, now, subject = engine._workshop.store, engine._workshop.now(), subject_of(project, secret)
    await agenda.note(store, TOPIC, tenant, subject, now)
    for errand in await agenda.due(store, TOPIC, now):
        if (errand.tenant, errand.subject) == (tenant, subject):
            await engine.attend(errand)


@asynccontextmanager
async def house_of(
    monkeypatch: pytest.MonkeyPatch,
    *,
    how: HowToRotate = OWN,
    idempotent: bool = False,
    names_first: bool = True,
) -> AsyncGenerator[RotationHouse, None]:
    """A house whose secret is the provider's first key; `names_first` says by which id."""
    clock = Clock()
    monkeypatch.setattr(memory_store, "time", SimpleNamespace(monotonic=clock.seconds))
    store, keys = MemoryStore(), MemoryKeyService()
    services = KeyServices(keys)
    office = Office(
        store=store,
        key_services=services,
        vault=Vault(services, kdf="pbkdf2-sha512", clock=clock.seconds),
        signals=MemorySignals(),
        settings=APIKeyChainSettings(kdf="pbkdf2-sha512"),
        networks={},
        now=clock.now,
        witnesses=(),
        alert_sinks={},
        notary=Notary(store, services, (), origin="a.example", now=clock.now, clock=clock.seconds),
    )
    provider = KeyProvider(idempotent=idempotent)
    acme = await registry.create_tenant(office, "acme", "test")
    shop = await acme.create_project("shop")
    first = provider.made("first")
    await shop.configure(providers=[WEATHER], secrets={SECRET: Secret(first.value)}, enabled=True)
    await shop.add_rotation(SECRET, how, key_id=first.id if names_first else "")
    yield RotationHouse(clock, store, keys, office, provider, acme, shop)
