"""Tokens as OpenSSL makes them, whose sources this library never saw: what is signed, and how it is written."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from apikeychain.errors import TokenRefusedError
from apikeychain.model.ids import ProjectId
from apikeychain.rules.asset_tokens import make_token, require_token
from command import ROOT

VECTORS: dict[str, Any] = json.loads((ROOT / "tests/vectors/asset_token_v1.json").read_text())
KEY, PROJECT, PATH = bytes.fromhex(VECTORS["key"]), ProjectId(VECTORS["project"]), str(VECTORS["path"])
MOMENT = datetime.fromtimestamp(VECTORS["moment"], UTC)


def _name(vector: dict[str, str]) -> str:
    return vector["name"]


@pytest.mark.parametrize("vector", VECTORS["tokens"], ids=_name)
def test_a_token_is_what_another_program_makes_of_the_same(vector: dict[str, Any]) -> None:
    # contracts 9: v1.<expiry>.<base64url MAC, 43>, MAC = HMAC-SHA256(key, v1\n<project>\n<kind>/<name>\n<expiry>)
    key, project = bytes.fromhex(vector["key"]), ProjectId(vector["project"])
    assert make_token(key, project, vector["path"], vector["expiry"]) == vector["token"]
    moment = datetime.fromtimestamp(vector["expiry"] - 1, UTC)
    assert require_token([b"another", key], project, vector["path"], vector["token"].encode(), moment) == 1


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=_name)
def test_whatever_is_signed_or_written_otherwise_is_refused(vector: dict[str, str]) -> None:
    with pytest.raises(TokenRefusedError):
        require_token([KEY], PROJECT, PATH, vector["token"].encode(), MOMENT)


def test_the_first_of_them_is_good_for_the_key_that_the_refused_ones_are_held_against() -> None:
    good = str(VECTORS["tokens"][0]["token"]).encode()
    assert require_token([KEY], PROJECT, PATH, good, MOMENT) == 60
