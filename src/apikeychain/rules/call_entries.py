"""What the entries of a call say: the one of what it is about to do, and the one of what came of it.

Source: contracts 6 (`call`, write-ahead); spec 9.2.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal

from apikeychain.model.ledger import JSON, LedgerDraft
from apikeychain.rules.chain import MAX_INTEGER

MAX_NAMES = 64


Asked = Mapping[str, JSON]


def asked_data(
    *, route: str, base_url: str, path_template: str, method: str, query: Iterable[str], caller: str | None
) -> Asked:
    """What both entries of a call say. It always fits the chain, whatever a caller sent.

    Args:
        route: its name.
        base_url: the provider's.
        path_template: the provider's path with values as ``{name}``, and a tail as its pseudonym.
        method: as sent.
        query: the names of the query parameters; at most 64 are kept, 64 characters each.
        caller: the pseudonym of the caller's address, or None where it is not known.
    """
    return {
        "route": route,
        "base_url": base_url,
        "path": path_template,
        "method": method,
        "query": [*sorted({_cut(name) for name in query})[:MAX_NAMES]],
        "caller": caller,
    }


def intent_data(asked: Asked, *, bytes_in: int | None) -> dict[str, JSON]:
    """The data of an `intent` entry: what is known before a call is sent. It always fits the chain.

    Args:
        asked: what both entries say.
        bytes_in: of the caller's body, or None where it is not known yet.
    """
    return {**asked, "bytes_in": None if bytes_in is None else min(bytes_in, MAX_INTEGER)}


def call_data(
    asked: Asked,
    *,
    status: int,
    duration_ms: int,
    bytes_in: int,
    bytes_out: int,
    answered: Literal["provider", "gate"],
    refusal: str | None,
    country: str | None = None,
) -> dict[str, JSON]:
    """The data of a `call` entry. It always fits the chain.

    Args:
        asked: what both entries say.
        status: what the caller got.
        duration_ms: from the reserved slot to the end of the answer.
        bytes_in: of the caller's body.
        bytes_out: of the body that the caller got.
        answered: who made the answer.
        refusal: the code where the gate refused, else None.
        country: where the caller is, two capital letters, or None where that is not known.
    """
    return {
        **asked,
        "status": status,
        "duration_ms": min(duration_ms, MAX_INTEGER),
        "bytes_in": min(bytes_in, MAX_INTEGER),
        "bytes_out": min(bytes_out, MAX_INTEGER),
        "answered": answered,
        "refusal": refusal,
        "country": country,
    }


def outcome_of(intent: int, call: LedgerDraft) -> LedgerDraft:
    """The entry of a call whose intent stands in the chain: it names the number of that."""
    return replace(call, data={**call.data, "intent": intent})


def _cut(name: str) -> str:
    name = name[:MAX_NAMES]
    return name if name.isascii() else name.encode("utf-8", "replace").decode()
