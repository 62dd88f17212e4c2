"""`apikeychain tenant erase`: what goes, whether it is meant, and the end of what old copies of the database open."""

import sys
from typing import Annotated

from cyclopts import Parameter

from apikeychain.cli import output
from apikeychain.cli.given import interruptible
from apikeychain.cli.invocation import Call
from apikeychain.cli.retirement import retire_older
from apikeychain.errors import ConflictError, InvalidValueError
from apikeychain.keychain import APIKeyChain
from apikeychain.tenants.erasure import ErasedTenant

_SWEEP = "they open for nobody any more; delete them with: apikeychain asset sweep"
_Switch = Annotated[bool, Parameter(negative="", show_default=False)]


async def erase(
    tenant: str, /, *, yes: _Switch = False, dry_run: _Switch = False, retire: _Switch = False, call: Call
) -> None:
    """Erase a tenant with its projects, secrets and keys, for good. Its ledger stays; its id is never given out again.

    Asks first. An old copy of the database opens until the platform key that wrapped the keys is retired.

    Args:
        tenant: its id.
        yes: do not ask.
        dry_run: only tell what would go.
        retire: also turn the platform key: a new version, the keys of all others wrapped anew, and every older version
            destroyed.
    """
    async with call.keychain() as keychain:
        would = await keychain.erase_tenant(tenant, dry_run=True, actor=call.actor)
        if dry_run:
            call.done(f"{_contents(would)} of {tenant} would go; nothing was changed", **_facts(would), dry_run=True)
            return
        if not yes:
            _ask(would)
        came = await keychain.erase_tenant(tenant, actor=call.actor)
        if not call.json:
            output.say(_said(came))
        gone = await _retired(keychain, came.key_service, call.actor) if retire else None
    if call.json:
        output.document({**_facts(came), "gone": gone})
    else:
        output.say(_of_copies(came.key_service, gone))


def _said(came: ErasedTenant) -> str:
    told = f"tenant {came.tenant} is erased: {_contents(came)} went, its keys are destroyed, its ledger stays"
    left = f"\nobjects of its assets may be left under {', '.join(came.left)}: {_SWEEP}"
    return told + left if came.left else told


def _ask(would: ErasedTenant) -> None:
    if not sys.stdin.isatty():
        msg = "there is no terminal to ask whether you mean it: say --yes, or --dry-run to see what would go"
        raise InvalidValueError(msg)
    sys.stderr.write(f"{_contents(would)} of {would.tenant} will be gone for good.\nType the id of the tenant: ")
    sys.stderr.flush()
    with interruptible():
        typed = sys.stdin.readline()
    if typed.strip() != would.tenant:
        msg = "that is not its id: nothing was changed"
        raise InvalidValueError(msg)


async def _retired(keychain: APIKeyChain, key_service: str, actor: str) -> str:
    """From when on no older version of the platform key opens anything."""
    newest = await keychain.rotate_platform_key(key_service=key_service, actor=actor)
    came = await keychain.rewrap_keys(key_service=key_service, actor=actor)
    if came.failed:
        failed = ", ".join(came.failed)
        msg = f"no version of the platform key is retired: the keys were not wrapped anew of {failed}"
        raise ConflictError(msg)
    return await retire_older(keychain, newest, key_service, actor)


def _contents(tenant: ErasedTenant) -> str:
    counts = {kind: count for kind, count in tenant.removed.items() if kind != "project-name"}
    counted = ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counts.items())
    return counted or "nothing more"


def _facts(tenant: ErasedTenant) -> dict[str, object]:
    return {
        "tenant": tenant.tenant,
        "erased": tenant.erased,
        "projects": list(tenant.projects),
        "removed": dict(tenant.removed),
        "key_service": tenant.key_service,
        "objects": tenant.objects,
        "left": list(tenant.left),
    }


def _of_copies(key_service: str, gone: str | None) -> str:
    if gone is not None:
        told = "the older versions of the platform key are retired"
        return f"old copies of the database open no more from {gone} on: {told}"
    option = "" if key_service == "default" else f" --key-service {key_service}"
    verbs = (f"rotate{option}", f"rewrap{option}", f"retire VERSION{option}")
    return (
        "old copies of the database open until the version of the platform key that wrapped its keys is retired: "
        + ", then ".join(f"apikeychain platform-key {verb}" for verb in verbs)
    )
