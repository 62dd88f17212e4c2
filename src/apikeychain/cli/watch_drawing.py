"""The picture of a replay: the rate of the project, and each signal that a finding was about."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import final

from apikeychain.cli.watch_picture import Mark, Panel, Picture
from apikeychain.cli.watch_report import sentence
from apikeychain.cli.watch_signal import Signal
from apikeychain.model.finding import WINDOW_SECONDS
from apikeychain.rules.features import counts_of, whole_of
from apikeychain.watch.replay import Episode, Looked, Replay

MOST_MARKS, MOST_PANELS = 20, 5
_WINDOW = timedelta(seconds=WINDOW_SECONDS)
_FIRST = "rate"
_TITLES = {
    "rate": "Admitted calls, a minute",
    "callers": "Callers that were admitted, in a minute (about)",
    "heaviest": "Calls of the caller that called most, a minute",
    "bytes_out": "Bytes of answers, a minute",
    "refused_origins": "Calls with a foreign origin, a minute",
    "refused_signatures": "Calls with a bad signature, a minute",
    "replays": "Replayed calls, a minute",
    "other_refusals": "Calls that were refused for anything else before they were admitted, a minute",
    "refused": "Admitted calls that the gate refused, a minute",
    "rate-limited": "Calls that were over a quota, a minute",
    "failed": "Calls of which nothing came, a minute",
    "provider-401": "Calls whose key the provider refused, a minute",
    "provider-403": "Calls that the provider answered with 403, a minute",
    "provider-429": "Calls that the provider answered with 429, a minute",
    "provider-5xx": "Calls that the provider answered with 5xx, a minute",
    "provider-other": "Calls that the provider answered with another error, a minute",
}


@final
class Drawing:
    """Takes in what a replay judged, window by window, and draws it at the end.

    Args:
        name: of the project, for the title.
        how: the policy and the detectors, for the line below it.
    """

    def __init__(self, name: str, how: str) -> None:
        self._name, self._how = name, how
        self._signals: dict[str, Signal] = {}

    def take(self, judged: Looked) -> None:
        """Take another window in."""
        begin = judged.window.begin
        for feature, seen in counts_of(whole_of(judged.window)).items():
            signal = self._signals.setdefault(feature, Signal(self._begin or begin, _WINDOW))
            signal.put(begin, seen, judged.expected.get(("", feature)))

    @property
    def _begin(self) -> datetime | None:
        return self._signals[_FIRST].begin if _FIRST in self._signals else None

    def picture(self, replay: Replay) -> Picture | None:
        """All of it, once the replay is at its end; None where there was nothing."""
        rate = self._signals.get(_FIRST)
        if rate is None:
            return None
        suspensions = [one.deed for one in replay.done if one.deed.answer == "suspend"]
        episodes = list(enumerate(replay.episodes[:MOST_MARKS], 1))
        return Picture(
            title=f"{self._name}: what the watch would have found and done",
            subtitle=f"{rate.begin:%d %b %Y %H:%M} to {rate.end:%d %b %Y %H:%M} UTC; {self._how}{_columns(rate)}",
            begin=rate.begin,
            end=rate.end,
            panels=list(self._panels(episodes)),
            spans=[(deed.at, deed.until) for deed in suspensions if deed.until is not None],
            notes=[(number, sentence(episode)) for number, episode in episodes],
        )

    def _panels(self, episodes: Sequence[tuple[int, Episode]]) -> Iterator[Panel]:
        marked: dict[str, list[Mark]] = {_FIRST: []}
        for number, episode in episodes:
            feature = self._shown(episode, marked)
            marked.setdefault(feature, []).append(_mark(number, episode, self._signals[feature]))
        for feature, marks in marked.items():
            yield Panel(title=_TITLES[feature], signal=self._signals[feature], marks=marks)

    def _shown(self, episode: Episode, marked: Mapping[str, object]) -> str:
        """In which panel a finding is marked: that of its feature, else the first."""
        feature = episode.most.feature.split()[0]
        is_drawn = feature in marked or (feature in _TITLES and len(marked) < MOST_PANELS)
        return feature if is_drawn else _FIRST


def _mark(number: int, episode: Episode, signal: Signal) -> Mark:
    """At what the project showed when the finding was most."""
    place = (episode.most.at - signal.begin) // signal.width
    at = signal.begin + (place + 0.5) * signal.width
    seen = signal.columns[place].seen
    return Mark(number=number, begin=episode.begin, end=episode.end, at=at, seen=seen)


def _columns(signal: Signal) -> str:
    minutes = signal.width // timedelta(minutes=1)
    return f"; of each {minutes} minutes the highest is drawn" if minutes > 1 else ""
