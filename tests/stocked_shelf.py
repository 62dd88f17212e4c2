"""A project that has published assets, written straight into its stores, and calls for them through the middleware."""

import gzip
import hashlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import brotli

from apikeychain import APIKeyChainSettings
from apikeychain.errors import AlreadyExistsError, DoesNotExistError
from apikeychain.model.asset import Asset, AssetPrefix, AssetVersion
from apikeychain.model.asset_bodies import AssetBodies
from apikeychain.model.headers import Line
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.records import Project, ProjectKey, Tenant
from apikeychain.residence import Residence
from apikeychain.tenants.change import project_change
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.vault import contexts
from apikeychain.vault.assets import new_object, new_object_key, seal_object
from gate import Answer, Gate, open_gate

SCRIPT = b"export const answer = 42;\n" * 40
STYLE = b"body { color: navy; }\n" * 40


@dataclass
class TinyAssetStore:
    """Keeps objects in a dict, counts who asks, and breaks when told to."""

    objects: dict[tuple[AssetPrefix, str], bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    fault: Exception | None = None

    async def put(self, prefix: AssetPrefix, name: str, body: bytes) -> None:
        if (prefix, name) in self.objects:
            raise AlreadyExistsError
        self.objects[prefix, name] = body

    async def open(self, prefix: AssetPrefix, name: str) -> bytes:
        self.asked.append(name)
        if self.fault is not None:
            raise self.fault
        if (prefix, name) not in self.objects:
            raise DoesNotExistError
        return self.objects[prefix, name]

    async def delete(self, prefix: AssetPrefix, name: str) -> None:
        self.objects.pop((prefix, name), None)

    async def list(self, prefix: AssetPrefix, after: str, limit: int) -> Sequence[str]:
        return sorted(name for where, name in self.objects if where == prefix and name > after)[:limit]


@dataclass
class Shop:
    """A gate whose project serves assets."""

    gate: Gate
    store: TinyAssetStore

    @property
    def project(self) -> ProjectId:
        return self.gate.shop.id

    @property
    def residence(self) -> Residence:
        assert self.gate.keychain._residence is not None
        return self.gate.keychain._residence

    def url(self, path: str) -> str:
        return f"/api/apikeychain/{self.project}/{path}"

    async def get(self, path: str, query: bytes = b"", *lines: Line, method: str = "GET", **scope: Any) -> Answer:
        return await self.gate.call(self.url(path), query, method=method, headers=lines, scope=scope)

    async def put(self, path: str, body: bytes, *, project: ProjectAdmin | None = None) -> AssetVersion:
        """Publish a body as the next version of a path."""
        shop = project or self.gate.shop
        office, acme = self.residence.office, TenantId("acme")
        async with office.store.reading(acme) as rows:
            tenant, keys = await rows.get(Tenant, ()), await rows.list(ProjectKey, (shop.id,), 1)
            stored = await rows.get(Asset, (shop.id, path))
        assert tenant is not None
        number = stored.number + 1 if stored else 1
        version, sealed = await sealed_version(self.residence, tenant, keys[0], path, number, body)
        await self.store.put(AssetPrefix(acme, shop.id), version.object, sealed)
        now = datetime.now(UTC)
        asset = Asset(project=shop.id, path=path, number=number, created=now, changed=now, generation=number)
        async with project_change(office, acme, shop.id, "tester") as change:
            await change.store.insert(version)
            if stored is None:
                await change.store.insert(asset)
            else:
                await change.store.replace(asset, stored.generation)
            change.note("project.changed")
        return version

    async def change(self, **fields: Any) -> None:
        """Change the project's own fields."""
        await change_project(self.gate.shop, self.residence, **fields)

    async def remove(self, path: str) -> None:
        async with project_change(self.residence.office, TenantId("acme"), self.project, "tester") as change:
            await change.remove(await change.require(Asset, path))
            change.note("project.changed")


async def sealed_version(
    residence: Residence, tenant: Tenant, key: ProjectKey, path: str, number: int, body: bytes
) -> tuple[AssetVersion, bytes]:
    """The row of a version, and its object."""
    text, now = new_object_key(), datetime.now(UTC)
    bare = AssetVersion(
        project=key.project,
        path=path,
        number=number,
        object=new_object(),
        sealed=b"",
        bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        sha384=hashlib.sha384(body).hexdigest(),
        sha512=hashlib.sha512(body).hexdigest(),
        object_bytes=0,
        object_sha256="",
        created=now.replace(microsecond=0),
    )
    coded = [made if len(made) < len(body) else b"" for made in (gzip.compress(body), brotli.compress(body))]
    sealed = seal_object(text, tenant.id, bare, AssetBodies(body, *coded).pack())
    own = await residence.office.vault.seal_text(tenant, key, contexts.of_asset_key(tenant.id, bare), text)
    digest = hashlib.sha256(sealed).hexdigest()
    return replace(bare, sealed=own, object_bytes=len(sealed), object_sha256=digest), sealed


async def change_project(project: ProjectAdmin, residence: Residence, **fields: Any) -> None:
    """Change a project's own fields."""
    async with project_change(residence.office, TenantId("acme"), project.id, "tester") as change:
        change.project = replace(change.project, **fields)
        change.note("project.changed")
    assert Project is not None


@asynccontextmanager
async def open_shop(
    *, settings: APIKeyChainSettings | None = None, **fields: Any
) -> AsyncGenerator[Shop, None]:
    """A shop with a script and a style at ``js`` and ``css``; `fields` are its project's own."""
    store = TinyAssetStore()
    async with open_gate(settings=settings, asset_store=store) as gate:
        shop = Shop(gate, store)
        await shop.change(assets=True, **fields)
        await shop.put("js/index.js", SCRIPT)
        await shop.put("css/index.css", STYLE)
        await wait_for_news()
        yield shop


async def wait_for_news() -> None:
    """Until the news of a change were heard: they drop what is held."""
    import asyncio

    await asyncio.sleep(0.02)
