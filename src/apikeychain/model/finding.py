"""What the watch sees of a project, and what it makes of it.

Source: contracts 7; spec 8.2.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from apikeychain.model.ids import ProjectId
from apikeychain.model.suspension import Scope
from apikeychain.model.tally import Tally

WINDOW_SECONDS = 60
Answer = Literal["alert", "tighten", "suspend", "rotate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """All that happened in a project in one window, over all workers.

    Attributes:
        begin: UTC, a multiple of `seconds` since 1970.
        routes: by name; "" for calls that were refused before they had a route.
    """

    project: ProjectId
    begin: datetime
    routes: Mapping[str, Tally]
    seconds: int = WINDOW_SECONDS


def finding_id(window: Window, detector: str, feature: str, scope: Scope, value: str) -> str:
    """The same wherever the same is found: ``f_`` and 20 letters and digits."""
    told = f"{window.project}\n{window.begin.isoformat()}\n{detector}\n{feature}\n{scope}\n{value}"
    return f"f_{hashlib.sha256(told.encode()).hexdigest()[:20]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something in a window that was not expected. It holds no value that a caller sent.

    Attributes:
        id: ``f_`` and 20 letters and digits.
        at: the beginning of the window; `since` that of the first one in a row that showed it.
        detector: that found it.
        feature: which, as `rules/features` names it; of a rule of the tenant's, the rule.
        scope: the narrowest that holds it; `value` names it, of a caller the pseudonym.
        expected: of the feature, at most; `seen`: what it was.
        sure: in per cent.
        blatant: whether it is beyond anything that chance or growth explain.
        admitted: whether only callers that were admitted can have caused it.
        why: the same in one sentence.
    """

    kind: ClassVar[str] = "finding"
    project: ProjectId
    id: str
    at: datetime
    since: datetime
    detector: str
    feature: str
    scope: Scope
    value: str
    expected: float
    seen: float
    sure: int
    blatant: bool
    admitted: bool
    why: str
    done: tuple[Answer, ...] = ()
    generation: int = 1

    @property
    def key(self) -> tuple[str, ...]:
        """Project and id."""
        return (self.project, self.id)
