"""An id ends the key that it names, and no other."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from apikeychain.model.ids import ProjectId
from apikeychain.model.records import SealedSecret
from apikeychain.model.rotation_records import ProviderKey, Rotation
from apikeychain.model.rotators import HostRotation
from apikeychain.rules.key_ids import begun, believed, is_of_another

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHOP = ProjectId("p_shop")
KEY = ProviderKey(
    project=SHOP,
    secret="weather",
    number=3,
    state="current",
    reason="schedule",
    label="made-by-us",
    created=NOON,
    after=NOON,
    id="key-3",
    version=3,
    fingerprint="its-own",
)
SEALED = SealedSecret(
    project=SHOP,
    name="weather",
    provider="weather",
    version=3,
    sealed=b"",
    fingerprint="its-own",
    created=NOON,
    changed=NOON,
)
ROTATION = Rotation(project=SHOP, secret="weather", how=HostRotation(name="own"), created=NOON, due=NOON)


@pytest.mark.parametrize(
    ("key_id", "fingerprint", "is_another"),
    [
        ("key-3", "its-own", False),
        ("key-3", "of-another", True),
        ("key-4", "of-another", False),
        ("", "of-another", False),
    ],
)
def test_an_id_is_of_one_value(key_id: str, fingerprint: str, *, is_another: bool) -> None:
    assert is_of_another([KEY, replace(KEY, id="", number=4)], key_id, fingerprint) is is_another


@pytest.mark.parametrize(
    ("before", "said", "believes"),
    [
        pytest.param([], "key-1", "key-1", id="nothing is known"),
        pytest.param([KEY], "key-3", "key-3", id="of this value"),
        pytest.param([KEY], "key-1", "", id="of this value another one is known"),
        pytest.param([KEY], "", "", id="nothing is said"),
        pytest.param([replace(KEY, id="")], "key-1", "", id="of a value that a turn made"),
        pytest.param([replace(KEY, id="", number=1)], "key-1", "key-1", id="of the value that it began with"),
        pytest.param([replace(KEY, fingerprint="of-old")], "key-3", "", id="of a value before this"),
        pytest.param([replace(KEY, fingerprint="of-old")], "key-9", "key-9", id="of neither"),
    ],
)
def test_an_id_that_is_said_is_believed_unless_it_is_known_better(
    before: list[ProviderKey], said: str, believes: str
) -> None:
    assert believed(said, before, SEALED) == believes


@pytest.mark.parametrize(
    ("fingerprint", "key_id", "label"),
    [("its-own", "", "made-by-us"), ("its-own", "key-3", ""), ("of-old", "", "")],
    ids=["without-an-id", "with-an-id", "another-value"],
)
def test_a_key_without_an_id_is_found_by_the_label_that_it_was_made_with(
    fingerprint: str, key_id: str, label: str
) -> None:
    """One with an id has none: by a label an id is known that the rotator gave, and not somebody."""
    key = begun(ROTATION, [replace(KEY, fingerprint=fingerprint)], SEALED, NOON, key_id)
    assert (key.number, key.id, key.label, key.fingerprint) == (4, key_id, label, "its-own")
