"""The values of a project come under its next key.

`SEALED` is the one place that lists every kind of record with a sealed value, and `context_of` says whom each value
serves. A kind that is missing here would stay under a key that is destroyed.

Source: contracts 5, "Rotation" (re-seals and re-verifies every value).
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never, final

from apikeychain.errors import InvalidValueError, SealedValueError
from apikeychain.model.asset import AssetTokenKey, AssetVersion
from apikeychain.model.ids import TenantId
from apikeychain.model.keys import SealContext
from apikeychain.model.provider import Provider
from apikeychain.model.records import ProjectKey, SealedSecret, SigningKey
from apikeychain.model.rotation_records import ProviderKey
from apikeychain.primitives import key_version_of, open_value, seal_value
from apikeychain.secret import Secret
from apikeychain.vault import contexts
from apikeychain.vault.derivation import fingerprint

Sealed = SealedSecret | SigningKey | ProviderKey | AssetVersion | AssetTokenKey
SEALED: tuple[type[Sealed], ...] = (SealedSecret, SigningKey, ProviderKey, AssetVersion, AssetTokenKey)
# What a key at a provider is that serves no more, or never will.
_PAST = frozenset({"retiring", "revoked"})
_log = logging.getLogger("apikeychain")


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedProject:
    """All of a project that is sealed, and what the seals are bound to.

    Attributes:
        tenant: whose project it is.
        providers: the registered provider of each secret, by the name of the secret.
        records: every record of a kind in `SEALED`, those whose value is empty too.
    """

    tenant: TenantId
    providers: Mapping[str, Provider]
    records: Sequence[Sealed]

    @property
    def values(self) -> int:
        """How many values are sealed."""
        return sum(bool(record.sealed) for record in self.records)

    @property
    def versions(self) -> frozenset[str]:
        """The versions of the project's key that sealed them; what is no sealed value names none."""
        return frozenset(version for record in self.records if (version := _version_of(record)))


def context_of(project: SealedProject, record: Sealed) -> SealContext:
    """Whom the value of a record serves.

    Raises:
        SealedValueError: it belongs to a secret that there is no more.
    """
    match record:
        case SealedSecret():
            name, version = record.name, record.version
        case ProviderKey():
            name, version = record.secret, record.version
        case SigningKey():
            return contexts.of_signing_key(project.tenant, record.project, record.id)
        case AssetVersion():
            return contexts.of_asset_key(project.tenant, record)
        case AssetTokenKey():
            return contexts.of_old_asset_token_key(project.tenant, record)
        case _:
            assert_never(record)
    if name not in project.providers:
        raise SealedValueError
    return contexts.of_secret(project.tenant, record.project, project.providers[name], name, version)


@final
@dataclass(slots=True, kw_only=True)
class Resealing:
    """Seals one project's values anew, one by one; each is opened again and compared.

    Attributes:
        project: what is sealed.
        opened: the derived keys of the versions that sealed it, by version.
        key: the next version.
        derived: its derived key.
        marks: the fingerprints of old, and what each is under the next key.
    """

    project: SealedProject
    opened: Mapping[str, bytes] = field(repr=False)
    key: ProjectKey
    derived: bytes = field(repr=False)
    marks: dict[str, str] = field(default_factory=dict[str, str])

    def resealed(self, record: Sealed) -> Sealed:
        """The next generation of a record, its value under the next key; the record itself where it has none.

        A key at a provider that serves no more, and was for another address, keeps no project from turning: it goes on
        without its value.

        Raises:
            SealedValueError: its value does not open, and the log says which.
        """
        if not record.sealed:
            return record
        try:
            return self._resealed(record, context_of(self.project, record).encoded)
        except (SealedValueError, InvalidValueError):
            told = record.kind, "/".join(record.key[1:]), record.project
            if isinstance(record, ProviderKey) and record.state in _PAST:
                _log.warning("the %s %r of the project %s does not open and is dropped", *told)
                return self._without_value(record)
            _log.error("the %s %r of the project %s does not open", *told)
            raise SealedValueError from None

    def remarked(self, record: Sealed) -> Sealed:
        """The same of a record without a value whose fingerprint is that of a value: for when all of these are done."""
        if record.sealed or not isinstance(record, ProviderKey) or record.fingerprint not in self.marks:
            return record
        return replace(record, fingerprint=self.marks[record.fingerprint], generation=record.generation + 1)

    def _without_value(self, record: ProviderKey) -> ProviderKey:
        """Its mark goes too, unless it is that of a secret: those are sealed anew before."""
        mark = self.marks.get(record.fingerprint, "")
        return replace(record, sealed=b"", fingerprint=mark, generation=record.generation + 1)

    def _resealed(self, record: Sealed, context: bytes) -> Sealed:
        value = _opened(self.opened.get(_version_of(record)), record.sealed, context)
        sealed = seal_value(self.derived, bytes.fromhex(self.key.version), value.reveal(), context)
        if not value.matches(_opened(self.derived, sealed, context)):
            raise SealedValueError
        following = record.generation + 1
        if not isinstance(record, SealedSecret | ProviderKey):
            return replace(record, sealed=sealed, generation=following)
        mark = fingerprint(self.derived, contexts.of_fingerprint_key(self.project.tenant, record.project), value)
        self.marks[record.fingerprint] = mark
        return replace(record, sealed=sealed, fingerprint=mark, generation=following)


def _version_of(record: Sealed) -> str:
    try:
        return key_version_of(record.sealed).hex()
    except SealedValueError:
        return ""


def _opened(derived: bytes | None, sealed: bytes, context: bytes) -> Secret:
    if derived is None:
        raise SealedValueError
    return Secret(open_value(derived, sealed, context).decode("latin-1"))
