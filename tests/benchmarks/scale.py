"""What a warm call costs where a hundred thousand projects are stored and its project has a thousand routes."""

import asyncio
import base64
import statistics
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from apikeychain import APIKeyChain
from apikeychain.backends.sql import SQLStore
from apikeychain.embedded import DATABASE
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.origin import Origin
from apikeychain.model.provider import HeaderCredential
from apikeychain.model.provider import Provider as Registered
from apikeychain.model.records import AddedRoute, AllowedOrigin, Project, ProjectName, RegisteredProvider, Tenant
from apikeychain.model.route import ProxyRoute

from .load import Load
from .provider import Provider
from .targets import Kind, drive, target

ROUTES = 1_000
_OF_A_TENANT = 100
_NOW = datetime.now(UTC)


def measure(provider: Provider, python: str, projects: int, rounds: int, say: Callable[[str], None]) -> float:
    """How many times the processor of a call through a gate with one project and one route it takes."""
    many = provider.folder / "scale-many"
    many.mkdir()
    asyncio.run(_seed(many, projects, say))
    kinds = {
        "scale-many": Kind("hosts:gate", environment={"ROUTES": str(ROUTES)}),
        "scale-one": Kind("hosts:gate"),
    }
    with ExitStack() as stack:
        targets = {name: stack.enter_context(target(name, kind, provider, python)) for name, kind in kinds.items()}
        rates = dict.fromkeys(targets, 0.0)
        found: dict[str, list[Load]] = {name: [] for name in targets}
        for number in range(rounds + 1):
            for name in targets if number % 2 else reversed(targets):
                run = drive(targets[name], provider.folder, connections=16, seconds=2.0, rate=rates[name])
                rates[name] = run.rate
                found[name].append(run)
            say(f"scale: round {number} of {rounds}")
    pairs = zip(found["scale-many"][1:], found["scale-one"][1:], strict=True)
    return statistics.median(many.cpu / one.cpu for many, one in pairs)


async def _seed(folder: Path, projects: int, say: Callable[[str], None]) -> None:
    async with APIKeyChain.embedded(folder) as keychain:
        await keychain.ensure_tenant("acme")
    async with SQLStore.sqlite(folder / DATABASE) as store:
        for number in range(projects // _OF_A_TENANT):
            await _seed_tenant(store, number)
            if number % 100 == 99:
                say(f"scale: {(number + 1) * _OF_A_TENANT} of {projects} projects stored")


async def _seed_tenant(store: SQLStore, number: int) -> None:
    tenant = TenantId(f"tenant-{number}")
    async with store.tenant(tenant) as own:
        await own.insert(Tenant(id=tenant, created=_NOW, wrapped_secret=b"", wrapped_pseudonym_key=b""))
        for each in range(_OF_A_TENANT):
            project = _project(number, each)
            await own.insert(Project(id=project, name=f"shop-{each}", created=_NOW, enabled=True))
            await own.insert(ProjectName(name=f"shop-{each}", project=project))
            origin = Origin("https://app.example.com")
            await own.insert(AllowedOrigin(project=project, origin=origin, created=_NOW))
            registered = Registered("weather", "https://api.example.com", HeaderCredential("x-api-key"))
            await own.insert(RegisteredProvider(project=project, provider=registered, created=_NOW))
            await own.insert(AddedRoute(project=project, route=ProxyRoute("weather", provider="weather"), created=_NOW))


def _project(tenant: int, number: int) -> ProjectId:
    return ProjectId("p_" + base64.b32encode(f"{tenant:06}{number:06}".encode()).decode().lower().rstrip("="))
