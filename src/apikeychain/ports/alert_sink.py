"""Where alerts go."""

from typing import Protocol

from apikeychain.model.alert import Alert


class AlertSink(Protocol):
    """Takes alerts, one at a time. One that is an async context manager is entered with the keychain.

    Contract (tested by `apikeychain.testing.AlertSinkContract`):
        A1: `send` returns once the alert was taken: whoever reads the sink finds all of it.
        A2: an alert that is sent again has the same id, by which whoever reads it can tell.
        A3: a sink that cannot be reached, or refuses, raises BackendUnavailableError, within 30 s.
    """

    async def send(self, alert: Alert) -> None:
        """Hand it over."""
        ...
