"""Buckets without a quota, and what counts when nothing else is said."""

import pytest

from apikeychain.errors import RateLimitedError
from apikeychain.model.quota import Balance, Quota, Spend
from apikeychain.model.session_key import SessionKey
from apikeychain.rules import quotas
from apikeychain.rules.caller import Caller
from apikeychain.rules.signature import Signature
from sample_project import PROJECT, a_snapshot

CALLER = Caller("192.0.2.1", "https", "app.example.com")


def test_without_a_user_quota_no_user_has_a_bucket() -> None:
    project = a_snapshot()
    assert quotas.user_bucket(project, CALLER, "alice", proven=True) is None
    assert [spend.name for spend in quotas.spends(project, project.routes[b"weather"], CALLER, user="alice")] == [
        "address",
        "project",
    ]


def test_a_user_for_whom_nobody_vouches_is_a_claimed_one_of_its_address() -> None:
    project = a_snapshot(user_quota="5/minute")
    spends = quotas.spends(project, project.routes[b"weather"], CALLER, user="alice")
    assert spends[1] == Spend(f"{PROJECT}:claimed-user:{CALLER.address}:alice", "user", Quota(5, 60))


def test_a_refusal_costs_one() -> None:
    assert quotas.refusal_spend(PROJECT, CALLER).cost == 1
    assert quotas.refusal_spend(PROJECT, CALLER, cost=0).cost == 0


def test_a_quota_that_is_used_up_refuses_unless_it_is_only_observed() -> None:
    spend = Spend("a", "address", Quota(60, 60))
    empty = [Balance(spend, admitted=False, remaining=0, reset_seconds=7)]
    with pytest.raises(RateLimitedError):
        quotas.admit(empty)
    assert quotas.admit(empty, observe=True)


def test_a_claim_for_nothing_counts_for_its_user_or_else_for_its_address() -> None:
    by_user, asked = (quotas.overrun_spend(PROJECT, CALLER, "alice", cost=cost) for cost in (1, 0))
    assert by_user == Spend(f"{PROJECT}:overrun:user:alice", "overrun", Quota(600, 60), 1)
    assert asked.cost == 0
    assert quotas.overrun_spend(PROJECT, CALLER, None).bucket == f"{PROJECT}:overrun:address:192.0.2.1"
    assert quotas.overrun_spend(PROJECT, CALLER, None).cost == 1


def test_calls_under_way_count_for_an_address_unless_a_signing_key_signed_them() -> None:
    by_key = Signature("k_1", b"1", b"", None, b"", None)
    by_session = by_key._replace(session=SessionKey("k_1", 99, "alice"))
    held = [quotas.holder(signature, CALLER) for signature in (None, by_session, by_key)]
    assert held == ["192.0.2.1", "192.0.2.1", None]
