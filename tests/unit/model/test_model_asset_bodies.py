"""What an object of an asset holds before it is sealed."""

import pytest

from apikeychain.errors import DamagedDataError
from apikeychain.model.asset_bodies import AssetBodies

BODIES = AssetBodies(b"body {}", b"\x1f\x8b", b"")


def test_what_was_packed_is_unpacked() -> None:
    assert BODIES.pack() == b"\x01" + b"\x00\x00\x00\x07body {}" + b"\x00\x00\x00\x02\x1f\x8b" + b"\x00\x00\x00\x00"
    assert AssetBodies.unpack(BODIES.pack()) == BODIES


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(BODIES.pack()[:-1], id="cut"),
        pytest.param(BODIES.pack() + b"\x00", id="more behind it"),
        pytest.param(BODIES.pack()[1:], id="no format"),
        pytest.param(b"\x02" + BODIES.pack()[1:], id="another format"),
        pytest.param(b"\x01\xff\xff\xff\xff", id="longer than it is"),
    ],
)
def test_anything_else_is_damaged(packed: bytes) -> None:
    with pytest.raises(DamagedDataError):
        AssetBodies.unpack(packed)
