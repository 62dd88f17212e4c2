from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from apikeychain import APIKeyChain, APIKeyChainSettings
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin

QUICK = APIKeyChainSettings(kdf="pbkdf2-sha512")


@pytest.fixture(params=["memory", "embedded"])
async def keychain(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[APIKeyChain, None]:
    if request.param == "memory":
        keychain = APIKeyChain.in_memory(settings=QUICK)
    else:
        keychain = APIKeyChain.embedded(tmp_path, settings=QUICK)
    async with keychain:
        yield keychain


@pytest.fixture
async def acme(keychain: APIKeyChain) -> TenantAdmin:
    return await keychain.create_tenant("acme")


@pytest.fixture
async def shop(acme: TenantAdmin) -> ProjectAdmin:
    return await acme.create_project("shop")
