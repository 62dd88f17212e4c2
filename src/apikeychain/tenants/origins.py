"""Origins on a project's list."""

from apikeychain.model.origin import Origin
from apikeychain.model.records import AllowedOrigin
from apikeychain.tenants.change import ProjectChange


async def allow(change: ProjectChange, origin: Origin) -> None:
    """Put an origin on the list; one that is there already changes nothing."""
    if await change.find(AllowedOrigin, origin):
        return
    await change.store.insert(AllowedOrigin(project=change.project.id, origin=origin, created=change.moment))
    change.note("origin.allowed", origin=origin)


async def remove(change: ProjectChange, origin: str) -> None:
    """Take an origin off the list.

    Raises:
        DoesNotExistError: it is not on it.
    """
    await change.remove(await change.require(AllowedOrigin, origin))
    change.note("origin.removed", origin=origin)
