"""Anthropic's own package behind the gate of ``app.py``: each send is signed, and the key is not in this process.

Run it with what ``app.py set-up`` printed, and a model of Anthropic's::

    export GATE=... KEY_ID=... KEY=... MODEL=...
    python examples/sdks/chat_anthropic.py "Why is the sky blue?"
"""

import os
import sys
from collections.abc import Iterator

import httpx2
from anthropic import Anthropic
from anthropic.types import MessageParam

from apikeychain import Secret
from apikeychain.client import SignedAuth


def anthropic_behind(gate: str, auth: SignedAuth) -> Anthropic:
    """The client, with no key: the gate drops what stands in its place."""
    return Anthropic(base_url=f"{gate}/anthropic", api_key="none", http_client=httpx2.Client(auth=auth))


def ask(client: Anthropic, model: str, text: str) -> str:
    """The answer, whole."""
    answer = client.messages.create(model=model, max_tokens=1000, messages=[{"role": "user", "content": text}])
    return "".join(block.text for block in answer.content if block.type == "text")


def ask_bit_by_bit(client: Anthropic, model: str, text: str) -> Iterator[str]:
    """The answer, as it is written."""
    messages: list[MessageParam] = [{"role": "user", "content": text}]
    with client.messages.stream(model=model, max_tokens=1000, messages=messages) as stream:
        yield from stream.text_stream


if __name__ == "__main__":
    with anthropic_behind(os.environ["GATE"], SignedAuth(os.environ["KEY_ID"], Secret.from_env("KEY"))) as client:
        for piece in ask_bit_by_bit(client, os.environ["MODEL"], " ".join(sys.argv[1:])):
            print(piece, end="", flush=True)
    print()
