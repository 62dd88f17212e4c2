"""A secret is found in a script however its characters are written, also where the script stands in a string."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.rules.asset_secrets import secret_in
from apikeychain.rules.scrubbing import Needles

WRITTEN: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "x": lambda one: f"\\x{ord(one):02x}",
    "u": lambda one: f"\\u{ord(one):04X}",
    "braced": lambda one: f"\\u{{{ord(one):x}}}",
    "zeros": lambda one: f"\\u{{{ord(one):012x}}}",
}
secrets = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=40)


def found(body: str, secret: str) -> bool:
    return secret_in(body.encode(), [("it", Needles((secret.encode(),)))]) == "it"


def quoted(text: str) -> str:
    """As a string of a script, whose own characters are left to it."""
    return '"' + text + '"'


@given(secret=secrets, ways=st.lists(st.sampled_from(list(WRITTEN)), min_size=40, max_size=40))
def test_each_character_may_be_written_in_its_own_way(secret: str, ways: list[str]) -> None:
    # What would begin an escape of its own, or end the string, is written as one.
    plain = {"\\", '"'}
    written = "".join(
        WRITTEN["x" if way == "as it is" and one in plain else way](one)
        for one, way in zip(secret, ways[: len(secret)], strict=True)
    )
    script = f"const key = {quoted(written)}"
    assert found(script, secret)
    assert found(json.dumps({"version": 3, "sourcesContent": [script]}), secret)
    assert not found(script.replace(written, written[1:] if secret == written else ""), secret)


@given(secret=secrets)
def test_a_secret_in_a_string_of_a_string_is_found(secret: str) -> None:
    script = f"const key = {json.dumps(secret)}"
    assert found(script, secret)
    assert found(json.dumps([script]), secret)
    assert found(json.dumps([script]).replace("/", "\\/"), secret)


@pytest.mark.parametrize("script", ["\\x61}bcdefgh", "\\u{61}}bcdefgh", "\\u{0000000061}}bcdefgh", "\\\\x61}bcdefgh"])
def test_a_brace_is_of_an_escape_only_where_that_has_one(script: str) -> None:
    assert found(script, "a}bcdefgh")


@pytest.mark.parametrize("script", ["\\u{61bcdefgh", "\\x6bcdefgh", "\\u{0061 }bcdefgh"])
def test_what_is_no_escape_is_none(script: str) -> None:
    assert not found(script, "abcdefgh")
