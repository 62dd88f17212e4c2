import pytest

from apikeychain.errors import (
    AnswerError,
    BackendUnavailableError,
    MethodRefusedError,
    OriginRefusedError,
    PreflightRefusedError,
    RateLimitedError,
    SignatureRefusedError,
)
from apikeychain.model.origin import Origin
from apikeychain.model.quota import Balance, Quota, Spend
from apikeychain.model.route import ProxyRoute
from apikeychain.rules import quotas
from apikeychain.rules.caller import Caller, bucket_address
from sample_project import APP, PROJECT, WEATHER, a_snapshot

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


def test_all_that_apply_are_spent_in_one_deed_narrowest_first() -> None:  # contracts 7
    scarce = ProxyRoute("scarce", provider="weather", quota="10/hour")
    project = a_snapshot(
        routes=[scarce],
        quota="1000/minute",
        address_quota="50/minute",
        user_quota="40/minute moving-window",
        origin_quota="900/minute",
    )
    spends = quotas.spends(project, project.routes[b"scarce"], CALLER, origin=Origin(APP), user="u:1", proven=True)
    assert spends == (
        Spend(f"{PROJECT}:address:2001:db8::/64", "address", Quota(50, 60)),
        Spend(f"{PROJECT}:user:u:1", "user", Quota(40, 60, exact=True)),
        Spend(f"{PROJECT}:route:scarce", "route", Quota(10, 3600)),
        Spend(f"{PROJECT}:origin:{APP}", "origin", Quota(900, 60)),
        Spend(f"{PROJECT}:project", "project", Quota(1000, 60)),
    )
    keys = [spend.bucket for spend in spends]
    assert all(key.isascii() and key.isprintable() for key in keys)
    assert len(set(keys)) == len(keys)


def test_a_call_without_user_or_origin_spends_none_of_theirs() -> None:
    project = a_snapshot(user_quota="5/minute", origin_quota="50/minute")
    spends = quotas.spends(project, project.routes[b"weather"], CALLER)
    assert [spend.name for spend in spends] == ["address", "project"]


def test_a_user_and_an_origin_without_a_quota_are_not_counted() -> None:
    project = a_snapshot()
    spends = quotas.spends(project, project.routes[b"weather"], CALLER, origin=Origin(APP), user="alice", proven=True)
    assert [spend.name for spend in spends] == ["address", "project"]


@pytest.mark.parametrize("user", ["a", "!", "~", "x" * 128, "auth0|5f7c", "alice@example.com", "a:b", "*", "%2f"])
def test_a_label_of_printable_ascii_is_a_user(user: str) -> None:
    project = a_snapshot(user_quota="5/minute")
    assert quotas.user_bucket(project, CALLER, user, proven=True) == f"{PROJECT}:user:{user}"
    claimed = f"{PROJECT}:claimed-user:{bucket_address(CALLER.address)}:{user}"
    assert quotas.user_bucket(project, CALLER, user, proven=False) == claimed


@pytest.mark.parametrize("user", [None, "", " ", "a b", "x" * 129, "\xe9", "a\n", "a\x7f", "a\x00", "\uff41"])
def test_any_other_label_counts_as_no_user(user: str | None) -> None:
    project = a_snapshot(user_quota="5/minute")
    assert quotas.user_bucket(project, CALLER, user, proven=True) is None
    spends = quotas.spends(project, project.routes[b"weather"], CALLER, user=user)
    assert [spend.name for spend in spends] == ["address", "project"]


def test_a_claimed_name_takes_nothing_from_the_user_who_bears_it() -> None:
    project = a_snapshot(user_quota="5/minute")
    proven, claimed = (
        quotas.spends(project, project.routes[b"weather"], CALLER, user="alice", proven=proven)[1]
        for proven in (True, False)
    )
    assert proven.name == claimed.name == "user"
    assert proven.bucket != claimed.bucket


def test_refusals_are_asked_after_without_being_spent() -> None:
    assert quotas.refusal_spend(PROJECT, CALLER, cost=0) == Spend(
        f"{PROJECT}:refusals:2001:db8::/64", "refusals", Quota(60, 60), cost=0
    )


@pytest.mark.parametrize(
    ("error", "spent"),
    [
        (SignatureRefusedError(), True),
        (MethodRefusedError(), True),
        (OriginRefusedError(), False),
        (PreflightRefusedError(), False),
        (RateLimitedError(), False),
        (BackendUnavailableError(), False),
    ],
)
def test_what_a_foreign_page_or_a_quota_or_a_failure_ends_spends_no_refusal(error: AnswerError, *, spent: bool) -> None:
    assert quotas.spends_refusal(error) is spent


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


def test_an_observed_quota_that_is_used_up_admits_and_tells_the_same() -> None:
    balances = [Balance(ADDRESS, False, 0, 7), Balance(WHOLE, True, 411, 41)]
    assert quotas.admit(balances, observe=True) == (
        (b"ratelimit-policy", b'"address";q=60;w=60, "project";q=600;w=60'),
        (b"ratelimit", b'"address";r=0;t=7, "project";r=411;t=41'),
    )
    assert quotas.used_up(balances) == (ADDRESS,)
    assert quotas.used_up([Balance(WHOLE, True, 411, 41)]) == ()


def test_no_header_and_no_hint_holds_an_address_a_user_or_an_origin() -> None:
    project = a_snapshot(user_quota="5/minute", origin_quota="50/minute")
    spends = quotas.spends(project, project.routes[b"weather"], CALLER, origin=Origin(APP), user="alice", proven=True)
    with pytest.raises(RateLimitedError) as refused:
        quotas.admit([Balance(spend, False, 0, 9) for spend in spends])
    told = b"".join(name + value for name, value in refused.value.headers).decode() + refused.value.hint
    assert not any(word in told for word in ("2001", "alice", "example", PROJECT))
    assert refused.value.headers[1:] == (
        (b"ratelimit-policy", b'"address";q=60;w=60, "user";q=5;w=60, "origin";q=50;w=60, "project";q=600;w=60'),
        (b"ratelimit", b'"address";r=0;t=9, "user";r=0;t=9, "origin";r=0;t=9, "project";r=0;t=9'),
    )
