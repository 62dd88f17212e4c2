"""OpenAI's, Anthropic's and Stripe's own Python packages behind a served gate, against stand-ins for the providers."""

import ast
import asyncio
import re
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
import stripe

from apikeychain.cli.demo import serving
from apikeychain.client import SignedAuth
from command import ROOT, run
from examples_of import EXAMPLES, example
from stand_ins import ENVIRONMENT, KEYS, WORDS, StandIns, stand_ins

FOLDER = EXAMPLES / "sdks"
TEXT = "".join(WORDS)
PAGE = (ROOT / "docs" / "how-to" / "use-an-sdk.md").read_text()


@dataclass
class Served:
    """The example's host, as it is served.

    Attributes:
        env: what a signer needs.
    """

    env: dict[str, str]
    standing: StandIns

    @property
    def gate(self) -> str:
        return self.env["GATE"]

    def auth(self, key: str | None = None) -> SignedAuth:
        return SignedAuth(self.env["KEY_ID"], key or self.env["KEY"])

    def nonces(self) -> int:
        """How many calls reached a provider, after seeing that nothing of ours or of the SDK's did."""
        heard = self.standing.heard().lower()
        for strange in (b"none", b"x-key-id", b"x-signature", b"x-nonce", b"x-stainless", b"stripe-client", b"aks_"):
            assert strange not in heard
        return len(self.standing.local.requests)


@pytest.fixture
async def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Served, None]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    app = example("sdks/app")
    async with stand_ins() as standing:
        told = await app.set_up(app.open_keychain(tmp_path, standing.network), elsewhere=standing.providers)
        host = app.create_app(app.open_keychain(tmp_path, standing.network))
        with serving.bound(0) as (socket, *_):
            async with serving.served(host, socket):
                gate = told["GATE"].replace(":8000", f":{serving.port_of(socket)}")
                yield Served(told | {"GATE": gate}, standing)


@contextmanager
def chatting(name: str, served: Served, key: str | None = None) -> Generator[Any, None, None]:
    behind: Callable[..., Any] = getattr(example(f"sdks/chat_{name}"), f"{name}_behind")
    with behind(served.gate, served.auth(key)) as client:
        yield client


@contextmanager
def paying(served: Served, key: str | None = None) -> Generator[Any, None, None]:
    http = example("sdks/pay_stripe").SignedHTTPClient(served.auth(key))
    try:
        yield http
    finally:
        http.close()


CHATS = pytest.mark.parametrize("name", ["openai", "anthropic"])
ERRORS: dict[str, Any] = {"openai": openai, "anthropic": anthropic}


def ask(name: str, served: Served, key: str | None = None) -> str:
    with chatting(name, served, key) as client:
        return str(example(f"sdks/chat_{name}").ask(client, "a-model", "Why is the sky blue?"))


@CHATS
async def test_a_chat_comes_back_whole(name: str, served: Served) -> None:
    assert await asyncio.to_thread(ask, name, served) == TEXT
    assert served.nonces() == 1


@CHATS
async def test_a_chat_comes_back_bit_by_bit(name: str, served: Served) -> None:
    def told() -> list[str]:
        with chatting(name, served) as client:
            return list(example(f"sdks/chat_{name}").ask_bit_by_bit(client, "a-model", "Why is the sky blue?"))

    assert [piece for piece in await asyncio.to_thread(told) if piece] == list(WORDS)
    assert served.nonces() == 1


@CHATS
async def test_the_example_runs_as_it_says(name: str, served: Served) -> None:
    script = FOLDER / f"chat_{name}.py"
    told = await asyncio.to_thread(run, sys.executable, script, "Why?", env=served.env | {"MODEL": "a-model"})
    assert told == f"{TEXT}\n"


@CHATS
async def test_an_error_of_the_provider_is_the_class_of_the_sdk_and_holds_no_key(name: str, served: Served) -> None:
    served.standing.troubles += [400]
    with pytest.raises(ERRORS[name].BadRequestError) as caught:
        await asyncio.to_thread(ask, name, served)
    assert "trouble with" in str(caught.value)
    assert KEYS[name] not in f"{caught.value} {caught.value.body} {caught.value.response.headers}"


@CHATS
async def test_what_is_tried_again_is_signed_again(name: str, served: Served) -> None:
    served.standing.troubles += [429, 500]
    assert await asyncio.to_thread(ask, name, served) == TEXT
    assert served.nonces() == 3


@CHATS
async def test_the_provider_says_whether_to_try_again(name: str, served: Served) -> None:
    served.standing.troubles += [429]
    served.standing.more[b"x-should-retry"] = b"false"
    with pytest.raises(ERRORS[name].RateLimitError):
        await asyncio.to_thread(ask, name, served)
    assert served.nonces() == 1


@CHATS
async def test_a_refusal_of_the_gate_is_an_error_of_the_sdk(name: str, served: Served) -> None:
    with pytest.raises(ERRORS[name].AuthenticationError) as caught:
        await asyncio.to_thread(ask, name, served, "x" * 43)
    assert caught.value.response.headers["x-apikeychain-error"] == "signature-refused"
    assert served.nonces() == 0


@CHATS
async def test_what_the_route_does_not_declare_is_refused(name: str, served: Served) -> None:
    def ask_for_more() -> None:
        with chatting(name, served) as client:
            more = {"extra_body": {"store": True}, "max_tokens": 10, "messages": [], "model": "m-1"}
            (client.chat.completions if name == "openai" else client.messages).create(**more)

    with pytest.raises(ERRORS[name].BadRequestError) as caught:
        await asyncio.to_thread(ask_for_more)
    assert caught.value.response.headers["x-apikeychain-error"] == "parameter-refused"
    assert served.nonces() == 0


async def test_stripe_lists_prices(served: Served) -> None:
    with paying(served) as http:
        assert await asyncio.to_thread(example("sdks/pay_stripe").price_ids, served.gate, http) == ["price_1"]
    assert served.nonces() == 1


async def test_stripe_begins_a_payment_and_tries_again_under_the_same_idempotency_key(served: Served) -> None:
    served.standing.troubles += [409]
    with paying(served) as http:
        assert await asyncio.to_thread(example("sdks/pay_stripe").begin_payment, served.gate, http, 2000) == "pi_1"
    assert served.nonces() == 2
    keys = {received.headers.get(b"idempotency-key") for received in served.standing.local.requests}
    assert len(keys) == 1
    assert keys != {None}


async def test_an_error_of_stripe_is_its_own_class_and_holds_no_key(served: Served) -> None:
    served.standing.troubles += [402]
    with paying(served) as http, pytest.raises(stripe.CardError) as caught:
        await asyncio.to_thread(example("sdks/pay_stripe").begin_payment, served.gate, http, 2000)
    assert (caught.value.http_status, caught.value.request_id) == (402, "req_1")
    assert KEYS["stripe"] not in f"{caught.value} {caught.value.http_body} {caught.value.headers}"


async def test_an_unsigned_payment_never_begins(served: Served) -> None:
    with paying(served, "x" * 43) as http, pytest.raises(stripe.APIError) as caught:
        await asyncio.to_thread(example("sdks/pay_stripe").begin_payment, served.gate, http, 2000)
    assert caught.value.http_status == 401
    assert '"code":"signature-refused"' in str(caught.value.http_body)
    assert served.nonces() == 0


async def test_a_gate_that_is_not_there_is_an_error_of_stripe(served: Served) -> None:
    with paying(served) as http, pytest.raises(stripe.APIConnectionError):
        await asyncio.to_thread(http.request, "get", "http://localhost:1/api/apikeychain/p_a/proxy/a", {})


async def test_the_example_of_stripe_runs_as_it_says(served: Served) -> None:
    told = await asyncio.to_thread(run, sys.executable, FOLDER / "pay_stripe.py", env=served.env)
    assert told == "price_1\npi_1\n"


def test_the_set_up_tells_once_what_a_signer_needs(tmp_path: Path) -> None:
    told = run(sys.executable, FOLDER / "app.py", "set-up", cwd=tmp_path, env=ENVIRONMENT)
    named = [line.split("=")[0] for line in told.splitlines() if line.startswith("export ")]
    assert named == ["export GATE", "export KEY_ID", "export KEY"]


@pytest.mark.parametrize(("kind", "block"), re.findall(r"^```(python|js)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
def test_the_code_of_the_page_is_that_of_the_examples(kind: str, block: str) -> None:
    sources = [path.read_text() for path in FOLDER.iterdir() if path.suffix in {".py", ".mjs"}]
    parts = [block] if kind == "js" else [ast.unparse(part) for part in _functions(block)]
    known = sources if kind == "js" else [ast.unparse(part) for source in sources for part in _functions(source)]
    assert parts
    assert not [part for part in parts if not any(part in one for one in known)]


def _functions(source: str) -> list[ast.stmt]:
    try:
        return [part for part in ast.parse(source).body if isinstance(part, ast.FunctionDef)]
    except SyntaxError:  # the example in JavaScript
        return []
