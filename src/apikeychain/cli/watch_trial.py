"""What a replay tries: a policy and detectors, and a run of calls through them."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, final

from cyclopts import Parameter, validators

from apikeychain.backends.forest import ForestDetector
from apikeychain.cli.files import write_own
from apikeychain.cli.watch_drawing import Drawing
from apikeychain.cli.watch_report import Report
from apikeychain.model.finding import WINDOW_SECONDS, Answer
from apikeychain.model.watch import ANSWERS, WatchPolicy
from apikeychain.ports.detector import Detector
from apikeychain.rules.ewma import EWMADetector
from apikeychain.rules.features import vector
from apikeychain.rules.recorded import RecordedCall
from apikeychain.rules.rules_detector import RulesDetector
from apikeychain.rules.watch_rules import parse_rules
from apikeychain.watch.replay import Looked, Replay

DetectorName = Literal["ewma", "forest", "rules"]
# Those that every project is watched by.
_USUAL: tuple[DetectorName, ...] = ("ewma", "rules")
_WINDOW = timedelta(seconds=WINDOW_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What is tried, where it is not what the project has.

    Attributes:
        rule: a rule of yours, like "refused_origins > 50 / 5 minutes"; may be said more than once.
        mode: act, as if it had been allowed to; or observe.
        answer: that it may give: alert, tighten, suspend, rotate; may be said more than once.
        suspend_minutes: how long the first suspension lasts.
        detector: that looks at it: ewma, forest, rules; may be said more than once. Without one, ewma and rules.
    """

    rule: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = ()
    mode: Literal["act", "observe"] = "act"
    answer: Annotated[tuple[Answer, ...], Parameter(negative="", show_default=False)] = ()
    suspend_minutes: Annotated[int | None, Parameter(validator=validators.Number(gte=1, lte=60))] = None
    detector: Annotated[tuple[DetectorName, ...], Parameter(negative="", show_default=False)] = ()

    def policy(self, own: WatchPolicy) -> WatchPolicy:
        """The policy of a project, with what is tried instead."""
        instead: dict[str, Any] = {"mode": self.mode}
        if self.rule:
            instead["rules"] = self.rule
        if self.answer:
            instead["answers"] = tuple(answer for answer in ANSWERS if answer in self.answer)
        if self.suspend_minutes is not None:
            instead["suspend_minutes"] = self.suspend_minutes
        return replace(own, **instead)

    def detectors(self, policy: WatchPolicy) -> list[Detector]:
        """Those that look at it.

        Raises:
            InvalidValueError: a rule is none.
            MissingExtraError: a detector needs an extra that is not installed.
        """
        return [_detector(name, policy) for name in dict.fromkeys(self.detector or _USUAL)]


def _detector(name: DetectorName, policy: WatchPolicy) -> Detector:
    if name == "forest":
        return ForestDetector(vector)
    return EWMADetector() if name == "ewma" else RulesDetector(parse_rules(policy.rules))


@final
class Run:
    """Calls of one project on their way through a replay.

    Args:
        name: of the project, for people.
        policy: that is tried.
        detectors: that look at it.
        created: when the project was made, or its record begins.
        picture: the file that it is drawn into, or None.
    """

    def __init__(
        self, name: str, policy: WatchPolicy, detectors: list[Detector], created: datetime, picture: Path | None
    ) -> None:
        self._name, self._policy, self._picture = name, policy, picture
        self._detectors = [detector.name for detector in detectors]
        self._replay = Replay(policy, detectors, created, is_expecting=picture is not None)
        self._drawing = Drawing(name, f"{' and '.join(self._detectors)}, mode {policy.mode}")
        self._begin: datetime | None = None
        self._end: datetime | None = None

    def take(self, call: RecordedCall) -> None:
        """Take the next call."""
        for judged in self._replay.take(call):
            self._see(judged)

    def end(self) -> Report:
        """Judge what is left, and draw the picture.

        Raises:
            InvalidValueError: the picture cannot be written.
        """
        for judged in self._replay.end():
            self._see(judged)
        drawn = self._drawing.picture(self._replay) if self._picture else None
        if drawn and self._picture:
            write_own(self._picture, drawn.svg)
        return Report(
            name=self._name,
            policy=self._policy,
            detectors=self._detectors,
            replay=self._replay,
            begin=self._begin,
            end=self._end,
            picture=str(self._picture) if drawn else None,
        )

    def _see(self, judged: Looked) -> None:
        begin = judged.window.begin
        self._begin, self._end = self._begin or begin, begin + _WINDOW
        if self._picture:
            self._drawing.take(judged)
