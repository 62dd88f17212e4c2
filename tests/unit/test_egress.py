import asyncio
import logging
from typing import Any

import pytest

from apikeychain import egress
from apikeychain.egress import Egress
from apikeychain.errors import InvalidValueError, UpstreamRefusedError
from apikeychain.model.network import PUBLIC, Network
from outside import cases
from outward import GOOD, HOST, Clock, Names

BAD = "10.0.0.1"
PRIVATE = Network(private=True)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_addresses_of_a_good_host_come_in_the_order_of_the_resolver() -> None:
    names = Names([GOOD, "2606:4700::1111"])
    assert await Egress(resolve=names).addresses(HOST, 443, PUBLIC) == (GOOD, "2606:4700::1111")
    assert names.asked == [(HOST, 443)]


async def test_one_bad_answer_refuses_the_host_and_the_log_says_which(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "apikeychain.egress"), pytest.raises(UpstreamRefusedError) as refused:
        await Egress(resolve=Names([GOOD, BAD])).addresses(HOST, 443, PUBLIC)
    assert HOST in str(refused.value)
    assert BAD not in str(refused.value)
    assert caplog.messages == [f"{HOST} is refused: its address {BAD} is not public"]


async def test_a_private_network_reaches_private_addresses_and_no_metadata() -> None:
    assert await Egress(resolve=Names([BAD])).addresses(HOST, 443, PRIVATE) == (BAD,)
    with pytest.raises(UpstreamRefusedError):
        await Egress(resolve=Names(["169.254.169.254"])).addresses(HOST, 443, PRIVATE)


@pytest.mark.parametrize("host", ["localhost", "weather.localhost"])
async def test_localhost_names_mean_loopback_where_private_and_are_refused_elsewhere(host: str) -> None:
    names = Names([GOOD])
    door = Egress(resolve=names)
    assert await door.addresses(host, 8443, PRIVATE) == ("127.0.0.1", "::1")
    with pytest.raises(UpstreamRefusedError, match=host):
        await door.addresses(host, 8443, PUBLIC)
    assert names.asked == []


async def test_a_good_verdict_stands_for_thirty_seconds() -> None:
    names, clock = Names([GOOD]), Clock()
    door = Egress(resolve=names, clock=clock)
    await door.addresses(HOST, 443, PUBLIC)
    clock.now += 29.9
    await door.addresses(HOST, 443, PUBLIC)
    assert len(names.asked) == 1
    clock.now += 0.1
    await door.addresses(HOST, 443, PUBLIC)
    assert len(names.asked) == 2


async def test_a_host_whose_answers_turned_bad_is_refused_on_open_connections_too() -> None:
    names, clock = Names([GOOD], [BAD], [GOOD]), Clock()
    door = Egress(resolve=names, clock=clock)
    await door.addresses(HOST, 443, PUBLIC)
    clock.now += 30
    door.admit(HOST, 443, PUBLIC)
    await settle()
    with pytest.raises(UpstreamRefusedError, match=HOST):
        door.admit(HOST, 443, PUBLIC)
    with pytest.raises(UpstreamRefusedError, match=HOST):
        await door.addresses(HOST, 443, PUBLIC)
    assert len(names.asked) == 2
    clock.now += 1
    assert await door.addresses(HOST, 443, PUBLIC) == (GOOD,)
    door.admit(HOST, 443, PUBLIC)


async def test_a_host_that_nobody_resolved_yet_is_admitted_and_looked_up() -> None:
    names = Names([BAD])
    door = Egress(resolve=names)
    door.admit(HOST, 443, PUBLIC)
    await settle()
    with pytest.raises(UpstreamRefusedError):
        door.admit(HOST, 443, PUBLIC)


async def test_no_answer_dials_nothing_and_leaves_open_connections_alone(caplog: pytest.LogCaptureFixture) -> None:
    names, clock = Names([GOOD], TimeoutError(), [GOOD]), Clock()
    door = Egress(resolve=names, clock=clock)
    await door.addresses(HOST, 443, PUBLIC)
    clock.now += 30
    with caplog.at_level(logging.WARNING, "apikeychain.egress"), pytest.raises(UpstreamRefusedError):
        await door.addresses(HOST, 443, PUBLIC)
    assert caplog.messages == [f"{HOST} is not reached: no address found (TimeoutError)"]
    door.admit(HOST, 443, PUBLIC)
    clock.now += 1
    assert await door.addresses(HOST, 443, PUBLIC) == (GOOD,)


async def test_where_nobody_could_be_asked_what_was_known_stands_on(caplog: pytest.LogCaptureFixture) -> None:
    names, clock = Names([GOOD], None, None, [BAD]), Clock()
    door = Egress(resolve=names, clock=clock)
    await door.addresses(HOST, 443, PUBLIC)
    clock.now += 30
    with caplog.at_level(logging.WARNING, "apikeychain.egress"):
        assert await door.addresses(HOST, 443, PUBLIC) == (GOOD,)
    assert caplog.messages == [f"{HOST} is not looked up: too many look-ups of other hosts hang"]
    with pytest.raises(UpstreamRefusedError, match="new-one"):
        await door.addresses("new-one.test", 443, PUBLIC)
    clock.now += 1
    with pytest.raises(UpstreamRefusedError):
        await door.addresses(HOST, 443, PUBLIC)
    assert len(names.asked) == 4


@pytest.mark.parametrize("answer", [OSError(), None])
async def test_no_answer_does_not_heal_a_bad_one(answer: Exception | None) -> None:
    names, clock = Names([BAD], answer), Clock()
    door = Egress(resolve=names, clock=clock)
    for _ in range(2):
        with pytest.raises(UpstreamRefusedError):
            await door.addresses(HOST, 443, PUBLIC)
        clock.now += 1
    with pytest.raises(UpstreamRefusedError):
        door.admit(HOST, 443, PUBLIC)


async def test_a_host_that_never_answered_is_refused() -> None:
    with pytest.raises(UpstreamRefusedError):
        await Egress(resolve=Names(UnicodeError())).addresses(HOST, 443, PUBLIC)


async def test_callers_at_one_moment_share_one_look_up_and_none_of_them_can_end_it() -> None:
    names = Names([GOOD])
    door = Egress(resolve=names)
    first = asyncio.ensure_future(door.addresses(HOST, 443, PUBLIC))
    others = [asyncio.ensure_future(door.addresses(HOST, 443, PUBLIC)) for _ in range(3)]
    await asyncio.sleep(0)
    first.cancel()
    assert await asyncio.gather(*others) == [(GOOD,)] * 3
    assert len(names.asked) == 1


def test_each_event_loop_waits_for_a_look_up_of_its_own() -> None:
    names = Names([GOOD])
    door = Egress(resolve=names)

    async def leave_one_under_way() -> None:
        door.admit(HOST, 443, PUBLIC)

    loops = [asyncio.new_event_loop() for _ in range(2)]
    loops[0].run_until_complete(leave_one_under_way())
    assert loops[1].run_until_complete(door.addresses(HOST, 443, PUBLIC)) == (GOOD,)
    loops[0].run_until_complete(settle())
    for loop in loops:
        loop.close()
    assert len(names.asked) == 2


async def test_networks_have_verdicts_of_their_own() -> None:
    door = Egress(resolve=Names([BAD]))
    assert await door.addresses(HOST, 443, PRIVATE) == (BAD,)
    with pytest.raises(UpstreamRefusedError):
        await door.addresses(HOST, 443, PUBLIC)


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress, "_MAX_HOSTS", 2)
    names = Names([GOOD])
    door = Egress(resolve=names)
    for host in ("a.test", "b.test", "a.test", "c.test", "a.test", "b.test"):
        await door.addresses(host, 443, PUBLIC)
    assert [host for host, _ in names.asked] == ["a.test", "b.test", "c.test", "b.test"]


async def test_nat64_prefixes_of_the_network_are_seen_through() -> None:
    door = Egress(nat64_prefixes=["64:ff9b::/96"], resolve=Names(["64:ff9b::808:808"]))
    assert await door.addresses(HOST, 443, PUBLIC) == ("64:ff9b::808:808",)
    with pytest.raises(InvalidValueError):
        Egress(nat64_prefixes=["64:ff9b::/95"])


@pytest.mark.parametrize(
    "case", [case for case in cases("redirect_dns") if "dns_answers" in case], ids=lambda case: case["id"]
)
async def test_no_answer_of_others_leads_to_a_blocked_address(case: dict[str, Any]) -> None:
    clock = Clock()
    door = Egress(resolve=Names(*case["dns_answers"]), clock=clock)
    handed: list[str] = []
    for _ in case["dns_answers"] * 2:
        try:
            handed += await door.addresses(HOST, 443, PUBLIC)
        except UpstreamRefusedError:
            handed.append("refused")
        clock.now += 31
    assert set(handed) <= {GOOD, "refused"}
    assert handed[-1] == "refused"


async def test_the_system_is_asked_by_default() -> None:
    assert await Egress().addresses("93.184.216.34", 443, PUBLIC) == ("93.184.216.34",)
