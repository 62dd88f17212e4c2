"""What is expected of a project's next window, at most, in the numbers that a picture shows.

Of a share it is the number of calls that it stands for. What is a mean has no such number: how long answers may be says
little of how many bytes come together.

Source: contracts 7; spec 8.2.
"""

from collections.abc import Iterator, Mapping

from apikeychain.model.finding import Window
from apikeychain.model.tally import Tally
from apikeychain.rules.features import FEATURES, counts_of
from apikeychain.rules.learned import WHOLE, Learned, Route
from apikeychain.rules.series import most_expected


def foreseen(window: Window, learned: Learned) -> Mapping[tuple[str, str], float]:
    """By "" for all routes together, and the feature; what is not learned yet is left out.

    Args:
        window: that comes next; of it the number of calls is looked at.
        learned: before it.
    """
    calls = sum(tally.calls for tally in window.routes.values())
    whole = learned.routes.get(WHOLE, Route())
    return {("", name): number for name, number in _counts(whole, calls)}


def _counts(whole: Route, calls: int) -> Iterator[tuple[str, float]]:
    for name in counts_of(Tally()).keys() & whole.series.keys():
        feature = FEATURES[name]
        most = most_expected(whole.series[name], feature, calls)
        if most is not None:
            yield name, most if feature.kind == "count" else most * calls
