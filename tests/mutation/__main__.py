"""``PYTHONPATH=tests python -m mutation rules.cors rules.routing``: what these modules' tests do not notice.

Ends with 1 if a mutant survives that is not in `mutation.equivalents`, or if one is there that does not survive.
"""

import argparse
import os
import sys
import time
from collections import Counter

from mutation.equivalents import EQUIVALENT
from mutation.runs import survivors


def main() -> int:
    """Prints a line for each module, and the survivors below it."""
    parser = argparse.ArgumentParser(prog="mutation")
    parser.add_argument("modules", nargs="+", help="such as rules.cors or model.session_key")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--every", type=int, default=1, help="10 runs each tenth mutant")
    given = parser.parse_args()
    unclean = [module for module in given.modules if not _is_clean(module, given.jobs, given.every)]
    return 1 if unclean else 0


def _is_clean(module: str, jobs: int, step: int) -> bool:
    started = time.monotonic()
    every, alive = survivors(module, jobs=jobs, every=step)
    known = EQUIVALENT.get(module, {})
    unknown = [mutant for mutant in alive if mutant.name not in known]
    stale = set(known) - {mutant.name for mutant in alive} if step == 1 else set()
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(mutant.kind for mutant in unknown).items()))
    _say(
        f"{module}: {len(every)} mutants, {len(every) - len(alive)} killed, {len(alive) - len(unknown)} equivalent, "
        f"{len(unknown)} survived{f' ({kinds})' if kinds else ''}, in {time.monotonic() - started:.0f} s"
    )
    for mutant in unknown:
        _say(f"  survived, {mutant.kind}: {mutant.name}")
    for name in sorted(stale):
        _say(f"  listed as equivalent, and is not one of the survivors: {name}")
    return not unknown and not stale


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


sys.exit(main())
