"""A project's routes."""

from collections.abc import Iterable
from dataclasses import replace

from apikeychain.errors import AlreadyExistsError
from apikeychain.listing import every
from apikeychain.model.network import PUBLIC, network_of
from apikeychain.model.records import AddedRoute, RegisteredProvider
from apikeychain.model.route import ProxyRoute
from apikeychain.rules.routing import compile_route
from apikeychain.tenants.change import ProjectChange


async def add(change: ProjectChange, route: ProxyRoute) -> None:
    """Add a route.

    Raises:
        AlreadyExistsError: there is one of that name.
        DoesNotExistError: its provider is not registered.
        InvalidValueError: it does not compile.
    """
    if await change.find(AddedRoute, route.name):
        msg = f"the project {change.project.name!r} has a route {route.name!r} already"
        raise AlreadyExistsError(msg)
    await put(change, route)


async def put(change: ProjectChange, route: ProxyRoute) -> None:
    """Add a route or change it; an equal one changes nothing. Raises what `add` raises but AlreadyExistsError."""
    await _require_fit(change, route)
    stored = await change.find(AddedRoute, route.name)
    if stored is None:
        await change.store.insert(AddedRoute(project=change.project.id, route=route, created=change.moment))
        change.note("route.added", route=route.name, provider=route.provider, enabled=route.enabled)
    elif replace(stored.route, enabled=route.enabled) == route:
        await switch(change, route.name, enabled=route.enabled)
    else:
        await change.store_changed(stored, route=route)
        change.note("route.changed", route=route.name, provider=route.provider, enabled=route.enabled)


async def switch(change: ProjectChange, name: str, *, enabled: bool) -> None:
    """Serve a route or stop serving it; what is so already changes nothing.

    Raises:
        DoesNotExistError: there is none.
    """
    stored = await change.require(AddedRoute, name)
    if stored.route.enabled == enabled:
        return
    await change.store_changed(stored, route=replace(stored.route, enabled=enabled))
    change.note("route.enabled" if enabled else "route.disabled", route=name)


async def remove(change: ProjectChange, name: str) -> None:
    """Remove a route.

    Raises:
        DoesNotExistError: there is none.
    """
    await change.remove(await change.require(AddedRoute, name))
    change.note("route.removed", route=name)


async def require_fit(change: ProjectChange, providers: Iterable[str]) -> None:
    """Raise InvalidValueError unless every route of these providers fits its provider as it is now."""
    for record in await every(change.store, AddedRoute, change.project.id):
        if record.route.provider in providers:
            await _require_fit(change, record.route)


async def _require_fit(change: ProjectChange, route: ProxyRoute) -> None:
    registered = await change.require(RegisteredProvider, route.provider)
    office = change.office
    network = network_of(office.networks, registered.provider.address, change.tenant.id) or PUBLIC
    compile_route(route, registered.provider, network=network, body_limit=office.settings.body_limit)
