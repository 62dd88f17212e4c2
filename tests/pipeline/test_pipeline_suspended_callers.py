"""A caller is suspended by the pseudonym that is read in the ledger: everywhere, in its turn, and no longer."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from typing import Any

import pytest

from apikeychain import APIKeyChain, APIKeyChainMiddleware
from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.model.keys import KeyContext
from apikeychain.testing.eventually import until
from gate import APP, WEATHER, Answer, Gate, host, open_gate
from one_plug import Apart, Both
from signer import signer_of

ADDRESS, NEIGHBOUR = "203.0.113.77", "203.0.113.78"
QUERY = b"q=Paris"
ORIGIN = (b"origin", APP.encode())
STRICT = replace(WEATHER, name="strict", require="signature")


def by(address: str) -> dict[str, Any]:
    return {"client": (address, 4711)}


def told(store: MemoryStore, kind: str) -> list[dict[str, Any]]:
    """The data of the entries of that kind that are written."""
    payloads = [json.loads(entry.payload) for room in store._house.rooms.values() for entry in room.entries]
    return [payload["data"] for payload in payloads if payload["kind"] == kind]


async def come_to(code: str, ask: Callable[[], Awaitable[Answer]]) -> None:
    """Ask until that is the answer."""

    async def is_so() -> bool:
        return (await ask()).code == code

    await until(is_so, every=0.05)


@asynccontextmanager
async def known_caller(address: str = ADDRESS, **plugs: Any) -> AsyncGenerator[tuple[Gate, MemoryStore, str], None]:
    """A gate, its store, and the pseudonym of a caller that called once."""
    store = MemoryStore()
    async with open_gate(store=store, routes=[WEATHER, STRICT], **plugs) as gate:
        assert (await gate.get(scope=by(address))).status == 200
        await until(lambda: told(store, "call"))
        yield gate, store, told(store, "call")[0]["caller"]


async def test_a_caller_is_refused_by_its_pseudonym_and_served_again_once_it_is_lifted() -> None:
    async with known_caller() as (gate, store, pseudonym):
        await gate.shop.suspend("caller", pseudonym, reason="a finding")
        await come_to("suspended", lambda: gate.get(scope=by(ADDRESS)))
        assert (await gate.get(scope=by(NEIGHBOUR))).status == 200
        await gate.shop.lift("caller", pseudonym)
        await come_to("", lambda: gate.get(scope=by(ADDRESS)))
        await until(lambda: told(store, "refusals") or len(told(store, "call")) > 2)
        for kind in ("suspension.created", "suspension.removed"):
            assert [data["value"] for data in told(store, kind)] == [pseudonym]
        assert {data["caller"] for data in told(store, "call")} >= {pseudonym}
        rooms = store._house.rooms.values()
        held = [repr(asdict(record)) for room in rooms for record in room.records.values()]
        held += [entry.payload.decode() for room in rooms for entry in room.entries]
        assert not [text for text in held if ADDRESS in text or NEIGHBOUR in text]


async def test_a_suspension_of_a_caller_ends_by_itself() -> None:
    async with known_caller() as (gate, _, pseudonym):
        await gate.shop.suspend("caller", pseudonym, reason="a finding", seconds=1)
        await come_to("suspended", lambda: gate.get(scope=by(ADDRESS)))
        await come_to("", lambda: gate.get(scope=by(ADDRESS)))
        assert [one.value for one in await gate.shop.list_suspensions()] == [pseudonym]


async def test_an_ipv6_caller_is_its_64_by_its_pseudonym_too() -> None:
    async with known_caller("2001:db8:1:2::5") as (gate, _, pseudonym):
        await gate.shop.suspend("caller", pseudonym, reason="a finding")
        await come_to("suspended", lambda: gate.get(scope=by("2001:db8:1:2:ffff::9")))
        assert (await gate.get(scope=by("2001:db8:1:3::5"))).status == 200


async def test_another_worker_refuses_it_too_and_serves_it_again() -> None:
    async with known_caller() as (one, _, pseudonym):
        plugs = one.keychain._plugs
        other = APIKeyChain(
            store=plugs.store,
            key_service=plugs.key_service,
            rate_limiter=plugs.rate_limiter,
            replay_guard=plugs.replay_guard,
            signals=plugs.signals,
            upstream=plugs.upstream,
            settings=one.keychain.settings,
            network=dict.fromkeys(one.keychain._networks, one.provider.network),
        )
        async with other:
            second = Gate(other, one.provider, one.acme, one.shop, APIKeyChainMiddleware(host, other))
            assert (await second.get(scope=by(ADDRESS))).status == 200
            await one.shop.suspend("caller", pseudonym, reason="a finding")
            for gate in (one, second):
                await come_to("suspended", lambda gate=gate: gate.get(scope=by(ADDRESS)))  # type: ignore[misc]  # of this turn
            await one.shop.lift("caller", pseudonym)
            for gate in (one, second):
                await come_to("", lambda gate=gate: gate.get(scope=by(ADDRESS)))  # type: ignore[misc]  # of this turn


@pytest.mark.parametrize("by_address", [True, False])
@pytest.mark.parametrize("plug", [Both, Apart])
async def test_a_suspended_caller_claims_and_spends_nothing(plug: Callable[[], Apart], by_address: bool) -> None:
    both = plug()
    async with known_caller(rate_limiter=both, replay_guard=both) as (gate, _, pseudonym):
        signer = await signer_of(gate)
        await gate.shop.suspend("caller", ADDRESS if by_address else pseudonym, reason="a finding")
        await come_to("suspended", lambda: gate.get(scope=by(ADDRESS)))
        both.trips.clear()
        url = gate.shop.url("weather")
        lines = signer.sign(url, QUERY)
        codes = [(await gate.call(url, QUERY, headers=lines, scope=by(ADDRESS))).code for _ in range(2)]
        assert (codes, both.trips) == (["suspended", "suspended"], [])
        assert (await gate.call(url, QUERY, headers=lines, scope=by(NEIGHBOUR))).status == 200


async def test_a_suspension_of_a_caller_is_told_after_origin_and_signature() -> None:
    async with known_caller() as (gate, _, pseudonym):
        signer = await signer_of(gate)
        await gate.shop.suspend("caller", pseudonym, reason="a finding")
        await come_to("suspended", lambda: gate.get(scope=by(ADDRESS)))
        assert (await gate.get(origin="https://evil.example", scope=by(ADDRESS))).code == "origin-refused"
        url = gate.shop.url("weather")
        forged = replace(signer, key=b"x" * 43).sign(url, QUERY)
        late = signer.sign(url, QUERY, at=0)
        codes = [(await gate.call(url, QUERY, headers=lines, scope=by(ADDRESS))).code for lines in (forged, late)]
        assert codes == ["signature-refused", "timestamp-refused"]
        assert (await gate.call(gate.shop.url("nothing"), headers=[ORIGIN], scope=by(ADDRESS))).code == "not-found"
        strict = await gate.call(gate.shop.url("strict"), QUERY, headers=[ORIGIN], scope=by(ADDRESS))
        assert strict.code == "signature-missing"
        await gate.shop.configure(require="signature")
        await come_to("signature-missing", lambda: gate.get(scope=by(ADDRESS)))


class CountedKeys(MemoryKeyService):
    """Counts how often the key of the pseudonyms is opened."""

    opened = 0

    async def unwrap(self, wrapped: bytes, context: KeyContext) -> bytes:
        self.opened += context.purpose == "pseudonym"
        return await super().unwrap(wrapped, context)


async def test_the_key_of_pseudonyms_is_opened_before_admission_only_where_one_is_suspended() -> None:
    keys = CountedKeys()
    async with known_caller(key_service=keys) as (gate, _, pseudonym):
        residence = gate.residence
        vault, nothing = residence.office.vault, gate.shop.url("nothing")
        await gate.shop.suspend("route", "strict", reason="a finding")
        await gate.shop.suspend("caller", NEIGHBOUR, reason="a finding")
        await come_to("suspended", lambda: gate.get(scope=by(NEIGHBOUR)))
        vault.forget(None)
        keys.opened = 0
        assert (await gate.call(nothing, headers=[ORIGIN], scope=by(ADDRESS))).code == "not-found"
        assert keys.opened == 0
        await gate.shop.suspend("caller", pseudonym, reason="a finding")
        await come_to("suspended", lambda: gate.get(scope=by(ADDRESS)))
        vault.forget(None)
        keys.opened = 0
        assert (await gate.call(nothing, headers=[ORIGIN], scope=by(ADDRESS))).code == "not-found"
        assert keys.opened == 1
