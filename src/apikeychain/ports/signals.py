"""How workers hear of changes."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from apikeychain.model.ids import ProjectId


@dataclass(frozen=True, slots=True)
class Change:
    """A project changed; None when it is not known which."""

    project: ProjectId | None


class Signals(Protocol):
    """Tells every worker that a project changed.

    Contract (tested by `apikeychain.testing.SignalsContract`):
        G1: a subscriber first hears ``Change(None)``, for what it may have missed, and then, within a second,
            whatever is published from that moment on.
        G2: a subscriber that left is forgotten.
        G3: a slow subscriber keeps nobody else waiting, and one that misses changes hears ``Change(None)``.
        G4: a channel that cannot be reached raises BackendUnavailableError from both verbs.
    """

    async def publish(self, change: Change) -> None:
        """Tell every subscriber."""
        ...

    def subscribe(self) -> AsyncGenerator[Change, None]:
        """Changes as they are published, until it is closed."""
        ...
