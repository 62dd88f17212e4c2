"""Projects put into a store as they are, without secrets: what a hundred thousand of them cost is measured."""

import base64
from datetime import UTC, datetime

from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.origin import Origin
from apikeychain.model.provider import HeaderCredential, Provider
from apikeychain.model.records import AddedRoute, AllowedOrigin, Project, ProjectName, RegisteredProvider, Tenant
from apikeychain.model.route import ProxyRoute, QueryParameter
from apikeychain.ports.store import Store

_NOW = datetime.now(UTC)
_ORIGIN = Origin("https://app.example.com")
_PROVIDER = Provider("weather", "https://api.example.com", HeaderCredential("x-api-key"))
_ROUTE = ProxyRoute("weather", provider="weather", parameters=[QueryParameter("q", pattern="[a-z]+")])


def tenant_id(number: int) -> TenantId:
    """Of a tenant by its number."""
    return TenantId(f"tenant-{number}")


def project_id(tenant: int, number: int) -> ProjectId:
    """Of a tenant's project, both by their numbers."""
    return ProjectId("p_" + base64.b32encode(f"{tenant:06}{number:06}".encode()).decode().lower().rstrip("="))


async def stock(store: Store, tenant: int, projects: int) -> None:
    """Put in a tenant with so many projects, in one transaction."""
    async with store.tenant(tenant_id(tenant)) as own:
        await own.insert(Tenant(id=tenant_id(tenant), created=_NOW, wrapped_secret=b"", wrapped_pseudonym_key=b""))
        for each in range(projects):
            project = project_id(tenant, each)
            await own.insert(Project(id=project, name=f"shop-{each}", created=_NOW, enabled=True))
            await own.insert(ProjectName(name=f"shop-{each}", project=project))
            await own.insert(AllowedOrigin(project=project, origin=_ORIGIN, created=_NOW))
            await own.insert(RegisteredProvider(project=project, provider=_PROVIDER, created=_NOW))
            await own.insert(AddedRoute(project=project, route=_ROUTE, created=_NOW))
