"""What an open keychain does beside its calls: whatever comes due, one piece of work each.

Source: architecture, "State, and many workers".
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, final

from apikeychain.alerts.delivery import Delivery
from apikeychain.errors import DoesNotExistError
from apikeychain.model.rotators import HostRotation
from apikeychain.model.watch import WatchPolicy
from apikeychain.ports.detector import Detector
from apikeychain.ports.rotator import Account, Rotator
from apikeychain.ports.upstream import Upstream
from apikeychain.rotation.engine import Engine
from apikeychain.rotation.page import Workshop
from apikeychain.rotation.scene import Scene
from apikeychain.rotation.stored_secrets import rotator_for
from apikeychain.rules.ewma import EWMADetector
from apikeychain.rules.rules_detector import RulesDetector
from apikeychain.rules.watch_rules import parse_rules
from apikeychain.tenants import cryptoperiods, key_schedule
from apikeychain.tenants.change import Office
from apikeychain.tenants.old_signing_keys import OldSigningKeys
from apikeychain.watch.case import Post
from apikeychain.watch.handover import Handover
from apikeychain.watch.observer import Observer
from apikeychain.watch.watchman import Watchman


@final
class Upkeep:
    """The work of one keychain in one event loop.

    Args:
        office: of the open keychain.
        upstream: through which providers are asked.
        serving: set once calls are served. A keychain that is opened for a command or a script delivers no alerts: it
            may have other sinks than the one that serves, and would take alerts away from those.
        rotators: of the host, by name, and whose they are.
        detectors: that look at what calls do; None for that of the house.

    Attributes:
        observer: counts calls.
        engine: turns the keys of providers.
    """

    def __init__(
        self,
        office: Office,
        upstream: Upstream,
        serving: asyncio.Event,
        *,
        rotators: Mapping[str, Account],
        detectors: Sequence[Detector] | None = None,
    ) -> None:
        self._office, self._upstream, self._serving = office, upstream, serving
        self._rotators, self._detectors = rotators, detectors
        self.observer = Observer()
        self._handover = Handover(office.store, self.observer)
        self.engine = Engine(
            Workshop(
                store=office.store,
                vault=office.vault,
                rotator_of=self._rotator_of,
                is_shared=self._is_shared,
                announce=office.announce,
                now=office.now,
                share=random.random,
            )
        )

    def work(self) -> list[Coroutine[Any, Any, None]]:
        """To be run as one task each, until cancelled; none of them raises."""
        delivery = Delivery(self._office.store, self._office.alert_sinks, now=self._office.now)
        counting = [cryptoperiods.run(self._office)] if self._office.settings.platform_key_turns else []
        return [
            *counting,
            OldSigningKeys(self._office).run(),
            _once(self._office.turning, partial(key_schedule.run, self._office)),
            _once(self._office.turning, self.engine.run),
            _once(self._serving, delivery.run),
            _once(self._serving, self._handover.run),
            _once(self._serving, Watchman(self.post).run),
        ]

    @property
    def post(self) -> Post:
        """What the watch needs."""
        office = self._office
        return Post(store=office.store, announce=office.announce, now=office.now, detectors=self._detectors_of)

    def _detectors_of(self, policy: WatchPolicy) -> Sequence[Detector]:
        """Those of the keychain, and the rules of the tenant's own."""
        given = (EWMADetector(),) if self._detectors is None else self._detectors
        return (*given, RulesDetector(parse_rules(policy.rules))) if policy.rules else given

    async def close(self) -> None:
        """Hand over what was counted, once no more calls come."""
        await self._handover.close()

    def _rotator_of(self, scene: Scene) -> Rotator:
        """What makes and ends the keys of a rotation.

        Raises:
            DoesNotExistError: this keychain was not given it for that tenant and the address of that provider.
        """
        office, how, tenant = self._office, scene.rotation.how, scene.tenant.id
        if not isinstance(how, HostRotation):
            return rotator_for(
                scene,
                store=office.store,
                vault=office.vault,
                upstream=self._upstream,
                networks=office.networks,
                now=office.now,
            )
        found, base_url = self._rotators.get(how.name), scene.registered.provider.base_url
        if found is None or not found.is_for(tenant, base_url):
            msg = f"the keychain was given no rotator {how.name!r} for the tenant {tenant!r} and {base_url}"
            raise DoesNotExistError(msg)
        return found.rotator

    def _is_shared(self, scene: Scene) -> bool:
        how = scene.rotation.how
        return isinstance(how, HostRotation) and len({*self._rotators[how.name].tenants}) > 1


async def _once(said: asyncio.Event, work: Callable[[], Awaitable[None]]) -> None:
    await said.wait()
    await work()
