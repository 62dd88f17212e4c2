"""The steps that ask nobody: one transaction each.

Source: contracts 8.
"""

import secrets

from apikeychain.errors import SecretUnavailableError
from apikeychain.model.rotation_records import ProviderKey
from apikeychain.rotation import telling
from apikeychain.rotation.answers import end as end_key
from apikeychain.rotation.answers import give_up
from apikeychain.rotation.asking import UNOPENED, opened
from apikeychain.rotation.page import Page, Workshop
from apikeychain.rotation.scene import Scene
from apikeychain.rules import rotation as rules

_LABEL_BYTES = 8
_SAME_ID = "its id at the provider is that of the key that serves, which must not be ended"
_BY_HAND = "the secret was put by hand meanwhile"


async def begin(workshop: Workshop, scene: Scene, _: ProviderKey | None) -> None:
    """A turn begins: a key is wished for.

    Raises:
        ConflictError: somebody else acted. So do all others here.
        BackendUnavailableError: the store or the key service does not answer. Likewise.
    """
    page = Page(scene, workshop.now())
    label = f"apikeychain-{scene.rotation.project.replace('_', '-')}-{secrets.token_hex(_LABEL_BYTES)}"
    key = rules.wished(scene.rotation, scene.keys, scene.sealed, label, page.moment)
    page.made.append(key)
    page.note("started", key, reason=key.reason)
    await page.write(workshop)


async def remind(workshop: Workshop, scene: Scene, _: ProviderKey | None) -> None:
    """Somebody is told to replace a secret by hand; again when the interval is over once more."""
    page = Page(scene, workshop.now())
    page.change(scene.rotation, rules.turned(scene.rotation, page.moment, workshop.share()))
    page.alerts.append(telling.due(page))
    page.note("reminded", reason=scene.rotation.reason)
    await page.write(workshop)


async def switch(workshop: Workshop, scene: Scene, key: ProviderKey) -> None:
    """The new key serves; the one before it does so for calls in flight, until its grace is over."""
    page = Page(scene, workshop.now())
    try:
        await opened(workshop, scene, key)
    except SecretUnavailableError:
        give_up(page, key, rules.came(key, "refused", page.moment, 0.0, UNOPENED), UNOPENED)
    else:
        changed = rules.switched(scene.rotation, scene.keys, scene.sealed, key, page.moment, workshop.share())
        page.change(scene.rotation, changed.rotation)
        for before, after in changed.keys:
            page.change(before, after)
        page.put(scene.sealed, key.sealed, key.fingerprint)
        page.note("switched", key, reason=scene.rotation.reason)
    await page.write(workshop)


async def drop(workshop: Workshop, scene: Scene, key: ProviderKey) -> None:
    """A key was wished for, and is not wanted any more before anybody was asked for it."""
    page = Page(scene, workshop.now())
    page.change(key, None)
    page.note("refused", key, why=_BY_HAND)
    await page.write(workshop)


async def retire(workshop: Workshop, scene: Scene, key: ProviderKey) -> None:
    """A new key is not switched to: it never served, and has no grace."""
    page = Page(scene, workshop.now())
    after = rules.came(key, "refused", page.moment, 0.0, _BY_HAND)
    page.change(key, after)
    rotation = scene.rotation
    if rotation.due <= page.moment:
        # Whoever put the secret did not begin its interval anew: a turn came to nothing, and the next one waits.
        ends = rules.ends(scene.keys, scene.sealed)
        page.change(rotation, rules.refused(rotation, page.moment, _BY_HAND, ends))
    page.alerts.append(telling.overtaken(page, key, _BY_HAND))
    page.note("refused", key, why=_BY_HAND)
    await page.write(workshop)


async def end(workshop: Workshop, scene: Scene, key: ProviderKey) -> None:
    """A key has no id: it ends by itself, or somebody is told to end it."""
    page = Page(scene, workshop.now())
    page.change(key, rules.came(key, "done", page.moment, 0.0))
    end_key(page, key, "its id at the provider is not known")
    await page.write(workshop)


async def settle(workshop: Workshop, scene: Scene, key: ProviderKey) -> None:
    """A provider gave the key that serves once more: nothing is to be ended. Another key of its id is told of."""
    page = Page(scene, workshop.now())
    page.change(key, None)
    if key.fingerprint != scene.sealed.fingerprint:
        page.alerts.append(telling.end_by_hand(page, key, _SAME_ID))
    await page.write(workshop)
