from datetime import datetime, timedelta

import pytest

from apikeychain.errors import SuspendedError
from apikeychain.model.origin import Origin
from apikeychain.model.suspension import Scope, Suspension
from apikeychain.rules import suspension
from apikeychain.rules.caller import Caller
from sample_project import APP, NOW, PROJECT, a_snapshot

PSEUDONYM = "0f" * 16
CALLERS_AND_OTHERS: list[tuple[Scope, str]] = [
    ("caller", "192.0.2.1"),
    ("caller", PSEUDONYM),
    ("route", "weather"),
    ("project", ""),
]


def _admit(
    scope: Scope,
    value: str,
    *,
    until: datetime | None = None,
    origin: str | None = APP,
    address: str = "192.0.2.1",
    pseudonym: str | None = None,
) -> bool:
    """True where it does not raise."""
    held = Suspension(project=PROJECT, scope=scope, value=value, reason="too much", created=NOW, until=until)
    project = a_snapshot(suspensions=[held])
    known = None if origin is None else Origin(origin)
    suspension.admit(
        project, project.routes[b"weather"], known, Caller(address, "https", "h"), NOW, pseudonym=pseudonym
    )
    return True


@pytest.mark.parametrize(
    ("scope", "value"),
    [("project", ""), ("route", "weather"), ("origin", APP), ("caller", "192.0.2.1")],
)
def test_what_is_suspended_is_refused(scope: Scope, value: str) -> None:
    with pytest.raises(SuspendedError) as refused:
        _admit(scope, value)
    assert refused.value.hint == f"This {scope} is suspended until it is lifted: too much"


@pytest.mark.parametrize(
    ("scope", "value"),
    [("route", "other"), ("route", APP), ("origin", "https://other.example"), ("caller", "192.0.2.2"), ("caller", "")],
)
def test_what_is_not_suspended_passes(scope: Scope, value: str) -> None:
    assert _admit(scope, value)


@pytest.mark.parametrize("value", ["2001:db8::1", "2001:db8:0:0:ffff::", "2001:db8::/64"])
def test_an_ipv6_caller_is_its_whole_64(value: str) -> None:
    with pytest.raises(SuspendedError):
        _admit("caller", value, address="2001:db8::2")
    assert _admit("caller", value, address="2001:db8:0:1::2")


def test_a_caller_is_met_by_its_pseudonym_until_its_moment() -> None:
    with pytest.raises(SuspendedError, match="This caller is suspended until it is lifted: too much"):
        _admit("caller", PSEUDONYM, pseudonym=PSEUDONYM)
    assert _admit("caller", PSEUDONYM, pseudonym="1" * 32)
    assert _admit("caller", PSEUDONYM)
    assert _admit("caller", PSEUDONYM, pseudonym=PSEUDONYM, until=NOW)
    assert _admit("route", PSEUDONYM, pseudonym=PSEUDONYM)


@pytest.mark.parametrize(
    ("scope", "value", "names"),
    [("caller", PSEUDONYM, True), ("caller", "192.0.2.1", False), ("route", PSEUDONYM, False), ("project", "", False)],
)
def test_a_project_tells_whether_a_call_has_to_know_its_pseudonym(scope: Scope, value: str, names: bool) -> None:
    held = Suspension(project=PROJECT, scope=scope, value=value, reason="", created=NOW)
    assert a_snapshot(suspensions=[held]).names_callers is names


def test_a_suspended_caller_is_refused_whatever_it_asks_for() -> None:
    held = [
        Suspension(project=PROJECT, scope=scope, value=value, reason="", created=NOW)
        for scope, value in CALLERS_AND_OTHERS
    ]
    caller, other = Caller("192.0.2.1", "https", "h"), Caller("192.0.2.2", "https", "h")
    suspension.admit_caller(a_snapshot(), caller, NOW)
    suspension.admit_caller(a_snapshot(suspensions=held), other, NOW)
    with pytest.raises(SuspendedError, match="caller"):
        suspension.admit_caller(a_snapshot(suspensions=held), caller, NOW)
    with pytest.raises(SuspendedError, match="caller"):
        suspension.admit_caller(a_snapshot(suspensions=held), other, NOW, PSEUDONYM)


def test_a_suspended_origin_does_not_meet_a_call_without_one() -> None:
    assert _admit("origin", APP, origin=None)


def test_a_suspension_ends_at_its_moment() -> None:
    with pytest.raises(SuspendedError, match="2026-01-02 03:04:06 UTC"):
        _admit("project", "", until=NOW + timedelta(seconds=1))
    assert _admit("project", "", until=NOW)
    assert _admit("project", "", until=NOW - timedelta(days=1))


def test_any_of_several_refuses() -> None:
    past = Suspension(project=PROJECT, scope="project", value="", reason="", created=NOW, until=NOW)
    live = Suspension(project=PROJECT, scope="route", value="weather", reason="", created=NOW)
    project = a_snapshot(suspensions=[past, live])
    with pytest.raises(SuspendedError, match="route"):
        suspension.admit(project, project.routes[b"weather"], None, Caller("192.0.2.1", "https", "h"), NOW)


def test_a_suspension_that_ends_by_itself_says_when() -> None:
    with pytest.raises(SuspendedError) as refused:
        _admit("project", "", until=datetime(2027, 1, 2, 3, 4, 5, tzinfo=NOW.tzinfo))
    assert refused.value.hint == "This project is suspended until 2027-01-02 03:04:05 UTC: too much"
