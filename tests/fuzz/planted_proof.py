"""Faults of the kind that a reader of proofs gets wrong; each is ours with one thing taken too easily."""

import json
import re

from fuzz.proof_target import ours
from signed_ledgers import KEYS


def takes_blanks_around_it(text: str) -> bool:
    return ours(text.strip())


def takes_the_last_of_two_names(text: str) -> bool:
    try:
        return ours(json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False))
    except (ValueError, RecursionError):
        return ours(text)


def takes_any_id_of_a_key(text: str) -> bool:
    """The right one stands in its place, where there is a key of that kind."""
    for key in KEYS.public:
        name, key_id, encoded = str(key).split("+", 2)
        if re.fullmatch(rf"{re.escape(name)}\+[0-9a-f]{{8}}\+{re.escape(encoded)}", text):
            return ours(f"{name}+{key_id}+{encoded}")
    return ours(text)


def takes_any_moment(text: str) -> bool:
    return ours(re.sub(r"\nat [^\n]+\n$", "\nat 2026-01-02T12:00:00.000Z\n", text))


TAKES = (takes_blanks_around_it, takes_the_last_of_two_names, takes_any_id_of_a_key, takes_any_moment)
