"""The rest of the verifier that was written from docs/reference/ledger-format.md alone: exports and key lists.

Each of its two functions ends, or raises anything at all: then what it was given does not hold.
"""

import json
import re

from independent_verifier import AT, read, require_signed, unbase64, verify_proof

ORIGIN = "[!-*,-~]{1,200}"
KEY = rf"{ORIGIN}\+[0-9a-f]{{8}}\+[^\n]+"
LIST = re.compile(
    rf"(({ORIGIN})\nkeys\n({KEY})\n({KEY})\nat ({AT})\n)\n((?:\u2014 [^\s+\x00-\x1f]+ [A-Za-z0-9+/=]+\n){{1,16}})"
)


def verify_export(lines: list[str], keys: str) -> int:
    """Section 8. How many entries there are."""
    first, last = read(lines[0], canonical=False), 0
    assert first.keys() == {"format", "checkpoint"}
    assert first["format"] == "apikeychain/export/v1"
    for line in lines[1:]:
        entry = read(line, canonical=False)
        proof = {"format": "apikeychain/proof/v1", "entry": entry, "checkpoint": first["checkpoint"]}
        verify_proof(json.dumps(proof), keys)
        seq = read(entry["payload"])["seq"]
        assert seq > last
        last = seq
    return len(lines) - 1


def follow_lists(notes: list[str]) -> str:
    """Section 9. All keys that the lists name, a line each."""
    before, last, all_keys = "", "", ""
    for note in notes:
        text, origin, classical, quantum_safe, at, lines = LIST.fullmatch(note).groups()  # type: ignore[union-attr]  # or it raises
        keys = f"{classical}\n{quantum_safe}\n"
        parts = [key.split("+", 2) for key in (classical, quantum_safe)]
        assert [name for name, _, _ in parts] == [origin, origin]
        kinds = [unbase64(encoded) for _, _, encoded in parts]
        assert kinds[0].startswith(b"\x01")
        assert len(kinds[0]) == 1 + 32
        assert kinds[1].startswith(b"\xffapikeychain/v1/ml-dsa-65")
        for signers in (keys, before or keys):
            require_signed(text, origin, lines, signers)
        assert at >= last
        before, last, all_keys = keys, at, all_keys + keys
    return all_keys
