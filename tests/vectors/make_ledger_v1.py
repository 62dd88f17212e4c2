"""Writes ledger_v1.json: proofs, exports and key lists of a ledger, made by what the page of the format shows.

It imports nothing of the library. Both signatures are those of ``cryptography``, with seeds out of labels. ML-DSA-65 as
FIPS 204 has it draws random bytes for each signature, so a second run writes other notes, which hold as well:

    python tests/vectors/make_ledger_v1.py
"""

import hashlib
import json
from base64 import b64encode
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey

FILE = Path(__file__).with_name("ledger_v1.json")
ORIGIN = "gate.example.com/ledger"
Vector = dict[str, Any]
_AT = "2026-01-02T12:00:00.000Z"


def sha256(*parts: bytes) -> bytes:
    """Of all of them behind one another."""
    return hashlib.sha256(b"".join(parts)).digest()


def canonical(value: object) -> str:
    """RFC 8785, for what a ledger holds."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def root_of(leaves: list[bytes]) -> bytes:
    """RFC 6962, 2.1."""
    if len(leaves) == 1:
        return sha256(b"\0", leaves[0])
    left = 1 << ((len(leaves) - 1).bit_length() - 1)
    return sha256(b"\1", root_of(leaves[:left]), root_of(leaves[left:]))


def path_of(leaves: list[bytes], index: int) -> list[str]:
    """RFC 6962, 2.1.1."""
    if len(leaves) == 1:
        return []
    left = 1 << ((len(leaves) - 1).bit_length() - 1)
    if index < left:
        return [*path_of(leaves[:left], index), root_of(leaves[left:]).hex()]
    return [*path_of(leaves[left:], index - left), root_of(leaves[:left]).hex()]


class Pair:
    """The two keys of an origin."""

    def __init__(self, label: str) -> None:
        seeds = [hashlib.shake_256(f"{label} {kind}".encode()).digest(32) for kind in ("ed25519", "mldsa65")]
        self._signers: dict[bytes, Any] = {
            b"\x01": Ed25519PrivateKey.from_private_bytes(seeds[0]),
            b"\xffapikeychain/v1/ml-dsa-65": MLDSA65PrivateKey.from_seed_bytes(seeds[1]),
        }

    @property
    def text(self) -> str:
        """Both public keys, a line each."""
        return "".join(
            f"{ORIGIN}+{self._id(kind).hex()}+{b64encode(kind + self._public(kind)).decode()}\n"
            for kind in self._signers
        )

    def lines(self, text: str) -> str:
        """The signatures of a text."""
        return "".join(
            f"\u2014 {ORIGIN} {b64encode(self._id(kind) + signer.sign(text.encode())).decode()}\n"
            for kind, signer in self._signers.items()
        )

    def _public(self, kind: bytes) -> bytes:
        return bytes(self._signers[kind].public_key().public_bytes_raw())

    def _id(self, kind: bytes) -> bytes:
        return sha256(f"{ORIGIN}\n".encode(), kind, self._public(kind))[:4]


FIRST, SECOND, STRANGER = Pair("first"), Pair("second"), Pair("stranger")


class Chain:
    """The chain of a tenant."""

    def __init__(self, tenant: str, count: int) -> None:
        self.tenant = tenant
        self.payloads = [self._payload(seq) for seq in range(1, count + 1)]
        self.hashes = [sha256(b"apikeychain/ledger/v1\0", tenant.encode())]
        for payload in self.payloads:
            self.hashes.append(sha256(self.hashes[-1], payload.encode()))

    def _payload(self, seq: int) -> str:
        at = f"2026-01-02T11:00:{seq:02}.000Z"
        entry = {"v": 1, "tenant": self.tenant, "seq": seq, "at": at, "kind": "gap", "actor": "gate", "project": None}
        return canonical(entry | {"data": {"reason": "\u00e9\u2028\U0001f600"} if seq == 2 else {}})

    def statement(self, size: int, **changed: object) -> str:
        """What is said of its first entries."""
        leaves = self.hashes[1 : size + 1]
        said = {"v": 1, "origin": ORIGIN, "tenant": self.tenant, "size": size, "at": _AT}
        said |= {"head": leaves[-1].hex(), "root": root_of(leaves).hex(), "salt": sha256(self.tenant.encode()).hex()}
        return canonical(said | changed)

    def entry(self, seq: int, size: int) -> Vector:
        """An entry with its path."""
        path = path_of(self.hashes[1 : size + 1], seq - 1)
        return {"payload": self.payloads[seq - 1], "previous": self.hashes[seq - 1].hex(), "path": path}


def checkpoint(statements: list[str], index: int, pair: Pair = FIRST) -> Vector:
    """The checkpoint of one of the statements of a moment."""
    leaves = [statement.encode() for statement in statements]
    text = f"{ORIGIN}\n{len(leaves)}\n{b64encode(root_of(leaves)).decode()}\nat {_AT}\n"
    note = f"{text}\n{pair.lines(text)}"
    return {"statement": statements[index], "index": index, "path": path_of(leaves, index), "note": note}


def listed(pair: Pair, *before: Pair, at: str = _AT, keys: str = "") -> str:
    """A key list."""
    text = f"{ORIGIN}\nkeys\n{keys or pair.text}at {at}\n"
    return f"{text}\n{''.join(signer.lines(text) for signer in (pair, *before))}"


ACME, OTHER = Chain("acme", 7), Chain("other", 1)
STATEMENTS = [ACME.statement(7), OTHER.statement(1)]
SIGNED = checkpoint(STATEMENTS, 0)


def proof(entry: Vector, signed: Vector = SIGNED) -> Vector:
    """The proof file."""
    return {"format": "apikeychain/proof/v1", "entry": entry, "checkpoint": signed}


def proofs() -> Vector:
    """Proofs that hold, and some that do not, each for one reason."""
    good = ACME.entry(4, 7)
    false = {name: checkpoint([ACME.statement(7, **{name: value})], 0) for name, value in _MISSTATED.items()}
    turned = "\n\n".join([SIGNED["note"].partition("\n\n")[0].replace("at 2026", "at 2025"), *_lines_of(SIGNED)])
    refused = {
        "another payload": proof(good | {"payload": good["payload"].replace("gate", "hate")}),
        "another entry before it": proof(good | {"previous": "0" * 64}),
        "a path too long": proof(good | {"path": [*good["path"], "0" * 64]}),
        "a path too short": proof(good | {"path": good["path"][:-1]}),
        "a path in upper case": proof(good | {"path": [step.upper() for step in good["path"]]}),
        "the path of another entry": proof(good | {"path": ACME.entry(3, 7)["path"]}),
        "an entry of another tenant": proof(OTHER.entry(1, 1)),
        "a statement of another index": proof(good, SIGNED | {"index": 1}),
        "a statement beside what was signed": proof(good, SIGNED | {"statement": ACME.statement(6)}),
        "a note of another moment": proof(good, SIGNED | {"note": turned}),
        "a note without the second signature": proof(good, SIGNED | {"note": SIGNED["note"].rpartition("\u2014")[0]}),
        "a note of a stranger": proof(good, checkpoint(STATEMENTS, 0, STRANGER)),
        "a format of another version": proof(good) | {"format": "apikeychain/proof/v2"},
        "a member more": proof(good) | {"more": 1},
        **{f"a statement signed with another {name}": proof(good, signed) for name, signed in false.items()},
    }
    accepted = [proof(ACME.entry(seq, 7)) for seq in range(1, 8)]
    accepted += [proof(OTHER.entry(1, 1), checkpoint(STATEMENTS, 1)), proof(ACME.entry(1, 1), _alone())]
    return {"accepted": [json.dumps(each) for each in accepted], "refused": _texts(refused)}


_MISSTATED: Vector = {"v": 2, "root": "0" * 64, "tenant": "other", "origin": "other", "at": "2026-01-02T12:00:00Z"}


def _alone() -> Vector:
    return checkpoint([ACME.statement(1)], 0)


def _lines_of(signed: Vector) -> list[str]:
    return [signed["note"].partition("\n\n")[2]]


def _texts(documents: Vector) -> list[Vector]:
    return [{"name": name, "text": json.dumps(document)} for name, document in documents.items()]


def exports() -> Vector:
    """Exports that hold, with how many entries, and some that do not."""
    first = json.dumps({"format": "apikeychain/export/v1", "checkpoint": SIGNED})
    entries = [json.dumps(ACME.entry(seq, 7)) for seq in range(1, 8)]
    accepted = [[first, *entries], [first], [first, *entries[1::2]]]
    refused = {
        "no first line": entries,
        "another version": [first.replace("export/v1", "export/v2"), *entries],
        "an entry twice": [first, *entries[:3], entries[2]],
        "entries turned": [first, entries[1], entries[0]],
        "an entry of another tenant": [first, json.dumps(OTHER.entry(1, 1))],
        "an entry that was changed": [first, entries[0].replace("gate", "hate")],
        "a line that is none": [first, entries[0], "{}"],
    }
    return {
        "accepted": [{"lines": lines, "entries": len(lines) - 1} for lines in accepted],
        "refused": [{"name": name, "lines": lines} for name, lines in refused.items()],
    }


def key_lists() -> Vector:
    """Key lists that follow from one another, and some that do not."""
    first, second = listed(FIRST), listed(SECOND, FIRST)
    refused = {
        "a second list that the first keys did not sign": [first, listed(SECOND)],
        "a second list that its own keys did not sign": [first, listed(FIRST, keys=SECOND.text)],
        "an earlier moment": [first, listed(SECOND, FIRST, at="2026-01-01T12:00:00.000Z")],
        "keys turned": [listed(FIRST, keys="".join(reversed(FIRST.text.splitlines(keepends=True))))],
        "keys of a stranger put in": [listed(FIRST, keys=STRANGER.text)],
        "one key": [listed(FIRST, keys=FIRST.text.splitlines(keepends=True)[0])],
        "another word": [first.replace("\nkeys\n", "\nlist\n")],
    }
    return {
        "accepted": [
            {"notes": [first], "keys": FIRST.text},
            {"notes": [first, second], "keys": FIRST.text + SECOND.text},
        ],
        "refused": [{"name": name, "notes": notes} for name, notes in refused.items()],
    }


def document() -> Vector:
    """The whole file."""
    return {"keys": FIRST.text, "proofs": proofs(), "exports": exports(), "key_lists": key_lists()}


if __name__ == "__main__":
    FILE.write_text(json.dumps(document(), indent=1) + "\n")
