"""What no asset of a project may hold: every secret of it that is of use to whoever reads it.

These are its secrets, the keys at providers that are about to serve or retire, and its signing keys. What does not open
may stand in the asset all the same, so that nothing is put then. But a key that retires and was put for another address
than its provider has by now opens for nobody ever again, and keeps nothing from being put.

Source: spec 7.1; contracts 4 ("Redaction"), 8 (the grace).
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from apikeychain.errors import InvalidValueError, SealedValueError, SecretUnavailableError
from apikeychain.listing import every
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.provider import Provider
from apikeychain.model.records import ProjectKey, RegisteredProvider, SealedSecret, SigningKey, Tenant
from apikeychain.model.rotation_records import ProviderKey
from apikeychain.rules.asset_secrets import secret_in
from apikeychain.rules.redaction import needles, plain_needles
from apikeychain.rules.scrubbing import Needles
from apikeychain.secret import Secret
from apikeychain.tenants.change import Office, require_tenant
from apikeychain.vault.resealing import SealedProject, context_of

_Kept = SealedSecret | ProviderKey | SigningKey
_log = logging.getLogger("apikeychain")


@dataclass(frozen=True, slots=True)
class _Found:
    owner: Tenant
    keys: dict[str, ProjectKey]
    sealed: SealedProject
    live: list[_Kept]


async def require_none(office: Office, tenant: TenantId, project: ProjectId, body: bytes) -> None:
    """Raise unless no secret of the project stands in a body.

    Raises:
        InvalidValueError: one does, or one does not open. The text names it, never its value.
        BackendUnavailableError: the key service does not answer.
    """
    found = await _found(office, tenant, project)
    opened = [(record, text) for record in found.live if (text := await _opened(office, found, record))]
    name = await office.making.bring(partial(_first_in, body, found, opened))
    if name is not None:
        msg = f"it holds {name}, and whoever loads it would have that: take it out"
        raise InvalidValueError(msg)


async def _found(office: Office, tenant: TenantId, project: ProjectId) -> _Found:
    async with office.store.reading(tenant) as rows:
        owner = await require_tenant(rows, tenant)
        keys = {key.version: key for key in await every(rows, ProjectKey, project)}
        registered = {one.provider.name: one.provider for one in await every(rows, RegisteredProvider, project)}
        secrets = await every(rows, SealedSecret, project)
        provider_keys = await every(rows, ProviderKey, project)
        signing_keys = await every(rows, SigningKey, project)
    providers = {secret.name: registered[secret.provider] for secret in secrets if secret.provider in registered}
    live: list[_Kept] = [*secrets, *(key for key in provider_keys if key.sealed and key.state != "revoked")]
    live += [key for key in signing_keys if key.is_good(office.now())]
    return _Found(owner, keys, SealedProject(tenant=tenant, providers=providers, records=live), live)


async def _opened(office: Office, found: _Found, record: _Kept) -> Secret | None:
    """What a record holds; None for a key that retires and does not open."""
    try:
        return await office.vault.open_text(found.owner, found.keys, record.sealed, context_of(found.sealed, record))
    except (SecretUnavailableError, SealedValueError):
        if isinstance(record, ProviderKey) and record.state == "retiring":
            _log.warning(
                "%s of the project %s does not open: no asset is searched for it", _name(record), record.project
            )
            return None
        msg = f"{_name(record)} does not open, so that nobody can say whether it stands in an asset: put it again, or "
        raise InvalidValueError(msg + "remove it") from None


def _first_in(body: bytes, found: _Found, opened: Sequence[tuple[_Kept, Secret]]) -> str | None:
    return secret_in(body, [(_name(record), _needles(found.sealed.providers, record, text)) for record, text in opened])


def _needles(providers: Mapping[str, Provider], record: _Kept, text: Secret) -> Needles:
    if isinstance(record, SigningKey):
        return plain_needles(text)
    return needles(providers[record.secret if isinstance(record, ProviderKey) else record.name], text)


def _name(record: _Kept) -> str:
    if isinstance(record, SealedSecret):
        return f"the secret {record.name!r}"
    if isinstance(record, ProviderKey):
        return f"the {record.state} key {record.number} of the secret {record.secret!r}"
    return f"the signing key {record.id!r}"
