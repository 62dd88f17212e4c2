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
    "octal": lambda one: f"\\{ord(one):03o}",
    "itself": lambda one: f"\\x{ord(one):02X}" if one.isalnum() else "\\" + one,
    "continued": lambda one: f"\\\n\\x{ord(one):02x}",
}
IN_STYLES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "short": lambda one: f"\\{ord(one):x} ",
    "ended by a line": lambda one: f"\\{ord(one):04X}\r\n",
    "six digits": lambda one: f"\\{ord(one):06x}",
    "itself": lambda one: f"\\{ord(one):x}\t" if one.isalnum() else "\\" + one,
    "continued": lambda one: f"\\\n\\{ord(one):06X}",
}
secrets = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=40)


def found(body: str, secret: str) -> bool:
    return secret_in(body.encode(), [("it", Needles((secret.encode(),)))]) == "it"


def quoted(text: str) -> str:
    """As a string of a script, whose own characters are left to it."""
    return '"' + text + '"'


def require_found(source: str, secret: str) -> None:
    """In it, and in a map of it."""
    assert found(source, secret)
    assert found(json.dumps({"version": 3, "sourcesContent": [source]}), secret)


def in_ways(forms: dict[str, Callable[[str], str]], secret: str, ways: list[str], otherwise: str) -> str:
    """Each character in a way of its own; what would begin an escape, or end the string, `otherwise`."""
    return "".join(
        forms[otherwise if way == "as it is" and one in {"\\", '"'} else way](one)
        for one, way in zip(secret, ways[: len(secret)], strict=True)
    )


@given(secret=secrets, ways=st.lists(st.sampled_from(list(WRITTEN)), min_size=40, max_size=40))
def test_each_character_may_be_written_in_its_own_way(secret: str, ways: list[str]) -> None:
    written = in_ways(WRITTEN, secret, ways, otherwise="x")
    script = f"const key = {quoted(written)}"
    require_found(script, secret)
    assert not found(script.replace(written, written[1:] if secret == written else ""), secret)


@given(secret=secrets, ways=st.lists(st.sampled_from(list(IN_STYLES)), min_size=40, max_size=40))
def test_styles_have_ways_of_their_own(secret: str, ways: list[str]) -> None:
    written = in_ways(IN_STYLES, secret, ways, otherwise="six digits")
    style = f".shop::after {{ content: {quoted(written)} }}"
    require_found(style, secret)


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


@given(held=st.sets(st.integers(0, 12), max_size=4), number=st.integers(0, 13))
def test_the_first_of_many_that_are_held_is_named(held: set[int], number: int) -> None:
    texts = [f"secret-{one:04}-of-many" for one in range(number)]
    secrets = [(f"the {one}th", Needles((text.encode(),))) for one, text in enumerate(texts)]
    body = " ".join(texts[one] for one in sorted(held, reverse=True) if one < number)
    first = min((one for one in held if one < number), default=None)
    assert secret_in(body.encode(), secrets) == (None if first is None else f"the {first}th")


def test_of_many_secrets_the_one_that_is_held_is_found_in_a_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    usual, scrubbed = Needles.scrub, list[int]()

    def scrub(self: Needles, value: bytes) -> bytes:
        scrubbed.append(len(self.texts))
        return usual(self, value)

    monkeypatch.setattr(Needles, "scrub", scrub)
    secrets = [(str(one), Needles((f"secret-{one:04}-of-many".encode(),))) for one in range(100)]
    assert secret_in(b"secret-0099-of-many", secrets) == "99"
    assert len(scrubbed) == 8
