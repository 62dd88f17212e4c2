import pytest

from apikeychain.backends.memory_signals import MemorySignals
from apikeychain.ports.signals import Signals
from apikeychain.testing.signals import SignalsContract


class TestMemorySignals(SignalsContract):
    capacity = 5

    @pytest.fixture
    def signals(self) -> MemorySignals:
        return MemorySignals(mailbox_size=5)

    def subscribers(self, signals: Signals) -> int:
        assert isinstance(signals, MemorySignals)
        return signals.subscribers

    async def pull_plug(self, signals: Signals) -> None:
        assert isinstance(signals, MemorySignals)
        signals.reachable = False
