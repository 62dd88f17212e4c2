"""Reads projects as those meet them who ask for assets.

Source: contracts 9, 10.
"""

from dataclasses import dataclass

from apikeychain.listing import every
from apikeychain.model.asset import Asset, AssetTokenKey, AssetVersion
from apikeychain.model.records import AllowedOrigin, Project, ProjectKey, Tenant
from apikeychain.ports.store import TenantReader
from apikeychain.rules.shelf import Shelf, compile_shelf


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelvedProjects:
    """Reads shelves; there is none where assets are off, whatever the proxy is.

    Attributes:
        prefix: of the settings.
        development: whether http origins count.
    """

    prefix: str
    development: bool

    async def __call__(self, store: TenantReader, tenant: Tenant, project: Project, held: Shelf | None) -> Shelf | None:
        """The shelf; the one that is held where nothing of its project changed: it may have thousands of versions."""
        if not project.assets:
            return None
        if held is not None and (held.tenant, held.project) == (tenant, project):
            return held
        return compile_shelf(
            tenant,
            project,
            origins=await every(store, AllowedOrigin, project.id),
            assets=await every(store, Asset, project.id),
            versions=await every(store, AssetVersion, project.id),
            keys=await every(store, ProjectKey, project.id),
            token_keys=await every(store, AssetTokenKey, project.id),
            prefix=self.prefix,
            development=self.development,
        )
