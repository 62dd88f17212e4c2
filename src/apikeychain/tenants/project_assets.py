"""The verbs of a project's assets: scripts and styles that are served beside its proxy."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path

from apikeychain.errors import DoesNotExistError, InvalidValueError
from apikeychain.listing import every
from apikeychain.model.asset import Asset, AssetPrefix, AssetVersion
from apikeychain.model.ledger import JSON
from apikeychain.model.origin import parse_origin
from apikeychain.model.records import ProjectKey
from apikeychain.rules import asset_manifest
from apikeychain.rules.asset_names import MANIFEST, parse_asset_name
from apikeychain.rules.asset_text import require_text
from apikeychain.rules.asset_tokens import make_token, parse_ttl
from apikeychain.tenants import asset_secrets, assets
from apikeychain.tenants.asset_making import body_of, made_of
from apikeychain.tenants.asset_objects import store_of, sweep_ended, sweep_project, try_to_delete
from apikeychain.tenants.asset_putting import Putting
from apikeychain.tenants.assets import AssetInfo, AssetVersionInfo
from apikeychain.tenants.change import require_tenant
from apikeychain.tenants.configure import Wanted, adjust
from apikeychain.tenants.project_handle import ProjectHandle
from apikeychain.vault import contexts
from apikeychain.watch.suspension import owner_of


class ProjectAssets(ProjectHandle):
    """The assets of one project of one tenant. Got from a project: `ProjectAdmin.assets`.

    Names are those of files: ``widget.js``, ``widget.mjs``, ``page.css``, and source maps like ``widget.js.map``. Every
    verb that names an asset raises InvalidValueError for what is no such name. What is so already changes nothing.
    """

    async def enable(self) -> None:
        """Take and serve assets; the proxy has a switch of its own."""
        async with self._change() as change:
            adjust(change, Wanted(assets=True))

    async def disable(self) -> None:
        """Serve no asset any more: callers get 404. What was put stays."""
        async with self._change() as change:
            adjust(change, Wanted(assets=False))

    async def put(self, name: str, body: bytes | Path) -> AssetInfo:
        """Serve a script, a style or a source map from now on; the version before is kept.

        It is compressed and sealed once, which takes up to 10 s of a thread for 5 MiB. Of many at once two are, and the
        others wait.

        Args:
            name: of the asset.
            body: text in UTF-8, or the file that holds it; 5 MiB at most.

        Raises:
            InvalidValueError: not such a text, or one that holds a secret of the project, which the error names; or
                the project publishes no assets, or has 1,000 already.
            SettingsError: the keychain keeps no assets.
            DoesNotExistError: the project is gone.
            ConflictError: others put the same name again and again meanwhile.
            BackendUnavailableError: the asset store or the key service does not answer.
        """
        path, _ = parse_asset_name(name), store_of(self._office)
        content = await asyncio.to_thread(body_of, body)
        require_text(content)
        known = await self._known(path)
        if known is not None and known.sha256 == sha256(content).hexdigest():
            return known
        await asset_secrets.require_none(self._office, self._tenant, self.id, content)
        made = await self._office.making.bring(partial(made_of, content))
        return await Putting(office=self._office, prefix=self._prefix, path=path, made=made, actor=self.actor).put()

    async def list(self) -> list[AssetInfo]:
        """All assets, in the order of their paths."""
        return [AssetInfo.of(*one) for one in await self._served()]

    async def show(self, name: str) -> Sequence[AssetVersionInfo]:
        """The versions of an asset that are kept, the newest first: ten at most. Raises DoesNotExistError."""
        async with self._office.store.reading(self._tenant) as rows:
            await require_tenant(rows, self._tenant)
            return await assets.shown(rows, self.id, name)

    async def roll_back(self, name: str, number: int | None = None) -> AssetInfo:
        """Serve a version that is kept.

        Args:
            name: of the asset.
            number: of the version; without it the one before the one that is served.

        Raises:
            DoesNotExistError: there is no such asset, or no such version any more.
        """
        async with self._change() as change:
            return await assets.roll_back(change, name, number)

    async def remove(self, name: str) -> None:
        """Remove an asset with all its versions. Raises DoesNotExistError."""
        async with self._change() as change:
            objects = await assets.remove(change, name)
        if self._office.asset_store is not None:
            await try_to_delete(self._office, self._prefix, objects)

    async def sweep(self) -> int:
        """Delete what uploads left behind that broke off more than 15 minutes ago. How many objects it were.

        Raises:
            SettingsError: the keychain keeps no assets.
            BackendUnavailableError: the asset store does not answer; what was deleted before stays so.
            ConflictError: somebody else sweeps at this moment; likewise.
        """
        swept = await sweep_project(self._office, self._prefix)
        return swept + await sweep_ended(self._office, self._tenant)

    async def url(self, name: str, *, ttl: timedelta | str | None = None, immutable: bool = False) -> str:
        """The path at which an asset is served, below the application's root.

        Args:
            name: of the asset, or ``assets.json`` for the list of all.
            ttl: how long a token in it is good, a second to 24 hours, ``4h`` or a timedelta; without it it has none.
            immutable: whether it names the version that is served now, for good.

        Raises:
            InvalidValueError: not such a time, or an immutable list.
            DoesNotExistError: there is no such asset yet that could have an immutable address, or no key to make a
                token with.
        """
        path = MANIFEST if name == MANIFEST else parse_asset_name(name)
        if immutable and path == MANIFEST:
            msg = f"{MANIFEST} changes with every asset: it has no immutable address"
            raise InvalidValueError(msg)
        sha256 = (await self._version(path)).sha256 if immutable else ""
        token = "" if ttl is None else await self._token(path, ttl)
        return asset_manifest.asset_url(self._office.settings.prefix, self.id, path, sha256=sha256, token=token)

    async def tag(self, name: str, *, base: str = "", ttl: timedelta | str | None = None) -> str:
        """A line of HTML that loads an asset as it is now, and nothing else in its place, whatever is put later.

        Args:
            name: of the asset.
            base: the origin at which it is served, ``https://assets.example.com``; "" for that of the page.
            ttl: how long a token in it is good; without it it has none.

        Raises:
            InvalidValueError: not an origin, not a time, or the name of a source map, which no tag loads.
            DoesNotExistError: there is no such asset.
        """
        path = parse_asset_name(name)
        origin = parse_origin(base, development=self._office.settings.development) if base else ""
        version = await self._version(path)
        made = asset_manifest.tag(version, origin + await self.url(name, ttl=ttl, immutable=True))
        if not made:
            msg = f"no tag loads a source map: {name}"
            raise InvalidValueError(msg)
        return made

    async def manifest(self) -> dict[str, JSON]:
        """Every asset with its addresses, hashes and tag: what ``assets.json`` says."""
        return asset_manifest.manifest(self.id, self._office.settings.prefix, await self._served())

    @property
    def _prefix(self) -> AssetPrefix:
        return AssetPrefix(self._tenant, self.id)

    async def _known(self, path: str) -> AssetInfo | None:
        """What is served at a path of a project that publishes assets."""
        async with self._office.store.reading(self._tenant) as rows:
            await require_tenant(rows, self._tenant)
            assets.require_on(await owner_of(rows, self.id))
            found = await assets.served_at(rows, self.id, path)
        return None if found is None else AssetInfo.of(*found)

    async def _served(self) -> Sequence[tuple[Asset, AssetVersion]]:
        async with self._office.store.reading(self._tenant) as rows:
            await require_tenant(rows, self._tenant)
            return await assets.served(rows, self.id)

    async def _version(self, path: str) -> AssetVersion:
        async with self._office.store.reading(self._tenant) as rows:
            await require_tenant(rows, self._tenant)
            found = await assets.served_at(rows, self.id, path)
        if found is None:
            raise assets.none_of(path)
        return found[1]

    async def _token(self, path: str, given: timedelta | str) -> str:
        ttl = parse_ttl(given)
        async with self._office.store.reading(self._tenant) as rows:
            owner = await require_tenant(rows, self._tenant)
            keys = await every(rows, ProjectKey, self.id)
        if not keys:
            msg = f"the project {self.name!r} has no key yet to make a token with: put an asset"
            raise DoesNotExistError(msg)
        newest, context = max(keys, key=lambda key: key.number), contexts.of_asset_token_key(self._tenant, self.id)
        key = await self._office.vault.own_key(owner, newest, context)
        return make_token(key, self.id, path, int((self._office.now() + ttl).timestamp()))


class AssetVerbs(ProjectHandle):
    """Where the assets of a project are. See `ProjectAdmin`, of which this is a part."""

    @property
    def assets(self) -> ProjectAssets:
        """The scripts and styles of the project."""
        return ProjectAssets(self._office, self._tenant, self.id, self.name, self.actor)
