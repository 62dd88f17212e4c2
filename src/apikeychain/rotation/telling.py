"""What is told when a rotation needs somebody: which key, why, and what is left to do.

A key is named by its label and by the provider's id of it. Neither is a secret.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from apikeychain.alerts.outbox import new_id
from apikeychain.model.alert import Alert, Severity
from apikeychain.model.ids import TenantId
from apikeychain.model.rotation_records import ProviderKey
from apikeychain.rotation.page import Page

_SERVES = "The key before serves on: no call was refused for it."
_AGAIN = "It is tried again, every hour in the end."
# An id is 512 characters at most, and is told with its label.
_LONGEST = 700
_MOST_NAMES = 20
_BROKE_OFF = "an order for a key broke off, and what came of it could not be ended"
_SEE_WHY = "see why, then rotate again"


def named(key: ProviderKey) -> str:
    """The key, as somebody finds it at the provider."""
    names = [f"id {key.id!r}" if key.id else "", f"label {key.label!r}" if key.label else ""]
    return " and ".join(filter(None, names)) or f"fingerprint {key.fingerprint}, put by hand"


def _marked(key: ProviderKey) -> str:
    """Likewise, with the fingerprint of its value: the id may be another key's."""
    return f"{named(key)} (fingerprint {key.fingerprint})" if (key.id or key.label) and key.fingerprint else named(key)


def not_made(page: Page, key: ProviderKey, why: str) -> Alert:
    """The provider refused to make a key."""
    todo = f"{_SEE_WHY}; should the provider list a key with {named(key)}, revoke it there"
    return _alert(page, "refused", _grave(key), "The provider made no new key", why=why, done=_SERVES, todo=todo)


def not_taken(page: Page, key: ProviderKey, why: str) -> Alert:
    """A key was made that is not switched to."""
    done = f"{_SERVES} The new key, {named(key)}, is being revoked."
    todo = f"{_SEE_WHY}; should the provider still list a key with label {key.label!r} then, revoke it there"
    return _alert(page, "refused", _grave(key), "A new key was not switched to", why=why, done=done, todo=todo)


def not_ended(page: Page, key: ProviderKey, why: str) -> Alert:
    """A key lives on that should not."""
    todo = _by_hand([named(key)])
    return _alert(page, "refused", "critical", "An old key was not revoked", why=why, done=_AGAIN, todo=todo)


def not_known(page: Page, key: ProviderKey, why: str) -> Alert:
    """Attempt after attempt nothing is known of what came of it."""
    what = f"The provider does not answer about a key that is {key.state}"
    todo = f"see whether the provider can be reached; the key has {named(key)}"
    return _alert(page, "failed", _grave(key), what, why=why, done=f"{_SERVES} {_AGAIN}", todo=todo)


def end_by_hand(page: Page, key: ProviderKey, why: str) -> Alert:
    """A key that is not used any more is not known to have been ended."""
    done = "It is not used."
    what, todo = "A key was replaced and may live on", _by_hand([_marked(key)])
    return _alert(page, "left", "warning", what, why=why, done=done, todo=todo)


def left_over(page: Page, names: Sequence[str], why: str = _BROKE_OFF) -> Alert:
    """A rotator could not end what an order that broke off may have left, or what was made must not be."""
    what, done = "Keys may be left at the provider", "None of them is used."
    return _alert(page, "left", "warning", what, why=why, done=done, todo=_by_hand(names))


def not_kept(page: Page, name: str, why: str) -> Alert:
    """A new value came for a secret that is not there, or is another by now."""
    what = f"A new value of the secret {name!r} was not kept"
    todo = f"see that the secret {name!r} is one that the provider takes; else put it anew"
    return _alert(page, "left", "warning", what, why=why, done=_SERVES, todo=todo)


def overtaken(page: Page, key: ProviderKey, why: str) -> Alert:
    """Somebody put the secret while a new key was made."""
    done = f"What was put serves. The new key, {named(key)}, is being revoked."
    todo = f"should the provider still list a key with label {key.label!r}, revoke it there"
    return _alert(page, "refused", "warning", "A new key was not switched to", why=why, done=done, todo=todo)


def due(page: Page) -> Alert:
    """A secret is to be replaced by hand."""
    why = f"its interval of {page.scene.rotation.hours} hours is over, or somebody asked for it"
    todo = "make a new key at the provider, put it, then end the one before"
    return _alert(page, "due", "warning", "A secret is due for a new key", why=why, done="", todo=todo)


def forgotten(tenant: TenantId, keys: Sequence[ProviderKey], at: datetime, why: str) -> Alert:
    """The rotation of a secret is removed, and keys of it live on at the provider."""
    secret, project = keys[0].secret, keys[0].project
    return Alert(
        id=new_id(),
        at=at,
        tenant=tenant,
        project=project,
        topic="rotation.left",
        severity="warning",
        what=f"A rotation was removed, and keys of it are left at the provider: secret {secret!r}.",
        why=why,
        done="Nobody ends them now.",
        todo=_by_hand(map(named, keys)),
    )


def _alert(page: Page, what: str, severity: Severity, sentence: str, *, why: str, done: str, todo: str) -> Alert:
    rotation = page.scene.rotation
    return Alert(
        id=new_id(),
        at=page.moment,
        tenant=page.scene.tenant.id,
        project=rotation.project,
        topic=f"rotation.{what}",
        severity=severity,
        what=f"{sentence}: secret {rotation.secret!r}.",
        why=why,
        done=done,
        todo=todo,
    )


def _grave(key: ProviderKey) -> Severity:
    return "critical" if key.reason == "compromised" else "warning"


def _by_hand(names: Iterable[str]) -> str:
    told = [*names]
    more = f"; and {len(told) - _MOST_NAMES} more with labels of ours" if len(told) > _MOST_NAMES else ""
    return f"revoke at the provider what is there of: {'; '.join(map(_shown, told[:_MOST_NAMES]))}{more}"


def _shown(name: str) -> str:
    """What a rotator of the host names may be of any length, and of more than one line."""
    return "".join(char if char.isascii() and char.isprintable() else "?" for char in name[:_LONGEST])
