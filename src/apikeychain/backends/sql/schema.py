"""The tables: one per kind of record, the tenant first in every key and in every reference.

The types exist in SQLite and PostgreSQL alike; text compares by code point in both. References are judged at the
commit, so that the order of deeds inside a transaction does not matter.
"""

from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    ForeignKeyConstraint,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from apikeychain.model.alert import OutgoingAlert
from apikeychain.model.asset import Asset, AssetTokenKey, AssetVersion, LooseObject
from apikeychain.model.cryptoperiod import Cryptoperiod
from apikeychain.model.errand import Errand
from apikeychain.model.finding import Finding
from apikeychain.model.ledger_records import CheckpointKeys, OpenEntries, SignedChain, Worker
from apikeychain.model.records import (
    AddedRoute,
    AllowedOrigin,
    Project,
    ProjectKey,
    ProjectName,
    RegisteredProvider,
    SealedSecret,
    SigningKey,
    Tenant,
)
from apikeychain.model.rotation_records import ProviderKey, Rotation
from apikeychain.model.suspension import Suspension
from apikeychain.model.watch import CountedWindow, TightenedQuota, WatchMemory, WatchPolicy

SCHEMA = "apikeychain"
metadata = MetaData(schema=SCHEMA)
_word = String().with_variant(String(collation="C"), "postgresql")


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where the records of one kind are kept.

    Attributes:
        names: the columns of the record's key, in order.
    """

    table: Table
    names: tuple[str, ...]

    @property
    def columns(self) -> tuple[ColumnElement[str], ...]:
        """The columns of the record's key, in order."""
        return tuple(self.table.c[name] for name in self.names)


def _shelf(name: str, names: tuple[str, ...], *constraints: ForeignKeyConstraint | UniqueConstraint) -> Shelf:
    table = Table(
        name,
        metadata,
        *(Column(column, _word, nullable=False) for column in ("tenant", *names)),
        Column("generation", BigInteger, nullable=False),
        Column("body", Text, nullable=False),
        PrimaryKeyConstraint("tenant", *names, name=f"pk_{name}"),
        *constraints,
    )
    return Shelf(table, names)


def _of(owner: str, name: str, *columns: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        columns,
        [f"{SCHEMA}.{owner}.{column}" for column in columns],
        name=f"fk_{name}_{owner}",
        deferrable=True,
        initially="DEFERRED",
    )


def _of_tenant(name: str, column: str, *, unique: bool = False) -> Shelf:
    constraints: list[ForeignKeyConstraint | UniqueConstraint] = [_of("tenants", name, "tenant")]
    if unique:
        constraints.append(UniqueConstraint(column, name=f"uq_{name}_{column}"))
    return _shelf(name, (column,), *constraints)


def _of_project(name: str, *names: str) -> Shelf:
    return _shelf(name, ("project", *names), _of("projects", name, "tenant", "project"))


SHELVES: dict[str, Shelf] = {
    Tenant.kind: _shelf("tenants", ()),
    ProjectName.kind: _of_tenant("project_names", "name"),
    # A project's id is public and alone says whose it is: no two tenants may have the same.
    Project.kind: _of_tenant("projects", "project", unique=True),
    AllowedOrigin.kind: _of_project("origins", "origin"),
    RegisteredProvider.kind: _of_project("providers", "name"),
    AddedRoute.kind: _of_project("routes", "name"),
    ProjectKey.kind: _of_project("project_keys", "version"),
    SealedSecret.kind: _of_project("secrets", "name"),
    SigningKey.kind: _of_project("signing_keys", "id"),
    Suspension.kind: _of_project("suspensions", "scope", "value"),
    Rotation.kind: _of_project("rotations", "secret"),
    ProviderKey.kind: _of_project("provider_keys", "secret", "number"),
    WatchPolicy.kind: _of_project("watch_policies"),
    WatchMemory.kind: _of_project("watch_memories"),
    CountedWindow.kind: _of_project("counted_windows", "begun", "worker"),
    TightenedQuota.kind: _of_project("tightened_quotas", "scope", "value"),
    Finding.kind: _of_project("findings", "id"),
    Asset.kind: _of_project("assets", "path"),
    AssetVersion.kind: _of_project("asset_versions", "path", "number"),
    LooseObject.kind: _of_project("loose_objects", "object"),
    AssetTokenKey.kind: _of_project("asset_token_keys", "version"),
    # Like the chains they outlive a tenant, and the platform is none: no reference.
    CheckpointKeys.kind: _shelf("checkpoint_keys", ("id",)),
    SignedChain.kind: _shelf("checkpoints", ()),
    Worker.kind: _shelf("workers", ("id",)),
    OpenEntries.kind: _shelf("open_entries", ("worker", "owner")),
    OutgoingAlert.kind: _shelf("alerts", ("id",)),
    Errand.kind: _shelf("errands", ("topic", "owner", "subject")),
    Cryptoperiod.kind: _shelf("cryptoperiods", ("name",)),
}
TENANTS = SHELVES[Tenant.kind].table
PROJECTS = SHELVES[Project.kind].table

# The chain outlives its tenant: no reference. `at` is the payload's own text, so that no driver can round it.
LEDGER = Table(
    "ledger",
    metadata,
    Column("tenant", _word, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at", _word, nullable=False),
    Column("kind", _word, nullable=False),
    Column("actor", _word, nullable=False),
    Column("project", _word),
    Column("payload", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tenant", "seq", name="pk_ledger"),
)
# One row a chain.
HEADS = Table(
    "heads",
    metadata,
    Column("tenant", _word, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tenant", name="pk_heads"),
)
LEASES = Table(
    "leases",
    metadata,
    Column("tenant", _word, nullable=False),
    Column("name", _word, nullable=False),
    Column("holder", _word, nullable=False),
    Column("until_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "name", name="pk_leases"),
)
# In SQLite alone. The last change of every project that ever was: a removed one keeps its row, so stamps only rise.
CHANGES = Table(
    "changes",
    metadata,
    Column("tenant", _word, nullable=False),
    Column("project", _word, nullable=False),
    Column("stamp", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "project", name="pk_changes"),
    UniqueConstraint("stamp", name="uq_changes_stamp"),
)
