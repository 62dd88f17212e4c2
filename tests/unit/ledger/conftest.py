from collections.abc import Iterator

import pytest

from apikeychain.ledger import ledger as buffered
from ledger_house import House


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(buffered, "FLUSH_SECONDS", 0.005)
    monkeypatch.setattr(buffered, "MAX_BACKOFF_SECONDS", 0.005)
    return iter(())


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is written because of the time."""
    monkeypatch.setattr(buffered, "FLUSH_SECONDS", 60.0)
    return iter(())
