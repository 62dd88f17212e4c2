"""A project that publishes assets, what of them is kept, and what that opens to: for tests of the management verbs."""

from collections.abc import Sequence

from apikeychain.listing import every
from apikeychain.model.asset import Asset, AssetPrefix, AssetTokenKey, AssetVersion, LooseObject
from apikeychain.model.asset_bodies import AssetBodies
from apikeychain.model.records import ProjectKey
from apikeychain.tenants.asset_objects import store_of
from apikeychain.tenants.change import require_tenant
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.vault import contexts
from apikeychain.vault.assets import open_object

SCRIPT = b"export const shop = 'open'\n" * 20
STYLE = b"body { margin: 0 }\n"


def prefix_of(shop: ProjectAdmin) -> AssetPrefix:
    return AssetPrefix(shop.tenant, shop.id)


async def objects(shop: ProjectAdmin) -> set[str]:
    """The names of all objects of the project."""
    return {*await store_of(shop._office).list(prefix_of(shop), "", 100_000)}


async def versions(shop: ProjectAdmin) -> list[AssetVersion]:
    async with shop._office.store.reading(shop.tenant) as rows:
        return await every(rows, AssetVersion, shop.id)


async def loose(shop: ProjectAdmin) -> list[LooseObject]:
    async with shop._office.store.reading(shop.tenant) as rows:
        return await every(rows, LooseObject, shop.id)


async def assets(shop: ProjectAdmin) -> list[Asset]:
    async with shop._office.store.reading(shop.tenant) as rows:
        return await every(rows, Asset, shop.id)


async def token_keys(shop: ProjectAdmin) -> list[AssetTokenKey]:
    async with shop._office.store.reading(shop.tenant) as rows:
        return await every(rows, AssetTokenKey, shop.id)


async def keys(shop: ProjectAdmin) -> list[ProjectKey]:
    async with shop._office.store.reading(shop.tenant) as rows:
        return await every(rows, ProjectKey, shop.id)


async def opened(shop: ProjectAdmin, version: AssetVersion) -> AssetBodies:
    """What the object of a version holds."""
    office = shop._office
    async with office.store.reading(shop.tenant) as rows:
        owner = await require_tenant(rows, shop.tenant)
        by_version = {key.version: key for key in await every(rows, ProjectKey, shop.id)}
    context = contexts.of_asset_key(shop.tenant, version)
    key = await office.vault.open_text(owner, by_version, version.sealed, context)
    sealed = await store_of(office).open(prefix_of(shop), version.object)
    assert len(sealed) == version.object_bytes
    return AssetBodies.unpack(open_object(key, shop.tenant, version, sealed))


async def served(shop: ProjectAdmin, path: str) -> bytes:
    """The body that is served at a path."""
    (asset,) = [one for one in await assets(shop) if one.path == path]
    (version,) = [one for one in await versions(shop) if (one.path, one.number) == (path, asset.number)]
    return (await opened(shop, version)).identity


async def require_whole(shop: ProjectAdmin, paths: Sequence[str] | None = None) -> None:
    """Every object is of a version and every version has one that opens, or it is loose; nothing else is left."""
    kept, noted = await versions(shop), {one.object for one in await loose(shop)}
    own = {one.object for one in kept}
    assert not own & noted
    assert own <= await objects(shop) <= own | noted
    for version in kept:
        assert len((await opened(shop, version)).identity) == version.bytes
    if paths is not None:
        assert [one.path for one in await assets(shop)] == sorted(paths)
