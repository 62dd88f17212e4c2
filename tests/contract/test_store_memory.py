import pytest

from apikeychain.backends.memory_store import MemoryStore
from apikeychain.ports.store import Store
from apikeychain.testing.store import StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()

    @pytest.fixture
    def sibling(self, store: MemoryStore) -> MemoryStore:
        return store.sibling()

    async def pull_plug(self, store: Store) -> None:
        assert isinstance(store, MemoryStore)
        store.reachable = False
