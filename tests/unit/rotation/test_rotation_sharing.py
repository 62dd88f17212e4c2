"""Each tenant has its turn, whatever another one has waiting."""

from collections import Counter

from apikeychain.model.errand import Errand
from apikeychain.model.ids import parse_tenant_id
from apikeychain.rotation.sharing import in_turn
from rotation_house import NOON


def errands(tenant: str, count: int) -> list[Errand]:
    return [
        Errand(topic="rotation", tenant=parse_tenant_id(tenant), subject=f"p/{number}", due=NOON, since=NOON, last=NOON)
        for number in range(count)
    ]


def test_those_that_wait_longest_come_first_four_of_one_tenant() -> None:
    many = errands("acme", 20)
    assert in_turn(many, {}) == many[:4]
    assert in_turn(many, {"acme": 3}) == many[:1]
    assert in_turn(many, {"acme": 4}) == []


def test_whoever_has_fewest_begun_comes_first() -> None:
    waiting = [*errands("acme", 20), *errands("beta", 2), *errands("gamma", 1)]
    assert [one.tenant for one in in_turn(waiting, {"acme": 1})] == ["beta", "gamma", "acme", "beta", "acme", "acme"]


def test_sixteen_are_looked_at_at_once() -> None:
    waiting = [one for number in range(10) for one in errands(f"t{number}", 5)]
    assert Counter(one.tenant for one in in_turn(waiting, {})).most_common() == [
        *[(f"t{number}", 2) for number in range(6)],
        *[(f"t{number}", 1) for number in range(6, 10)],
    ]
    assert [one.tenant for one in in_turn(waiting, {"t0": 4, "other": 11})] == ["t1"]
    assert in_turn(waiting, {"t0": 4, "other": 13}) == []
