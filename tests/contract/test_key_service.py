from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from apikeychain.backends.local_keys import LocalKeyService
from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.ports.key_service import KeyService
from apikeychain.testing.key_service import KeyServiceContract


class TestLocalKeyService(KeyServiceContract):
    @pytest.fixture
    async def key_service(self, tmp_path: Path) -> AsyncGenerator[KeyService, None]:
        async with LocalKeyService(tmp_path / "platform.key", create=True) as service:
            yield service

    async def pull_plug(self, key_service: KeyService) -> None:
        assert isinstance(key_service, LocalKeyService)
        key_service.path.unlink()


class TestMemoryKeyService(KeyServiceContract):
    @pytest.fixture
    def key_service(self) -> KeyService:
        return MemoryKeyService()

    async def pull_plug(self, key_service: KeyService) -> None:
        assert isinstance(key_service, MemoryKeyService)
        key_service.reachable = False
