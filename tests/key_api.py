"""A provider's key API over HTTP, in a thread of this process, and the rotator that asks it from another."""

import json
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from apikeychain import Secret
from apikeychain.errors import BackendUnavailableError, RotationRefusedError
from apikeychain.ports.rotator import NewKey, Order
from rotation_house import KeyProvider

_LOCK = threading.Lock()


@contextmanager
def key_api(provider: KeyProvider, seconds: float = 0.0) -> Generator[str, None, None]:
    """The base URL of one.

    Args:
        provider: whose keys they are.
        seconds: how long it takes for each answer.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with _LOCK:
                told = _answer(provider, self.path.removeprefix("/"), asked)
            time.sleep(seconds)
            body = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name there
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def _answer(provider: KeyProvider, question: str, asked: dict[str, Any]) -> dict[str, Any]:
    provider.fault(question)
    if question == "create":
        key = provider.made(asked["label"])
        return {"id": key.id, "key": key.value}
    if question == "list":
        return {"ids": [key.id for key in provider.alive() if key.label == asked["label"]]}
    if question == "verify":
        return {"ok": asked["key"] in {key.value for key in provider.alive()}}
    provider.end(asked["id"])
    return {}


class HTTPKeys:
    """Asks it, and passes a place before and after each question."""

    def __init__(self, url: str, pass_by: Callable[[str], None]) -> None:
        self._url, self._pass_by = url, pass_by

    async def create(self, order: Order) -> NewKey:
        for key_id in (await self._ask("list", label=order.label))["ids"] if order.again else ():
            if key_id not in order.known:
                await self.revoke(key_id)
        made = await self._ask("create", label=order.label)
        return NewKey(key=Secret(made["key"]), id=made["id"])

    async def verify(self, key: Secret) -> None:
        if not (await self._ask("verify", key=key.reveal().decode()))["ok"]:
            msg = "the provider does not take the key"
            raise RotationRefusedError(msg)

    async def revoke(self, key_id: str) -> None:
        await self._ask("revoke", id=key_id)

    async def _ask(self, question: str, **asked: str) -> dict[str, Any]:
        self._pass_by(f"before {question}")
        try:
            async with httpx.AsyncClient(timeout=10) as client:
                answer = await client.post(f"{self._url}/{question}", json=asked)
        except httpx.HTTPError:
            msg = "the provider does not answer"
            raise BackendUnavailableError(msg) from None
        self._pass_by(f"after {question}")
        return dict(answer.json())
