"""What the doctor says of what a running gate shows: each thing that is wrong is told, and nothing else."""

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from apikeychain.doctor.deployment import Answered, DeploymentFacts, TLSFacts, of_deployment, of_tls
from apikeychain.rules.headers import ANSWER_LINES, HSTS

LINES = {name.decode(): value.decode() for name, value in (*ANSWER_LINES, HSTS)} | {"vary": "Accept, Origin"}
REFUSED = Answered(404, MappingProxyType(LINES | {"x-apikeychain-error": "not-found"}))
PLAIN = Answered(403, MappingProxyType({"x-apikeychain-error": "https-required"}))
GOOD = DeploymentFacts(
    call=REFUSED,
    preflight=REFUSED,
    trace=REFUSED,
    spoofed=REFUSED,
    plain=None,
    is_public=True,
    ahead_seconds=0.4,
)
ALLOWED = Answered(404, MappingProxyType({**REFUSED.headers, "access-control-allow-origin": "*"}))


def without(name: str) -> Answered:
    return Answered(404, {line: value for line, value in REFUSED.headers.items() if line != name})


def test_of_a_good_one_all_is_well() -> None:
    assert {finding.state for finding in of_deployment(GOOD)} == {"ok"}
    assert [finding.check for finding in of_deployment(GOOD)] == [
        *("gate", "origins", "headers", "http", "proxies", "clock")
    ]
    assert {finding.state for finding in of_deployment(replace(GOOD, plain=PLAIN))} == {"ok"}


@pytest.mark.parametrize(
    ("changed", "state", "told"),
    [
        ({"call": ALLOWED}, "failure", "a foreign origin is allowed in the answer to a call, and"),
        ({"preflight": ALLOWED}, "failure", "a foreign origin is allowed in the answer to a preflight, and"),
        ({"call": without("content-security-policy")}, "failure", "content-security-policy is missing or changed"),
        ({"call": without("vary")}, "failure", "vary is missing or changed"),
        ({"call": without("strict-transport-security")}, "warning", "strict-transport-security is missing"),
        ({"plain": Answered(200, {})}, "failure", "a call over http is answered with status 200"),
        ({"plain": Answered(301, {})}, "warning", "a call over http is redirected"),
        ({"spoofed": PLAIN}, "failure", "what a caller says of its own way is believed"),
        ({"trace": Answered(200, {})}, "warning", "TRACE is answered"),
        ({"ahead_seconds": -20.0}, "failure", "its clock is 20.0 s behind"),
    ],
    ids=["call", "preflight", "policy", "vary", "hsts", "http", "redirect", "believed", "trace", "clock"],
)
def test_what_is_wrong_is_told(changed: dict[str, Any], state: str, told: str) -> None:
    found = [finding for finding in of_deployment(replace(GOOD, **changed)) if finding.state != "ok"]
    assert [(finding.state, finding.told.startswith(told)) for finding in found] == [(state, True)]
    assert found[0].advice


def test_hsts_is_for_names_that_browsers_keep_on_https() -> None:
    local = replace(GOOD, call=without("strict-transport-security"), is_public=False)
    assert {finding.state for finding in of_deployment(local)} == {"ok"}


def test_a_server_that_does_not_say_what_time_it_is_has_no_clock_to_judge() -> None:
    assert "clock" not in {finding.check for finding in of_deployment(replace(GOOD, ahead_seconds=None))}


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (PLAIN, "the gate takes a call over https for one over http"),
        (Answered(200, {}), "no gate answers there, but something with status 200"),
        (Answered(403, {"x-apikeychain-error": "suspended"}), "but something with status 403 (suspended)"),
    ],
    ids=["plain", "another", "odd"],
)
def test_where_no_gate_answers_that_alone_is_told(call: Answered, told: str) -> None:
    (finding,) = of_deployment(replace(GOOD, call=call))
    assert (finding.check, finding.state) == ("gate", "failure")
    assert told in finding.told


@pytest.mark.parametrize(
    ("facts", "states"),
    [
        (TLSFacts(version="TLSv1.3", is_old_spoken=False, days_left=14), ["ok"]),
        (TLSFacts(version="TLSv1.2", is_old_spoken=False, days_left=90), ["warning"]),
        (TLSFacts(version="TLSv1.3", is_old_spoken=True, days_left=90), ["ok", "failure"]),
        (TLSFacts(version="TLSv1.3", is_old_spoken=False, days_left=13.4), ["ok", "warning"]),
    ],
    ids=["good", "older", "old", "soon"],
)
def test_the_way_is_judged(facts: TLSFacts, states: list[str]) -> None:
    assert [finding.state for finding in of_tls(facts)] == states
