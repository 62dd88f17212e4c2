"""A house whose secret turns."""

from collections.abc import AsyncGenerator

import pytest

from rotation_house import RotationHouse, house_of


@pytest.fixture
async def house(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[RotationHouse, None]:
    async with house_of(monkeypatch) as opened:
        yield opened
