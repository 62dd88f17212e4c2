"""`apikeychain keys rotate`: the platform key, the keys of projects and the secrets of tenants, in one run."""

from asyncio import sleep
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from cyclopts import App, Parameter

from apikeychain.cli import output
from apikeychain.cli.invocation import Call, Invocation
from apikeychain.cli.progress import progress
from apikeychain.cli.retirement import retire_older
from apikeychain.errors import InvalidValueError
from apikeychain.keychain import APIKeyChain
from apikeychain.model.ids import TenantId
from apikeychain.model.records import DEFAULT_KEY_SERVICE
from apikeychain.tenants.key_run import TurnedKeys

app = App(name="keys", help="The keys that encrypt what is stored.")
_PAUSE_SECONDS = 60
_TOLD_EVERY = 100
_Switch = Annotated[bool, Parameter(negative="", show_default=False)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What a run turns.

    Attributes:
        platform: whether the platform key turns.
        projects: whether keys of projects do; so they do with `secrets`.
        secrets: whether secrets of tenants do.
        key_service: whose keys.
        narrowed: to a tenant, a project, or those after a tenant, as `APIKeyChain.turn_keys` takes it.
    """

    platform: bool
    projects: bool
    secrets: bool
    key_service: str
    narrowed: dict[str, str]

    async def turn(self, keychain: APIKeyChain, call: Invocation, told: "_Told | None" = None) -> TurnedKeys:
        """Turn the keys of projects; without somebody to tell, only say which would."""
        if not (self.projects or self.secrets):
            return TurnedKeys()
        return await keychain.turn_keys(
            key_service=self.key_service,
            secrets=self.secrets,
            dry_run=told is None,
            progress=told,
            actor=call.actor,
            **self.narrowed,
        )


@app.command
async def rotate(
    *,
    platform: _Switch = False,
    projects: _Switch = False,
    tenant_secrets: _Switch = False,
    tenant: str = "",
    project: str = "",
    retire: _Switch = False,
    pause: int = _PAUSE_SECONDS,
    key_service: str = DEFAULT_KEY_SERVICE,
    after: str = "",
    dry_run: _Switch = False,
    call: Call,
) -> int:
    """Turn encryption keys while calls are served: without a choice the platform key and those of all projects.

    Every project has its old key or its new one whole, whenever a run breaks; another run does the rest. What failed
    is named at the end, and then no version is retired.

    Args:
        platform: a new version of the platform key; everything is wrapped anew under it.
        projects: a new key for each project; every value is sealed anew under it, and the old keys are destroyed.
        tenant_secrets: a new secret for each tenant, and with it new keys for all its projects.
        tenant: of projects and tenants, only this tenant.
        project: of projects, only this one.
        retire: destroy every older version of the platform key at the end: old copies of the database open no more.
        pause: seconds to wait, with --retire, before everything is wrapped anew, and again before the old versions are
            destroyed: until every server has read what changed. A key service may take longer to tell all of them of a
            new version, AWS KMS some minutes: give as much.
        key_service: the name of the key service, where the keychain has several; the tenants of others are left.
        after: of projects and tenants, only those after the tenant with which a run that broke ended.
        dry_run: only tell what would turn.
    """
    narrowed = {name: value for name, value in (("tenant", tenant), ("project", project), ("after", after)) if value}
    chosen = platform or projects or tenant_secrets
    plan = _Plan(
        platform=platform or not (chosen or tenant or project),
        projects=projects or not chosen,
        secrets=tenant_secrets,
        key_service=key_service,
        narrowed=narrowed,
    )
    _require_sense(plan, pause=pause, retire=retire)
    async with call.keychain() as keychain:
        if project:
            narrowed["project"] = (await call.find(keychain, project)).id
        would = await plan.turn(keychain, call)
        if dry_run:
            return _report(call, plan, would, [*would.failed], dry_run=True)
        return await _rotated(keychain, plan, call, would.projects, pause=pause if retire else None)


def _require_sense(plan: _Plan, *, pause: int, retire: bool) -> None:
    if retire and not plan.platform:
        msg = "--retire destroys the versions before a new one: say --platform too"
    elif plan.narrowed and not (plan.projects or plan.secrets):
        msg = "--tenant, --project and --after narrow what turns of projects: say --projects or --tenant-secrets too"
    elif len(plan.narrowed) > 1:
        msg = "say one of --tenant, --project and --after"
    elif plan.secrets and "project" in plan.narrowed:
        msg = "the secret of a tenant turns with the keys of all its projects: say --tenant"
    elif pause < 0:
        msg = "--pause takes a number of seconds"
    else:
        return
    raise InvalidValueError(msg)


async def _rotated(keychain: APIKeyChain, plan: _Plan, call: Invocation, total: int, *, pause: int | None) -> int:
    """Everything in its order, which is the same for a run that goes on where one broke.

    Args:
        keychain: that is open.
        plan: what turns.
        call: the invocation.
        total: how many projects it will be.
        pause: seconds; None where no version is retired.
    """
    service, actor, facts, newest = plan.key_service, call.actor, dict[str, object](), 0
    if plan.platform:
        facts["version"] = newest = await keychain.rotate_platform_key(key_service=service, actor=actor)
    with progress("turning", total) as bar:
        came = await plan.turn(keychain, call, _Told(bar, is_quiet=call.json))
    failed = [*came.failed]
    if plan.platform:
        if pause is not None and not failed:
            await sleep(pause)
        # Last: so it is with whatever another server has wrapped meanwhile under the version before.
        wrapped = await keychain.rewrap_keys(key_service=service, actor=actor)
        facts["rewrapped"] = wrapped.tenants
        failed += [tenant for tenant in wrapped.failed if tenant not in failed]
    if pause is not None and not failed:
        await sleep(pause)
        facts["gone"] = await retire_older(keychain, newest, service, actor)
    return _report(call, plan, came, failed, **facts)


class _Told:
    """Told of each project: moves the bar, and says now and then with which tenant a run could go on."""

    def __init__(self, bar: Callable[[int], None], *, is_quiet: bool) -> None:
        self._bar, self._is_quiet, self._tenant, self._ended = bar, is_quiet, "", ""

    def __call__(self, tenant: TenantId, done: int) -> None:
        if tenant != self._tenant:
            self._tenant, self._ended = tenant, self._tenant
        self._bar(done)
        if done % _TOLD_EVERY == 0 and not self._is_quiet:
            output.say(f"{done} projects" + (f"; all of {self._ended} are done" if self._ended else ""))


def _report(call: Invocation, plan: _Plan, came: TurnedKeys, failed: list[str], **facts: object) -> int:
    would = "would have" if "dry_run" in facts else "have"
    told: list[str] = []
    if plan.platform:
        told.append(
            f"version {facts['version']} of the platform key is made"
            if "version" in facts
            else f"the platform key of the key service {plan.key_service!r} would have a new version"
        )
    if plan.projects or plan.secrets:
        told.append(f"{came.projects} projects of {came.tenants} tenants {would} new keys, for {came.values} values")
    if "rewrapped" in facts:
        told.append(f"the keys of {facts['rewrapped']} tenants are wrapped anew")
    if "gone" in facts:
        told.append(f"old copies of the database open no more from {facts['gone']} on")
    if failed:
        yet = "; retire no version of the platform key yet" if plan.platform else ""
        told.append(f"it failed for: {', '.join(failed)}, the log says why{yet}")
    call.done(
        "\n".join(told),
        tenants=came.tenants,
        projects=came.projects,
        values=came.values,
        failed=failed,
        **facts,
    )
    return 1 if failed else 0
