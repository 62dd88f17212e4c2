"""`apikeychain tenant`."""

from cyclopts import App

from apikeychain.cli.invocation import Call
from apikeychain.cli.ledger import size

app = App(name="tenant", help="The tenants of this installation.")


@app.command
async def create(tenant: str, /, *, call: Call) -> None:
    """Make a tenant; one that exists is an error. Makes the data directory too.

    Args:
        tenant: your own id of it: letters, digits, '_' and '-'.
    """
    async with call.keychain(create=True) as keychain:
        await keychain.create_tenant(tenant, actor=call.actor)
    call.done(f"tenant {tenant} is made", tenant=tenant)


@app.command
async def ensure(tenant: str, /, *, call: Call) -> None:
    """Make a tenant unless it exists. Makes the data directory too.

    Args:
        tenant: your own id of it: letters, digits, '_' and '-'.
    """
    async with call.keychain(create=True) as keychain:
        await keychain.ensure_tenant(tenant, actor=call.actor)
    call.done(f"tenant {tenant} is there", tenant=tenant)


@app.command(name="list")
async def list_(*, call: Call) -> None:
    """List the tenants."""
    async with call.keychain() as keychain:
        rows = [{"tenant": tenant} for tenant in await keychain.list_tenants()]
    call.many(rows, ["tenant"], "no tenant yet; make one with: apikeychain tenant create ID")


@app.command
async def show(tenant: str, /, *, call: Call) -> None:
    """Show a tenant: its projects and the size of its ledger.

    Args:
        tenant: its id.
    """
    async with call.tenant(tenant) as found:
        projects = [f"{project.name} ({project.id})" for project in await found.list_projects()]
        call.one({"tenant": found.id, "projects": projects, "ledger_entries": await size(found)})
