"""One sink as alerts are handed to it: bounded in time, and whatever it does reaches no other.

A sink has 30 s for an alert. One that let that much pass is asked for one alert at a time until it answers again, so
that it holds up whoever waits for it at that moment once, and nobody after that.

Source: `apikeychain.ports.alert_sink` A3; contracts 8.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import final

from apikeychain.errors import BackendUnavailableError
from apikeychain.frames import frames_of
from apikeychain.ledger.asking import Asking
from apikeychain.ledger.telling import MAX_ADVICE, plain
from apikeychain.model.alert import Alert
from apikeychain.ports.alert_sink import AlertSink
from apikeychain.telemetry import plug_failed

SEND_SECONDS = 30.0
_BUSY = "it has not come back from another alert"
_log = logging.getLogger("apikeychain.alerts")


@final
class Outlet:
    """What hands alerts to one sink.

    Args:
        name: of the sink, for the operator.
        sink: the plug.
        seconds: that it has for an alert.
    """

    def __init__(self, name: str, sink: AlertSink, seconds: float = SEND_SECONDS) -> None:
        self._name, self._sink = name, sink
        self._seconds = seconds
        self._asking = Asking(seconds)
        self._is_slow, self._under_way = False, 0
        self._told = ""

    async def send(self, alert: Alert) -> str:
        """Hand it over. Raises nothing: returns why it was not taken, or ""."""
        if self._is_slow and self._under_way:
            return _BUSY
        clock = asyncio.get_running_loop().time
        began = clock()
        self._under_way += 1
        try:
            why = await self._sent(alert)
        finally:
            self._under_way -= 1
        # What is refused since the sink has not let go of another says nothing of how fast it is.
        self._is_slow = bool(why) and (clock() - began >= self._seconds or self._asking.is_hung)
        self._tell(why)
        return why

    async def _sent(self, alert: Alert) -> str:
        try:
            await self._asking.answer(self._sink.send(alert))
        except BackendUnavailableError as error:
            why = plain(error.hint, MAX_ADVICE) or "it did not take it"
        except Exception as error:  # noqa: BLE001 - whatever one sink does must not reach the others
            why = f"it failed with {type(error).__name__}"
            if why != self._told:
                _log.error("the alert sink %r failed\n%s", self._name, frames_of(error))
        else:
            return ""
        plug_failed("alert_sinks")
        return why

    def _tell(self, why: str) -> None:
        """Why alerts wait, once; and that they wait no more."""
        if why and why != self._told:
            _log.error("the alert sink %r does not take alerts now, they wait: %s", self._name, why)
        elif self._told and not why:
            _log.warning("the alert sink %r takes alerts again", self._name)
        self._told = why


def outlets(sinks: Mapping[str, AlertSink], seconds: float = SEND_SECONDS) -> dict[str, Outlet]:
    """An outlet for each sink, by its name."""
    return {name: Outlet(name, sink, seconds) for name, sink in sinks.items()}
