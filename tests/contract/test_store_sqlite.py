from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from apikeychain.backends.sql import SQLStore
from apikeychain.ports.store import Store
from apikeychain.testing.store import StoreContract
from lost_database import put_folder_in_place


class TestSQLiteStore(StoreContract):
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "keychain.db"

    @pytest.fixture
    async def store(self, path: Path) -> AsyncGenerator[SQLStore, None]:
        async with SQLStore.sqlite(path) as store:
            yield store

    @pytest.fixture
    async def sibling(self, path: Path, store: Store) -> AsyncGenerator[SQLStore, None]:
        async with SQLStore.sqlite(path) as sibling:
            assert sibling is not store
            yield sibling

    async def pull_plug(self, store: Store) -> None:
        """A folder where the file was: there is nothing to connect to."""
        assert isinstance(store, SQLStore)
        await store.engine.dispose()
        put_folder_in_place(store.engine)
