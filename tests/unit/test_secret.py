import ast
import copy
import pickle
from pathlib import Path

import pytest

import apikeychain
import canary
from apikeychain.errors import InvalidValueError
from apikeychain.secret import MAX_BYTES, MIN_BYTES, Secret

PLAIN = canary.secret("live")
SRC = Path(apikeychain.__file__).parent

# Every place where plaintext leaves its coat. A new one needs a reason as good as these.
REVEALERS = {
    "backends/aws_kms/wire.py": {"given"},
    "backends/openbao/tokens.py": {"token"},
    "backends/openbao/wire.py": {"send"},
    "backends/standard_webhooks.py": {"_key"},
    "client/signing.py": {"sign"},
    "environment/variables.py": {"plain"},
    "secret.py": {"matches"},
    "vault/derivation.py": {"fingerprint"},
    "vault/vault.py": {"seal_secret", "seal_text"},
    "vault/assets.py": {"_key"},
    "cli/signing_key.py": {"_show"},
    "rules/signature.py": {"require_mac"},
    "vault/session_keys.py": {"session_key"},
    "vault/resealing.py": {"_resealed"},
    "rules/injection.py": {"credential"},
    "rules/key_steps.py": {"split_pair"},
    "rules/tokens.py": {"_secret_part", "grant"},
    "testing/rotator.py": {"_text"},
    "rules/redaction.py": {"needles", "plain_needles"},
}


def _reveals(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    found = set()
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            calls = [node for node in ast.walk(function) if isinstance(node, ast.Attribute) and node.attr == "reveal"]
            found |= {function.name} if calls else set()
    return found


def test_the_plaintext_has_one_exit() -> None:
    assert Secret(PLAIN).reveal() == PLAIN.encode()


def test_every_caller_of_reveal_is_known() -> None:
    found = {str(path.relative_to(SRC)): _reveals(path) for path in SRC.rglob("*.py")}
    assert {place: names for place, names in found.items() if names} == REVEALERS


def test_reveal_is_never_taken_without_a_function_around_it() -> None:
    for path in SRC.rglob("*.py"):
        tree = ast.parse(path.read_text())
        inside = {
            node
            for f in ast.walk(tree)
            if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef)
            for node in ast.walk(f)
        }
        taken = {n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr == "reveal"}
        assert taken <= inside, path


@pytest.mark.parametrize("value", ["", "short", "x" * (MIN_BYTES - 1), "x" * (MAX_BYTES + 1)])
def test_a_secret_of_another_length_is_refused(value: str) -> None:
    with pytest.raises(
        InvalidValueError, match=f"has {MIN_BYTES} to {MAX_BYTES} characters, this one has {len(value)}"
    ):
        Secret(value)


@pytest.mark.parametrize("length", [MIN_BYTES, MAX_BYTES])
def test_both_bounds_belong_to_the_range(length: int) -> None:
    assert len(Secret("x" * length)) == length


@pytest.mark.parametrize("bad", ["\r", "\n", "\0", "\t", "\x1f", "\x7f", "é", "\u2028", "\ud800"])
def test_what_is_not_printable_ascii_is_refused_and_not_repeated(bad: str) -> None:
    with pytest.raises(InvalidValueError, match="printable ASCII") as caught:
        Secret(PLAIN + bad)
    assert PLAIN not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_every_printable_character_is_taken() -> None:
    printable = "".join(map(chr, [*range(0x21, 0x7F), 0x20, 0x21]))
    assert Secret(printable).reveal() == printable.encode()


@pytest.mark.parametrize("spaced", [" {}", "{} "])
def test_a_space_at_an_end_is_refused_since_a_provider_may_drop_it(spaced: str) -> None:
    with pytest.raises(InvalidValueError, match="neither begins nor ends with a space"):
        Secret(spaced.format(PLAIN))


@pytest.mark.parametrize(("length", "short"), [(15, True), (16, False)])
def test_a_short_one_says_so(length: int, short: bool) -> None:
    assert Secret("s" * length).is_short is short


def test_it_comes_from_an_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEATHER_KEY", PLAIN)
    assert Secret.from_env("WEATHER_KEY").matches(Secret(PLAIN))


@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("WEATHER_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("WEATHER_KEY", value)
    with pytest.raises(InvalidValueError, match="export WEATHER_KEY="):
        Secret.from_env("WEATHER_KEY")


def test_equal_secrets_match_and_others_do_not() -> None:
    assert Secret(PLAIN).matches(Secret(PLAIN))
    assert not Secret(PLAIN).matches(Secret(PLAIN + "!"))


def test_its_repr_says_nothing() -> None:
    assert repr(Secret(PLAIN)) == "Secret(...)"
    assert repr([Secret(PLAIN)]) == "[Secret(...)]"


def test_it_is_not_text() -> None:
    secret = Secret(PLAIN)
    with pytest.raises(TypeError, match="only exit"):
        str(secret)
    with pytest.raises(TypeError, match="only exit"):
        f"{secret}"
    with pytest.raises(TypeError, match="only exit"):
        f"{secret:>10}"


def test_it_is_neither_compared_with_an_operator_nor_hashed() -> None:
    secret = Secret(PLAIN)
    with pytest.raises(TypeError, match="matches"):
        assert secret == Secret(PLAIN)
    with pytest.raises(TypeError, match="matches"):
        assert secret != PLAIN
    with pytest.raises(TypeError, match="hashed"):
        hash(secret)


def test_it_is_neither_pickled_nor_copied() -> None:
    secret = Secret(PLAIN)
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(secret)
    with pytest.raises(TypeError, match="pickled"):
        copy.copy(secret)
    with pytest.raises(TypeError, match="pickled"):
        copy.deepcopy([secret])


def test_it_takes_no_further_attribute() -> None:
    with pytest.raises(AttributeError):
        Secret(PLAIN).note = "x"  # type: ignore[attr-defined]  # the point of the test
