"""`apikeychain route`."""

from pathlib import Path

from cyclopts import App

from apikeychain.cli.catalogue import known_route
from apikeychain.cli.declared import declared_route, plain
from apikeychain.cli.fields import Place, read_toml
from apikeychain.cli.invocation import Call
from apikeychain.errors import DoesNotExistError, InvalidValueError
from apikeychain.model.route import ProxyRoute

app = App(name="route", help="The calls of a provider that pages may make.")
_COLUMNS = ["name", "provider", "methods", "path", "enabled"]


@app.command
async def add(project: str, /, *, known: str | None = None, file: Path | None = None, call: Call) -> None:
    """Add a route, from the catalogue or from a TOML file. It is served at once.

    Args:
        project: its id p_..., or TENANT/NAME.
        known: PROVIDER:ROUTE of the catalogue, see: apikeychain provider known.
        file: a TOML file with the fields of one route.
    """
    if (known is None) == (file is None):
        msg = "say --known PROVIDER:ROUTE or --file PATH"
        raise InvalidValueError(msg)
    route = known_route(known) if known is not None else _from_file(file or Path())
    async with call.project(project) as found:
        await found.add_route(route)
    url = found.url(route.name)
    call.done(f"route {route.name} is added: {url}", project=found.id, name=route.name, url=url)


@app.command(name="list")
async def list_(project: str, /, *, call: Call) -> None:
    """List the routes of a project.

    Args:
        project: its id p_..., or TENANT/NAME.
    """
    async with call.project(project) as found:
        rows = [{**plain(added.route), "url": found.url(added.route.name)} for added in await found.list_routes()]
    nothing = f"{found.name} has no route; add one with: apikeychain route add {found.id} --known PROVIDER:ROUTE"
    call.many(rows, _COLUMNS, nothing)


@app.command
async def show(project: str, name: str, /, *, call: Call) -> None:
    """Show all of a route: what a page may send, and what it is answered.

    Args:
        project: its id p_..., or TENANT/NAME.
        name: of the route.
    """
    async with call.project(project) as found:
        routes = {added.route.name: added for added in await found.list_routes()}
    if name not in routes:
        msg = f"the project {found.name!r} has no route {name!r}"
        raise DoesNotExistError(msg)
    told = plain(routes[name].route, full=call.json)
    call.one({**told, "url": found.url(name), "created": routes[name].created})


@app.command
async def enable(project: str, name: str, /, *, call: Call) -> None:
    """Serve a route.

    Args:
        project: its id p_..., or TENANT/NAME.
        name: of the route.
    """
    async with call.project(project) as found:
        await found.enable_route(name)
    call.done(f"route {name} is enabled", project=found.id, name=name, enabled=True)


@app.command
async def disable(project: str, name: str, /, *, call: Call) -> None:
    """Stop serving a route: its callers get 404.

    Args:
        project: its id p_..., or TENANT/NAME.
        name: of the route.
    """
    async with call.project(project) as found:
        await found.disable_route(name)
    call.done(f"route {name} is disabled", project=found.id, name=name, enabled=False)


@app.command
async def remove(project: str, name: str, /, *, call: Call) -> None:
    """Remove a route.

    Args:
        project: its id p_..., or TENANT/NAME.
        name: of the route.
    """
    async with call.project(project) as found:
        await found.remove_route(name)
    call.done(f"route {name} is removed", project=found.id, name=name, removed=True)


def _from_file(file: Path) -> ProxyRoute:
    problems: list[str] = []
    route = declared_route(Place(problems, (str(file),)), read_toml(file))
    if route is None or problems:
        raise InvalidValueError("; ".join(problems))
    return route
