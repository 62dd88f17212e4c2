"""Whether anybody hears what calls tell: until a host sets up an SDK, telling costs more than a call's checks.

Source: OpenTelemetry API, "TracerProvider", "MeterProvider": without an SDK the API keeps nothing.
"""

from typing import final

from opentelemetry import metrics, trace

# What the API hands out until a provider is set; only that of the tracers has a public name.
from opentelemetry.metrics._internal import _ProxyMeterProvider  # pyright: ignore[reportPrivateUsage] - see above
from opentelemetry.trace import ProxyTracerProvider

_LOOK_SECONDS = 1.0


@final
class Hearing:
    """Asks once a second, until an SDK is there; it stays.

    Attributes:
        is_on: as of the last `look`.
    """

    def __init__(self) -> None:
        self._again, self.is_on = 0.0, False

    def look(self, now: float) -> None:
        """See whether an SDK has been set up since; `now` in seconds that only grow."""
        if not self.is_on and now >= self._again:
            self._again, self.is_on = now + _LOOK_SECONDS, _is_set_up()


def _is_set_up() -> bool:
    """Whether the host has set up an SDK, for traces or for metrics."""
    tracers, meters = trace.get_tracer_provider(), metrics.get_meter_provider()
    return not (isinstance(tracers, ProxyTracerProvider) and isinstance(meters, _ProxyMeterProvider))
