"""What a replay says: findings and deeds as tables and as JSON, and how much of it a ledger cannot tell."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from apikeychain.cli import output
from apikeychain.cli.watch_axes import value_label
from apikeychain.model.finding import Finding
from apikeychain.model.watch import Deed, WatchPolicy
from apikeychain.rules.recorded import NOT_RECORDED
from apikeychain.rules.watch_policy import Planned
from apikeychain.watch.replay import Episode, Replay

# In a table; JSON has them all.
_MOST_ROWS = 50
_MINUTE = timedelta(minutes=1)
_FOUND = ("#", "at", "min", "where", "what", "seen", "expected", "sure", "answers")
_DONE = ("at", "where", "answer", "about")


def where(scope: str, value: str) -> str:
    """What a finding or a deed is about, for people; of a pseudonym the beginning."""
    shown = value[:8] if scope == "caller" else value
    return f"{scope} {shown}" if shown else scope


def answer_of(deed: Deed) -> str:
    """What was done, and for how long; in brackets where it is only told."""
    minutes = f" {(deed.until - deed.at) // _MINUTE} min" if deed.until is not None else ""
    return f"({deed.answer}{minutes})" if deed.observed else f"{deed.answer}{minutes}"


def sentence(episode: Episode) -> str:
    """A finding in a line."""
    most, end = episode.most, episode.end
    until = f"{end:%H:%M}" if end.date() == episode.begin.date() else f"{end:%a} {end.day} {end:%b %H:%M}"
    return (
        f"{episode.begin:%a} {episode.begin.day} {episode.begin:%b %H:%M} to {until}, "
        f"{where(most.scope, most.value)}, {most.feature}: {value_label(most.seen)} seen, "
        f"{value_label(most.expected)} expected at most, {most.sure} % sure; "
        f"{_answers(episode) or 'nothing done'}"
    )


def _answers(episode: Episode) -> str:
    """What was done about a finding: each answer once, with the minutes of each time."""
    minutes: dict[str, list[str]] = {}
    for one in episode.planned:
        deed = one.deed
        told = minutes.setdefault(f"({deed.answer})" if deed.observed else deed.answer, [])
        told += [str((deed.until - deed.at) // _MINUTE)] if deed.until is not None else []
    return ", ".join(f"{name} {'+'.join(times)} min" if times else name for name, times in minutes.items())


def _found_row(number: int, episode: Episode) -> Mapping[str, object]:
    most = episode.most
    return {
        "#": number,
        "at": f"{episode.begin:%m-%d %H:%M}",
        "min": (episode.end - episode.begin) // _MINUTE,
        "where": where(most.scope, most.value),
        "what": most.feature,
        "seen": value_label(most.seen),
        "expected": value_label(most.expected),
        "sure": f"{most.sure}%",
        "answers": _answers(episode),
    }


def _done_row(planned: Planned, episodes: Sequence[Episode]) -> Mapping[str, object]:
    deed = planned.deed
    about = (number for number, one in enumerate(episodes, 1) if any(each is planned for each in one.planned))
    return {
        "at": f"{deed.at:%m-%d %H:%M:%S}",
        "where": where(deed.scope, deed.value),
        "answer": answer_of(deed),
        "about": ", ".join(f"#{number}" for number in about),
    }


def finding_facts(finding: Finding) -> Mapping[str, object]:
    """A finding as JSON tells it."""
    return {
        "id": finding.id,
        "at": finding.at,
        "since": finding.since,
        "detector": finding.detector,
        "feature": finding.feature,
        "scope": finding.scope,
        "value": finding.value,
        "expected": finding.expected,
        "seen": finding.seen,
        "sure": finding.sure,
        "blatant": finding.blatant,
        "admitted": finding.admitted,
        "why": finding.why,
        "done": list(finding.done),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A replay that is at its end.

    Attributes:
        name: of the project.
        policy: that was tried.
        detectors: by name.
        begin, end: of the windows, or None where there were none.
        picture: the file in which it was drawn, or None.
    """

    name: str
    policy: WatchPolicy
    detectors: Sequence[str]
    replay: Replay
    begin: datetime | None
    end: datetime | None
    picture: str | None

    @property
    def facts(self) -> Mapping[str, object]:
        """All of it as JSON."""
        replay = self.replay
        return {
            "project": self.policy.project,
            "from": self.begin,
            "to": self.end,
            "mode": self.policy.mode,
            "answers": list(self.policy.answers),
            "rules": list(self.policy.rules),
            "detectors": list(self.detectors),
            "windows": replay.windows,
            "calls": replay.calls,
            "refused": replay.refused,
            "late": replay.late,
            "faults": dict(replay.faults),
            "not_recorded": list(NOT_RECORDED),
            "findings": [_episode_facts(episode) for episode in replay.episodes],
            "findings_beyond": replay.beyond,
            "done": [_done_facts(done) for done in replay.done],
            "picture": self.picture,
        }

    def show(self) -> None:
        """Write it for people."""
        replay = self.replay
        output.say(self._summary())
        if replay.episodes:
            rows = [_found_row(number, one) for number, one in enumerate(replay.episodes[:_MOST_ROWS], 1)]
            output.say("\nfound:")
            output.table(rows, _FOUND)
            _say_more(len(replay.episodes) + replay.beyond - len(rows))
        if replay.done:
            output.say("\nwould have been done:")
            output.table([_done_row(one, replay.episodes) for one in replay.done[:_MOST_ROWS]], _DONE)
            _say_more(len(replay.done) - _MOST_ROWS)
        output.say(f"\na ledger does not tell of {', '.join(NOT_RECORDED)}: nothing was found in those")
        if self.picture:
            output.say(f"the picture is in {self.picture}")

    def _summary(self) -> str:
        replay = self.replay
        if self.begin is None or self.end is None:
            return f"nothing is recorded of calls of {self.name} then"
        found = len(replay.episodes) + replay.beyond
        late = f", calls that were told of too late: {replay.late}" if replay.late else ""
        failed = "".join(f", of these with a failed detector {name}: {count}" for name, count in replay.faults.items())
        return (
            f"{self.name}, {self.begin:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC, "
            f"{' and '.join(self.detectors)}, mode {self.policy.mode}:\n"
            f"admitted calls: {replay.calls}, minutes with calls: {replay.windows}{late}{failed}\n"
            f"findings: {found}, answers: {len(replay.done)}, calls that would have met a suspension: {replay.refused}"
        )


def _say_more(rows: int) -> None:
    if rows > 0:
        output.say(f"and {rows} more; --json tells them all")


def _episode_facts(episode: Episode) -> Mapping[str, object]:
    return {
        "from": episode.begin,
        "to": episode.end,
        "windows": episode.windows,
        "answers": [one.deed.answer for one in episode.planned],
        "most": finding_facts(episode.most),
    }


def _done_facts(done: Planned) -> Mapping[str, object]:
    return {**asdict(done.deed), "finding": done.finding.id, "why": done.why}
