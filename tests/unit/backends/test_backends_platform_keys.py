import json
from typing import Any

import pytest

from apikeychain.backends.platform_keys import PlatformKey, PlatformKeys
from apikeychain.errors import InvalidValueError, SealedValueError
from apikeychain.model.keys import KeyContext
from vectors import make_sealed_value_v1 as other

VECTORS: list[dict[str, Any]] = json.loads(other.FILE.read_text())["wraps"]
CONTEXT = KeyContext(tenant="acme", purpose="tenant-secret")
KEY = bytes(range(32))


@pytest.mark.parametrize("vector", VECTORS)
def test_a_key_that_the_second_implementation_wrapped_unwraps(vector: dict[str, Any]) -> None:
    version, platform, wrapped = (bytes.fromhex(vector[name]) for name in ("version", "platform", "wrapped"))
    keys = PlatformKeys((PlatformKey(1, version, platform),))
    assert keys.unwrap(wrapped, KeyContext(**vector["context"])).hex() == vector["key"]


def test_keys_of_another_installation_open_nothing() -> None:
    wrapped = PlatformKeys.generate().wrap(KEY, CONTEXT)
    with pytest.raises(SealedValueError):
        PlatformKeys.generate().unwrap(wrapped, CONTEXT)


def test_a_key_the_attacker_wrapped_under_a_key_of_his_own_does_not_unwrap() -> None:
    """env-09: also when he names our version."""
    ours = PlatformKeys.generate()
    his = PlatformKeys((PlatformKey(1, ours.newest.version, bytes(32)),))
    with pytest.raises(SealedValueError):
        ours.unwrap(his.wrap(KEY, CONTEXT), CONTEXT)


def test_versions_count_up_and_the_newest_wraps() -> None:
    keys = PlatformKeys.generate().rotated().rotated()
    assert [known.number for known in keys.versions] == [1, 2, 3]
    assert keys.without(1).without(2).unwrap(keys.wrap(KEY, CONTEXT), CONTEXT) == KEY


def test_a_retired_number_is_not_given_again_and_can_be_retired_again() -> None:
    keys = PlatformKeys.generate().rotated().without(1)
    assert keys.without(1) == keys
    assert keys.rotated().newest.number == 3


@pytest.mark.parametrize("number", [-1, 0, 2, 3])
def test_the_newest_and_what_never_was_cannot_be_retired(number: int) -> None:
    with pytest.raises(InvalidValueError, match=f"version {number} "):
        PlatformKeys.generate().rotated().without(number)


def test_no_key_shows_in_a_repr() -> None:
    keys = PlatformKeys.generate()
    assert repr(keys.newest.key) not in repr(keys)
    assert "key=" not in repr(keys)
