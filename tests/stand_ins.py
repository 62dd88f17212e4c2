"""OpenAI, Anthropic and Stripe on this machine: they ask for their key, and answer as the provider does."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, urlsplit

from apikeychain import Network, Provider, providers
from apikeychain.testing.local_provider import LocalProvider, Visit

KEYS = {"openai": "sk-a-made-up-key-of-openai", "anthropic": "sk-ant-made-up", "stripe": "sk_test_made_up_of_stripe"}
ENVIRONMENT = {f"{name.upper()}_KEY": key for name, key in KEYS.items()}
WORDS = ("The ", "sky ", "scatters ", "blue.")
_HOST = "api.localhost"
Body = Mapping[str, object]
Answer = Callable[[Visit], Awaitable[None]]


@dataclass
class StandIns:
    """The three providers.

    Attributes:
        troubles: statuses that the next calls are answered with, first come first served.
        more: headers of those answers. At first: in thousandths of a second, so that nobody waits for a second try.
    """

    local: LocalProvider
    troubles: list[int] = field(default_factory=list)
    more: dict[bytes, bytes] = field(default_factory=lambda: {b"retry-after-ms": b"1", b"request-id": b"req_1"})

    @property
    def providers(self) -> dict[str, Provider]:
        """Those of the catalogue, on this machine."""
        return {
            name: replace(entry, base_url=entry.base_url.replace(entry.address.host, f"{_HOST}:{self.local.port}"))
            for name, entry in ((name, providers.find(name).provider) for name in KEYS)
        }

    @property
    def network(self) -> dict[str, Network]:
        """By which they are reached."""
        return {provider.base_url: self.local.network for provider in self.providers.values()}

    def heard(self) -> bytes:
        """Everything that arrived, to look for what must not be in it."""
        lines = (b"%s: %s" % line for received in self.local.requests for line in received.lines)
        return b"\n".join([*lines, *(bytes(received.body) for received in self.local.requests)])

    def _with_key(self, name: str, scheme: str, answer: Answer) -> Answer:
        header, _, prefix = scheme.partition(":")

        async def judged(visit: Visit) -> None:
            await visit.read_all()
            sent = visit.received.headers.all(header.encode())
            if sent != (f"{prefix}{KEYS[name]}".encode(),):
                await _fault(visit, name, 401, f"Incorrect API key provided: {sent!r}", self.more)
            elif self.troubles:
                # What a provider must not do and some do: tell the key in its error.
                await _fault(visit, name, self.troubles.pop(0), f"trouble with {KEYS[name]}", self.more)
            else:
                await answer(visit)

        return judged

    def listen(self) -> None:
        """Answer from now on."""
        self.local.on("/v1/chat/completions", self._with_key("openai", "authorization:Bearer ", _openai))
        self.local.on("/v1/messages", self._with_key("anthropic", "x-api-key:", _anthropic))
        self.local.on("/v1/prices", self._with_key("stripe", "authorization:Bearer ", _prices))
        self.local.on("/v1/payment_intents", self._with_key("stripe", "authorization:Bearer ", _payment))


@asynccontextmanager
async def stand_ins() -> AsyncGenerator[StandIns, None]:
    """The three, while the block lasts."""
    async with LocalProvider(_HOST) as local:
        standing = StandIns(local)
        standing.listen()
        yield standing


async def _tell(visit: Visit, told: Body, status: int = 200, more: Mapping[bytes, bytes] | None = None) -> None:
    lines = [(b"content-type", b"application/json"), *(more or {}).items()]
    await visit.answer(status, lines, json.dumps(told).encode())


async def _fault(visit: Visit, name: str, status: int, message: str, more: Mapping[bytes, bytes]) -> None:
    kind = {401: "authentication_error", 429: "rate_limit_error"}.get(status, "api_error")
    told: dict[str, Body] = {
        "openai": {"error": {"message": message, "type": kind, "param": None, "code": kind}},
        "anthropic": {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"},
        "stripe": {"error": {"message": message, "type": "card_error" if status == 402 else "api_error", "code": kind}},
    }
    await _tell(visit, told[name], status, more)


def _asked(visit: Visit) -> dict[str, object]:
    asked: dict[str, object] = json.loads(visit.received.body)
    return asked


async def _openai(visit: Visit) -> None:
    common = {"id": "chatcmpl-1", "created": 1, "model": _asked(visit)["model"]}
    if not _asked(visit).get("stream"):
        message = {"role": "assistant", "content": "".join(WORDS)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        await _tell(visit, common | {"object": "chat.completion", "choices": [choice]})
        return
    deltas = [*({"content": word} for word in WORDS), {}]
    events = [
        common | {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in deltas
    ]
    await _stream(visit, [*(f"data: {json.dumps(event)}\n\n" for event in events), "data: [DONE]\n\n"])


async def _anthropic(visit: Visit) -> None:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": _asked(visit)["model"]}
    message |= {"stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 4}}
    if not _asked(visit).get("stream"):
        text = {"type": "text", "text": "".join(WORDS)}
        await _tell(visit, message | {"content": [text], "stop_reason": "end_turn"})
        return
    events: list[dict[str, object]] = [
        {"type": "message_start", "message": message | {"content": []}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}} for word in WORDS),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}},
        {"type": "message_stop"},
    ]
    await _stream(visit, [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events])


async def _stream(visit: Visit, events: list[str]) -> None:
    await visit.head(200, [(b"content-type", b"text/event-stream; charset=utf-8"), (b"transfer-encoding", b"chunked")])
    for event in [*events, ""]:
        await visit.chunk(event.encode())


async def _prices(visit: Visit) -> None:
    query = parse_qs(urlsplit(visit.received.target.decode()).query)
    prices = [{"id": "price_1", "object": "price", "active": query["active"] == ["true"]}]
    await _tell(visit, {"object": "list", "url": "/v1/prices", "has_more": False, "data": prices})


async def _payment(visit: Visit) -> None:
    form = parse_qs(visit.received.body.decode())
    intent = {
        "id": "pi_1",
        "object": "payment_intent",
        "amount": int(form["amount"][0]),
        "currency": form["currency"][0],
    }
    await _tell(visit, intent)
