from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from apikeychain import APIKeyChain, APIKeyChainSettings
from apikeychain.backends.memory_assets import MemoryAssets
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin

QUICK = APIKeyChainSettings(kdf="pbkdf2-sha512")


@pytest.fixture
def store() -> MemoryAssets:
    """Where assets are kept."""
    return MemoryAssets()


@pytest.fixture(params=["memory", "embedded"])
async def keychain(
    request: pytest.FixtureRequest, tmp_path: Path, store: MemoryAssets
) -> AsyncGenerator[APIKeyChain, None]:
    if request.param == "memory":
        keychain = APIKeyChain.in_memory(settings=QUICK, asset_store=store)
    else:
        keychain = APIKeyChain.embedded(tmp_path, settings=QUICK, asset_store=store)
    async with keychain:
        yield keychain


@pytest.fixture
async def acme(keychain: APIKeyChain) -> TenantAdmin:
    return await keychain.create_tenant("acme")


@pytest.fixture
async def shop(acme: TenantAdmin) -> ProjectAdmin:
    return await acme.create_project("shop")
