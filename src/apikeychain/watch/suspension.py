"""The one deed of a suspension: the record, the project's generation and the ledger entry, in one transaction.

Source: contracts 7; spec 8.3.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from apikeychain.errors import DoesNotExistError, InvalidValueError
from apikeychain.model.ids import ProjectId, parse_name
from apikeychain.model.ledger import JSON, LedgerDraft, timestamp
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
    cut: bool = False,
) -> Suspension:
    """Refuse what `scope` and `value` name from now on; one that is suspended already gets the new reason and end.

    Args:
        tenant_store: the transaction; the caller commits it and publishes the change.
        project: the project that it is part of.
        scope: what `value` names.
        value: a route's name, an origin, a caller's address (of IPv6 its /64 is meant) or the pseudonym that stands for
            it in the ledger; "" for the whole project.
        reason: for people, at most 200 characters. It stands in the ledger: no address, no name.
        until: when it ends by itself, or None.
        at: now.
        actor: whoever does it, see `chain.admin`.
        pseudonym: of a caller's address; the address itself never gets into the ledger.
        cut: whether calls under way end too; else they run out.

    Raises:
        DoesNotExistError: there is no such project.
        InvalidValueError: a value that is none of its scope, an end that is over, a reason that is too long.
        ConflictError: somebody else changed the project or the suspension in the meantime.
    """
    suspension, entry = await put(
        tenant_store,
        project,
        scope,
        value,
        reason=reason,
        until=until,
        at=at,
        actor=actor,
        pseudonym=pseudonym,
        cut=cut,
    )
    await tenant_store.append([entry])
    return suspension


async def put(
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
    cut: bool = False,
) -> tuple[Suspension, LedgerDraft]:
    """As `suspend`, but for the entry that says so, which the caller has to append.

    Raises:
        DoesNotExistError, InvalidValueError, ConflictError: see `suspend`.
    """
    _require_sense(reason, until, at)
    value = _parse_value(scope, value)
    owner = await owner_of(tenant_store, project)
    before = await tenant_store.get(Suspension, (project, scope, value))
    suspension = Suspension(project=project, scope=scope, value=value, reason=reason, created=at, until=until, cut=cut)
    if before is None:
        await tenant_store.insert(suspension)
    else:
        suspension = replace(suspension, generation=before.generation + 1)
        await tenant_store.replace(suspension, before.generation)
    data: dict[str, JSON] = {
        **_subject(scope, value, pseudonym),
        "reason": reason,
        "until": timestamp(until) if until else None,
        **({"cut": True} if cut else {}),
    }
    verb = "changed" if before else "created"
    await raise_generation(tenant_store, owner)
    return suspension, chain.admin(f"suspension.{verb}", at=at, actor=actor, project=project, data=data)


async def lift(
    tenant_store: TenantStore,
    project: ProjectId,
    scope: Scope,
    value: str,
    *,
    at: datetime,
    actor: str,
    pseudonym: str | None = None,
    also: Sequence[str] = (),
) -> Suspension:
    """End a suspension, over or not, and return what it was.

    Args:
        tenant_store: see `suspend`.
        project: likewise.
        scope: likewise.
        value: likewise.
        at: likewise.
        actor: likewise.
        pseudonym: likewise.
        also: other values by which the same caller may be suspended: its pseudonym, or its address.

    Raises:
        DoesNotExistError: there is no such project or suspension.
        InvalidValueError: a value that is none of its scope.
        ConflictError: somebody else changed the project or the suspension in the meantime.
    """
    value = _parse_value(scope, value)
    owner = await owner_of(tenant_store, project)
    asked = [await tenant_store.get(Suspension, (project, scope, one)) for one in dict.fromkeys([value, *also])]
    found = [suspension for suspension in asked if suspension is not None]
    if not found:
        msg = f"this {scope} of {project} is not suspended"
        raise DoesNotExistError(msg)
    data = _subject(scope, value, pseudonym)
    for suspension in found:
        await tenant_store.remove(Suspension, suspension.key, suspension.generation)
        await tenant_store.append([chain.admin("suspension.removed", at=at, actor=actor, project=project, data=data)])
    await raise_generation(tenant_store, owner)
    return found[0]


def _parse_value(scope: Scope, value: str) -> str:
    if scope == "caller":
        return parse_caller(value)
    if scope == "route":
        return parse_name(value, "route")
    if scope == "origin":
        return parse_origin(value, development=True)
    if value:
        msg = f"a suspension of the whole project has no value: {value!r}"
        raise InvalidValueError(msg)
    return value


def parse_caller(text: str) -> str:
    """A caller as it is suspended: by its address as that is counted, or by its pseudonym.

    Raises:
        InvalidValueError: it is neither.
    """
    if chain.is_pseudonym(text):
        return text
    plain = text.removesuffix("/64")
    try:
        ipaddress.ip_address(plain)
    except ValueError:
        counted = ""
    else:
        counted = bucket_address(plain)
    # Only of IPv6 a network is counted.
    if not counted or (plain != text and ":" not in counted):
        msg = f"not an address, and not the 32 hex digits of a pseudonym: {text!r}"
        raise InvalidValueError(msg)
    return counted


def _require_sense(reason: str, until: datetime | None, at: datetime) -> None:
    if len(reason) > MAX_REASON:
        msg = f"a reason has at most {MAX_REASON} characters"
        raise InvalidValueError(msg)
    if until is not None and until <= at:
        msg = "a suspension ends after it began"
        raise InvalidValueError(msg)


def _subject(scope: Scope, value: str, pseudonym: str | None) -> dict[str, JSON]:
    is_told = scope != "caller" or chain.is_pseudonym(value)
    return {"scope": scope, "value": value if is_told else pseudonym}


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
