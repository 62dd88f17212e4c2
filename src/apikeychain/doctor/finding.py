"""What the doctor tells."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Literal

from apikeychain.errors import APIKeyChainError

State = Literal["ok", "warning", "failure"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line.

    Attributes:
        check: what was looked at.
        told: what was found; no value of a secret, no URL.
        advice: what to do, or "" where there is nothing to do.
    """

    check: str
    state: State
    told: str
    advice: str = ""


def holds(findings: Sequence[Finding]) -> bool:
    """Whether nothing fails; warnings are no failures."""
    return all(finding.state != "failure" for finding in findings)


async def told(check: str, looking: Awaitable[Sequence[Finding]]) -> Sequence[Finding]:
    """What `looking` finds; an error of ours is a finding too, and its text says what to do."""
    try:
        return await looking
    except APIKeyChainError as error:
        return [Finding(check, "failure", str(error))]
