"""What an asset costs that is in memory: against an ASGI hello world with the same body, and Starlette's StaticFiles.

All answer the same 16 KiB without a coding, as a script tag on another site asks for them.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from . import load
from .calls import GATE, Effort
from .load import Load
from .provider import Provider
from .targets import Kind, Target, target

# Beside those that the hello world has: what an asset's answer to a plain tag says.
_FURTHER = [
    ("repr-digest", "sha-256=:" + "A" * 43 + "=:"),
    ("etag", '"' + "a" * 64 + '"'),
    ("content-sha256", "a" * 64),
    ("vary", "Accept-Encoding, Origin"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; sandbox"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "cross-origin"),
]
KINDS: Mapping[str, Kind] = {
    "hello, 16 KiB": Kind("peers:hello_script"),
    "hello, 16 KiB, as many lines": Kind("peers:hello_script", environment={"HEADERS": json.dumps(_FURTHER)}),
    "StaticFiles": Kind("peers:static_files"),
    f"{GATE}, asset": Kind("hosts:assets"),
    "hello, 16 KiB, granian": Kind("peers:hello_script", "granian"),
    f"{GATE}, asset, granian": Kind("hosts:assets", "granian"),
}
HELLO, SAME_LINES, STATIC, OURS, HELLO_ON_GRANIAN, OURS_ON_GRANIAN = KINDS
CONNECTIONS = 64
# Of a tag without attributes, from another site.
_LINES = (
    *(
        line
        for line in load.BROWSER
        if line[0] not in {b"accept-encoding", b"origin", b"sec-fetch-dest", b"sec-fetch-mode"}
    ),
    (b"sec-fetch-dest", b"script"),
    (b"sec-fetch-mode", b"no-cors"),
)
Results = Mapping[str, Mapping[int, Sequence[Load]]]


def measure(provider: Provider, python: str, effort: Effort, say: Callable[[str], None]) -> Results:
    """Each at 64 connections in turn, in the order turned round from round to round."""
    with ExitStack() as stack:
        targets = {
            name: stack.enter_context(target(f"assets-{number}", kind, provider, python))
            for number, (name, kind) in enumerate(KINDS.items())
        }
        found: dict[str, dict[int, list[Load]]] = {name: {CONNECTIONS: []} for name in targets}
        for one in targets.values():
            _run(one, provider, 1.0)
        for number in range(effort.rounds):
            for name in list(targets) if number % 2 else list(targets)[::-1]:
                found[name][CONNECTIONS].append(_run(targets[name], provider, effort.seconds))
            say(f"assets: round {number + 1} of {effort.rounds}")
    return found


def _run(one: Target, provider: Provider, seconds: float) -> Load:
    requests = load.plain(one.path, _LINES)
    folder = provider.folder
    return load.drive(one.process, one.base, requests, connections=CONNECTIONS, seconds=seconds, folder=folder)
