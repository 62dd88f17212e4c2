"""An alert that says nothing but that alerts arrive."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from apikeychain.alerts import outbox
from apikeychain.alerts.outlet import SEND_SECONDS, outlets
from apikeychain.alerts.posting import Posting
from apikeychain.model.alert import Alert
from apikeychain.ports.alert_sink import AlertSink
from apikeychain.ports.store import Store
from apikeychain.rules.chain import PLATFORM

TOPIC = "alert.test"
# So long whoever delivers leaves it to whoever tries.
_MINE = timedelta(seconds=2 * SEND_SECONDS)


async def send_test(store: Store, sinks: Mapping[str, AlertSink], now: Callable[[], datetime]) -> Mapping[str, str]:
    """Write it down and send it once to each sink; what one did not take is left to whoever delivers.

    Args:
        store: where alerts wait.
        sinks: by name.
        now: the wall clock, UTC.

    Returns:
        Why which sink did not take it, or "".
    """
    at = now()
    alert = Alert(
        id=outbox.new_id(),
        at=at,
        tenant=PLATFORM,
        topic=TOPIC,
        severity="warning",
        what="this is a test: alerts arrive here",
        why="somebody asked for it",
        done="nothing",
    )
    await outbox.announce(store, PLATFORM, at)
    async with store.tenant(PLATFORM) as records:
        outgoing = await outbox.file(records, alert, after=at + _MINE)
    posting = Posting(store, outgoing, outlets(sinks))
    await posting.go(now)
    return posting.reasons
