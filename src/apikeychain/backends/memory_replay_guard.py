"""MemoryReplayGuard: the claims of one process, for the embedded default and for hosts' tests."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable

from apikeychain.errors import BackendUnavailableError
from apikeychain.ports.replay_guard import KEPT_SECONDS, Claim

# About 200 bytes each. Claims are kept for up to 90 s, so this is 2,700 signed calls a second for as long as it takes.
MAX_CLAIMS = 250_000


class MemoryReplayGuard:
    """See ReplayGuard. Bound to no loop; nothing to open or close.

    Args:
        max_claims: how many are kept at a time.
        now: the wall clock, unix seconds. One that was set ahead and back again forgets, and says so.
    """

    def __init__(self, *, max_claims: int = MAX_CLAIMS, now: Callable[[], float] = time.time) -> None:
        self._max_claims, self._now = max_claims, now
        self._claims: set[bytes] = set()
        self._by_second: defaultdict[int, list[bytes]] = defaultdict(list)
        self._forgotten = -1
        self._swept = 0
        # A host's tests may drive one keychain from several loops, each in its thread.
        self._lock = threading.Lock()

    def forget_until(self, timestamp: int) -> None:
        """Answer "forgotten" to what was signed at `timestamp` or before."""
        self._forgotten = max(self._forgotten, timestamp)

    async def claim(self, token: bytes, timestamp: int) -> Claim:
        """See ReplayGuard.claim."""
        with self._lock:
            second = int(self._now())
            if second != self._swept:
                self._sweep(second)
            if token in self._claims:
                return "replayed"
            if timestamp <= self._forgotten:
                return "forgotten"
            if len(self._claims) >= self._max_claims:
                msg = "the replay guard is full"
                raise BackendUnavailableError(msg)
            self._claims.add(token)
            self._by_second[timestamp].append(token)
            return "claimed"

    def _sweep(self, now: int) -> None:
        """Drop what need not be kept any more."""
        self._swept = now
        for second in [second for second in self._by_second if second + KEPT_SECONDS < now]:
            self._claims.difference_update(self._by_second.pop(second))
            self.forget_until(second)
