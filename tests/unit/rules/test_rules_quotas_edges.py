"""Buckets without a quota, and what counts when nothing else is said."""

import pytest

from apikeychain.errors import RateLimitedError
from apikeychain.model.quota import Balance, Quota, Spend
from apikeychain.rules import quotas
from apikeychain.rules.caller import Caller
from sample_project import PROJECT, a_snapshot

CALLER = Caller("192.0.2.1", "https", "app.example.com")


def test_without_a_user_quota_no_user_has_a_bucket() -> None:
    project = a_snapshot()
    assert quotas.user_bucket(project, "alice", proven=True) is None
    assert [spend.name for spend in quotas.spends(project, project.routes[b"weather"], CALLER, user="alice")] == [
        "address",
        "project",
    ]


def test_a_user_for_whom_nobody_vouches_is_a_claimed_one() -> None:
    project = a_snapshot(user_quota="5/minute")
    spends = quotas.spends(project, project.routes[b"weather"], CALLER, user="alice")
    assert spends[1] == Spend(f"{PROJECT}:claimed-user:alice", "user", Quota(5, 60))


def test_a_refusal_costs_one() -> None:
    assert quotas.refusal_spend(PROJECT, CALLER).cost == 1
    assert quotas.refusal_spend(PROJECT, CALLER, cost=0).cost == 0


def test_a_quota_that_is_used_up_refuses_unless_it_is_only_observed() -> None:
    spend = Spend("a", "address", Quota(60, 60))
    empty = [Balance(spend, admitted=False, remaining=0, reset_seconds=7)]
    with pytest.raises(RateLimitedError):
        quotas.admit(empty)
    assert quotas.admit(empty, observe=True)
