"""What a policy would have found and done, had it watched what a ledger tells of.

A call that a deed would have refused is left out of the windows from then on, as it would have been: of a suspended
project, route or caller. Which page called is not written down, so a suspended origin leaves nothing out; nor does a
tightened quota or a rotation.

Source: contracts 7; spec 8.2; decision 34.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, final, runtime_checkable

from apikeychain.model.finding import WINDOW_SECONDS, Finding, Window
from apikeychain.model.watch import Deed, WatchPolicy
from apikeychain.ports.detector import Detector
from apikeychain.rules.judgement import judged
from apikeychain.rules.recorded import LATE, RecordedCall, Recording
from apikeychain.rules.watch_bounds import is_within
from apikeychain.rules.watch_policy import Planned, decide
from apikeychain.watch.acting import DEEDS_KEPT

# Beyond them findings are only counted.
MOST_EPISODES = 1_000
_WINDOW = timedelta(seconds=WINDOW_SECONDS)
# What is found again later is another one: no suspension lasts longer.
_SAME = timedelta(hours=1)


@runtime_checkable
class Expecting(Protocol):
    """A detector that says what it expects, for pictures."""

    @property
    def name(self) -> str:
        """See Detector."""
        ...

    def expected(self, window: Window, state: str) -> Mapping[tuple[str, str], float]:
        """At most, by route and feature; "" for all routes together.

        Args:
            window: that is about to be observed.
            state: before it.
        """
        ...


@dataclass(slots=True)
class Episode:
    """The same finding, window after window.

    Attributes:
        first, last, most: the first and the last one, and that of which most was seen.
        windows: how many there were.
        planned: what was done about it, the oldest first.
    """

    first: Finding
    last: Finding
    most: Finding
    windows: int = 1
    planned: list[Planned] = field(default_factory=list[Planned])

    def go_on(self, finding: Finding) -> None:
        """Take another one in."""
        self.last, self.windows = finding, self.windows + 1
        if finding.seen > self.most.seen:
            self.most = finding

    @property
    def begin(self) -> datetime:
        """Of the first window in a row that showed it, which may be before it was said."""
        return self.first.since

    @property
    def end(self) -> datetime:
        """Of its last window."""
        return self.last.at + _WINDOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A window, and what was made of it.

    Attributes:
        expected: at most, by route and feature, where a detector says that.
    """

    window: Window
    expected: Mapping[tuple[str, str], float]
    findings: Sequence[Finding]


@final
class Replay:
    """Runs calls of one project through detectors and a policy.

    Args:
        policy: of the project.
        detectors: that look at each window.
        created: when the project was made, or its record begins.
        is_expecting: whether the detectors are asked what they expect.

    Attributes:
        windows: how many were judged; `calls` of them admitted; `late` calls that came too late for theirs.
        refused: how many calls would have met a suspension.
        episodes: what was found, the oldest first; `beyond` how many are not among them.
        faults: in how many windows each detector failed.
        done: what would have been done or, of a policy that observes, told; the oldest first.
    """

    def __init__(
        self, policy: WatchPolicy, detectors: Sequence[Detector], created: datetime, *, is_expecting: bool = False
    ) -> None:
        self._policy, self._detectors, self._created = policy, detectors, created
        self._expecting = [one for one in detectors if isinstance(one, Expecting)] if is_expecting else []
        self._recording = Recording(policy.project)
        self._states: dict[str, str] = {}
        self._going_on: dict[tuple[str, ...], Episode] = {}
        self._suspended: dict[tuple[str, str], datetime] = {}
        self._deeds: tuple[Deed, ...] = ()
        self.windows = self.calls = self.refused = self.beyond = 0
        self.faults: Counter[str] = Counter()
        self.episodes: list[Episode] = []
        self.done: list[Planned] = []

    @property
    def late(self) -> int:
        """See above."""
        return self._recording.late

    def take(self, call: RecordedCall) -> Iterator[Looked]:
        """Judge the windows that are over, then count another call of the project. To be read to its end."""
        for window in self._recording.over(call.at):
            yield self._judge(window)
        if not call.refused and self._meets(call):
            self.refused += call.count
        else:
            self._recording.count(call)

    def end(self) -> Iterator[Looked]:
        """Judge what is left. To be read to its end."""
        for window in self._recording.rest():
            yield self._judge(window)

    def _judge(self, window: Window) -> Looked:
        self.windows += 1
        self.calls += sum(tally.calls for tally in window.routes.values())
        expected: dict[tuple[str, str], float] = {}
        for detector in self._expecting:
            expected.update(detector.expected(window, self._states.get(detector.name, "")))
        seen = judged(window, self._states, self._detectors)
        self._states = seen.states
        self.faults += Counter(seen.faults.keys())
        self._act(seen.findings, window.begin + _WINDOW + LATE)
        return Looked(window=window, expected=expected, findings=seen.findings)

    def _act(self, findings: Sequence[Finding], now: datetime) -> None:
        """Take what the policy would have done about findings for done."""
        planned: list[Planned] = []
        for one in decide(self._policy, findings, self._deeds, self._created, now):
            if is_within(one, self._deeds, now):
                self._do(one.deed, now)
                planned.append(one)
        self._note(findings, planned)
        self.done += planned

    def _do(self, deed: Deed, now: datetime) -> None:
        self._deeds = (*(past for past in self._deeds if now - past.at < DEEDS_KEPT), deed)
        if deed.answer == "suspend" and deed.until is not None and not deed.observed:
            self._suspended[deed.scope, deed.value] = deed.until

    def _note(self, findings: Sequence[Finding], planned: Sequence[Planned]) -> None:
        for finding in findings:
            key = (finding.detector, finding.feature, finding.scope, finding.value)
            episode = self._going_on.get(key)
            if episode is None or finding.at - episode.last.at > _SAME:
                episode = self._begin(key, finding)
            else:
                episode.go_on(finding)
            episode.planned += [one for one in planned if one.finding.id == finding.id]

    def _begin(self, key: tuple[str, ...], finding: Finding) -> Episode:
        episode = self._going_on[key] = Episode(finding, finding, finding)
        for over in [past for past, one in self._going_on.items() if finding.at - one.last.at > _SAME]:
            del self._going_on[over]
        if len(self.episodes) < MOST_EPISODES:
            self.episodes.append(episode)
        else:
            self.beyond += 1
        return episode

    def _meets(self, call: RecordedCall) -> bool:
        """Whether the call would have met a suspension. What has passed is let go of."""
        if not self._suspended:
            return False
        self._suspended = {what: until for what, until in self._suspended.items() if call.at < until}
        named = (("project", ""), ("route", call.route), ("caller", call.caller or ""))
        return any(what in self._suspended for what in named)
