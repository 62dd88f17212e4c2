"""What becomes of a key at its provider, and when: the decisions about the states in `key_states`.

A key is wished for (`pending`), made and sealed at once (`created`), tried by a real call (`verified`), and switched to
(`current`). The one before it is `retiring` until its grace is over, and then `revoked`. A key that came to nothing is
`retiring` without a grace. What the provider is asked for is written down before it is asked: whoever finds that it
was asked and not answered asks again with the same label.

At every moment the key that serves is one that the provider was not asked to end.

Source: contracts 8; spec 6.4.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from apikeychain.errors import ConflictError
from apikeychain.model.records import SealedSecret
from apikeychain.model.rotation_records import ProviderKey, Rotation, RotationReason
from apikeychain.model.rotators import AWSIAMRotation, ManualRotation, OAuth2Rotation
from apikeychain.rules import backoff, life
from apikeychain.rules.key_states import TRANSITIONS

Outcome = Literal["done", "refused", "unknown"]
Deed = Literal["create", "verify", "switch", "revoke", "drop", "retire", "end", "settle", "begin", "remind"]

GRACE: Final = timedelta(hours=1)
COMPROMISED_GRACE: Final = timedelta(seconds=60)
MIN_HOURS: Final = 24
MAX_HOURS: Final = 72
ALERT_ATTEMPTS: Final = 5
_FIRST_SECONDS = 2.0
_IN_THE_MAKING = frozenset({"pending", "created", "verified"})


@dataclass(frozen=True, slots=True)
class Next:
    """The next thing to do for a secret.

    Attributes:
        at: not before this moment.
        key: that it is done about, or None.
    """

    deed: Deed
    at: datetime
    key: ProviderKey | None = None


@dataclass(frozen=True, slots=True)
class Switched:
    """What a switch changes; of each pair the second stands in the place of the first."""

    rotation: Rotation
    keys: tuple[tuple[ProviderKey, ProviderKey], ...]


def next_step(rotation: Rotation, keys: Sequence[ProviderKey], sealed: SealedSecret) -> Next | None:
    """The next deed, which may be due later only; None where nothing will be due.

    Args:
        rotation: of the secret.
        keys: all of that secret.
        sealed: the secret as it serves.
    """
    found = [Next(deed, _moment_of(key, rotation), key) for key in keys if (deed := _deed_of(key, keys, sealed))]
    if not rotation.paused and in_the_making(keys) is None and not _is_full(rotation, keys):
        found.append(Next("remind" if isinstance(rotation.how, ManualRotation) else "begin", rotation.due))
    return min(found, key=lambda one: one.at, default=None)


def _is_full(rotation: Rotation, keys: Iterable[ProviderKey]) -> bool:
    """Whether one more key has no room: AWS allows a user two."""
    return isinstance(rotation.how, AWSIAMRotation) and any(key.state == "retiring" for key in keys)


def _moment_of(key: ProviderKey, rotation: Rotation) -> datetime:
    """Where the one that serves is compromised and a new one has no room, the one before makes it at once."""
    if key.state == "retiring" and key.asked is None and rotation.reason == "compromised" and _is_full(rotation, [key]):
        return min(key.after, rotation.due)
    return key.after


def _deed_of(key: ProviderKey, keys: Sequence[ProviderKey], sealed: SealedSecret) -> Deed | None:
    is_late = key.version != sealed.version + 1
    if key.state == "pending" and is_late and key.asked is None:
        return "drop"
    if key.state in {"created", "verified"} and is_late:
        return "retire"
    if key.state == "retiring" and _is_serving(key, keys, sealed):
        return "settle"
    if key.state == "retiring" and not key.id:
        return "end"
    return TRANSITIONS[key.state].deed or None


def _holder(keys: Iterable[ProviderKey], sealed: SealedSecret) -> ProviderKey | None:
    """The key that is the value of the secret."""
    return next((key for key in keys if key.state == "current" and key.version == sealed.version), None)


def _is_serving(key: ProviderKey, keys: Iterable[ProviderKey], sealed: SealedSecret) -> bool:
    """Whether a provider that gave one key twice would end the one that serves."""
    holder = _holder(keys, sealed)
    same_id = holder is not None and bool(key.id) and key.id == holder.id
    return same_id or (bool(key.fingerprint) and key.fingerprint == sealed.fingerprint)


def ends(keys: Iterable[ProviderKey], sealed: SealedSecret) -> datetime | None:
    """When the value that serves ends by itself, or None."""
    holder = _holder(keys, sealed)
    return None if holder is None else holder.expires


def in_the_making(keys: Iterable[ProviderKey]) -> ProviderKey | None:
    """The key of the turn that is under way, or None."""
    return next((key for key in keys if key.state in _IN_THE_MAKING), None)


def known(keys: Iterable[ProviderKey]) -> tuple[str, ...]:
    """The ids of all keys that are ours and may live."""
    return tuple(key.id for key in keys if key.id and key.state != "revoked")


def wished(
    rotation: Rotation, keys: Sequence[ProviderKey], sealed: SealedSecret, label: str, now: datetime
) -> ProviderKey:
    """The key that a turn begins with."""
    return ProviderKey(
        project=rotation.project,
        secret=rotation.secret,
        number=_next_number(keys),
        state="pending",
        reason=rotation.reason,
        label=label,
        created=now,
        after=now,
        version=sealed.version + 1,
    )


def came(
    key: ProviderKey,
    outcome: Outcome,
    now: datetime,
    share: float,
    failure: str = "",
    *,
    ends: datetime | None = None,
) -> ProviderKey | None:
    """The key after the provider was asked, or None where it is removed.

    Args:
        key: as it was asked for.
        outcome: what came of it.
        now: the moment.
        share: in [0, 1): draws how long is waited before the next attempt.
        failure: why it was not done, in our words.
        ends: when the value that waits for this key ends by itself, or None.
    """
    state = getattr(TRANSITIONS[key.state], outcome)
    if state == "removed":
        return None
    if state != key.state:
        return replace(key, state=state, asked=None, attempts=0, after=now, failure=failure, alerted=False)
    pause = timedelta(seconds=backoff.pause_seconds(key.attempts + 1, share, first_seconds=_FIRST_SECONDS))
    asked = key.asked if outcome == "unknown" else None
    after = now + life.capped(pause, now, ends)
    return replace(key, asked=asked, attempts=key.attempts + 1, after=after, failure=failure)


def is_alerting(key: ProviderKey, outcome: Outcome) -> bool:
    """Whether somebody is told: of the first refusal, and of the fifth attempt of which nothing is known."""
    if outcome == "done" or key.alerted:
        return False
    return outcome == "refused" or key.attempts + 1 >= ALERT_ATTEMPTS


def switched(  # noqa: PLR0917 - all that is stored of the secret, the key, and what is drawn
    rotation: Rotation, keys: Sequence[ProviderKey], old: SealedSecret, key: ProviderKey, now: datetime, share: float
) -> Switched:
    """What changes when `key` takes the place of the `old` value: those before it live until their grace is over."""
    ends = now + grace(rotation.reason)
    changed = [(key, replace(key, state="current", sealed=b"", asked=None, after=now, attempts=0, failure=""))]
    for other in keys:
        if other.state == "current":
            changed.append((other, _replaced(other, old, ends)))
        elif other.state == "retiring" and other.after > ends:
            changed.append((other, replace(other, after=ends)))
    return Switched(turned(rotation, now, share, key.expires), tuple(changed))


def grace(reason: RotationReason) -> timedelta:
    """How long a key that is replaced serves calls that are in flight."""
    return COMPROMISED_GRACE if reason == "compromised" else GRACE


def turned(rotation: Rotation, now: datetime, share: float, expires: datetime | None = None) -> Rotation:
    """The rotation after its secret has a new value: due after the interval, or before the value ends by itself."""
    later = replace(rotation, due=due_after(now, rotation.hours, share), reason="schedule", refusals=0, failure="")
    if expires is None:
        return later
    renewal = life.renewal(now, expires, share)
    return replace(later, due=renewal, reason="expiring") if renewal < later.due else later


def refused(rotation: Rotation, now: datetime, failure: str, ends: datetime | None = None) -> Rotation:
    """The rotation after a turn came to nothing: the next one begins after 1, 2, 4 ... hours, up to the interval.

    It begins sooner where the value that serves `ends` by itself.
    """
    hours = min(rotation.hours, 2 ** min(rotation.refusals, 7))
    pause = life.capped_refusal(timedelta(hours=hours), now, ends)
    return replace(rotation, due=now + pause, refusals=rotation.refusals + 1, failure=failure)


def is_told(rotation: Rotation, now: datetime, failure: str, ends: datetime | None) -> bool:
    """Whether the same refusal was told of a short while ago: before a token ends, attempts come in minutes.

    Of other keys each refusal is told: it may have left one that only its label names. Tokens end by themselves.
    """
    is_again = rotation.refusals > 0 and rotation.failure == failure
    return isinstance(rotation.how, OAuth2Rotation) and is_again and ends is not None and ends > now


def due_after(last: datetime, hours: int, share: float) -> datetime:
    """When a secret is due that was replaced at `last`; `share`, in [0, 1), draws 9 to 10 tenths of the interval."""
    return last + timedelta(hours=hours) * (0.9 + share / 10)


def reckoned(
    rotation: Rotation, keys: Sequence[ProviderKey], old: SealedSecret, sealed: SealedSecret, now: datetime
) -> list[ProviderKey]:
    """The keys as they are once somebody put `sealed` by hand for the `old` value: only those that change, or are new.

    The value may be that of a key that is known; else it is a key whose id nobody said. What it replaced retires, but
    for a manual rotation: there whoever puts a key ends the one before.

    Raises:
        ConflictError: the provider ended the key that was put, or was asked to.
    """
    if any(key.state == "revoked" and key.id and key.fingerprint == sealed.fingerprint for key in keys):
        msg = f"this key of the secret {rotation.secret!r} was ended at its provider: put another one"
        raise ConflictError(msg)
    before = next((key for key in keys if key.state == "current"), None)
    if before is not None and before.fingerprint == sealed.fingerprint:
        return [_serving(before, sealed, now)]
    if before is not None and isinstance(rotation.how, ManualRotation):
        # Another key, of which nothing is known that was known of the one before.
        return [replace(put_by_hand(rotation, keys, sealed, now), number=before.number)]
    changed = [] if before is None else [_replaced(before, old, now + grace(rotation.reason))]
    back = next((key for key in keys if key.state == "retiring" and key.fingerprint == sealed.fingerprint), None)
    if back is not None and back.asked is not None:
        msg = f"this key of the secret {rotation.secret!r} is being ended at its provider: put another one"
        raise ConflictError(msg)
    if back is not None:
        return [*changed, _serving(back, sealed, now)]
    return [*changed, put_by_hand(rotation, keys, sealed, now)]


def _serving(key: ProviderKey, sealed: SealedSecret, now: datetime) -> ProviderKey:
    again = replace(key, state="current", asked=None, attempts=0, after=now, failure="", alerted=False)
    return replace(again, sealed=b"", version=sealed.version, fingerprint=sealed.fingerprint)


def _replaced(key: ProviderKey, old: SealedSecret, ends: datetime) -> ProviderKey:
    kept = old.sealed if key.version == old.version else b""
    return replace(key, state="retiring", sealed=kept, after=ends)


def put_by_hand(
    rotation: Rotation, keys: Sequence[ProviderKey], sealed: SealedSecret, now: datetime, key_id: str = ""
) -> ProviderKey:
    """The key that somebody put."""
    return ProviderKey(
        project=rotation.project,
        secret=rotation.secret,
        number=_next_number(keys),
        state="current",
        reason="command",
        label="",
        created=now,
        after=now,
        id=key_id,
        version=sealed.version,
        fingerprint=sealed.fingerprint,
    )


def spent(keys: Iterable[ProviderKey]) -> list[ProviderKey]:
    """Those whose records go when one more is revoked: all that were revoked before."""
    return [key for key in keys if key.state == "revoked"]


def _next_number(keys: Iterable[ProviderKey]) -> int:
    return max((key.number for key in keys), default=0) + 1
