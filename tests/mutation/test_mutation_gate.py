"""Who calls, what is signed, where it goes, what comes back, what is kept: no small mistake there passes the tests."""

import sys

import pytest

from command import ROOT, run
from mutation.equivalents import EQUIVALENT
from mutation.mutants import mutants
from mutation.runs import source_of

GATE = [
    *("rules.cors", "rules.signature", "rules.signed_text", "rules.routing", "model.session_key"),
    *("rules.egress", "rules.parameters", "rules.redaction", "rules.scrubbing"),
    *("rules.escapes", "rules.fixed_forms", "rules.mixed", "rules.parts", "rules.said"),
    *(f"vault.{path.stem}" for path in sorted((ROOT / "src/apikeychain/vault").glob("[!_]*.py"))),
]


def _mutate(*arguments: str) -> str:
    return run(sys.executable, "-m", "mutation", *arguments, env={"PYTHONPATH": str(ROOT / "tests")}, seconds=1800)


@pytest.mark.long
@pytest.mark.parametrize("module", GATE)
def test_no_mutant_survives_but_the_equivalent_ones(module: str) -> None:
    assert f"{len(EQUIVALENT.get(module, {}))} equivalent, 0 survived" in _mutate(module)


def test_no_mutant_of_a_small_sample_survives() -> None:
    assert ", 0 survived" in _mutate("rules.signed_text", "--every", "10")


@pytest.mark.parametrize("module", EQUIVALENT)
def test_each_equivalent_mutant_exists(module: str) -> None:
    assert set(EQUIVALENT[module]) <= {mutant.name for mutant in mutants(source_of(module))}


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        (
            "def f():\n    x = a < 1",
            {"a < 1 -> a <= 1", "a < 1 -> a >= 1", "1 -> 2", "1 -> 0", "x = a < 1 -> x = None"},
        ),
        ("f(a and b)", {"a and b -> a or b", "a and b -> a", "a and b -> b", "f(a and b) -> pass"}),
        ("if not a:\n    b()", {"if not a: -> if True:", "if not a: -> if False:", "not a -> a", "b() -> pass"}),
        ("f(min(a, b), key=c)", {"min(a, b) -> max(a, b)", "f(min(a, b), key=c) -> f(min(a, b))"}),
        ("f('a{1,2}')", {"'a{1,2}' -> 'a{1,3}'", "'a{1,2}' -> 'a{0,2}'", "'a{1,2}' -> 'XXa{1,2}XX'"}),
        ("def f():\n    'says'\n    return a[1:]", {"return a[1:] -> return None", "1: -> :"}),
    ],
)
def test_a_mutant_is_a_mistake_as_it_is_made(source: str, changes: set[str]) -> None:
    found = {mutant.change for mutant in mutants(source)}
    assert changes <= found
    assert not [change for change in found if "says" in change]
