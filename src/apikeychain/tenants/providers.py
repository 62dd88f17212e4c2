"""A project's registered providers."""

from apikeychain.errors import StillInUseError
from apikeychain.listing import every
from apikeychain.model.provider import Provider
from apikeychain.model.records import AddedRoute, RegisteredProvider, SealedSecret
from apikeychain.rules.sanitizers import compile_sanitizers
from apikeychain.tenants import routes
from apikeychain.tenants.change import ProjectChange
from apikeychain.tenants.rotations import require_unused


async def register(change: ProjectChange, provider: Provider) -> None:
    """Register a provider, or change it; an equal one changes nothing.

    A secret opens only for the address that it was put for: after a change of the base URL it must be put again.

    Raises:
        InvalidValueError: a route of the provider does not fit it any more, or a sanitizer's pattern does not compile.
    """
    if await put(change, provider):
        await routes.require_fit(change, {provider.name})


async def put(change: ProjectChange, provider: Provider) -> bool:
    """`register` without a look at the routes, for those that change too. Whether a stored one was changed.

    Raises:
        InvalidValueError: the pattern of a sanitizer does not compile.
    """
    compile_sanitizers(provider)
    stored = await change.find(RegisteredProvider, provider.name)
    if stored is None:
        await change.store.insert(
            RegisteredProvider(project=change.project.id, provider=provider, created=change.moment),
        )
        change.note("provider.registered", provider=provider.name, base_url=provider.base_url)
        return False
    if stored.provider == provider:
        return False
    await change.store_changed(stored, provider=provider)
    change.note("provider.changed", provider=provider.name, base_url=provider.base_url)
    return True


async def remove(change: ProjectChange, name: str) -> None:
    """Remove a provider that no route, no secret and no rotation names.

    Raises:
        DoesNotExistError: there is none.
        StillInUseError: a route, secret or rotation names it.
    """
    stored = await change.require(RegisteredProvider, name)
    users = [
        f"route {r.route.name}"
        for r in await every(change.store, AddedRoute, change.project.id)
        if r.route.provider == name
    ]
    users += [
        f"secret {s.name}" for s in await every(change.store, SealedSecret, change.project.id) if s.provider == name
    ]
    if users:
        msg = f"the provider {name!r} is used by {', '.join(users)}: remove these first"
        raise StillInUseError(msg)
    await require_unused(change, provider=name)
    await change.remove(stored)
    change.note("provider.removed", provider=name)
