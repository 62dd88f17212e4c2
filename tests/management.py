"""What a project holds and what its tenant's ledger says of it, for tests of the management verbs."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import canary
from apikeychain import HeaderCredential, Provider, ProxyRoute, QueryParameter, Secret
from apikeychain.model.ledger import LedgerEntry
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin

CANARY = canary.secret("first")
OTHER = canary.secret("other")
APP = "https://app.example.com"
WEATHER = Provider("weather", "https://api.weather.example", HeaderCredential("x-api-key"))
MAPS = Provider("maps", "https://maps.example", HeaderCredential("x-api-key"))
ROUTE = ProxyRoute("weather", provider="weather", path="/v1/weather", parameters=[QueryParameter("q")])


async def entries(tenant: TenantAdmin) -> list[LedgerEntry]:
    """The whole ledger of a tenant, which holds."""
    head = await tenant.verify_ledger()
    found = [*await tenant.entries(0, 100_000)]
    assert head.size == len(found)
    return found


async def kinds(tenant: TenantAdmin) -> list[str]:
    return [entry.kind for entry in await entries(tenant)]


def data(entry: LedgerEntry) -> dict[str, Any]:
    return dict(json.loads(entry.payload)["data"])


async def contents(project: ProjectAdmin) -> list[object]:
    """Everything of a project that can be told."""
    return [
        await project.show(),
        await project.list_origins(),
        await project.list_providers(),
        await project.list_routes(),
        await project.list_secrets(),
        await project.list_suspensions(),
    ]


@asynccontextmanager
async def nothing_changes(tenant: TenantAdmin, project: ProjectAdmin) -> AsyncGenerator[None, None]:
    """The block leaves records, generations and ledger as they were."""
    before = (await contents(project), await kinds(tenant))
    yield
    assert (await contents(project), await kinds(tenant)) == before


@asynccontextmanager
async def one_change(tenant: TenantAdmin, project: ProjectAdmin, *expected: str) -> AsyncGenerator[None, None]:
    """The block raises the project's generation by one and leaves exactly these entries."""
    generation, known = (await project.show()).generation, len(await kinds(tenant))
    yield
    assert (await project.show()).generation == generation + 1
    assert (await kinds(tenant))[known:] == [*expected]


async def fill(project: ProjectAdmin, secret: str = CANARY) -> None:
    """One of each."""
    await project.configure(
        origins=[APP], providers=[WEATHER], secrets={"weather": Secret(secret)}, routes=[ROUTE], enabled=True
    )
