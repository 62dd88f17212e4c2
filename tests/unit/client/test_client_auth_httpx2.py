"""`SignedAuth` in clients that take a function as their auth: what httpx2 sends with it is what the gate takes."""

import hashlib
from collections.abc import AsyncGenerator, Generator

import httpx2
import pytest

from apikeychain.client import SignedAuth
from apikeychain.errors import InvalidValueError
from signature_vectors import a_call, require_signed

KEY = "aks_" + "k" * 43
NOW = 1767322445.9
URL = "https://host.example/api/apikeychain/p_abcdefghijklmnopqrst/proxy/pay"
PIECES = [b"one", b"", b"two"]
AUTH = SignedAuth("k_2345", KEY, now=lambda: NOW)


class Gate:
    """Stands for a server: judges what arrives as the gate does."""

    def __init__(self) -> None:
        self.nonces: list[str] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        lines = [(name.lower(), value) for name, value in request.headers.raw]
        call = a_call(request.method, request.url.raw_path, lines, prefix="/api/apikeychain")
        require_signed(call, KEY, request.read(), at=NOW, names=())
        self.nonces.append(request.headers["x-nonce"])
        return httpx2.Response(204)


def pieces() -> Generator[bytes, None, None]:
    yield from PIECES


async def apieces() -> AsyncGenerator[bytes, None]:
    for piece in PIECES:
        yield piece


def test_each_send_of_an_httpx2_client_is_signed_afresh() -> None:
    gate = Gate()
    with httpx2.Client(transport=httpx2.MockTransport(gate), auth=AUTH) as client:
        client.get(URL, params={"q": "São Paulo"})
        client.post(URL, json={"a": "b"})
        client.post(URL, json={"a": "b"})
    assert len(set(gate.nonces)) == 3


def test_a_stream_is_read_to_be_hashed_or_brings_its_hash() -> None:
    gate = Gate()
    digest = hashlib.sha256(b"".join(PIECES)).hexdigest()
    with httpx2.Client(transport=httpx2.MockTransport(gate), auth=AUTH) as client:
        client.post(URL, content=pieces())
        client.post(URL, content=pieces(), headers={"x-content-sha256": digest})
    assert len(gate.nonces) == 2


async def test_an_async_client_signs_too() -> None:
    gate = Gate()
    digest = hashlib.sha256(b"".join(PIECES)).hexdigest()

    async def answer(request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        return gate(request)

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer), auth=AUTH) as client:
        await client.post(URL, json={"a": "b"})
        await client.post(URL, content=apieces(), headers={"x-content-sha256": digest})
    assert len(gate.nonces) == 2


async def test_a_stream_that_only_waiting_can_read_needs_its_hash() -> None:
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(Gate()), auth=AUTH) as client:
        with pytest.raises(InvalidValueError, match="x-content-sha256"):
            await client.post(URL, content=apieces())
