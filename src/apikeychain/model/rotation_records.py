"""What a store keeps of keys that turn: when a secret is due, and where each key at its provider stands.

Source: contracts 8.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal

from apikeychain.model.ids import ProjectId
from apikeychain.model.rotators import HowToRotate

KeyState = Literal["pending", "created", "verified", "current", "retiring", "revoked"]
RotationReason = Literal["schedule", "command", "compromised", "expiring"]
DEFAULT_HOURS = 72


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """That a secret of a project is replaced again and again.

    Attributes:
        secret: its name.
        how: what makes and ends keys at the provider.
        hours: between two turns, 24 to 72; each is drawn a little earlier.
        due: when the next turn begins.
        reason: why it is due then.
        paused: whether no turn begins; one that is under way is ended.
        refusals: how many turns in a row the provider refused.
        failure: why the last turn came to nothing, without anything that the provider said; or "".
    """

    kind: ClassVar[str] = "rotation"
    project: ProjectId
    secret: str
    how: HowToRotate
    created: datetime
    due: datetime
    hours: int = DEFAULT_HOURS
    reason: RotationReason = "schedule"
    paused: bool = False
    refusals: int = 0
    failure: str = ""
    generation: int = 1

    @property
    def key(self) -> tuple[str, ...]:
        """Project and secret."""
        return (self.project, self.secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderKey:
    """One key at a provider, from the wish for it to its end.

    Attributes:
        secret: the name of the secret that it is a value of.
        number: counts the keys of that secret, from 1.
        state: see `apikeychain.rules.key_states`.
        reason: of the turn that made it.
        label: names it at the provider, and is the idempotency key of its making.
        id: the provider's, or "" where it is not known.
        sealed: the key as a sealed value; empty while it is `pending`, and while it is `current`: then it is the value
            of the secret. It is kept to the end, so that it has a fingerprint under the project's next key too.
        version: of the secret, that it is, is to be or was: to that it is sealed.
        fingerprint: of the key; "" before it is created, or where its value did not open when the project's key turned.
        asked: when the provider was asked for the next step and has not answered yet, or None.
        attempts: how often the next step failed.
        after: no next step before this moment; while `retiring`, the end of the grace.
        expires: when it ends by itself, or None.
        failure: why the last attempt failed, without anything that the provider said; or "".
        alerted: whether somebody was told of a failure in this state.
    """

    kind: ClassVar[str] = "provider-key"
    project: ProjectId
    secret: str
    number: int
    state: KeyState
    reason: RotationReason
    label: str
    created: datetime
    after: datetime
    id: str = ""
    sealed: bytes = field(default=b"", repr=False)
    version: int = 0
    fingerprint: str = ""
    asked: datetime | None = None
    attempts: int = 0
    expires: datetime | None = None
    failure: str = ""
    alerted: bool = False
    generation: int = 1

    @property
    def key(self) -> tuple[str, ...]:
        """Project, secret and number, in eight digits."""
        return (self.project, self.secret, f"{self.number:08}")
