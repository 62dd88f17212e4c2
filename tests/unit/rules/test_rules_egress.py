from typing import Any

import pytest

from apikeychain.errors import InvalidValueError, UpstreamRefusedError
from apikeychain.model.network import PUBLIC, Network
from apikeychain.rules import egress
from apikeychain.rules.egress import Reach
from outside import cases

PRIVATE = Network(private=True)
WELL_KNOWN = egress.nat64(["64:ff9b::/96"])


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "168.63.129.17",
        "2001:4860:4860::8888",
        "2606:4700::1111",
        "2a00::1",
    ],
)
def test_a_public_address_is_dialled(address: str) -> None:
    assert egress.classify(address) is Reach.PUBLIC
    egress.admit([address], PUBLIC)


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "172.16.0.1",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "240.0.0.1",
        "::1",
        "64:ff9c::1",
        "100::1",
        "2001:10::1",
        "2001:20::1",
        "2001:2::1",
        "2001:db8::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd12:3456::1",
        "fec0::1",
    ],
)
def test_an_address_that_is_not_public_needs_a_private_network(address: str) -> None:
    assert egress.classify(address) is Reach.PRIVATE
    egress.admit([address], PRIVATE)
    with pytest.raises(UpstreamRefusedError, match="not public"):
        egress.admit([address], PUBLIC)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104  # an address under test, nothing binds to it
        "0.1.2.3",
        "169.254.169.254",
        "169.254.170.2",
        "169.254.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "192.80.8.124",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "ff02::1",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
        "fd00:42::42",
        "fd00:c1::a9fe:a9fe",
        "",
        "provider.test",
        "127.1",
        "0x7f.0.0.1",
        "2130706433",
    ],
)
def test_metadata_and_what_is_no_unicast_address_is_never_dialled(address: str) -> None:
    assert egress.classify(address) is Reach.NEVER
    for network in (PUBLIC, PRIVATE):
        with pytest.raises(UpstreamRefusedError, match="never dialled"):
            egress.admit([address], network)


@pytest.mark.parametrize(
    "address",
    [
        "::ffff:8.8.8.8",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:8.8.8.8%eth0",
        "::8.8.8.8",
        "::2",
        "::10.0.0.1",
        "::ffff:0:8.8.8.8",
        "::ffff:0:10.0.0.1",
        "2002:808:808::1",
        "2002:a00:1::1",
        "2002:a9fe:a9fe::1",
        "2001:0:4136:e378:8000:63bf:f7f7:f7f7",
        "2001:0:a00:1:8000:63bf:f7f7:f7f7",
        "2001:0:4136:e378:8000:63bf:f5ff:fffe",
        "2a00::5efe:8.8.8.8",
        "2a00::200:5efe:8.8.8.8",
        "2a00::5efe:10.0.0.1",
        "fd00::200:5efe:10.0.0.1",
        "64:ff9b::8.8.8.8",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1:808:8:800::",
        "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
    ],
)
def test_an_address_that_embeds_another_is_never_dialled_whatever_stands_inside(address: str) -> None:
    assert egress.classify(address) is Reach.NEVER
    assert egress.classify(address, egress.nat64(["2a01:e0::/32"])) is Reach.NEVER
    for network in (PUBLIC, PRIVATE):
        with pytest.raises(UpstreamRefusedError, match="never dialled"):
            egress.admit([address], network)


@pytest.mark.parametrize(
    ("prefix", "template"),
    [
        ("2a01:e0::/32", "2a01:e0:{0}{1}:{2}{3}::"),
        ("2a01:e0:100::/40", "2a01:e0:1{0}:{1}{2}:{3}::"),
        ("2a01:e0:122::/48", "2a01:e0:122:{0}{1}:{2}:{3}00::"),
        ("2a01:e0:122:300::/56", "2a01:e0:122:3{0}:{1}:{2}{3}::"),
        ("2a01:e0:122:344::/64", "2a01:e0:122:344:{0}:{1}{2}:{3}00::"),
        ("2a01:e0:122:344::/96", "2a01:e0:122:344::{0}{1}:{2}{3}"),
    ],
)
def test_beyond_a_nat64_prefix_of_the_network_the_embedded_address_is_judged(prefix: str, template: str) -> None:
    prefixes = egress.nat64([prefix])
    for octets, reach in (
        ((8, 8, 8, 8), Reach.PUBLIC),
        ((10, 0, 0, 1), Reach.PRIVATE),
        ((169, 254, 169, 254), Reach.NEVER),
    ):
        address = template.format(*(f"{octet:02x}" for octet in octets))
        assert egress.classify(address, prefixes) is reach, address


def test_the_well_known_nat64_prefix_counts_only_where_the_network_has_it() -> None:
    assert egress.classify("64:ff9b::8.8.8.8", WELL_KNOWN) is Reach.PUBLIC
    assert egress.classify("2a00::1", WELL_KNOWN) is Reach.PUBLIC
    assert egress.classify("64:ff9b::8.8.8.8") is Reach.NEVER


@pytest.mark.parametrize("text", ["64:ff9b::/97", "64:ff9b::1/96", "10.0.0.0/8", "nonsense", ""])
def test_what_is_no_nat64_prefix_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match="NAT64"):
        egress.nat64([text])


def test_one_bad_answer_refuses_the_host() -> None:
    egress.admit(["1.1.1.1", "2606:4700::1111"], PUBLIC)
    with pytest.raises(UpstreamRefusedError, match=r"10\.0\.0\.1"):
        egress.admit(["1.1.1.1", "10.0.0.1"], PUBLIC)


def test_a_host_without_an_address_is_refused() -> None:
    with pytest.raises(UpstreamRefusedError, match="no address"):
        egress.admit([], PUBLIC)


@pytest.mark.parametrize("case", cases("ip_ranges"), ids=lambda case: case["id"])
def test_the_verdict_on_an_address_is_that_of_others(case: dict[str, Any]) -> None:
    reach = egress.classify(case["ip"])
    if not case.get("doubtful"):
        assert (reach is Reach.PUBLIC) == (case["expect"] == "allow")
    else:
        assert reach is not Reach.PUBLIC
