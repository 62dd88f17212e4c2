"""What a store keeps of a tenant: frozen records, each with a kind, a key and a generation.

A key is a tuple of strings, unique among the tenant's records of that kind; everything of a project begins with the
project's id. A generation counts the changes of one record, from 1. What belongs to a chain, and not to a tenant, is
in `ledger_records`.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal, cast, get_args

from apikeychain.model.alert import OutgoingAlert
from apikeychain.model.asset import AssetRecord
from apikeychain.model.cryptoperiod import Cryptoperiod
from apikeychain.model.errand import Errand
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger_records import CheckpointKeys, LedgerRecord, OpenEntries, SignedChain, Worker
from apikeychain.model.origin import Origin
from apikeychain.model.provider import Provider
from apikeychain.model.rotation_records import ProviderKey, Rotation
from apikeychain.model.route import ProxyRoute, Require
from apikeychain.model.suspension import Suspension
from apikeychain.model.watch import WatchRecord

Key = tuple[str, ...]
KDF = Literal["argon2id", "pbkdf2-sha512"]
DEFAULT_KEY_SERVICE = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A tenant and its own keys, wrapped by the key service.

    Attributes:
        wrapped_secret: the 32-byte tenant secret that every derived key needs.
        wrapped_pseudonym_key: the 32-byte key of the pseudonyms in its ledger; destroyed with the tenant.
        key_service: the name of the key service that wrapped these and every key of its projects.
        secret_number: counts its tenant secrets, from 1.
        wrapped_old_secret: the one before, while keys of projects are left that were derived from it; else empty.
        secret_created: when the tenant secret was made; None where it is as old as the tenant.
        erased: when its keys were destroyed, or None; what is wrapped is empty then, and its chain is all that is left.
    """

    kind: ClassVar[str] = "tenant"
    id: TenantId
    created: datetime
    wrapped_secret: bytes = field(repr=False)
    wrapped_pseudonym_key: bytes = field(repr=False)
    key_service: str = DEFAULT_KEY_SERVICE
    secret_number: int = 1
    wrapped_old_secret: bytes = field(default=b"", repr=False)
    secret_created: datetime | None = None
    erased: datetime | None = None
    generation: int = 1

    @property
    def key(self) -> Key:
        """Empty: a tenant has one."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectName:
    """The label of a project, unique in its tenant."""

    kind: ClassVar[str] = "project-name"
    name: str
    project: ProjectId
    generation: int = 1

    @property
    def key(self) -> Key:
        """The name."""
        return (self.name,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project. Its generation is raised by every change of anything in it.

    Attributes:
        enabled: whether the proxy serves it.
        quota: of all its callers together.
        address_quota: of one caller address; None for a tenth of the project's, at least 30 a minute.
        user_quota: of one user of the application, as its login or X-Iso-User names him, or None.
        origin_quota: of one allowed origin, or None.
        observe_quotas: whether a quota that is used up is logged and the call admitted all the same.
        referer_fallback: whether a GET with neither Origin nor Sec-Fetch headers is admitted by its Referer.
        require: what a call has to bring: `origin` an allowed one, `session` a signature with a session key or better,
            `signature` one with a signing key.
        require_caller: whether a call also needs a caller whom the host's own login has named.
        signed_headers: further request headers that a signature covers, lower case, sorted.
        assets: whether assets may be put, and are served; the proxy has a switch of its own.
        asset_tokens: whether each request for an asset needs a token that expires.
    """

    kind: ClassVar[str] = "project"
    id: ProjectId
    name: str
    created: datetime
    enabled: bool = False
    quota: str = "600/minute"
    address_quota: str | None = None
    user_quota: str | None = None
    origin_quota: str | None = None
    observe_quotas: bool = False
    referer_fallback: bool = False
    require: Require = "origin"
    require_caller: bool = False
    signed_headers: tuple[str, ...] = ()
    assets: bool = False
    asset_tokens: bool = False
    generation: int = 1

    @property
    def key(self) -> Key:
        """The project's id."""
        return (self.id,)


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedOrigin:
    """An origin on a project's list."""

    kind: ClassVar[str] = "origin"
    project: ProjectId
    origin: Origin
    created: datetime
    generation: int = 1

    @property
    def key(self) -> Key:
        """Project and origin."""
        return (self.project, self.origin)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredProvider:
    """A provider of a project."""

    kind: ClassVar[str] = "provider"
    project: ProjectId
    provider: Provider
    created: datetime
    generation: int = 1

    @property
    def key(self) -> Key:
        """Project and name."""
        return (self.project, self.provider.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedRoute:
    """A route of a project."""

    kind: ClassVar[str] = "route"
    project: ProjectId
    route: ProxyRoute
    created: datetime
    generation: int = 1

    @property
    def key(self) -> Key:
        """Project and name."""
        return (self.project, self.route.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectKey:
    """One version of a project's encryption key; the newest one seals.

    Attributes:
        version: 32 hex digits: the 16 bytes in every value that it sealed.
        number: counts a project's versions, from 1.
        kdf: the profile behind it.
        salt: its own 32 random bytes.
        wrapped_master: the 32-byte master key, wrapped by the key service.
        wrapped_derived: the 32-byte derived key, wrapped by the key service.
        wrapped_metadata: canonical JSON of number, kdf and creation, wrapped by the key service, so that a
            database writer cannot lower them.
        secret_number: of the tenant secret that it was derived from.
        uses: how many values it sealed.
        secret_uses: how many keys of the project were derived from that tenant secret, with this one.
    """

    kind: ClassVar[str] = "project-key"
    project: ProjectId
    version: str
    number: int
    created: datetime
    kdf: KDF
    salt: bytes
    wrapped_master: bytes = field(repr=False)
    wrapped_derived: bytes = field(repr=False)
    wrapped_metadata: bytes = field(repr=False)
    secret_number: int = 1
    uses: int = 0
    secret_uses: int = 1
    generation: int = 1

    @property
    def key(self) -> Key:
        """Project and version."""
        return (self.project, self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedSecret:
    """A provider's secret, sealed. It is never readable back.

    Attributes:
        provider: the name of the only provider that it is injected for.
        version: counts how often it was put.
        fingerprint: 16 hex digits, keyed: equal for equal secrets of this project.
        sealed: the sealed value of contracts 5.
        created: when the name was first put; `changed`: when this version was.
    """

    kind: ClassVar[str] = "secret"
    project: ProjectId
    name: str
    provider: str
    version: int
    fingerprint: str
    sealed: bytes = field(repr=False)
    created: datetime
    changed: datetime
    generation: int = 1

    @property
    def key(self) -> Key:
        """Project and name."""
        return (self.project, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A key with which an application of the tenant signs its calls. It is never readable back.

    Attributes:
        id: what a caller sends as ``x-key-id``.
        sealed: the text of the key as it was shown, as a sealed value of contracts 5.
        until: from then on it is good no more, or None.
    """

    kind: ClassVar[str] = "signing-key"
    project: ProjectId
    id: str
    created: datetime
    sealed: bytes = field(repr=False)
    until: datetime | None = None
    generation: int = 1

    @property
    def key(self) -> Key:
        """Project and id."""
        return (self.project, self.id)

    def is_good(self, moment: datetime) -> bool:
        """Whether it may sign at that moment."""
        return self.until is None or moment < self.until


Record = (
    Tenant
    | ProjectName
    | Project
    | AllowedOrigin
    | RegisteredProvider
    | AddedRoute
    | ProjectKey
    | SealedSecret
    | SigningKey
    | Suspension
    | Rotation
    | ProviderKey
    | OutgoingAlert
    | Errand
    | Cryptoperiod
    | WatchRecord
    | AssetRecord
    | LedgerRecord
)
KINDS = {record.kind: record for record in cast("tuple[type[Record], ...]", get_args(Record))}
# Of these neither the tenant nor a project has to be stored.
CHAIN_KINDS = frozenset(
    record.kind for record in (CheckpointKeys, SignedChain, Worker, OpenEntries, OutgoingAlert, Errand, Cryptoperiod)
)
