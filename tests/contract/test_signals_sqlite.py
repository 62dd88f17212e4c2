from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from apikeychain.backends.sql import SQLiteSignals, SQLStore
from apikeychain.ports.signals import Signals
from apikeychain.testing.signals import SignalsContract
from lost_database import put_folder_in_place


class TestSQLiteSignals(SignalsContract):
    capacity = 5

    @pytest.fixture
    async def signals(self, tmp_path: Path) -> AsyncGenerator[SQLiteSignals, None]:
        async with SQLStore.sqlite(tmp_path / "keychain.db") as store:
            yield SQLiteSignals(store, mailbox_size=5)

    def subscribers(self, signals: Signals) -> int:
        assert isinstance(signals, SQLiteSignals)
        return signals.subscribers

    async def pull_plug(self, signals: Signals) -> None:
        assert isinstance(signals, SQLiteSignals)
        engine = signals.store.engine
        await engine.dispose()
        put_folder_in_place(engine)
