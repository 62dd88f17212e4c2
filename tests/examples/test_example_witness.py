"""The witness of the examples, over a real socket: who is not known to it keeps nothing there and is told nothing."""

import time
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from apikeychain.backends.file_witness import FileWitness
from apikeychain.backends.standard_webhooks import signed_lines
from apikeychain.backends.witness_protocol import latest_request, publish_request
from apikeychain.cli.demo import serving
from apikeychain.errors import BackendUnavailableError
from apikeychain.secret import Secret
from apikeychain.testing.checkpoints import ACME, extension, written
from examples_of import example
from served_witness import NEXT_SECRET, SECRET, opened

CHAIN = written(ACME, 9)
FIRST = extension(CHAIN[:3])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "witness.jsonl"


@pytest.fixture
async def url(file: Path) -> AsyncGenerator[str, None]:
    app = example("witness").create_app(file, SECRET)
    with serving.bound(0) as (socket, *_):
        async with serving.served(app, socket):
            yield f"http://127.0.0.1:{serving.port_of(socket)}/witness"


async def post(url: str, body: bytes, secret: str = SECRET, late: int = 0, changed: bytes = b"") -> httpx.Response:
    lines = signed_lines([Secret(secret)], "msg_1", int(time.time()) - late, body)
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(url, content=changed or body, headers=lines)


async def test_a_signed_checkpoint_is_kept(url: str, file: Path) -> None:
    async with opened(url) as witness:
        await witness.publish([FIRST])
    assert await FileWitness(file).latest(ACME) == FIRST.checkpoint


async def test_what_is_sent_once_more_by_who_overheard_it_changes_nothing(url: str, file: Path) -> None:
    body = publish_request([FIRST])
    assert (await post(url, body)).status_code == 204
    async with opened(url) as witness:
        await witness.publish([later := extension(CHAIN, 3, 1)])
    assert (await post(url, body)).status_code == 409
    assert await FileWitness(file).latest(ACME) == later.checkpoint


@pytest.mark.parametrize("wrong", ["secret", "old", "new", "changed", "unsigned", "odd"])
async def test_what_is_not_signed_is_not_heard(url: str, file: Path, wrong: str) -> None:
    body = publish_request([FIRST])
    if wrong == "unsigned":
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(url, content=body)
    elif wrong == "odd":
        lines = {"webhook-id": "x", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1"}
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(url, content=body, headers=lines)
    else:
        secret = NEXT_SECRET if wrong == "secret" else SECRET
        late = {"old": 400, "new": -400}.get(wrong, 0)
        answer = await post(url, body, secret, late, b"{}" if wrong == "changed" else b"")
    assert (answer.status_code, answer.content) == (401, b"")
    assert await FileWitness(file).latest(ACME) is None


async def test_what_is_asked_is_signed_too(url: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.post(url, content=latest_request(ACME))).status_code == 401
        assert (await client.get(url)).status_code == 405
    assert (await post(url, latest_request(ACME))).json() == {"checkpoint": None}
    assert (await post(url, b"{}")).status_code == 400
    assert (await post(url, b" " * 9_000_000)).status_code == 413


async def test_a_secret_is_changed_without_a_gap(url: str) -> None:
    async with opened(url, SECRET, NEXT_SECRET) as witness:
        await witness.publish([FIRST])
    async with opened(url, NEXT_SECRET) as alone:
        with pytest.raises(BackendUnavailableError, match="does not take the signature"):
            await alone.latest(ACME)


def test_it_takes_either_of_two_secrets(tmp_path: Path) -> None:
    assert example("witness").create_app(tmp_path / "file", SECRET, NEXT_SECRET)
