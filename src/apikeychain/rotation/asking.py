"""The steps that ask a provider: written before it is asked and after it answered.

What is not written after the answer was not heard: whoever comes next finds that the provider was asked, and asks again
with the same label.

Source: contracts 8.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from apikeychain.errors import (
    APIKeyChainError,
    ConflictError,
    RotationRefusedError,
    SealedValueError,
    SecretUnavailableError,
)
from apikeychain.listing import every
from apikeychain.model.records import SealedSecret
from apikeychain.model.rotation_records import ProviderKey
from apikeychain.model.rotators import HostRotation, OAuth2Rotation
from apikeychain.ports.rotator import NewKey, Order, Rotator
from apikeychain.rotation.access import VERB_SECONDS
from apikeychain.rotation.answers import Answer, settle
from apikeychain.rotation.page import Page, Workshop
from apikeychain.rotation.scene import Scene
from apikeychain.rules import life
from apikeychain.rules import rotation as rules
from apikeychain.secret import Secret

# How long a step is left to workers that have its rotator: a command has none of the host's.
_OTHERS = timedelta(minutes=10)
_MOST_TOLD = 200
_LONGEST_NAME = 512
_MOST_NAMES = 100
_MOVED = "the secret does not open for the address that its provider has: put it again, for that address"
_GONE = "the provider says that it knows no such key: it is ended already, or the credential may not see it, or the \
request asks for another thing"
_SAID = "others have keys in its account too, and its id is one that somebody said"
_UNSEALED = "the project's key does not open: a key that is made now could not be sealed"
Came = NewKey | Literal["gone"] | None
UNOPENED = "the new key does not open for the provider's address any more"


async def create(workshop: Workshop, scene: Scene, key: ProviderKey) -> None:
    """Have a key made, and seal it as the next version of the secret.

    Raises:
        ConflictError: somebody else acted.
        BackendUnavailableError: the store or the key service does not answer.
    """
    rotator = await _rotator(workshop, scene, key)
    try:
        # Before anything is made that could not be sealed.
        await workshop.vault.fingerprint(scene.tenant, scene.project_keys[-1], Secret(key.label))
    except SealedValueError:
        await settle(workshop, scene, key, Answer("unknown", _UNSEALED))
        return
    try:
        # A new key would else go where the one that serves does not.
        await workshop.vault.open_secret(scene.tenant, scene.openers, scene.sealed, scene.registered.provider)
    except SecretUnavailableError:
        left = (key.label,) if key.asked is not None else ()
        await settle(workshop, scene, key, Answer("refused", _MOVED, orphans=left))
        return
    order = Order(label=key.label, again=key.asked is not None, known=rules.known(scene.keys))
    asked = await _asked(workshop, scene, key)
    versions = await _versions(workshop, scene)
    answer = await _ask(lambda: rotator.create(order))
    await settle(workshop, scene, asked, replace(_judged(answer, workshop.now()), versions=versions))


async def _versions(workshop: Workshop, scene: Scene) -> Mapping[str, int]:
    """Of the secrets that may come with a key, so that none takes the place of what somebody puts meanwhile."""
    how, project = scene.rotation.how, scene.rotation.project
    if not isinstance(how, HostRotation | OAuth2Rotation):
        return {}
    async with workshop.store.reading(scene.tenant.id) as reader:
        if isinstance(how, HostRotation):
            return {one.name: one.version for one in await every(reader, SealedSecret, project)}
        stored = await reader.get(SealedSecret, (project, how.refresh))
    return {} if stored is None else {stored.name: stored.version}


def _judged(answer: Answer, now: datetime) -> Answer:
    """What came of an order, where what was made can be kept; what came with it is kept in any case."""
    made = answer.made
    if answer.outcome != "done":
        return answer
    if made is None or not _is_sound(made):
        why = "the rotator gave no key, or one whose id, end or orphans nobody could keep"
        return Answer("unknown", why, also={} if made is None else made.also)
    if life.is_too_short(made.expires, now):
        least = f"{life.LEAST_LIFE.total_seconds():.0f} s"
        why = f"the key that was made ends within {least} by itself, or when it does cannot be read"
        return Answer("refused", why, orphans=made.orphans, also=made.also)
    return replace(answer, also=made.also)


def _is_sound(made: NewKey) -> bool:
    names = (made.id, *made.orphans)
    is_short = len(names) <= _MOST_NAMES and all(len(name) <= _LONGEST_NAME for name in names)
    is_aware = made.expires is None or made.expires.utcoffset() is not None
    return is_short and is_aware and all(name.isascii() and name.isprintable() for name in names)


async def verify(workshop: Workshop, scene: Scene, key: ProviderKey) -> None:
    """Have the provider take a new key, in a real call. See `create`."""
    try:
        secret = await opened(workshop, scene, key)
    except SecretUnavailableError:
        await settle(workshop, scene, key, Answer("refused", UNOPENED))
        return
    rotator = await _rotator(workshop, scene, key)
    asked = await _asked(workshop, scene, key)
    await settle(workshop, scene, asked, await _ask(lambda: rotator.verify(secret)))


async def revoke(workshop: Workshop, scene: Scene, key: ProviderKey) -> None:
    """Have a key ended, or somebody told to end it. See `create`."""
    rotator = await _rotator(workshop, scene, key)
    if not key.label and workshop.is_shared(scene):
        await settle(workshop, scene, key, Answer("done", left=_SAID))
        return
    asked = await _asked(workshop, scene, key)
    answer = await _ask(lambda: rotator.revoke(key.id))
    # Where it was asked before, what ended the key is known.
    await settle(workshop, scene, asked, answer if key.asked is None else replace(answer, left=""))


async def opened(workshop: Workshop, scene: Scene, key: ProviderKey) -> Secret:
    """The key itself, of one that was created.

    Raises:
        SecretUnavailableError: it does not open.
        BackendUnavailableError: the key service does not answer.
    """
    as_put = replace(scene.sealed, version=key.version, sealed=key.sealed, fingerprint=key.fingerprint)
    provider = scene.registered.provider
    return await workshop.vault.open_secret(scene.tenant, scene.openers, as_put, provider)


async def _asked(workshop: Workshop, scene: Scene, key: ProviderKey) -> ProviderKey:
    """Write down that the provider is asked from now on."""
    page = Page(scene, workshop.now())
    asked = replace(key, asked=page.moment)
    page.change(key, asked)
    await page.write(workshop)
    return replace(asked, generation=key.generation + 1)


async def _rotator(workshop: Workshop, scene: Scene, key: ProviderKey) -> Rotator:
    """What is to be asked.

    Raises:
        ConflictError: this worker was not given it, which others may be; after a while that is written down.
    """
    try:
        return workshop.rotator_of(scene)
    except APIKeyChainError as missing:
        if workshop.now() - key.after >= _OTHERS:
            await settle(workshop, scene, key, Answer("unknown", _told(missing)))
        raise ConflictError(*missing.args) from None


async def _ask(ask: Callable[[], Awaitable[Came]]) -> Answer:
    try:
        came = await _in_time(ask())
        return Answer("done", made=came if isinstance(came, NewKey) else None, left=_GONE if came == "gone" else "")
    except RotationRefusedError as refusal:
        return Answer("refused", _told(refusal), orphans=refusal.orphans)
    except TimeoutError:
        return Answer("unknown", f"the provider did not answer within {VERB_SECONDS:g} s")
    except APIKeyChainError as failure:
        return Answer("unknown", _told(failure))
    except Exception as bug:  # noqa: BLE001 - a rotator of the host that breaks its contract breaks no other rotation
        return Answer("unknown", f"the rotator broke with {type(bug).__name__}")


async def _in_time(work: Awaitable[Came]) -> Came:
    async with asyncio.timeout(VERB_SECONDS):
        return await work


def _told(error: APIKeyChainError) -> str:
    """The text of one of our errors, which holds nothing of a key or an answer."""
    return " ".join(str(error).split())[:_MOST_TOLD]
