"""The one door for whoever dials out: it resolves, judges every answer, and hands out addresses.

A plug asks `Egress.addresses` when it dials and `Egress.admit` before each send. A good verdict stands for 30 seconds;
after that the next question about the host resolves it again, so that a host whose answers turned bad is refused on
connections that are open already, at most one such question later.

Source: contracts 4, "Connection".
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from apikeychain.errors import UpstreamRefusedError
from apikeychain.flights import Flights
from apikeychain.model.network import Network
from apikeychain.resolver import SystemResolver
from apikeychain.rules import egress

Resolve = Callable[[str, int], Awaitable[Sequence[str] | None]]

_FRESH_SECONDS = 30.0
# A refusal is soon looked at again, but not at the pace of the calls.
_REFUSED_SECONDS = 1.0
_MAX_HOSTS = 10_000
_LOOPBACK = ("127.0.0.1", "::1")

_log = logging.getLogger("apikeychain.egress")


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What is known of a host.

    Attributes:
        addresses: none where nobody answered or it is refused.
        refusal: why it is refused, or "".
        until: when it is to be found again, by the clock.
    """

    addresses: tuple[str, ...]
    refusal: str
    until: float


_Key = tuple[str, int, Network]


class Egress:
    """The Guard that the library serves with. See Guard.

    Args:
        nat64_prefixes: NAT64 prefixes of this network (``Settings.nat64_prefixes``).
        resolve: finds the addresses of a host; raises OSError where it cannot, None where it could not even ask.
        clock: seconds that only grow.

    Raises:
        InvalidValueError: not a NAT64 prefix.
    """

    def __init__(
        self,
        *,
        nat64_prefixes: Iterable[str] = (),
        resolve: Resolve | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._nat64 = egress.nat64(nat64_prefixes)
        self._resolve = SystemResolver() if resolve is None else resolve
        self._clock = clock
        self._verdicts: OrderedDict[_Key, _Verdict] = OrderedDict()
        self._flights: Flights[_Key, _Verdict] = Flights()

    async def addresses(self, host: str, port: int, network: Network) -> Sequence[str]:
        """See Guard.addresses."""
        key = (host, port, network)
        verdict = self._standing(key)
        if verdict is None:
            verdict = await self._flights.join(key, lambda: self._find(key), lambda found: self._keep(key, found))
        if not verdict.addresses:
            raise _refused(host)
        return verdict.addresses

    def admit(self, host: str, port: int, network: Network) -> None:
        """See Guard.admit. Waits for nothing: a verdict that is too old is renewed beside the call."""
        key = (host, port, network)
        verdict = self._verdicts.get(key)
        if verdict is not None:
            self._verdicts.move_to_end(key)
        if verdict is None or self._clock() >= verdict.until:
            self._flights.begin(key, lambda: self._find(key), lambda found: self._keep(key, found))
        if verdict is not None and verdict.refusal:
            raise _refused(host)

    def _standing(self, key: _Key) -> _Verdict | None:
        verdict = self._verdicts.get(key)
        if verdict is None:
            return None
        self._verdicts.move_to_end(key)
        return verdict if self._clock() < verdict.until else None

    async def _find(self, key: _Key) -> _Verdict:
        host, _, network = key
        try:
            answers = await self._answers(key)
            if answers is None:
                return self._unasked(key)
            egress.admit(answers, network, self._nat64)
        except UpstreamRefusedError as refused:
            _log.warning("%s is refused: %s", host, refused.hint)
            return self._verdict((), refused.hint, _REFUSED_SECONDS)
        except (OSError, UnicodeError) as error:
            # No answer is no bad answer: what stands goes on standing for open connections, nothing new is dialled.
            _log.warning("%s is not reached: no address found (%s)", host, type(error).__name__)
            before = self._verdicts.get(key)
            return self._verdict((), before.refusal if before else "", _REFUSED_SECONDS)
        return self._verdict(answers, "", _FRESH_SECONDS)

    def _unasked(self, key: _Key) -> _Verdict:
        """What stands goes on standing, its addresses too: they were judged, and others must not end that."""
        _log.warning("%s is not looked up: too many look-ups of other hosts hang", key[0])
        before = self._verdicts.get(key)
        return self._verdict(before.addresses if before else (), before.refusal if before else "", _REFUSED_SECONDS)

    async def _answers(self, key: _Key) -> tuple[str, ...] | None:
        host, port, network = key
        if host != "localhost" and not host.endswith(".localhost"):
            answers = await self._resolve(host, port)
            return None if answers is None else tuple(answers)
        if network.private:
            return _LOOPBACK
        msg = "a localhost name needs Network(private=True)"
        raise UpstreamRefusedError(msg)

    def _verdict(self, addresses: tuple[str, ...], refusal: str, seconds: float) -> _Verdict:
        return _Verdict(addresses, refusal, self._clock() + seconds)

    def _keep(self, key: _Key, verdict: _Verdict) -> None:
        self._verdicts[key] = verdict
        self._verdicts.move_to_end(key)
        if len(self._verdicts) > _MAX_HOSTS:
            self._verdicts.popitem(last=False)


def _refused(host: str) -> UpstreamRefusedError:
    return UpstreamRefusedError(f"{host} has no address that may be dialled (the log says why)")
