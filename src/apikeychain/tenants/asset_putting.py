"""An asset is put: noted, put, and made the version that is served.

The object is put outside of every transaction, since it may take seconds, and becomes one of a version in a short one.
Whoever was faster with the same name has taken the number that the object is sealed for: then it is done again.

Source: contracts 9; spec 7; decision 35.
"""

import asyncio
import hashlib
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, replace

from apikeychain.errors import APIKeyChainError, ConflictError, InvalidValueError
from apikeychain.listing import every
from apikeychain.model.asset import MAX_ASSETS, MAX_VERSIONS, Asset, AssetPrefix, AssetVersion, LooseObject
from apikeychain.model.records import ProjectKey
from apikeychain.secret import Secret
from apikeychain.tenants import secrets
from apikeychain.tenants.asset_making import MadeAsset
from apikeychain.tenants.asset_objects import store_of, try_to_delete
from apikeychain.tenants.assets import AssetInfo, loose, loosen, require_on, served_at, told, versions_of
from apikeychain.tenants.change import Office, ProjectChange, project_change, soon
from apikeychain.vault import contexts
from apikeychain.vault.assets import new_object, new_object_key, seal_object
from apikeychain.vault.uses import count_uses

_ATTEMPTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sealed:
    """A version before it is stored.

    Attributes:
        key: of its object.
        body: its object.
    """

    version: AssetVersion
    key: Secret
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Putting:
    """An asset on its way.

    Attributes:
        path: of the asset.
        made: what is put.
        actor: the label for the ledger.
    """

    office: Office
    prefix: AssetPrefix
    path: str
    made: MadeAsset
    actor: str

    async def put(self) -> AssetInfo:
        """Put it; what is served already changes nothing.

        Raises:
            InvalidValueError: the project publishes no assets, or has 1,000 already.
            ConflictError: others changed the same asset again and again meanwhile.
            DoesNotExistError: the project is gone.
            BackendUnavailableError: the asset store or the key service does not answer.
        """
        for _ in range(_ATTEMPTS - 1):
            try:
                return await self._put()
            except ConflictError:
                continue
        return await self._put()

    async def _put(self) -> AssetInfo:
        first_key = await secrets.first_key(self.office, self.prefix.tenant, self.prefix.project)
        async with self.office.store.reading(self.prefix.tenant) as rows:
            found = await served_at(rows, self.prefix.project, self.path)
            number = _following(await versions_of(rows, self.prefix.project, self.path))
        if found is not None and found[1].sha256 == self.made.sha256:
            return AssetInfo.of(*found)
        sealed = await asyncio.to_thread(self._sealed, number)
        return await self._put_object(sealed, first_key)

    async def _put_object(self, sealed: _Sealed, first_key: ProjectKey | None) -> AssetInfo:
        name = sealed.version.object
        async with self._change() as change:
            require_on(change.project)
            await change.store.insert(loose(change, name, self.path))
        is_put = False
        try:
            await store_of(self.office).put(self.prefix, name, sealed.body)
            is_put = True
            info, gone = await self._store(sealed, first_key)
        except BaseException:
            # It may be stored all the same: what is of a version by now is not deleted. And what was broken off while
            # it was put may come to be after this: its note stays.
            await asyncio.shield(self._give_up(name, keeps_note=not is_put))
            raise
        await try_to_delete(self.office, self.prefix, gone)
        return info

    async def _give_up(self, name: str, *, keeps_note: bool) -> None:
        with suppress(APIKeyChainError):
            await self._note_again(name)
        await try_to_delete(self.office, self.prefix, [name], keeps_notes=keeps_note)

    async def _note_again(self, name: str) -> None:
        """A sweep that came before the object took its note along, and found nothing yet to delete."""
        async with self._change() as change:
            kept = await versions_of(change.store, change.project.id, self.path)
            is_known = name in {one.object for one in kept} or await change.find(LooseObject, name) is not None
            if not is_known:
                await change.store.insert(loose(change, name, self.path))

    def _sealed(self, number: int) -> _Sealed:
        made, key = self.made, new_object_key()
        bare = AssetVersion(
            project=self.prefix.project,
            path=self.path,
            number=number,
            object=new_object(),
            sealed=b"",
            bytes=made.size,
            sha256=made.sha256,
            sha384=made.sha384,
            sha512=made.sha512,
            object_bytes=0,
            object_sha256="",
            created=self.office.now(),
        )
        body = seal_object(key, self.prefix.tenant, bare, made.packed)
        version = replace(bare, object_bytes=len(body), object_sha256=hashlib.sha256(body).hexdigest())
        return _Sealed(version=version, key=key, body=body)

    async def _store(self, sealed: _Sealed, first_key: ProjectKey | None) -> tuple[AssetInfo, list[str]]:
        """Make it the version that is served. Returns what is told of it, and the objects of versions that went."""
        async with self._change() as change:
            require_on(change.project)
            await _take_note_away(change, sealed.version.object)
            kept = await versions_of(change.store, change.project.id, self.path)
            if sealed.version.number != _following(kept):
                raise _overtaken(self.path)
            version = await _with_key(change, sealed, first_key)
            await change.store.insert(version)
            asset = await _serve(change, version)
            gone = kept[: 1 - MAX_VERSIONS]
            await loosen(change, gone)
            change.note("asset.put", **told(version))
        return AssetInfo.of(asset, version), [one.object for one in gone]

    def _change(self) -> AbstractAsyncContextManager[ProjectChange]:
        return project_change(self.office, self.prefix.tenant, self.prefix.project, self.actor)


def _following(versions: list[AssetVersion]) -> int:
    return versions[-1].number + 1 if versions else 1


def _overtaken(path: str) -> ConflictError:
    return ConflictError(f"{path} was changed by somebody else meanwhile: do it again")


async def _take_note_away(change: ProjectChange, name: str) -> None:
    """Raises ConflictError where somebody deletes the object at this moment: that raised the generation of its note."""
    stored = await change.find(LooseObject, name)
    if stored is None or stored.generation > 1:
        msg = "the object of the asset was swept away meanwhile: do it again"
        raise ConflictError(msg)
    await change.remove(stored)


async def _with_key(change: ProjectChange, sealed: _Sealed, first_key: ProjectKey | None) -> AssetVersion:
    """The version with the key of its object, sealed with the newest key of the project."""
    key, context = await secrets.sealing_key(change, first_key), contexts.of_asset_key(change.tenant.id, sealed.version)
    async with soon():
        value = await change.office.vault.seal_text(change.tenant, key, context, sealed.key)
    await count_uses(change.store, key)
    return replace(sealed.version, sealed=value)


async def _serve(change: ProjectChange, version: AssetVersion) -> Asset:
    """Serve a version from now on.

    Raises:
        InvalidValueError: it is of a new asset, and there are 1,000 already.
    """
    stored = await change.find(Asset, version.path)
    if stored is not None:
        await change.store_changed(stored, number=version.number, changed=change.moment)
        return await change.require(Asset, version.path)
    if len(await every(change.store, Asset, change.project.id)) >= MAX_ASSETS:
        msg = f"a project has at most {MAX_ASSETS} assets: remove one that no page loads any more"
        raise InvalidValueError(msg)
    moment, path = change.moment, version.path
    asset = Asset(project=change.project.id, path=path, number=version.number, created=moment, changed=moment)
    await change.store.insert(asset)
    return asset
