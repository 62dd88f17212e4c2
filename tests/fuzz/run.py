"""Drives atheris over a target, guided by the branches that an input reaches: ``python tests/fuzz/run.py origin``.

It starts from the corpus. What is new is written to a folder of its own, and so is an input that breaks the target;
then the exit status is not 0. ``--planted`` runs the target over a reader with a fault, and starts from those files
that do not show it.
"""

import argparse
import importlib
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).resolve().parents[1]
# One input that takes longer counts as a fault.
_SECONDS_FOR_ONE = 10
_LONGEST_INPUT = 4096
# How many of the changes are libFuzzer's own, which knows no grammar; the others are those of the short runs.
_BLIND = 0.5


def main() -> None:
    """Ends the process, as libFuzzer does."""
    # Looked up here, so that this file is typed where there is no atheris.
    atheris: Any = importlib.import_module("atheris")
    atheris.enabled_hooks.add("str")
    sys.path.insert(0, str(_TESTS))
    with atheris.instrument_imports(include=["apikeychain", "fuzz"]):
        targets = importlib.import_module("fuzz.targets").TARGETS
        planted = importlib.import_module("fuzz.planted").PLANTED
    mutated = importlib.import_module("fuzz.mutations").mutated
    given = _given(list(targets))
    target, faults = targets[given.target], planted[given.target]
    if given.planted not in {None, *faults}:
        sys.exit(f"planted faults of {given.target}: {', '.join(faults)}")
    one_input = faults[given.planted] if given.planted else target.one_input
    found = given.found or Path(tempfile.mkdtemp(prefix=f"fuzz-{target.name}-"))
    corpus = target.corpus_without(one_input) if given.planted else target.corpus
    _put(found, target.tokens, corpus)
    print(f"what is found: {found}", flush=True)  # noqa: T201 - a command tells what it does
    options = [sys.argv[0], *_options(given.seconds, found)]

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        chance = random.Random(seed)  # noqa: S311 - an input has to come again from its seed
        if chance.random() < _BLIND:
            return bytes(atheris.Mutate(data, most))
        return bytes(mutated(chance, data, target.tokens, corpus)[:most])

    atheris.Setup(options, one_input, custom_mutator=mutate)
    atheris.Fuzz()


def _given(names: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fuzz one reader of what strangers send.")
    parser.add_argument("target", choices=names)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--planted", help="the name of a planted fault")
    parser.add_argument("--found", type=Path, help="where to write what is found; by default a new folder")
    return parser.parse_args()


def _put(found: Path, tokens: tuple[bytes, ...], corpus: list[bytes]) -> None:
    for folder in ("corpus", "inputs"):
        (found / folder).mkdir(parents=True)
    (found / "dictionary").write_text("".join(f'"{_escaped(token)}"\n' for token in tokens))
    for number, data in enumerate(corpus):
        (found / "corpus" / str(number)).write_bytes(data)


def _options(seconds: int, found: Path) -> list[str]:
    return [
        f"-max_total_time={seconds}",
        f"-timeout={_SECONDS_FOR_ONE}",
        f"-max_len={_LONGEST_INPUT}",
        f"-dict={found / 'dictionary'}",
        f"-artifact_prefix={found}/",
        "-print_final_stats=1",
        str(found / "inputs"),
        str(found / "corpus"),
    ]


def _escaped(token: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in token)


if __name__ == "__main__":
    main()
