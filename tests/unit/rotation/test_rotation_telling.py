"""What is told of keys fits into a message, however many there are."""

from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.rotation_records import ProviderKey
from apikeychain.rotation.telling import forgotten
from rotation_house import NOON


def _keys(count: int, length: int) -> list[ProviderKey]:
    key = {"project": ProjectId("p"), "secret": "weather", "state": "retiring", "reason": "schedule", "label": ""}
    return [
        ProviderKey(number=number, created=NOON, after=NOON, id=f"{number}-" + "x" * length, **key)  # type: ignore[arg-type]  # of mixed types
        for number in range(count)
    ]


def test_twenty_keys_are_named_and_the_others_counted() -> None:
    todo = forgotten(TenantId("acme"), _keys(23, 1), NOON, "why").todo
    assert todo.endswith("id '19-x'; and 3 more with labels of ours")
    assert forgotten(TenantId("acme"), _keys(20, 1), NOON, "why").todo.endswith("id '19-x'")


def test_a_name_is_told_to_a_bound() -> None:
    assert len(forgotten(TenantId("acme"), _keys(23, 10_000), NOON, "why").todo) < 15_000
