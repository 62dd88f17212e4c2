"""Stretching at the least cost, in this process: a key is as good for a test, and made a thousand times as often.

What a derived key costs is the subject of few tests. They say so with ``pytest.mark.full_key_costs``, and so does who
compares a derived key with one that another program or process makes.
"""

import pytest

from apikeychain import primitives

LEAST = {"_ARGON2_PASSES": 1, "_ARGON2_KIB": 32, "_ARGON2_LANES": 4, "_PBKDF2_ITERATIONS": 1}


@pytest.fixture(autouse=True)
def low_key_costs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The least costs, unless a test is marked."""
    if request.node.get_closest_marker("full_key_costs") is None:
        for name, cost in LEAST.items():
            monkeypatch.setattr(primitives, name, cost)
