"""OpenAI's own package behind the gate of ``app.py``: each send is signed, and OpenAI's key is not in this process.

Run it with what ``app.py set-up`` printed, and a model of OpenAI's::

    export GATE=... KEY_ID=... KEY=... MODEL=...
    python examples/sdks/chat_openai.py "Why is the sky blue?"
"""

import os
import sys
from collections.abc import Iterator

import httpx2
from openai import OpenAI

from apikeychain import Secret
from apikeychain.client import SignedAuth


def openai_behind(gate: str, auth: SignedAuth) -> OpenAI:
    """The client, with no key: the gate drops what stands in its place."""
    return OpenAI(base_url=f"{gate}/openai", api_key="none", http_client=httpx2.Client(auth=auth))


def ask(client: OpenAI, model: str, text: str) -> str:
    """The answer, whole."""
    answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}])
    return answer.choices[0].message.content or ""


def ask_bit_by_bit(client: OpenAI, model: str, text: str) -> Iterator[str]:
    """The answer, as it is written."""
    with client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": text}], stream=True
    ) as chunks:
        for chunk in chunks:
            yield from (choice.delta.content or "" for choice in chunk.choices)


if __name__ == "__main__":
    with openai_behind(os.environ["GATE"], SignedAuth(os.environ["KEY_ID"], Secret.from_env("KEY"))) as client:
        for piece in ask_bit_by_bit(client, os.environ["MODEL"], " ".join(sys.argv[1:])):
            print(piece, end="", flush=True)
    print()
