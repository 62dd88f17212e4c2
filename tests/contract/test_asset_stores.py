"""The contract of asset stores that need no server."""

from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest

from apikeychain.backends.file_assets import FileAssets
from apikeychain.backends.memory_assets import MemoryAssets
from apikeychain.ports.asset_store import AssetStore
from apikeychain.testing.asset_store import AssetStoreContract
from apikeychain.testing.processes import Opening


class TestFileAssets(AssetStoreContract):
    @pytest.fixture
    def opening(self, tmp_path: Path) -> Opening[AssetStore]:
        self.disk = tmp_path / "disk"
        self.disk.mkdir()
        return partial(FileAssets, self.disk / "assets")

    async def pull_plug(self, store: AssetStore) -> None:
        self.disk.rename(self.disk.with_name("unmounted"))

    async def put_in_plug(self, store: AssetStore) -> None:
        self.disk.with_name("unmounted").rename(self.disk)


class TestMemoryAssets(AssetStoreContract):
    lasts = False

    @pytest.fixture
    def opening(self) -> Opening[AssetStore]:
        store = MemoryAssets()
        return lambda: nullcontext(store)

    async def pull_plug(self, store: AssetStore) -> None:
        assert isinstance(store, MemoryAssets)
        store.reachable = False

    async def put_in_plug(self, store: AssetStore) -> None:
        assert isinstance(store, MemoryAssets)
        store.reachable = True
