"""The page that shows rules shows such as are taken, and names everything that a rule can count."""

import re

from apikeychain.model.tally import Tally
from apikeychain.rules.features import counts_of
from apikeychain.rules.watch_rules import MOST_RULES, parse_rules
from command import ROOT

_PAGE = (ROOT / "docs" / "how-to" / "watch-a-project.md").read_text()


def test_the_rules_of_the_page_are_rules() -> None:
    shown = _PAGE.split("A rule is a line:\n\n```text\n")[1].split("```")[0].splitlines()
    assert len(parse_rules(shown)) == len(shown) > 5
    said = re.findall(r'--rule "([^"]+)"', _PAGE)
    assert said
    assert set(said) <= set(shown)


def test_the_page_names_all_that_a_rule_counts() -> None:
    assert f"at most {MOST_RULES} rules" in _PAGE
    assert not [name for name in (*counts_of(Tally()), "failures") if f"`{name}`" not in _PAGE]
