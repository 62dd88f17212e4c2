"""`apikeychain tenant`."""

from cyclopts import App

from apikeychain.cli.invocation import Call
from apikeychain.cli.ledger_reading import size
from apikeychain.model.records import DEFAULT_KEY_SERVICE

app = App(name="tenant", help="The tenants of this installation.")


@app.command
async def create(tenant: str, /, *, key_service: str = DEFAULT_KEY_SERVICE, call: Call) -> None:
    """Make a tenant; one that exists is an error. Makes the data directory too.

    Args:
        tenant: your own id of it: letters, digits, '_' and '-'.
        key_service: the name of the key service that wraps its keys, where the keychain has several.
    """
    async with call.keychain(create=True) as keychain:
        await keychain.create_tenant(tenant, key_service=key_service, actor=call.actor)
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


@app.command
async def move_keys(tenant: str, key_service: str, /, *, call: Call) -> None:
    """Wrap every key of a tenant with another key service, in one change. Every server has to know that one before.

    Args:
        tenant: its id.
        key_service: the name of the other key service; 'default' is the one without a name.
    """
    async with call.tenant(tenant) as found:
        moved = await found.move_keys(key_service)
    state = "moved to" if moved else "already with"
    call.done(f"the keys of {tenant} are {state} {key_service}", tenant=tenant, key_service=key_service, moved=moved)


@app.command(name="list")
async def list_(*, call: Call) -> None:
    """List the tenants, also those that were erased, since they have a ledger still."""
    async with call.keychain() as keychain:
        rows = [{"tenant": tenant} for tenant in await keychain.list_tenants()]
    call.many(rows, ["tenant"], "no tenant yet; make one with: apikeychain tenant create ID")


@app.command
async def show(tenant: str, /, *, call: Call) -> None:
    """Show a tenant: its projects and the size of its ledger, and whether it was erased.

    Args:
        tenant: its id.
    """
    async with call.tenant(tenant) as found:
        erased = await found.erased()
        stored = [] if erased else await found.list_projects()
        projects = [f"{project.name} ({project.id})" for project in stored]
        facts = {"tenant": found.id, "projects": projects, "ledger_entries": await size(found)}
        call.one({**facts, "erased": erased} if erased else facts)
