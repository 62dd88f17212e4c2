"""Who makes and ends keys at a provider."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from typing import Literal, Protocol, cast

from apikeychain.errors import InvalidValueError
from apikeychain.model.ids import TenantId, parse_tenant_id
from apikeychain.model.provider import BaseURL
from apikeychain.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One key that is wanted.

    Attributes:
        label: names it at the provider, and is its idempotency key: 1 to 64 letters, digits and ``-``.
        again: whether it was ordered before and it is not known what came of it.
        known: the ids of all keys that are ours at that provider; whatever else has that label is not.
    """

    label: str
    again: bool = False
    known: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that a provider made.

    Attributes:
        key: the key itself.
        id: by which the provider knows it, or "".
        expires: when it ends by itself, or None.
        also: further secrets that came with it, by the names under which they are put: a new refresh token.
        orphans: labels or ids of keys that may live at the provider and could not be ended: somebody has to.
    """

    key: Secret = field(repr=False)
    id: str = ""
    expires: datetime | None = None
    also: Mapping[str, Secret] = field(default_factory=dict[str, Secret], repr=False)
    orphans: tuple[str, ...] = ()


class Rotator(Protocol):
    """Makes, tries and ends keys of one account at one provider.

    Contract (tested by `apikeychain.testing.RotatorContract`):
        R1: `create` makes one key, which the provider then takes.
        R2: of an order that comes again, one key is alive in the end at most: that which the last `create` returned;
            what it cannot end, and what does not end by itself, it names in `orphans`.
        R3: `verify` returns where the provider takes the key, and raises RotationRefusedError where it does not.
        R4: `revoke` ends the key of that id, or leaves one that ends by itself to its end; where the provider knows
            no such key, that is no error, and may be told as "gone": then it is known who ended it, or somebody is
            asked to look.
        R5: what a provider refuses for good raises RotationRefusedError: nothing was made or ended that lives on.
            What this order, or an earlier one of the same label, may have made all the same stands in its `orphans`.
        R6: a provider that cannot be reached, or does not answer in time, raises BackendUnavailableError: what came
            of it is not known.
        R7: no error and no text of one holds anything of a key or of an answer.
    """

    async def create(self, order: Order) -> NewKey:
        """One new key."""
        ...

    async def verify(self, key: Secret) -> None:
        """Make a real call with the key that changes nothing."""
        ...

    async def revoke(self, key_id: str) -> Literal["gone"] | None:
        """End the key of that id; "gone" where the provider says that it knows none."""
        ...


@dataclass(frozen=True, slots=True)
class Account:
    """Whose keys a rotator of the host makes, and where: another tenant's rotation does not get it by its name.

    Attributes:
        rotator: makes and ends keys of this account.
        base_url: of the provider that takes the keys, as tenants register it; a final slash is dropped.
        tenants: the ids of the tenants whose account it is, at least one. Where they are several, a key whose id one of
            them said is ended by hand: it could be another's.

    Raises:
        InvalidValueError: `tenants` is no tuple of ids, or `base_url` none that a provider can have.
    """

    rotator: Rotator
    _: KW_ONLY
    base_url: str
    tenants: tuple[str, ...]

    def __post_init__(self) -> None:
        if not isinstance(cast("object", self.tenants), tuple) or not self.tenants:
            msg = f"Account(tenants=...) takes a tuple of tenants' ids, at least one, not {self.tenants!r}"
            raise InvalidValueError(msg)
        for tenant in self.tenants:
            parse_tenant_id(tenant)
        object.__setattr__(self, "base_url", BaseURL.parse(self.base_url.removesuffix("/")).text)

    def is_for(self, tenant: TenantId, base_url: str) -> bool:
        """Whether it makes keys of that tenant for the provider at that base URL."""
        return tenant in self.tenants and base_url == self.base_url
