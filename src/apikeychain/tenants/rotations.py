"""A project's rotations: which secrets are replaced again and again, and how far that is.

Source: contracts 8; spec 6.4.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from apikeychain import agenda
from apikeychain.alerts import outbox
from apikeychain.errors import InvalidValueError, StillInUseError
from apikeychain.listing import every
from apikeychain.model.alert import Alert
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.records import SealedSecret
from apikeychain.model.rotation_records import KeyState, ProviderKey, Rotation, RotationReason
from apikeychain.model.rotators import HowToRotate, ManualRotation, OAuth2Rotation
from apikeychain.ports.store import TenantReader
from apikeychain.rotation import telling
from apikeychain.rotation.engine import TOPIC, subject_of
from apikeychain.rotation.orders import Asked, order
from apikeychain.rules import key_ids
from apikeychain.rules import rotation as rules
from apikeychain.tenants.change import Office, ProjectChange
from apikeychain.tenants.rotation_parts import id_within, is_one_account, require_parts


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInfo:
    """All that is told of a key at a provider.

    Attributes:
        number: counts the keys of the secret, from 1.
        id: the provider's, or "" where it is not known; `label`: what we named it there, or "".
        since: when it came into its state, or when the next attempt is; while `retiring`, the end of its grace.
        asked: when the provider was asked for something that it has not answered, or None.
        failure: why the last attempt failed, or "".
    """

    number: int
    state: KeyState
    id: str
    label: str
    created: datetime
    since: datetime
    asked: datetime | None
    attempts: int
    failure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationInfo:
    """All that is told of a rotation.

    Attributes:
        kind: of what makes and ends its keys.
        due: when the next turn begins; `is_due`: whether that is over; a turn may be under way.
        is_turning: whether one is.
        failure: why the last turn came to nothing, or the step under way did so far; or "".
        keys: the oldest first.
    """

    secret: str
    kind: str
    hours: int
    due: datetime
    is_due: bool
    is_turning: bool
    reason: RotationReason
    paused: bool
    failure: str
    keys: tuple[KeyInfo, ...]


async def add(change: ProjectChange, wanted: Rotation, key_id: str) -> None:
    """Rotate a secret, or change how; what is so already changes nothing.

    Args:
        change: the transaction.
        wanted: as it is to be stored.
        key_id: the provider's id of the key that the rotation begins with, or "" where it is not known.

    Raises:
        DoesNotExistError: the secret, the provider of the key API or one of its secrets is not there.
        InvalidValueError: two rotations would change one secret, or end the keys of each other.
        StillInUseError: another kind, provider, credential or user is wanted while keys of the one before are not
            ended.
    """
    sealed = await change.require(SealedSecret, wanted.secret)
    await require_parts(change, wanted)
    keys = await every(change.store, ProviderKey, change.project.id, wanted.secret)
    stored = await change.find(Rotation, wanted.secret)
    if stored is None:
        said = key_ids.believed(key_id, keys, sealed)
        begun_with = said or await id_within(change, wanted.how, sealed)
        for key in keys:
            await change.remove(key)
        await change.store.insert(wanted)
        await change.store.insert(key_ids.begun(wanted, keys, sealed, change.moment, begun_with))
        change.note("rotation.added", secret=wanted.secret, rotator=wanted.how.kind, hours=wanted.hours)
        return
    is_moved = not is_one_account(stored.how, wanted.how)
    if is_moved and any(key.state not in {"current", "revoked"} for key in keys):
        msg = f"a turn of the secret {wanted.secret!r} is not over: change how it is rotated after that"
        raise StillInUseError(msg)
    serving = [key for key in keys if key.state == "current"]
    if is_moved:
        # An id that another account gave would end another key there, or none; a label of it names none.
        said = key_id or await id_within(change, wanted.how, sealed)
        renamed = [(key, said) for key in serving if key.id != said or key.label]
    else:
        renamed = _named_later(serving, wanted.how, key_id)
    if (stored.how, stored.hours) == (wanted.how, wanted.hours) and not renamed:
        return
    for key, named in renamed:
        await change.store_changed(key, id=named, label="" if named else key.label)
    await change.store_changed(stored, how=wanted.how, hours=wanted.hours, due=min(stored.due, wanted.due))
    change.note("rotation.changed", secret=wanted.secret, rotator=wanted.how.kind, hours=wanted.hours)


def _named_later(serving: Sequence[ProviderKey], how: HowToRotate, key_id: str) -> list[tuple[ProviderKey, str]]:
    """What a host says at each start is said of the key that it began with; by hand another may be in its place."""
    if not key_id or isinstance(how, ManualRotation):
        return []
    return [(key, key_id) for key in serving if key.number == 1 and not key.id]


def wanted(project: ProjectId, secret: str, how: HowToRotate, hours: int, now: datetime) -> Rotation:
    """A rotation as it begins: first due after an interval, or now where keys end by themselves.

    Raises:
        InvalidValueError: not 24 to 72 hours.
    """
    if not rules.MIN_HOURS <= hours <= rules.MAX_HOURS:
        msg = f"a secret is rotated every {rules.MIN_HOURS} to {rules.MAX_HOURS} hours, not every {hours}"
        raise InvalidValueError(msg)
    share = random.random()  # noqa: S311 - spreads the load, keeps no secret
    due = now if isinstance(how, OAuth2Rotation) else rules.due_after(now, hours, share)
    return Rotation(project=project, secret=secret, how=how, created=now, due=due, hours=hours)


async def rotate(change: ProjectChange, secret: str, reason: Asked) -> None:
    """Have a turn begin now, or the one that is under way go on.

    Raises:
        DoesNotExistError: there is no such rotation.
        InvalidValueError: it is paused.
    """
    stored = await change.require(Rotation, secret)
    told = await order(change.store, stored, reason, change.moment)
    change.note("rotation.ordered", secret=secret, reason=told)


async def pause(change: ProjectChange, secret: str, *, paused: bool) -> None:
    """Let no further turn begin, or let turns begin again. Raises DoesNotExistError."""
    stored = await change.require(Rotation, secret)
    if stored.paused != paused:
        await change.store_changed(stored, paused=paused)
        change.note("rotation.paused" if paused else "rotation.resumed", secret=secret)


async def owns(change: ProjectChange, secret: str) -> bool:
    """Whether the value of a secret is a rotation's: what a host or a file declares is that of the beginning."""
    stored = await change.find(Rotation, secret)
    return stored is not None and not isinstance(stored.how, ManualRotation)


async def reckon(change: ProjectChange, old: SealedSecret, sealed: SealedSecret) -> None:
    """The secret was put by hand: its keys are what they are, and its interval begins anew.

    Raises:
        ConflictError: the provider ended the key that was put, or was asked to.
    """
    stored = await change.find(Rotation, sealed.name)
    if stored is None:
        return
    keys = {key.number: key for key in await every(change.store, ProviderKey, change.project.id, sealed.name)}
    for key in rules.reckoned(stored, list(keys.values()), old, sealed, change.moment):
        before = keys.get(key.number)
        if before is None:
            await change.store.insert(key)
        else:
            await change.store.replace(replace(key, generation=before.generation + 1), before.generation)
    turned = rules.turned(stored, change.moment, random.random())  # noqa: S311 - likewise
    await change.store_changed(stored, due=turned.due, reason=turned.reason, refusals=0, failure="")


async def remove(change: ProjectChange, secret: str) -> None:
    """Rotate a secret no more: what serves stays, and what else lives at the provider is named in an alert.

    `outbox.announce` was called before. The record of the key that serves stays too: by it an id is known for another
    key's that is said once more when the rotation is declared again.

    Raises:
        DoesNotExistError: there is no such rotation.
    """
    stored = await change.require(Rotation, secret)
    keys = await every(change.store, ProviderKey, change.project.id, secret)
    others = [key for key in keys if key.state not in {"current", "revoked"}]
    if others:
        alert = telling.forgotten(change.tenant.id, others, change.moment, "it was removed by hand")
        await outbox.file(change.store, alert)
    for key in keys:
        if key.state != "current":
            await change.remove(key)
    await change.remove(stored)
    change.note("rotation.removed", secret=secret)


async def infos(reader: TenantReader, project: ProjectId, now: datetime) -> list[RotationInfo]:
    """All rotations of a project, in the order of their secrets."""
    keys = await every(reader, ProviderKey, project)
    stored = await every(reader, Rotation, project)
    return [_info(rotation, [key for key in keys if key.secret == rotation.secret], now) for rotation in stored]


def _info(rotation: Rotation, keys: Sequence[ProviderKey], now: datetime) -> RotationInfo:
    turning = rules.in_the_making(keys)
    return RotationInfo(
        secret=rotation.secret,
        kind=rotation.how.kind,
        hours=rotation.hours,
        due=rotation.due,
        is_due=rotation.due <= now,
        is_turning=turning is not None,
        reason=rotation.reason,
        paused=rotation.paused,
        failure=(turning and turning.failure) or rotation.failure,
        keys=tuple(map(_key_info, keys)),
    )


def _key_info(key: ProviderKey) -> KeyInfo:
    return KeyInfo(
        number=key.number,
        state=key.state,
        id=key.id,
        label=key.label,
        created=key.created,
        since=key.after,
        asked=key.asked,
        attempts=key.attempts,
        failure=key.failure,
    )


async def forget(change: ProjectChange, secret: str) -> None:
    """The secret goes, which has no rotation: so does what is kept of one that was removed."""
    for key in await every(change.store, ProviderKey, change.project.id, secret):
        await change.remove(key)


async def require_unused(change: ProjectChange, *, secret: str = "", provider: str = "") -> None:
    """Raise StillInUseError where a rotation needs the secret or the provider."""
    for rotation in await every(change.store, Rotation, change.project.id):
        how = rotation.how
        needed = {rotation.secret, getattr(how, "credential", ""), getattr(how, "refresh", "")}
        if secret in needed - {""} or (provider and provider == getattr(how, "provider", "")):
            msg = f"the rotation of the secret {rotation.secret!r} needs it: remove that first"
            raise StillInUseError(msg)


async def note_due(office: Office, tenant: TenantId, project: ProjectId, secret: str, due: datetime) -> None:
    """Have it looked at then: before the transaction after which it is due."""
    await agenda.note(office.store, TOPIC, tenant, subject_of(project, secret), due)


async def note_put(office: Office, tenant: TenantId, project: ProjectId, secret: str) -> None:
    """Have it looked at that a secret is put by hand, where it is rotated: before it is."""
    async with office.store.reading(tenant) as reader:
        rotation = await reader.get(Rotation, (project, secret))
    if rotation is not None:
        await note_due(office, tenant, project, secret, office.now())


async def left_behind(
    reader: TenantReader, tenant: TenantId, at: datetime, project: ProjectId | None, why: str
) -> list[Alert]:
    """What is told when a project goes, or with None all of a tenant: every key that lives on at a provider."""
    prefix = () if project is None else (project,)
    # Of a rotation that was removed a record is kept too.
    turning = {rotation.key for rotation in await every(reader, Rotation, *prefix)}
    living = [key for key in await every(reader, ProviderKey, *prefix) if key.state != "revoked"]
    keys = [key for key in living if (key.project, key.secret) in turning]
    whose = sorted({(key.project, key.secret) for key in keys})
    return [
        telling.forgotten(tenant, [key for key in keys if (key.project, key.secret) == one], at, why) for one in whose
    ]
