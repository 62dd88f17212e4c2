"""The detector that finds what a tenant's own rules name, see `rules/watch_rules`.

What came is kept in parts of a rule's time, forty at most, so that a state has a bound whatever a rule says. A rule
that is taken away is forgotten with the next window, one that is new begins with it.

Source: contracts 7; spec 8.2.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, final

from apikeychain.model.finding import Finding, Window, finding_id
from apikeychain.model.tally import FAILURES, Tally
from apikeychain.rules.blame import Blamed
from apikeychain.rules.features import counts_of, feature_of, whole_of
from apikeychain.rules.watch_rules import MOST_RULES, CountryRule, NumberRule, Rule

NAME: Final = "rules"
_PARTS = 40
# How many times the bound is beyond anything that chance explains; and the share of one caller that is most of it.
_BLATANT, _MOST = 5, 0.7
_VERSION = 1
_PEAKS = frozenset({"callers", "heaviest"})
# What is a number of a caller's own calls. Whose calls failed or were long a tally does not say.
_OF_CALLERS = frozenset({"rate", "heaviest"})
_LATEST = 10**10


@final
class RulesDetector:
    """See Detector. One of one project, whose rules it knows.

    Args:
        rules: of the project, parsed.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = tuple(rules[:MOST_RULES])

    @property
    def name(self) -> str:
        """See Detector.name."""
        return NAME

    def observe(self, window: Window, state: str) -> tuple[Sequence[Finding], str]:
        """See Detector.observe."""
        known, total = _parse(state), whole_of(window)
        now = int(window.begin.timestamp())
        kept: dict[str, _Memory] = {}
        found: list[Finding] = []
        for rule in self._rules:
            memory = kept[rule.text] = known.get(rule.text, _Memory())
            expected, seen, came = _seen(rule, memory, total, now)
            if seen <= expected or not came:
                memory.since = 0
                continue
            memory.since = memory.since or now
            found.append(_finding(window, rule, total, (expected, seen), memory.since))
        return found, _text(kept)


@dataclass(slots=True)
class _Memory:
    """What is remembered of a rule: by the beginning of a part of its time what came; since when it fires, or 0."""

    parts: dict[int, int] = field(default_factory=dict[int, int])
    since: int = 0


def _seen(rule: Rule, memory: _Memory, total: Tally, now: int) -> tuple[int, int, int]:
    """What is allowed at most, what was, and how much of that came in this window."""
    if isinstance(rule, CountryRule):
        came = sum([count for name, count in total.countries.items() if rule.refuses(name)])
        return 0, came, came
    length = max(60, rule.seconds // _PARTS)
    begin, count = now - now % length, _count(rule.feature, total)
    add = max if rule.feature in _PEAKS else sum
    memory.parts = {at: number for at, number in memory.parts.items() if now - rule.seconds < at <= now}
    memory.parts[begin] = add((memory.parts.get(begin, 0), count))
    return rule.bound, add(memory.parts.values()), count


def _count(feature: str, total: Tally) -> int:
    if feature == "failures":
        return sum([total.failures.get(name, 0) for name in FAILURES])
    return counts_of(total)[feature]


def _finding(window: Window, rule: Rule, total: Tally, told: tuple[int, int], since: int) -> Finding:
    expected, seen = told
    feature = feature_of(rule.feature) if isinstance(rule, NumberRule) else None
    admitted = feature is None or feature.admitted
    blamed = _blamed(rule, total) if admitted else Blamed("project", "")
    own = total.callers[blamed.value] if blamed.scope == "caller" else None
    return Finding(
        project=window.project,
        id=finding_id(window, NAME, rule.text, blamed.scope, blamed.value),
        at=window.begin,
        since=min(datetime.fromtimestamp(since, UTC), window.begin),
        detector=NAME,
        feature=rule.text,
        scope=blamed.scope,
        value=blamed.value,
        expected=expected,
        seen=seen,
        sure=100,
        # What others did before says nothing of the caller who calls most now.
        blatant=isinstance(rule, NumberRule) and (seen if own is None else own) >= _BLATANT * max(rule.bound, 1),
        admitted=admitted,
        why=f"the rule {rule.text!r} of the project: {seen}, where {expected} is the most{_share(own)}",
    )


def _share(own: int | None) -> str:
    """What the caller who is to blame did of it in this window, as the end of a sentence."""
    return "" if own is None else f"; this caller called {own} times in this window"


def _blamed(rule: Rule, total: Tally) -> Blamed:
    """The caller who made most of what the rule counts, or the project."""
    most = max(total.callers.values(), default=0)
    if isinstance(rule, CountryRule) or rule.feature not in _OF_CALLERS:
        return Blamed("project", "")
    if total.calls and most >= max(_MOST * total.calls, rule.bound):
        return Blamed("caller", min(name for name, count in total.callers.items() if count == most))
    return Blamed("project", "")


def _parse(state: str) -> Mapping[str, _Memory]:
    try:
        told: Any = json.loads(state)
        if told["v"] != _VERSION:
            return {}
        return {str(text): _memory(parts, since) for text, (parts, since) in told["rules"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def _memory(parts: Any, since: Any) -> _Memory:  # noqa: ANN401  # whatever stands there is read, or refused
    numbers = {int(at): number for at, number in parts.items()}
    if not all(type(one) is int and 0 <= one < _LATEST for one in (since, *numbers)):
        msg = "not a moment"
        raise ValueError(msg)
    if not all(type(number) is int and number >= 0 for number in numbers.values()):
        msg = "not a number of calls"
        raise ValueError(msg)
    return _Memory(dict(sorted(numbers.items())[-_PARTS - 1 :]), since)


def _text(kept: Mapping[str, _Memory]) -> str:
    rules = {text: [memory.parts, memory.since] for text, memory in kept.items()}
    return json.dumps({"v": _VERSION, "rules": rules}, separators=(",", ":"))
