"""What a window costs each detector, in CPU: `python -m watch.cost` in `tests`."""

import sys
import time
from collections.abc import Mapping

from apikeychain.backends.forest import ForestDetector
from apikeychain.ports.detector import Detector
from apikeychain.rules.ewma import EWMADetector
from apikeychain.rules.features import vector
from apikeychain.rules.rules_detector import RulesDetector
from apikeychain.rules.watch_rules import parse_rules

from .projects import day, project, window
from .trials import HELD_OUT

_RULES = ("failures >= 20 / minute", "rate > 1000 / minute", "callers > 500 / hour", "country not in [DE, FR]")
DETECTORS: Mapping[str, Detector] = {
    "ewma": EWMADetector(),
    "rules, 4 of them": RulesDetector(parse_rules(_RULES)),
    "forest": ForestDetector(vector),
}


def cost(detector: Detector, seed: int, windows: int) -> tuple[float, int]:
    """Microseconds a window once it has learned, its state read and written; and the bytes of that state."""
    whose, state, seconds = project(seed), "", 0.0
    minutes = list(day(whose, 0))[: 2 * windows]
    for number, (minute, routes) in enumerate(minutes):
        seen = window(whose, minute, routes)
        begin = time.process_time()
        _, state = detector.observe(seen, state)
        seconds += time.process_time() - begin if number >= windows else 0
    return seconds / windows * 1e6, len(state)


def main() -> None:
    """Print a table."""
    sys.stdout.write("| detector | us a window | bytes of state |\n| --- | --- | --- |\n")
    for name, detector in DETECTORS.items():
        windows = 120 if name == "forest" else 700
        found = [cost(detector, seed, windows) for seed in range(HELD_OUT, HELD_OUT + 4)]
        mean = sum(one for one, _ in found) / len(found)
        sys.stdout.write(f"| {name} | {mean:.0f} | {max(size for _, size in found)} |\n")


if __name__ == "__main__":
    main()
