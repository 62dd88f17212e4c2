"""`apikeychain origin`."""

from cyclopts import App

from apikeychain.cli.invocation import Call
from apikeychain.errors import InvalidValueError

app = App(name="origin", help="The origins whose pages may call a project.")


@app.command
async def allow(project: str, origin: str, /, *, call: Call) -> None:
    """Allow an origin; one that is allowed already changes nothing.

    Args:
        project: its id p_..., or TENANT/NAME.
        origin: as browsers write it: https://app.example.com.
    """
    async with call.project(project) as found:
        try:
            await found.allow_origin(origin)
        except InvalidValueError as error:
            raise explained(error, origin, development=call.development) from None
    call.done(f"{origin} may call {found.name}", project=found.id, origin=origin)


@app.command
async def remove(project: str, origin: str, /, *, call: Call) -> None:
    """Take an origin off the list.

    Args:
        project: its id p_..., or TENANT/NAME.
        origin: as it is listed.
    """
    async with call.project(project) as found:
        await found.remove_origin(origin)
    call.done(f"{origin} may not call {found.name} any more", project=found.id, origin=origin, removed=True)


@app.command(name="list")
async def list_(project: str, /, *, call: Call) -> None:
    """List the origins of a project.

    Args:
        project: its id p_..., or TENANT/NAME.
    """
    async with call.project(project) as found:
        rows = [{"origin": allowed.origin, "created": allowed.created} for allowed in await found.list_origins()]
    nothing = f"no origin may call {found.name}; allow one with: apikeychain origin allow {found.id} ORIGIN"
    call.many(rows, ["origin", "created"], nothing)


def explained(error: InvalidValueError, origin: str, *, development: bool) -> InvalidValueError:
    """The error, with the option that is missing where it is an http origin that was refused."""
    if development or not origin.startswith("http://"):
        return error
    return InvalidValueError(f"{error}. Is this a development machine? Then say --development")
