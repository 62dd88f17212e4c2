"""The agenda of all workers: which tenants have something that has to be looked at, and when.

- Whoever is about to store something that comes due notes an errand first (`note`), and stores then: should it die in
  between, the errand is looked at for nothing.
- Whoever looks at one that is due (`due`) does what there is to do, and then says when something is due next
  (`settle`), which leaves it where somebody noted it anew meanwhile. Whoever noted it may not have stored yet when it
  is looked at: it is looked at again until that is over, see `Errand`.

Source: architecture, "State, and many workers" (what one worker must do for all).
"""

import contextlib
from collections.abc import Sequence
from datetime import datetime

from apikeychain.errors import AlreadyExistsError, ConflictError
from apikeychain.model.errand import Errand
from apikeychain.model.ids import TenantId
from apikeychain.ports.store import Store
from apikeychain.rules.chain import PLATFORM

# Behind the errands of a topic stand those of others: a look at a topic that has none reads few of them.
_FIRST_PAGE, _MOST_PAGE = 8, 512
# Each time it fails somebody else wrote the same errand at that moment.
_TRIES = 20


async def note(store: Store, topic: str, tenant: TenantId, subject: str, due: datetime) -> None:
    """Have something looked at, at that moment or before.

    Raises:
        ConflictError: others wrote the same errand 20 times in a row meanwhile.
        AlreadyExistsError: likewise.
    """
    for _ in range(_TRIES - 1):
        with contextlib.suppress(AlreadyExistsError, ConflictError):
            return await _note(store, topic, tenant, subject, due)
    return await _note(store, topic, tenant, subject, due)


async def _note(store: Store, topic: str, tenant: TenantId, subject: str, due: datetime) -> None:
    errand = Errand(topic=topic, tenant=tenant, subject=subject, due=due, since=due, last=due)
    async with store.tenant(PLATFORM) as platform:
        stored = await platform.get(Errand, errand.key)
        if stored is None:
            await platform.insert(errand)
        else:
            await platform.replace(stored.noted(due), stored.generation)


async def due(store: Store, topic: str, now: datetime) -> Sequence[Errand]:
    """All errands of a topic that are due, the one that waits longest first."""
    found: list[Errand] = []
    after: tuple[str, ...] = (topic,)
    limit = _FIRST_PAGE
    async with store.reading(PLATFORM) as platform:
        while page := await platform.list(Errand, after, limit):
            found += [errand for errand in page if errand.topic == topic and errand.due <= now]
            if page[-1].topic != topic:
                break
            after, limit = page[-1].key, min(2 * limit, _MOST_PAGE)
    return sorted(found, key=lambda errand: errand.due)


async def settle(store: Store, errand: Errand, due: datetime | None) -> None:
    """After it was looked at: have it looked at then or before, unless it was noted anew.

    Args:
        store: that has it.
        errand: as it was looked at.
        due: when something is due next; None where nothing is: it goes as soon as nobody can be storing what it was
            noted for.
    """
    changed = errand.looked_at(due)
    with contextlib.suppress(ConflictError):
        async with store.tenant(PLATFORM) as platform:
            if changed is None:
                await platform.remove(Errand, errand.key, errand.generation)
            else:
                await platform.replace(changed, errand.generation)
