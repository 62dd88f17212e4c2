"""A verifier of proofs and logs, written from docs/reference/ledger-format.md alone. It imports nothing of the package.

Each of its two functions ends, or raises anything at all: then what it was given does not hold.
"""

import hashlib
import json
import re
from base64 import b64decode, b64encode
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey

KINDS: dict[bytes, Any] = {b"\x01": Ed25519PublicKey, b"\xffapikeychain/v1/ml-dsa-65": MLDSA65PublicKey}
AT = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z"
TEXT = rf"([!-*,-~]{{1,200}})\n([1-9][0-9]{{0,14}})\n([^\n]+)\nat ({AT})\n"
NOTE = re.compile(rf"({TEXT})\n((?:\u2014 [^\s+\x00-\x1f]+ [A-Za-z0-9+/=]+\n){{1,16}})")
STATEMENT = {"v": int, "origin": str, "tenant": str, "size": int, "head": str, "root": str, "at": str, "salt": str}


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def read(text: str, *, canonical: bool = True) -> Any:
    value = json.loads(text, object_pairs_hook=unique, parse_float=unhex, parse_constant=unhex)
    spelled = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert spelled == text.encode() or not canonical
    return value


def unbase64(text: str) -> bytes:
    value = b64decode(text, validate=True)
    assert b64encode(value).decode() == text
    return value


def unhex(text: Any) -> bytes:
    assert re.fullmatch("[0-9a-f]{64}", text)
    return bytes.fromhex(text)


def root_of(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return sha256(b"\0", leaves[0])
    left = 1 << ((len(leaves) - 1).bit_length() - 1)
    return sha256(b"\1", root_of(leaves[:left]), root_of(leaves[left:]))


def follow(leaf: bytes, index: int, size: int, path: list[str]) -> bytes:
    """From the root down, where the page goes up: the last hash of a path is that of the other half."""
    assert 0 <= index < size
    assert size > 1 or not path
    if size == 1:
        return sha256(b"\0", leaf)
    left, beside = 1 << ((size - 1).bit_length() - 1), unhex(path[-1])
    if index < left:
        return sha256(b"\1", follow(leaf, index, left, path[:-1]), beside)
    return sha256(b"\1", beside, follow(leaf, index - left, size - left, path[:-1]))


def verify_note(note: str, keys: str) -> tuple[str, str, int, bytes]:
    text, origin, size, root, at, lines = NOTE.fullmatch(note).groups()  # type: ignore[union-attr]  # or it raises
    require_signed(text, origin, lines, keys)
    return origin, at, int(size), unbase64(root)


def require_signed(text: str, origin: str, lines: str, keys: str) -> None:
    trusted = {}
    for name, key_id, encoded in (line.split("+", 2) for line in keys.splitlines()):
        trusted[name, bytes.fromhex(key_id)] = unbase64(encoded)
        assert sha256(name.encode() + b"\n", unbase64(encoded)).hex()[:8] == key_id
    signed = []
    for _, name, encoded in (line.split(" ") for line in lines.splitlines()):
        signature = unbase64(encoded)
        for kind, algorithm in KINDS.items():
            public = trusted.get((name, signature[:4]), b"")
            if name == origin and public.startswith(kind):
                algorithm.from_public_bytes(public.removeprefix(kind)).verify(signature[4:], text.encode())
                assert public not in signed
                signed.append(public)
    assert all(any(public.startswith(kind) for public in signed) for kind in KINDS)


def read_statement(text: str) -> dict[str, Any]:
    said = read(text)
    assert {name: type(value) for name, value in said.items()} == STATEMENT
    assert said["v"] == 1 <= said["size"]
    assert re.fullmatch(AT, said["at"])
    return {**said, **{name: unhex(said[name]) for name in ("head", "root", "salt")}}


def verify_proof(text: str, keys: str) -> None:
    """Section 6."""
    proof = read(text, canonical=False)
    entry, checkpoint = proof.pop("entry"), proof.pop("checkpoint")
    assert proof == {"format": "apikeychain/proof/v1"}
    assert entry.keys() == {"payload", "previous", "path"}
    assert checkpoint.keys() == {"statement", "index", "path", "note"}
    assert [type(checkpoint["index"]), type(checkpoint["path"]), type(entry["path"])] == [int, list, list]
    origin, at, count, root = verify_note(checkpoint["note"], keys)
    said, payload = read_statement(checkpoint["statement"]), read(entry["payload"])
    assert (said["origin"], said["at"], len(root)) == (origin, at, 32)
    assert follow(checkpoint["statement"].encode(), checkpoint["index"], count, checkpoint["path"]) == root
    assert (payload["v"], payload["tenant"]) == (1, said["tenant"])
    assert type(payload["v"]) is type(payload["seq"]) is int
    entry_hash = sha256(unhex(entry["previous"]), entry["payload"].encode())
    assert follow(entry_hash, payload["seq"] - 1, said["size"], entry["path"]) == said["root"]
    assert payload["seq"] < said["size"] or entry_hash == said["head"]


def verify_log(payloads: list[bytes], statement: str) -> None:
    """Section 7."""
    said = read_statement(statement)
    chain = [sha256(b"apikeychain/ledger/v1\0", said["tenant"].encode())]
    for seq, text in enumerate(payloads, 1):
        payload = read(text.decode())
        assert (payload["v"], payload["tenant"], payload["seq"]) == (1, said["tenant"], seq)
        chain.append(sha256(chain[-1], text))
    assert (len(payloads), chain[-1], root_of(chain[1:])) == (said["size"], said["head"], said["root"])
