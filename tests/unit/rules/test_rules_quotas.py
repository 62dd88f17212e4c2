import pytest

from apikeychain.errors import RateLimitedError
from apikeychain.model.quota import Balance, Quota, Spend
from apikeychain.model.route import ProxyRoute
from apikeychain.rules import quotas
from apikeychain.rules.caller import Caller
from sample_project import PROJECT, WEATHER, a_snapshot

CALLER = Caller("2001:db8::7", "https", "app.example.com")
ADDRESS = Spend("a", "address", Quota(60, 60))
WHOLE = Spend("b", "project", Quota(600, 60))


def test_a_call_spends_from_its_address_and_its_project() -> None:
    project = a_snapshot()
    assert quotas.spends(project, project.routes[b"weather"], CALLER) == (
        Spend(f"{PROJECT}:address:2001:db8::/64", "address", Quota(60, 60)),
        Spend(f"{PROJECT}:project", "project", Quota(600, 60)),
    )


def test_a_route_with_a_quota_stands_between_them_and_leaves_others_alone() -> None:
    scarce = ProxyRoute("scarce", provider="weather", quota="10/hour")
    project = a_snapshot(routes=[WEATHER, scarce], address_quota="5/second")
    spends = quotas.spends(project, project.routes[b"scarce"], CALLER)
    assert [(spend.name, spend.quota) for spend in spends] == [
        ("address", Quota(5, 1)),
        ("route", Quota(10, 3600)),
        ("project", Quota(600, 60)),
    ]
    assert spends[1].bucket == f"{PROJECT}:route:scarce"
    assert len(quotas.spends(project, project.routes[b"weather"], CALLER)) == 2


def test_refusals_spend_from_a_bucket_of_their_own() -> None:  # contracts 7: 60/minute for (project, address)
    spend = quotas.refusal_spend(PROJECT, CALLER)
    assert spend == Spend(f"{PROJECT}:refusals:2001:db8::/64", "refusals", Quota(60, 60))


def test_an_admitted_call_is_told_what_is_left() -> None:
    assert quotas.admit([Balance(ADDRESS, True, 59, 42), Balance(WHOLE, True, 411, 41)]) == (
        (b"ratelimit-policy", b'"address";q=60;w=60, "project";q=600;w=60'),
        (b"ratelimit", b'"address";r=59;t=42, "project";r=411;t=41'),
    )


def test_a_call_without_room_is_refused_with_the_longest_wait_of_the_empty_buckets() -> None:
    balances = [Balance(ADDRESS, False, 0, 7), Balance(ADDRESS, True, 3, 99), Balance(WHOLE, False, 0, 30)]
    with pytest.raises(RateLimitedError) as refused:
        quotas.admit(balances)
    assert refused.value.headers == (
        (b"retry-after", b"30"),
        (b"ratelimit-policy", b'"address";q=60;w=60, "address";q=60;w=60, "project";q=600;w=60'),
        (b"ratelimit", b'"address";r=0;t=7, "address";r=3;t=99, "project";r=0;t=30'),
    )
    assert refused.value.hint == "The quota 'address' of 60 calls in 60 s is used up."
