"""`apikeychain asset`: scripts and styles that a project publishes."""

from datetime import timedelta
from typing import Annotated

from cyclopts import App, Parameter

from apikeychain.cli.asset_put import put
from apikeychain.cli.invocation import Call
from apikeychain.errors import InvalidValueError
from apikeychain.rules.asset_names import MANIFEST
from apikeychain.tenants.assets import AssetInfo, AssetVersionInfo
from apikeychain.tenants.project import ProjectAdmin

app = App(name="asset", help="Scripts and styles that a project publishes beside its proxy.")
app.command(put)
_COLUMNS = ["name", "version", "bytes", "changed"]
_VERSION_COLUMNS = ["version", "served", "bytes", "sha256", "created"]
_Ttl = Annotated[timedelta | None, Parameter(name="--for")]


@app.command(name="list")
async def list_(project: str, /, *, call: Call) -> None:
    """List assets, each with the version that is served.

    Args:
        project: its id p_..., or TENANT/NAME.
    """
    async with call.project(project) as found:
        rows = [facts(info) for info in await found.assets.list()]
    call.many(rows, _COLUMNS, f"{found.name} has no asset; put one with: apikeychain asset put {found.id} FILE")


@app.command
async def show(project: str, name: str, /, *, call: Call) -> None:
    """List the versions of an asset that are kept, the newest first.

    Args:
        project: its id p_..., or TENANT/NAME.
        name: of the asset.
    """
    async with call.project(project) as found:
        rows = [_version_facts(one) for one in await found.assets.show(name)]
    call.many(rows, _VERSION_COLUMNS, f"there is no version of {name}")


@app.command
async def rollback(project: str, name: str, /, *, to: int | None = None, call: Call) -> None:
    """Serve a version that is kept: without more the one before the one that is served.

    Args:
        project: its id p_..., or TENANT/NAME.
        name: of the asset.
        to: the number of the version.
    """
    async with call.project(project) as found:
        info = await found.assets.roll_back(name, to)
    call.done(f"asset {name} is version {info.version} again", project=found.id, **facts(info))


@app.command
async def remove(project: str, name: str, /, *, call: Call) -> None:
    """Remove an asset with all its versions: pages that load it get 404 from then on.

    Args:
        project: its id p_..., or TENANT/NAME.
        name: of the asset.
    """
    async with call.project(project) as found:
        await found.assets.remove(name)
    call.done(f"asset {name} is removed", project=found.id, name=name, removed=True)


@app.command
async def url(project: str, name: str, /, *, ttl: _Ttl = None, immutable: bool = False, call: Call) -> None:
    """Show the path at which an asset is served.

    Args:
        project: its id p_..., or TENANT/NAME.
        name: of the asset, or assets.json for the list of all.
        ttl: how long a token in it is good, like 30m or 24h; without it it has none.
        immutable: name the version that is served now, for good.
    """
    async with call.project(project) as found:
        await _require_token(found, ttl)
        if name != MANIFEST:
            await found.assets.show(name)
        path = await found.assets.url(name, ttl=ttl, immutable=immutable)
    call.done(path, project=found.id, name=name, url=path)


@app.command
async def tag(project: str, name: str, /, *, base: str = "", ttl: _Ttl = None, call: Call) -> None:
    """Show the line of HTML that loads an asset as it is now, and nothing else in its place.

    Args:
        project: its id p_..., or TENANT/NAME.
        name: of the asset.
        base: the origin at which it is served, https://assets.example.com; without it that of the page.
        ttl: how long a token in it is good, like 30m or 24h; without it it has none.
    """
    async with call.project(project) as found:
        await _require_token(found, ttl)
        line = await found.assets.tag(name, base=base, ttl=ttl)
    call.done(line, project=found.id, name=name, tag=line)


@app.command
async def enable(project: str, /, *, tokens: bool | None = None, call: Call) -> None:
    """Take and serve assets; the proxy has a switch of its own.

    Args:
        project: its id p_..., or TENANT/NAME.
        tokens: whether each request needs a token that expires; not said, it stays as it is.
    """
    async with call.project(project) as found:
        await found.configure(assets=True, asset_tokens=tokens)
        stored = await found.show()
    with_tokens = " to whoever has a token" if stored.asset_tokens else ""
    sentence = f"project {found.name} serves its assets{with_tokens}"
    call.done(sentence, project=found.id, assets=True, asset_tokens=stored.asset_tokens)


@app.command
async def disable(project: str, /, *, call: Call) -> None:
    """Serve no asset any more: pages that load one get 404. What was put stays.

    Args:
        project: its id p_..., or TENANT/NAME.
    """
    async with call.project(project) as found:
        await found.assets.disable()
    call.done(f"project {found.name} serves no assets", project=found.id, assets=False)


@app.command
async def sweep(project: str | None = None, /, *, call: Call) -> None:
    """Delete what uploads left behind that broke off 15 minutes ago, and what is left of projects that are gone.

    Args:
        project: only of this project: its id p_..., or TENANT/NAME; without it of all.
    """
    async with call.keychain() as keychain:
        swept = await ((await call.find(keychain, project)).assets.sweep() if project else keychain.sweep_assets())
    call.done(f"{swept} object{'' if swept == 1 else 's'} swept", swept=swept)


def facts(info: AssetInfo) -> dict[str, object]:
    """All that is told of an asset."""
    return {
        "name": info.name,
        "path": info.path,
        "version": info.version,
        "bytes": info.bytes,
        "sha256": info.sha256,
        "created": info.created,
        "changed": info.changed,
    }


async def _require_token(project: ProjectAdmin, ttl: timedelta | None) -> None:
    """Raise InvalidValueError where nobody could load what has no token."""
    if ttl is None and (await project.show()).asset_tokens:
        msg = "each request for an asset of this project needs a token: say for how long one is good, such as --for 1h"
        raise InvalidValueError(msg)


def _version_facts(one: AssetVersionInfo) -> dict[str, object]:
    return {
        "version": one.number,
        "served": one.is_served,
        "bytes": one.bytes,
        "sha256": one.sha256,
        "created": one.created,
    }
