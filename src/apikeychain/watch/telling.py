"""What is told of a finding: what happened, why we think so, what was done and what to do.

A caller is named by its pseudonym in the ledger. Nothing of it is a value that somebody sent.

Source: spec 8.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from apikeychain.alerts.outbox import new_id
from apikeychain.model.alert import Alert, Severity
from apikeychain.model.finding import Answer, Finding
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import LedgerDraft
from apikeychain.model.suspension import Scope
from apikeychain.model.watch import ANSWERS, Deed
from apikeychain.rules.watch_policy import Planned

# Of what was done, the gravest names the alert.
_TOPICS: dict[Answer, str] = {"alert": "noticed", "tighten": "tightened", "suspend": "suspended", "rotate": "rotated"}
_NOTHING = "Nothing but this alert."


def named(scope: Scope, value: str) -> str:
    """A scope, for people."""
    return "the project" if scope == "project" else f"the {scope} {value}"


def said(deed: Deed, secrets: Sequence[str] = ()) -> str:
    """A deed, as the end of a sentence that begins with what does it."""
    until = "" if deed.until is None else f" until {deed.until:%Y-%m-%d %H:%M} UTC"
    subject = named(deed.scope, deed.value)
    if deed.answer == "tighten":
        return f"made the quota of {subject} smaller{until}"
    if deed.answer == "suspend":
        return f"suspended {subject}{until}"
    if deed.answer == "rotate":
        return f"ordered a new key of {', '.join(map(repr, secrets)) or 'its secret'}"
    return "sent this alert"


@dataclass(slots=True)
class Outcome:
    """What came of one finding.

    Attributes:
        done: what was done, or observed, with what is said of it.
        failed: what could not be done, or not all of it, with a sentence about it.
        entries: what the ledger says of what was done, for behind the finding.
    """

    finding: Finding
    done: list[tuple[Planned, str]] = field(default_factory=list[tuple[Planned, str]])
    failed: list[tuple[Planned, str]] = field(default_factory=list[tuple[Planned, str]])
    entries: list[LedgerDraft] = field(default_factory=list[LedgerDraft])

    @property
    def answers(self) -> tuple[Answer, ...]:
        """What was done, least first."""
        done = {planned.deed.answer for planned, _ in self.done if not planned.deed.observed}
        return tuple(answer for answer in ANSWERS if answer in done)


def alert_of(tenant: TenantId, outcome: Outcome, at: datetime) -> Alert:
    """The alert about a finding."""
    finding, done = outcome.finding, outcome.done
    gravest: Answer = outcome.answers[-1] if outcome.answers else "alert"
    return Alert(
        id=new_id(),
        at=at,
        tenant=tenant,
        project=finding.project,
        topic=f"watch.{_TOPICS[gravest]}",
        severity=_severity(gravest, finding),
        what=f"Unusual {finding.feature} of {named(finding.scope, finding.value)}, seen by {finding.detector!r}.",
        why=next((planned.why for planned, _ in done), finding.why),
        done=" ".join([*_sentences(done), *(told for _, told in outcome.failed)]) or _NOTHING,
        todo=_todo(gravest, finding),
    )


def _sentences(done: Sequence[tuple[Planned, str]]) -> list[str]:
    deeds = [(planned.deed, told) for planned, told in done if planned.deed.answer != "alert"]
    real = [told for deed, told in deeds if not deed.observed]
    observed = [told for deed, told in deeds if deed.observed]
    sentences = [f"The watch {' and '.join(real)}."] if real else []
    if observed:
        sentences.append(f"It only observes; otherwise it would have {' and '.join(observed)}.")
    return sentences


def _severity(gravest: Answer, finding: Finding) -> Severity:
    if gravest == "rotate" or (gravest == "suspend" and finding.scope == "project"):
        return "critical"
    return "warning" if gravest != "alert" or finding.blatant else "info"


def _todo(gravest: Answer, finding: Finding) -> str:
    if gravest == "rotate":
        return "see that calls succeed with the new key, and find out who had the one before"
    if gravest == "suspend":
        return f"nothing, if it was abuse; else lift it: apikeychain project lift {finding.project}"
    if gravest == "tighten":
        return "nothing, if it was abuse; else the quota comes back by itself"
    return f"look at the calls: apikeychain watch findings {finding.project}"
