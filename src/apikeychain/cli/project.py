"""`apikeychain project`."""

from cyclopts import App

from apikeychain.cli.invocation import Call
from apikeychain.errors import InvalidValueError
from apikeychain.model.records import Project
from apikeychain.tenants.configure import OWN_FIELDS
from apikeychain.tenants.project import ProjectAdmin

app = App(name="project", help="Projects: what one page or application may call.")
_COLUMNS = ["tenant", "name", "id", "enabled", "quota"]


@app.command
async def create(project: str, /, *, call: Call) -> None:
    """Make a project: switched off, no origin, no route. One that exists is an error.

    Args:
        project: TENANT/NAME.
    """
    tenant, name = _split(project)
    async with call.tenant(tenant) as found:
        made = await found.create_project(name)
    call.done(f"project {project} is made: {made.id}", id=made.id, name=name, tenant=tenant)


@app.command
async def ensure(project: str, /, *, call: Call) -> None:
    """Make a project unless it exists.

    Args:
        project: TENANT/NAME.
    """
    tenant, name = _split(project)
    async with call.tenant(tenant) as found:
        made = await found.ensure_project(name)
    call.done(f"project {project} is there: {made.id}", id=made.id, name=made.name, tenant=tenant)


@app.command(name="list")
async def list_(tenant: str | None = None, /, *, call: Call) -> None:
    """List projects.

    Args:
        tenant: only those of this tenant.
    """
    async with call.keychain() as keychain:
        owners = [await keychain.tenant(owner) for owner in ([tenant] if tenant else await keychain.list_tenants())]
        rows = [
            {"tenant": owner.id, **_facts(project)}
            for owner in owners
            if tenant or not await owner.erased()
            for project in await owner.list_projects()
        ]
    call.many(rows, _COLUMNS, "no project yet; make one with: apikeychain project create TENANT/NAME")


@app.command
async def show(project: str, /, *, call: Call) -> None:
    """Show a project and all that is in it.

    Args:
        project: its id p_..., or TENANT/NAME.
    """
    async with call.project(project) as found:
        call.one({"tenant": found.tenant, **_facts(await found.show()), **await _contents(found)})


@app.command
async def enable(project: str, /, *, call: Call) -> None:
    """Serve a project's proxy.

    Args:
        project: its id p_..., or TENANT/NAME.
    """
    async with call.project(project) as found:
        await found.enable()
    call.done(f"project {found.name} is enabled", id=found.id, enabled=True)


@app.command
async def disable(project: str, /, *, call: Call) -> None:
    """Stop serving a project's proxy: its callers get 404.

    Args:
        project: its id p_..., or TENANT/NAME.
    """
    async with call.project(project) as found:
        await found.disable()
    call.done(f"project {found.name} is disabled", id=found.id, enabled=False)


@app.command
async def remove(project: str, /, *, call: Call) -> None:
    """Remove a project with its routes, secrets and keys, for good. Its ledger entries stay.

    Args:
        project: its id p_..., or TENANT/NAME.
    """
    async with call.keychain() as keychain:
        found = await call.find(keychain, project)
        await (await keychain.tenant(found.tenant, actor=call.actor)).remove_project(found.id)
    call.done(f"project {found.name} is removed", id=found.id, removed=True)


def _split(project: str) -> tuple[str, str]:
    tenant, slash, name = project.partition("/")
    if not slash:
        msg = f"which tenant? Write TENANT/NAME, not {project!r}"
        raise InvalidValueError(msg)
    return tenant, name


def _facts(project: Project) -> dict[str, object]:
    return {
        "name": project.name,
        "id": project.id,
        "enabled": project.enabled,
        **{name: getattr(project, name) for name in OWN_FIELDS},
        "signed_headers": list(project.signed_headers),
        "created": project.created,
    }


async def _contents(project: ProjectAdmin) -> dict[str, object]:
    routes = [added.route for added in await project.list_routes()]
    return {
        "origins": [allowed.origin for allowed in await project.list_origins()],
        "providers": [registered.provider.name for registered in await project.list_providers()],
        "signing_keys": [key.id for key in await project.list_signing_keys()],
        "secrets": [secret.name for secret in await project.list_secrets()],
        "rotations": [
            {"secret": one.secret, "due": one.due, "is_due": one.is_due, "paused": one.paused, "failure": one.failure}
            for one in await project.rotations()
        ],
        "routes": [f"{project.url(route.name)}{'' if route.enabled else ' (disabled)'}" for route in routes],
        "suspensions": [
            {"scope": one.scope, "value": one.value, "until": one.until, "reason": one.reason}
            for one in await project.list_suspensions()
        ],
    }
