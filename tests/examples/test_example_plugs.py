"""The examples of plugs keep the contracts of their ports."""

from pathlib import Path

import pytest

from apikeychain.ports.key_service import KeyService
from apikeychain.ports.rate_limiter import RateLimiter
from apikeychain.ports.store import Store
from apikeychain.testing.key_service import KeyServiceContract
from apikeychain.testing.rate_limiter import RateLimiterContract
from apikeychain.testing.store import StoreContract
from examples_of import example

PLUGS = {name: example(name) for name in ("custom_store", "custom_rate_limiter", "custom_key_service")}


class TestFolderStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        self.folder = tmp_path / "tenants"
        self.folder.mkdir()
        store: Store = PLUGS["custom_store"].FolderStore(self.folder)
        return store

    @pytest.fixture
    def sibling(self, store: Store) -> Store:
        sibling: Store = store.sibling("two")  # type: ignore[attr-defined]  # of the example, not of every store
        return sibling

    async def pull_plug(self, store: Store) -> None:
        self.folder.rename(self.folder.with_name("gone"))


class TestSpacingRateLimiter(RateLimiterContract):
    @pytest.fixture
    def limiter(self) -> RateLimiter:
        self.seconds = 1000.0
        limiter: RateLimiter = PLUGS["custom_rate_limiter"].SpacingRateLimiter(lambda: self.seconds)
        return limiter

    async def wait(self, seconds: float) -> None:
        self.seconds += seconds

    async def cut_off(self, limiter: RateLimiter) -> bool:
        return False


class TestFolderKeyService(KeyServiceContract):
    @pytest.fixture
    def key_service(self, tmp_path: Path) -> KeyService:
        self.folder = tmp_path / "keys"
        self.folder.mkdir()
        service: KeyService = PLUGS["custom_key_service"].FolderKeyService(self.folder)
        return service

    async def pull_plug(self, key_service: KeyService) -> None:
        self.folder.rename(self.folder.with_name("gone"))
