"""What a provider answered is written down: the key's next state, the ledger's entry, and an alert where one is due.

Source: contracts 8.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from apikeychain.errors import AlreadyExistsError, ConflictError, SecretUnavailableError
from apikeychain.model.alert import Alert
from apikeychain.model.provider import Provider
from apikeychain.model.records import ProjectKey, RegisteredProvider, SealedSecret
from apikeychain.model.rotation_records import ProviderKey, Rotation
from apikeychain.ports.rotator import NewKey
from apikeychain.rotation import telling
from apikeychain.rotation.page import Page, Workshop
from apikeychain.rotation.scene import Scene, scene_of
from apikeychain.rules import key_ids
from apikeychain.rules import rotation as rules
from apikeychain.secret import Secret

_TRIES = 5
_TAKEN = "the provider gave the id of another key to the one that it made: to end the one could end the other"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a question.

    Attributes:
        failure: why it was not done, or "".
        made: the key, where one was made.
        orphans: what may live at the provider, though it refused.
        also: secrets that came with it, by their names, also where no key is kept.
        versions: of the project's secrets that can be among them, as they were when the provider was asked.
        left: why a key that counts as ended may live all the same, or "".
    """

    outcome: rules.Outcome
    failure: str = ""
    made: NewKey | None = None
    orphans: tuple[str, ...] = ()
    also: Mapping[str, Secret] = field(default_factory=dict[str, Secret])
    versions: Mapping[str, int] = field(default_factory=dict[str, int])
    left: str = ""


async def settle(workshop: Workshop, scene: Scene, asked: ProviderKey, answer: Answer) -> None:
    """Write down what came of a question, whatever else changed meanwhile, unless the key did.

    Args:
        workshop: of the engine.
        scene: as it was before.
        asked: the key as it is stored since the provider was asked.
        answer: what came of it.

    Raises:
        ConflictError: somebody else acted on the key; a new one that nobody holds is named in an alert.
        BackendUnavailableError: the store or the key service does not answer.
    """
    try:
        await _settle(workshop, scene, asked, answer)
    except (ConflictError, AlreadyExistsError):
        raise
    except Exception as failure:  # noqa: BLE001 - else it would be asked again at once, and again
        # What was made is in nobody's hands: it is named, and made anew after a pause.
        lost = [] if answer.made is None else [telling.named(replace(asked, id=answer.made.id)), *answer.made.orphans]
        why = f"what came of it could not be written down: {type(failure).__name__}"
        await _settle(workshop, scene, asked, Answer("unknown", why, orphans=(*lost, *answer.orphans)))


async def _settle(workshop: Workshop, scene: Scene, asked: ProviderKey, answer: Answer) -> None:
    for _ in range(_TRIES):
        fresh = await _read(workshop, scene)
        if fresh is None or fresh.key(asked.number) != asked:
            break
        page = Page(fresh, workshop.now())
        under = await _fill(workshop, page, asked, answer, scene.registered.provider)
        try:
            await page.write(workshop, under=under)
        except ConflictError:
            continue
        return
    if answer.made is not None:
        await _tell_of_stray(workshop, scene, asked, answer.made)
    msg = f"the key {asked.number} of {asked.secret!r} was changed meanwhile"
    raise ConflictError(msg)


async def _read(workshop: Workshop, scene: Scene) -> Scene | None:
    async with workshop.store.reading(scene.tenant.id) as reader:
        return await scene_of(reader, scene.rotation.project, scene.rotation.secret)


async def _fill(
    workshop: Workshop, page: Page, asked: ProviderKey, answer: Answer, provider: Provider
) -> ProjectKey | None:
    """Put the answer on the page; the key that sealed something of it, or None. A new key is `provider`'s."""
    under = await _fill_also(workshop, page, answer)
    if answer.made is not None:
        return await _fill_made(workshop, page, asked, answer.made, provider)
    ends = rules.ends(page.scene.keys, page.scene.sealed) if rules.in_the_making([asked]) else None
    after = rules.came(asked, answer.outcome, page.moment, workshop.share(), answer.failure, ends=ends)
    if answer.orphans:
        page.alerts.append(telling.left_over(page, answer.orphans))
    if answer.outcome == "done":
        _fill_done(page, asked, after, answer.left)
    elif answer.outcome == "unknown" or asked.state == "retiring":
        _fill_open(page, asked, after, answer)
    else:
        give_up(page, asked, after, answer.failure)
    return under


async def _fill_made(
    workshop: Workshop, page: Page, asked: ProviderKey, made: NewKey, provider: Provider
) -> ProjectKey:
    """The new key, sealed as the next version of the secret.

    It is sealed for the address that the provider had when it was asked: should that be another one now, it does not
    open any more, and is retired.
    """
    scene = page.scene
    name, newest = scene.rotation.secret, scene.project_keys[-1]
    sealed, fingerprint = await workshop.vault.seal_secret(
        scene.tenant, newest, provider, name, asked.version, made.key
    )
    if key_ids.is_of_another(scene.keys, made.id, fingerprint):
        give_up(page, asked, rules.came(asked, "refused", page.moment, 0.0), _TAKEN)
        page.alerts.append(telling.left_over(page, [telling.named(asked), *made.orphans], _TAKEN))
        return newest
    after = rules.came(asked, "done", page.moment, workshop.share())
    sealed_key = after and replace(after, sealed=sealed, fingerprint=fingerprint)
    page.change(asked, sealed_key and replace(sealed_key, id=made.id, expires=made.expires))
    page.note("created", replace(asked, id=made.id))
    if made.orphans:
        page.alerts.append(telling.left_over(page, made.orphans))
    return newest


async def _fill_also(workshop: Workshop, page: Page, answer: Answer) -> ProjectKey | None:
    """What came with a key, as a refresh token does; the key that sealed it, or None."""
    for name, secret in answer.also.items():
        await _put_also(workshop, page, name, secret, answer.versions.get(name))
    return page.scene.project_keys[-1] if answer.also else None


async def _put_also(workshop: Workshop, page: Page, name: str, secret: Secret, version: int | None) -> None:
    """Put a secret for the provider that it is stored for, unless somebody put it since `version` was read."""
    project, tenant, newest = page.scene.rotation.project, page.scene.tenant, page.scene.project_keys[-1]
    async with workshop.store.reading(tenant.id) as reader:
        stored = await reader.get(SealedSecret, (project, name))
        registered = None if stored is None else await reader.get(RegisteredProvider, (project, stored.provider))
        own = await reader.get(Rotation, (project, name))
    if stored is None or registered is None:
        page.alerts.append(telling.not_kept(page, name, "there is no such secret any more"))
        return
    if own is not None:
        page.alerts.append(telling.not_kept(page, name, "the secret has a rotation of its own"))
        return
    if stored.version != version:
        page.alerts.append(telling.not_kept(page, name, "the secret was put by hand while the provider was asked"))
        return
    try:
        # What comes goes where the one before goes, and nowhere else.
        await workshop.vault.open_secret(tenant, page.scene.openers, stored, registered.provider)
    except SecretUnavailableError:
        page.alerts.append(telling.not_kept(page, name, "it does not open for the address that its provider has now"))
        return
    sealed, fingerprint = await workshop.vault.seal_secret(
        tenant, newest, registered.provider, name, stored.version + 1, secret
    )
    page.put(stored, sealed, fingerprint)


def _fill_done(page: Page, asked: ProviderKey, after: ProviderKey | None, left: str) -> None:
    page.change(asked, after)
    if asked.state == "retiring":
        end(page, asked, left)
    else:
        page.note("verified", asked)


def end(page: Page, key: ProviderKey, left: str = "") -> None:
    """A key was revoked, unless it says why it may be `left`: of those that were before, the records go."""
    for spent in rules.spent(page.scene.keys):
        page.change(spent, None)
    if not left or key.expires is not None:
        page.note("revoked", key)
        return
    page.alerts.append(telling.end_by_hand(page, key, left))
    page.note("revoked", key, left=left)


def _fill_open(page: Page, asked: ProviderKey, after: ProviderKey | None, answer: Answer) -> None:
    """It is tried again: somebody is told once."""
    alert: Alert | None = None
    if rules.is_alerting(asked, answer.outcome):
        tell = telling.not_ended if answer.outcome == "refused" else telling.not_known
        alert = tell(page, asked, answer.failure)
        page.alerts.append(alert)
        page.note(answer.outcome if answer.outcome == "refused" else "failed", asked, why=answer.failure)
    page.change(asked, after and replace(after, alerted=asked.alerted or alert is not None))


def give_up(page: Page, key: ProviderKey, after: ProviderKey | None, why: str) -> None:
    """A turn came to nothing: the key before serves on, and the next turn begins later."""
    rotation, ends = page.scene.rotation, rules.ends(page.scene.keys, page.scene.sealed)
    page.change(key, after)
    page.change(rotation, rules.refused(rotation, page.moment, why, ends))
    if after is not None:
        page.alerts.append(telling.not_taken(page, key, why))
    elif not rules.is_told(rotation, page.moment, why, ends):
        page.alerts.append(telling.not_made(page, key, why))
    page.note("refused", key, why=why)


async def _tell_of_stray(workshop: Workshop, scene: Scene, asked: ProviderKey, made: NewKey) -> None:
    """A key was made while somebody else acted: unless that one holds it too, nobody does."""
    fresh = await _read(workshop, scene)
    if fresh is not None and made.id and made.id in rules.known(fresh.keys):
        return
    page = Page(fresh or scene, workshop.now())
    page.alerts.append(telling.left_over(page, [telling.named(replace(asked, id=made.id)), *made.orphans]))
    await page.write(workshop, of_scene=False)
