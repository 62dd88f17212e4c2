"""Reads projects as those meet them who ask for assets.

Source: contracts 9, 10.
"""

from dataclasses import dataclass

from apikeychain.errors import DamagedDataError
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
        """The shelf; the one that is held where nothing of its project changed: it may have thousands of versions.

        Raises:
            DamagedDataError: a version has no hash where it has one.
        """
        if not project.assets:
            return None
        if held is not None and (held.tenant, held.project) == (tenant, project):
            return held
        versions = await every(store, AssetVersion, project.id)
        origins, assets = await every(store, AllowedOrigin, project.id), await every(store, Asset, project.id)
        keys, token_keys = await every(store, ProjectKey, project.id), await every(store, AssetTokenKey, project.id)
        try:
            return compile_shelf(
                tenant,
                project,
                origins=origins,
                assets=assets,
                versions=versions,
                keys=keys,
                token_keys=token_keys,
                prefix=self.prefix,
                development=self.development,
            )
        except ValueError:
            msg = f"a stored {AssetVersion.kind}"
            raise DamagedDataError(msg, tenant.id) from None
