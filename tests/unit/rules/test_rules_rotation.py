"""The table of states, and what is decided by it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.errors import ConflictError
from apikeychain.model.ids import ProjectId
from apikeychain.model.key_steps import Step
from apikeychain.model.records import SealedSecret
from apikeychain.model.rotation_records import ProviderKey, Rotation
from apikeychain.model.rotators import AWSIAMRotation, HostRotation, ManualRotation
from apikeychain.rules import backoff
from apikeychain.rules import rotation as rules
from apikeychain.rules.key_states import TRANSITIONS

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHOP = ProjectId("p_aaaaaaaaaaaaaaaaaaaa")
HOUR = timedelta(hours=1)
ROTATION = Rotation(project=SHOP, secret="s", how=HostRotation(name="own"), created=NOW, due=NOW + 70 * HOUR)
SHARES = st.floats(0, 1, exclude_max=True)


def sealed(version: int = 1, fingerprint: str = "01") -> SealedSecret:
    return SealedSecret(
        project=SHOP, name="s", provider="p", version=version, fingerprint=fingerprint, sealed=b"", created=NOW,
        changed=NOW,
    )  # fmt: skip


def key(number: int, state: Any, **fields: Any) -> ProviderKey:
    given: dict[str, Any] = {"version": 1, "fingerprint": f"{number:02}", "id": f"id-{number}"} | fields
    given |= {"reason": "schedule", "label": "l", "created": NOW, "after": NOW}
    return ProviderKey(project=SHOP, secret="s", number=number, state=state, **(given | fields))


CURRENT = key(1, "current")


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param(key(2, "pending", version=2), "create", id="a key that is wished for is made"),
        pytest.param(key(2, "pending", version=5), "drop", id="one that nobody asked for is dropped where it is late"),
        pytest.param(key(2, "pending", version=5, asked=NOW), "create", id="one that was asked for is found first"),
        pytest.param(key(2, "created", version=2), "verify", id="a key that was made is tried"),
        pytest.param(key(2, "created", version=5), "retire", id="unless it is late"),
        pytest.param(key(2, "verified", version=2), "switch", id="a key that was tried is switched to"),
        pytest.param(key(2, "verified", version=1), "retire", id="unless somebody put the secret meanwhile"),
        pytest.param(key(2, "retiring"), "revoke", id="a key that retires is ended"),
        pytest.param(key(2, "retiring", id=""), "end", id="which nobody can where its id is not known"),
        pytest.param(key(2, "retiring", id="id-1"), "settle", id="the id of the key that serves is never ended"),
        pytest.param(key(2, "retiring", fingerprint="01"), "settle", id="nor is its value"),
        pytest.param(key(2, "revoked"), None, id="one that was ended is left alone"),
    ],
)
def test_each_state_has_its_deed(other: ProviderKey, expected: str | None) -> None:
    step = rules.next_step(replace(ROTATION, paused=True), [CURRENT, other], sealed())
    assert (step and step.deed) == expected
    assert step is None or (step.key, step.at) == (other, NOW)


def test_where_there_is_room_for_two_keys_a_turn_begins_when_the_one_before_is_ended() -> None:
    probe = Step(method="GET", path="/")
    how = AWSIAMRotation(provider="iam", credential="admin", user="shop", verify=probe)
    ends, serves = replace(key(1, "retiring", version=1), after=NOW + HOUR), key(2, "current", version=2)
    due = replace(ROTATION, how=how, due=NOW)
    assert rules.next_step(due, [ends, serves], sealed(2, "02")) == rules.Next("revoke", NOW + HOUR, ends)
    graver = replace(due, reason="compromised")
    assert rules.next_step(graver, [ends, serves], sealed(2, "02")) == rules.Next("revoke", NOW, ends)
    asked = replace(ends, asked=NOW)
    assert rules.next_step(graver, [asked, serves], sealed(2, "02")) == rules.Next("revoke", NOW + HOUR, asked)
    for ended in ([serves], [replace(ends, state="revoked"), serves]):
        assert rules.next_step(graver, ended, sealed(2, "02")) == rules.Next("begin", NOW)


def test_what_comes_first_is_done_first() -> None:
    ends = key(1, "retiring", version=1)
    ends = replace(ends, after=NOW + HOUR)
    wished = replace(key(3, "pending", version=3), after=NOW + 2 * HOUR)
    serves = key(2, "current", version=2)
    assert rules.next_step(ROTATION, [ends, serves, wished], sealed(2, "02")) == rules.Next("revoke", ends.after, ends)
    assert rules.next_step(ROTATION, [serves], sealed(2, "02")) == rules.Next("begin", ROTATION.due)
    by_hand = replace(ROTATION, how=ManualRotation())
    assert rules.next_step(by_hand, [serves], sealed(2, "02")) == rules.Next("remind", ROTATION.due)
    assert rules.next_step(replace(ROTATION, paused=True), [serves], sealed(2, "02")) is None


def test_no_key_that_serves_is_ever_in_a_state_that_is_ended() -> None:
    for line in TRANSITIONS.values():
        ends = line.deed == "revoke"
        assert (line.state == "retiring") == ends
    assert TRANSITIONS["verified"].deed == "switch"
    assert {line.state for line in TRANSITIONS.values() if line.done == "current"} == {"verified"}


@given(share=SHARES)
def test_an_answer_takes_a_key_where_the_table_says(share: float) -> None:
    for line in TRANSITIONS.values():
        asked = replace(key(2, line.state), asked=NOW, attempts=2, alerted=True)
        for outcome in ("done", "refused", "unknown"):
            after = rules.came(asked, outcome, NOW, share, "why")
            expected = getattr(line, outcome)
            assert (after.state if after else "removed") == expected
            if after is not None and after.state != line.state:
                assert (after.asked, after.attempts, after.after, after.alerted) == (None, 0, NOW, False)
            elif after is not None:
                assert after.attempts == 3
                assert timedelta(seconds=4) <= after.after - NOW <= timedelta(seconds=8)
                assert (after.asked is None) == (outcome in {"refused", "done"})


def test_somebody_is_told_of_the_first_refusal_and_of_the_fifth_silence_once() -> None:
    told = [rules.is_alerting(key(2, "pending", attempts=n), "unknown") for n in range(7)]
    assert told == [False] * 4 + [True] * 3
    assert rules.is_alerting(key(2, "retiring"), "refused")
    assert not rules.is_alerting(key(2, "retiring", alerted=True), "refused")
    assert not rules.is_alerting(key(2, "retiring", alerted=True, attempts=9), "unknown")
    assert not rules.is_alerting(key(2, "retiring", attempts=9), "done")


@given(share=SHARES, hours=st.integers(24, 72))
def test_a_secret_is_due_in_the_last_tenth_of_its_interval(share: float, hours: int) -> None:
    due = rules.due_after(NOW, hours, share) - NOW
    assert timedelta(hours=hours) * 0.9 <= due <= timedelta(hours=hours)


@pytest.mark.parametrize(
    ("lives", "waits"),
    [
        pytest.param(timedelta(seconds=1000), timedelta(seconds=750), id="an hour or so"),
        pytest.param(timedelta(seconds=-5), timedelta(seconds=30), id="one that is over is not asked for all the time"),
        pytest.param(timedelta(days=30), timedelta(hours=72) * 0.95, id="a month"),
    ],
)
def test_a_key_that_ends_by_itself_is_replaced_before_that(lives: timedelta, waits: timedelta) -> None:
    failed = replace(ROTATION, refusals=2, failure="why", reason="command")
    turned = rules.turned(failed, NOW, 0.5, NOW + lives)
    assert turned.due - NOW == waits
    assert turned.reason == ("schedule" if lives > timedelta(days=1) else "expiring")
    assert (turned.refusals, turned.failure) == (0, "")


def test_a_switch_gives_an_hour_and_a_minute_where_it_is_compromised() -> None:
    earlier = replace(key(1, "retiring"), after=NOW + HOUR / 2)
    keys = [earlier, key(2, "current", version=2), key(3, "verified", version=3, expires=NOW + HOUR)]
    by_plan = rules.switched(ROTATION, keys, sealed(2), keys[2], NOW, 0.0)
    states = {after.number: (after.state, after.after - NOW) for _, after in by_plan.keys}
    assert states == {3: ("current", timedelta(0)), 2: ("retiring", HOUR)}
    assert by_plan.rotation.due == NOW + HOUR * 0.7
    at_once = rules.switched(replace(ROTATION, reason="compromised"), keys, sealed(2), keys[2], NOW, 0.0)
    minute = timedelta(seconds=60)
    states = {after.number: (after.state, after.after - NOW) for _, after in at_once.keys}
    assert states == {3: ("current", timedelta(0)), 2: ("retiring", minute), 1: ("retiring", minute)}


def test_a_key_has_its_value_with_it_from_when_it_is_replaced_to_its_end() -> None:
    earlier = key(1, "retiring", sealed=b"first", version=1)
    keys = [earlier, key(2, "current", version=2), key(3, "verified", version=3, sealed=b"third")]
    switched = rules.switched(ROTATION, keys, replace(sealed(2), sealed=b"second"), keys[2], NOW, 0.0)
    assert {after.number: after.sealed for _, after in switched.keys} == {2: b"second", 3: b""}
    old = replace(sealed(2, "02"), sealed=b"second")
    [retires, back] = rules.reckoned(ROTATION, keys[:2], old, sealed(3, "01"), NOW)
    assert (retires.sealed, back.sealed) == (b"second", b"")
    assert rules.came(retires, "done", NOW, 0.0) == replace(retires, state="revoked", after=NOW)


def test_a_key_has_no_value_of_another_version() -> None:
    keys = [key(2, "current", version=1), key(3, "verified", version=3)]
    old = replace(sealed(2), sealed=b"second")
    assert [after.sealed for _, after in rules.switched(ROTATION, keys, old, keys[1], NOW, 0.0).keys] == [b"", b""]


def test_turns_that_the_provider_refuses_come_at_growing_distances() -> None:
    rotation, distances = ROTATION, list[float]()
    for _ in range(9):
        rotation = rules.refused(rotation, NOW, "why")
        distances.append((rotation.due - NOW) / HOUR)
    assert distances == [1, 2, 4, 8, 16, 32, 64, 72, 72]
    assert (rotation.refusals, rotation.failure) == (9, "why")


def test_a_secret_that_is_put_by_hand_has_its_keys_reckoned() -> None:
    old = replace(key(1, "retiring", version=1), after=NOW + HOUR)
    keys = [old, key(2, "current", version=2)]
    [retires, new] = rules.reckoned(ROTATION, keys, sealed(2, "02"), sealed(3, "99"), NOW)
    assert (retires.number, retires.state, retires.after) == (2, "retiring", NOW + HOUR)
    assert (new.number, new.state, new.version, new.fingerprint, new.id) == (3, "current", 3, "99", "")
    [same] = rules.reckoned(ROTATION, keys, sealed(2, "02"), sealed(3, "02"), NOW)
    assert (same.number, same.state, same.version, same.id) == (2, "current", 3, "id-2")
    [retires, back] = rules.reckoned(ROTATION, keys, sealed(2, "02"), sealed(3, "01"), NOW)
    assert (back.number, back.state, back.version, back.id) == (1, "current", 3, "id-1")
    assert retires.state == "retiring"
    [by_hand] = rules.reckoned(replace(ROTATION, how=ManualRotation()), keys, sealed(2, "02"), sealed(3, "99"), NOW)
    assert (by_hand.number, by_hand.state, by_hand.version, by_hand.fingerprint) == (2, "current", 3, "99")
    with pytest.raises(ConflictError, match="was ended at its provider"):
        rules.reckoned(ROTATION, [replace(old, state="revoked"), keys[1]], sealed(2, "02"), sealed(3, "01"), NOW)
    with pytest.raises(ConflictError, match="is being ended at its provider"):
        rules.reckoned(ROTATION, [replace(old, asked=NOW), keys[1]], sealed(2, "02"), sealed(3, "01"), NOW)


def test_the_ids_that_are_ours_are_those_that_may_live() -> None:
    keys = [key(1, "revoked"), key(2, "retiring"), key(3, "current", id=""), key(4, "pending", id="")]
    assert rules.known(keys) == ("id-2",)
    wished = rules.wished(ROTATION, keys, sealed(7), "label", NOW)
    assert (wished.number, wished.state, wished.version, wished.label) == (5, "pending", 8, "label")


@given(attempts=st.integers(1, 10_000), share=SHARES)
def test_attempts_come_at_growing_distances_up_to_an_hour(attempts: int, share: float) -> None:
    most = min(3600.0, 2.0 ** min(attempts, 20))
    assert most / 2 <= backoff.pause_seconds(attempts, share, first_seconds=2) <= most


def test_the_middle_of_the_draw_grows() -> None:
    middles = [backoff.pause_seconds(attempts, 0.5, first_seconds=2) for attempts in range(1, 14)]
    assert middles[0] == 1.5
    assert middles[-1] == 2700
    assert all(one <= other for one, other in pairwise(middles))
