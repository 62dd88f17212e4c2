"""Quotas that are smaller for a while."""

from datetime import UTC, datetime

import pytest

from apikeychain.model.ids import ProjectId
from apikeychain.model.quota import Quota
from apikeychain.model.suspension import Scope
from apikeychain.model.watch import TightenedQuota
from apikeychain.rules.tightened import Quotas, tightened

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUOTAS = Quotas(project=Quota(600, 60), address=Quota(60, 60), origin=None, routes={"own": Quota(100, 60)}, origins={})


def _smaller(scope: Scope, value: str = "", divisor: int = 4) -> TightenedQuota:
    return TightenedQuota(
        project=ProjectId("p_" + "a" * 20), scope=scope, value=value, divisor=divisor, created=NOON, until=NOON
    )


def test_nothing_that_is_smaller_changes_nothing() -> None:
    assert tightened(QUOTAS, []) == QUOTAS


def test_the_quota_of_a_project_takes_along_that_of_an_address() -> None:
    found = tightened(QUOTAS, [_smaller("project")])
    assert (found.project, found.address) == (Quota(150, 60), Quota(15, 60))
    assert (found.routes, found.origins) == (QUOTAS.routes, {})


@pytest.mark.parametrize(("route", "amount"), [("own", 25), ("other", 150)])
def test_a_route_has_a_part_of_its_own_quota_or_of_that_of_the_project(route: str, amount: int) -> None:
    found = tightened(QUOTAS, [_smaller("route", route)])
    assert found.routes[route] == Quota(amount, 60)
    assert found.project == QUOTAS.project


def test_an_origin_has_a_part_and_the_others_what_they_had() -> None:
    found = tightened(QUOTAS, [_smaller("origin", "https://a.example")])
    assert (found.origin, found.origins) == (None, {"https://a.example": Quota(150, 60)})


def test_something_is_always_left() -> None:
    assert tightened(QUOTAS, [_smaller("project", divisor=10_000)]).address == Quota(1, 60)
