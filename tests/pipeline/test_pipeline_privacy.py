"""Nothing in the ledger names a person: neither what calls bring, nor what is managed, in any chain."""

import asyncio
import json
from base64 import b64encode
from datetime import timedelta

from apikeychain import HeaderParameter, JSONBody, PathParameter, ProxyRoute, QueryParameter
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.model.route import JSONField
from gate import APP, open_gate

USER, CALLER, ADDRESS = "ann-lee-1984", "ann.lee@example.com", "203.0.113.77"
HEADER, QUERY, SEGMENT, BODY, TAIL = "de-AT-ann", "ann-query", "ann-segment", "ann-body", "ann-tail"
PERSONAL = (USER, CALLER, ADDRESS, HEADER, QUERY, SEGMENT, BODY, TAIL)
ROUTE = ProxyRoute(
    "people",
    provider="weather",
    path="/people/{name}",
    methods=("GET", "POST"),
    tail=True,
    parameters=[PathParameter("name"), QueryParameter("q"), HeaderParameter("x-thing")],
    body=JSONBody([JSONField("text")]),
)


def forms(value: str) -> list[bytes]:
    """As it stands, and as somebody may have encoded it; in a hash it cannot be looked for."""
    raw = value.encode()
    return [raw, raw.hex().encode(), b64encode(raw).rstrip(b"="), raw[::-1], json.dumps(value).encode()[1:-1]]


async def test_no_payload_names_a_person() -> None:
    store = MemoryStore()
    async with open_gate(routes=[ROUTE], store=store) as gate:
        scope = {"client": (ADDRESS, 4711), "apikeychain.caller": CALLER}
        lines = [(b"origin", APP.encode()), (b"x-iso-user", USER.encode()), (b"x-thing", HEADER.encode())]
        url = f"{gate.shop.url('people', SEGMENT)}/{TAIL}"
        asked = f"q={QUERY}".encode()
        assert (await gate.call(url, asked, headers=lines, scope=scope)).status == 200
        json_lines = [*lines, (b"content-type", b"application/json")]
        body = [json.dumps({"text": BODY}).encode()]
        assert (await gate.call(url, asked, method="POST", headers=json_lines, body=body, scope=scope)).status == 200
        refused = [(b"origin", f"https://{USER}.example".encode()), *lines[1:]]
        assert (await gate.call(url, asked, headers=refused, scope=scope)).status == 403
        assert (await gate.call(url, b"other=" + asked, headers=lines, scope=scope)).status == 400
        await gate.shop.suspend("caller", ADDRESS, reason="a finding", seconds=timedelta(hours=1).total_seconds())
        await asyncio.sleep(0.02)  # until the news were heard
        assert (await gate.call(url, asked, headers=lines, scope=scope)).status == 403
        await gate.shop.lift("caller", ADDRESS)
        await gate.shop.add_signing_key()
        await gate.shop.session_key(user=USER, origin=APP)
        await asyncio.sleep(0.3)
        await gate.keychain.erase_tenant("acme")
    payloads = [entry.payload for room in store._house.rooms.values() for entry in room.entries]
    kinds = {json.loads(payload)["kind"] for payload in payloads}
    assert {"call", "refusals", "suspension.created", "suspension.removed", "tenant.erased"} <= kinds
    told = [(value, payload) for value in PERSONAL for form in forms(value) for payload in payloads if form in payload]
    assert not told
