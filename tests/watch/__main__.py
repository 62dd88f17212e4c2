"""`python -m watch` in `tests`: how calm the watch is and what it finds, on projects that nobody tuned it on.

::

    python -m watch --set held-out --attacked 20 --projects 100 --days 30 --jobs 2
"""

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial

from .events import ATTACKS
from .report import table_of_attacks, table_of_calm
from .trials import HELD_OUT, TUNING, Attacked, Calm, attack, life_of

_SETS = {"tuning": TUNING, "held-out": HELD_OUT}


def attacks_on(seed: int, *, mild: bool) -> dict[str, Attacked]:
    """What came of the attacks on one project."""
    found = {kind: Attacked() for kind in ATTACKS}
    attack(seed, 1, found, mild=mild)
    return found


def main() -> None:
    """Run the trials, and print what came of them; of what is under way to stderr."""
    parser = argparse.ArgumentParser(prog="watch")
    parser.add_argument("--set", choices=_SETS, default="held-out")
    parser.add_argument("--attacked", type=int, default=10)
    parser.add_argument("--projects", type=int, default=10)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    first = _SETS[asked.set]
    with ProcessPoolExecutor(asked.jobs) as pool:
        calm = Calm()
        # Others than those that were attacked.
        seeds = range(first + 1_000, first + 1_000 + asked.projects)
        for done in as_completed([pool.submit(life_of, seed, days=asked.days) for seed in seeds]):
            calm.add(done.result())
            sys.stderr.write(f"{calm.days} days, {calm.suspensions} false suspensions\n")
        sys.stdout.write(f"{table_of_calm(calm)}\n\n")
        sys.stdout.flush()
        for mild in (False, True):
            found = {kind: Attacked() for kind in ATTACKS}
            for one in pool.map(partial(attacks_on, mild=mild), range(first, first + asked.attacked)):
                for kind, attacked in one.items():
                    found[kind].add(attacked)
            sys.stdout.write(f"{'mild' if mild else 'strong'} attacks\n\n{table_of_attacks(found)}\n\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
