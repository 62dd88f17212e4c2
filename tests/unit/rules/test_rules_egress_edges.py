"""What is said of an address that is not dialled, and that a host's own NAT64 prefixes count when it is admitted."""

import pytest

from apikeychain.errors import InvalidValueError, UpstreamRefusedError
from apikeychain.model.network import PUBLIC, Network
from apikeychain.rules import egress


def _refusal(addresses: list[str], network: Network = PUBLIC) -> str:
    with pytest.raises(UpstreamRefusedError) as refused:
        egress.admit(addresses, network)
    return refused.value.hint


def test_who_is_not_dialled_is_told_with_its_reach() -> None:
    assert _refusal([]) == "it has no address"
    assert _refusal(["1.1.1.1", "10.0.0.1"]) == "its address 10.0.0.1 is not public"
    assert _refusal(["169.254.169.254"]) == "its address 169.254.169.254 is never dialled"
    assert _refusal(["0.0.0.0"], Network(private=True)) == "its address 0.0.0.0 is never dialled"  # noqa: S104  # an address that is refused, not one to listen on


def test_an_address_below_a_prefix_of_ours_is_what_it_embeds() -> None:
    prefixes = egress.nat64(["2001:db8:64::/96"])
    egress.admit(["2001:db8:64::101:101"], PUBLIC, prefixes)
    with pytest.raises(UpstreamRefusedError):
        egress.admit(["2001:db8:64::a00:1"], PUBLIC, prefixes)
    with pytest.raises(UpstreamRefusedError):
        egress.admit(["2001:db8:64::101:101"], PUBLIC)


@pytest.mark.parametrize("text", ["10.0.0.0/8", "2001:db8::/33", "x"])
def test_what_is_no_nat64_prefix_is_told_what_one_is(text: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        egress.nat64(["64:ff9b::/96", text])
    assert str(refused.value) == (f"not a NAT64 prefix: {text!r} (an IPv6 network of /32, /40, /48, /56, /64 or /96)")
