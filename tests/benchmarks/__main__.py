"""``python -m tests.benchmarks``: the gate, its peers and the limits in one run.

Prints a table of every target and one of what the gate is held to; ``--json`` and ``--picture`` write them down.
``--quick`` takes a minute or two, and its figures are only good to see that everything runs.
"""

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path

from . import assets, calls, ledger, machine, picture, report, scale, startup, streams
from .calls import Effort
from .environment import made_python, require_tools
from .provider import provider

_PARTS = ("calls", "assets", "streams", "scale", "ledger", "startup")


def main() -> None:
    """Measure what is asked for; ended early, it ends what it started too."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round of everything")
    parser.add_argument("--only", nargs="+", choices=_PARTS, default=_PARTS, help="these parts alone")
    parser.add_argument("--rounds", type=int, help="of all targets in turn (5)")
    parser.add_argument("--json", type=Path, help="write everything there")
    parser.add_argument("--picture", type=Path, help="draw the calls there, .svg or .png")
    given = parser.parse_args()
    require_tools()
    os.sched_setaffinity(0, {machine.LOAD_CORE})
    card = machine.card()
    _tell("\n".join(f"{name}: {value}" for name, value in card.items()))
    quick: bool = given.quick
    rounds = given.rounds or (1 if quick else 5)
    found: list[report.Found] = []
    results = None
    effort = Effort(rounds=rounds, seconds=1.0 if quick else 3.0)
    with tempfile.TemporaryDirectory(prefix="apikeychain-benchmarks-") as folder, provider(Path(folder)) as behind:
        if "calls" in given.only:
            results = calls.measure(behind, made_python(), effort, _progress)
            found += report.of_calls(results)
            _tell(report.table_of_calls(results))
        if "assets" in given.only:
            found += report.of_assets(assets.measure(behind, made_python(), effort, _progress))
        if "streams" in given.only:
            found += report.of_streams(streams.measure(behind, made_python(), 20 if quick else 200))
        if "scale" in given.only:
            projects = 1_000 if quick else 100_000
            found += report.of_scale(scale.measure(behind, made_python(), projects, rounds, _progress))
        if "ledger" in given.only:
            found += report.of_ledger(ledger.measure(Path(folder), 2_000 if quick else 20_000, rounds))
        if "startup" in given.only:
            found += report.of_startup(startup.measure(3 if quick else 9))
    _tell(report.table(found))
    if given.json:
        report.write(given.json, report.document(card, found, results))
    if given.picture and results:
        picture.draw(results, given.picture)


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n\n")
    sys.stdout.flush()


def _progress(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


main()
