"""In which country a caller is stands in the entry of its call, and nothing else of where it is."""

import json
from pathlib import Path
from typing import Any, Self

import pytest

from apikeychain import APIKeyChainSettings
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.backends.mmdb_countries import MMDBCountries
from apikeychain.ports.locator import Locator
from apikeychain.testing.eventually import until
from country_file import write_country_file
from gate import open_gate

CDN = APIKeyChainSettings(trusted_proxies=("10.0.0.0/8",), country_header="CF-IPCountry")
PROXIED = {"client": ("10.0.0.1", 1), "scheme": "https"}
DIRECT = {"client": ("203.0.113.9", 1)}


def countries(store: MemoryStore) -> list[Any]:
    payloads = [json.loads(entry.payload) for room in store._house.rooms.values() for entry in room.entries]
    return [payload["data"]["country"] for payload in payloads if payload["kind"] == "call"]


@pytest.fixture
def german(tmp_path: Path) -> Locator:
    return MMDBCountries(write_country_file(tmp_path / "countries.mmdb"))


async def test_a_locator_says_it_of_who_is_admitted(german: Locator) -> None:
    store = MemoryStore()
    async with open_gate(store=store, locator=german) as gate:
        assert (await gate.get(scope=DIRECT)).status == 200
        assert (await gate.get(scope={"client": ("192.0.2.1", 1)})).status == 200
        assert (await gate.get(b"other=1", scope=DIRECT)).status == 400
        await until(lambda: len(countries(store)) == 3)
    assert countries(store) == ["DE", None, "DE"]


async def test_without_one_nobody_knows_it() -> None:
    store = MemoryStore()
    async with open_gate(store=store) as gate:
        assert (await gate.get(scope=DIRECT, headers=[(b"cf-ipcountry", b"SE")])).status == 200
    assert countries(store) == [None]


async def test_a_trusted_proxy_goes_before_the_locator_and_nobody_else_is_believed(german: Locator) -> None:
    store, told = MemoryStore(), list[int]()
    async with open_gate(store=store, locator=german, settings=CDN) as gate:
        for scope, lines in (
            (PROXIED, [(b"x-forwarded-for", b"203.0.113.9"), (b"cf-ipcountry", b"SE")]),
            (PROXIED, [(b"x-forwarded-for", b"203.0.113.9"), (b"cf-ipcountry", b"XX")]),
            (PROXIED, [(b"x-forwarded-for", b"203.0.113.9")]),
            (DIRECT, [(b"cf-ipcountry", b"SE")]),
        ):
            assert (await gate.get(scope=scope, headers=lines)).status == 200
            told.append(len(countries(store)))
            await until(lambda: len(countries(store)) == len(told))
    assert countries(store) == ["SE", "DE", "DE", "DE"]


class Entered:
    """A locator that has something to open."""

    is_open = False

    async def __aenter__(self) -> Self:
        self.is_open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self.is_open = False

    def country(self, address: str) -> str:
        return "SE" if self.is_open else ""


async def test_a_locator_is_entered_and_left_with_the_keychain() -> None:
    store, locator = MemoryStore(), Entered()
    async with open_gate(store=store, locator=locator) as gate:
        assert (await gate.get()).status == 200
    assert (countries(store), locator.is_open) == (["SE"], False)
