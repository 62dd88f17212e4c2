"""Who says that something in a window was not expected."""

from collections.abc import Sequence
from typing import Protocol

from apikeychain.model.finding import Finding, Window

MOST_STATE = 65_536


class Detector(Protocol):
    """Looks at one window of a project after the other. It waits for nothing, and keeps nothing but what it returns.

    Contract (tested by `apikeychain.testing.DetectorContract`):
        D1: the same window and state give the same findings and the same state, in any process.
        D2: a state is text of at most 65,536 bytes, however much and whatever comes.
        D3: the empty state is that of a project of which nothing is known; while it learns, nothing is found but what
            nobody would have to learn.
        D4: a state that it did not make, or of an older version, is like the empty one.
        D5: a finding says the project and the beginning of the window that it is of, and which feature of which scope.
    """

    @property
    def name(self) -> str:
        """What its findings and its state are kept by: of letters, digits and dashes."""
        ...

    def observe(self, window: Window, state: str) -> tuple[Sequence[Finding], str]:
        """What was not expected in a window, and the next state."""
        ...
