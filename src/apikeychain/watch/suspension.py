"""The one deed of a suspension: the record, the project's generation and the ledger entry, in one transaction.

Source: contracts 7; spec 8.3.
"""

import ipaddress
from dataclasses import replace
from datetime import datetime

from apikeychain.errors import DoesNotExistError, InvalidValueError
from apikeychain.model.ids import ProjectId, parse_name
from apikeychain.model.ledger import JSON, timestamp
from apikeychain.model.origin import parse_origin
from apikeychain.model.records import Project
from apikeychain.model.suspension import Scope, Suspension
from apikeychain.ports.store import TenantReader, TenantStore
from apikeychain.rules import chain
from apikeychain.rules.caller import bucket_address

MAX_REASON = 200


async def suspend(
    tenant_store: TenantStore,
    project: ProjectId,
    scope: Scope,
    value: str,
    *,
    reason: str,
    until: datetime | None,
    at: datetime,
    actor: str,
    pseudonym: str | None = None,
) -> Suspension:
    """Refuse what `scope` and `value` name from now on; one that is suspended already gets the new reason and end.

    Args:
        tenant_store: the transaction; the caller commits it and publishes the change.
        project: the project that it is part of.
        scope: what `value` names.
        value: a route's name, an origin, a caller's address (of IPv6 its /64 is meant); "" for the whole project.
        reason: for people, at most 200 characters. It stands in the ledger: no address, no name.
        until: when it ends by itself, or None.
        at: now.
        actor: whoever does it, see `chain.admin`.
        pseudonym: of a caller's address; the address itself never gets into the ledger.

    Raises:
        DoesNotExistError: there is no such project.
        InvalidValueError: a value that is none of its scope, an end that is over, a reason that is too long.
        ConflictError: somebody else changed the project or the suspension in the meantime.
    """
    _require_sense(reason, until, at)
    value = _parse_value(scope, value)
    owner = await owner_of(tenant_store, project)
    before = await tenant_store.get(Suspension, (project, scope, value))
    suspension = Suspension(project=project, scope=scope, value=value, reason=reason, created=at, until=until)
    if before is None:
        await tenant_store.insert(suspension)
    else:
        suspension = replace(suspension, generation=before.generation + 1)
        await tenant_store.replace(suspension, before.generation)
    data: dict[str, JSON] = {
        **_subject(scope, value, pseudonym),
        "reason": reason,
        "until": timestamp(until) if until else None,
    }
    verb = "changed" if before else "created"
    await tenant_store.append([chain.admin(f"suspension.{verb}", at=at, actor=actor, project=project, data=data)])
    await raise_generation(tenant_store, owner)
    return suspension


async def lift(
    tenant_store: TenantStore,
    project: ProjectId,
    scope: Scope,
    value: str,
    *,
    at: datetime,
    actor: str,
    pseudonym: str | None = None,
) -> Suspension:
    """End a suspension, over or not, and return what it was. See `suspend` for the arguments.

    Raises:
        DoesNotExistError: there is no such project or suspension.
        InvalidValueError: a value that is none of its scope.
        ConflictError: somebody else changed the project or the suspension in the meantime.
    """
    value = _parse_value(scope, value)
    owner = await owner_of(tenant_store, project)
    suspension = await tenant_store.get(Suspension, (project, scope, value))
    if suspension is None:
        msg = f"this {scope} of {project} is not suspended"
        raise DoesNotExistError(msg)
    await tenant_store.remove(Suspension, suspension.key, suspension.generation)
    data = _subject(scope, value, pseudonym)
    await tenant_store.append([chain.admin("suspension.removed", at=at, actor=actor, project=project, data=data)])
    await raise_generation(tenant_store, owner)
    return suspension


def _parse_value(scope: Scope, value: str) -> str:
    if scope == "caller":
        return _parse_address(value)
    if scope == "route":
        return parse_name(value, "route")
    if scope == "origin":
        return parse_origin(value, development=True)
    if value:
        msg = f"a suspension of the whole project has no value: {value!r}"
        raise InvalidValueError(msg)
    return value


def _parse_address(text: str) -> str:
    try:
        ipaddress.ip_address(text.removesuffix("/64"))
    except ValueError:
        msg = f"not an address: {text!r}"
        raise InvalidValueError(msg) from None
    return bucket_address(text.removesuffix("/64"))


def _require_sense(reason: str, until: datetime | None, at: datetime) -> None:
    if len(reason) > MAX_REASON:
        msg = f"a reason has at most {MAX_REASON} characters"
        raise InvalidValueError(msg)
    if until is not None and until <= at:
        msg = "a suspension ends after it began"
        raise InvalidValueError(msg)


def _subject(scope: Scope, value: str, pseudonym: str | None) -> dict[str, JSON]:
    return {"scope": scope, "value": pseudonym if scope == "caller" else value}


async def owner_of(tenant_store: TenantReader, project: ProjectId) -> Project:
    """The project of something. Raises DoesNotExistError: it is gone."""
    owner = await tenant_store.get(Project, (project,))
    if owner is None:
        msg = f"there is no project {project}"
        raise DoesNotExistError(msg)
    return owner


async def raise_generation(tenant_store: TenantStore, project: Project) -> None:
    """Note that something of the project changed, so that workers read it anew."""
    await tenant_store.replace(replace(project, generation=project.generation + 1), project.generation)
