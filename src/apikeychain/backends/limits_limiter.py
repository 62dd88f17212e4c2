"""LimitsRateLimiter: quotas on whatever storage the package `limits` knows: Redis, Valkey, Memcached, MongoDB, memory.

`limits` takes from one bucket at a time. So a spend of several looks at all of them first, takes nothing where one has
no room, and else takes from one after the other, narrowest first, until one refuses. No bucket ever admits more than
its amount, since each is taken from in one deed of the storage. What is not held is the rest of R4 among calls that
come at once: one that loses the last call of a wide bucket to another has taken one call from each bucket before it,
and does not give it back, since `limits` has no verb for that (a negative hit makes a counter below zero where a window
ended in between, and a moving window ignores it). `ValkeyGuard` holds R4 whole, in a third of the trips.

A bucket is what it is in `memory_windows`; when its windows begin, the storage says: with the first spend (Redis,
Valkey, MongoDB) or with the clock (memory, Memcached). An exact bucket goes by the clocks of the workers, and Memcached
has none. Keys are hashes, since buckets hold addresses, and labels that not every storage takes as a key.

Source: contracts 7; decision 17.
"""

import asyncio
import hashlib
import time
from array import array
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self, cast, final

from apikeychain.backends.memory_windows import Counter, Moments, Window, balance_of
from apikeychain.errors import BackendSettingsError, BackendUnavailableError, InvalidValueError, MissingExtraError
from apikeychain.model.quota import Balance, Spend

if TYPE_CHECKING:
    from limits.aio.storage import Storage

TIMEOUT_SECONDS = 1.0
PREFIX = "apikeychain"


@final
class LimitsRateLimiter:
    """See RateLimiter: all of it but the part of R4 that is told above. Exact quotas need a storage that has them.

    An async context manager, which may be entered from several event loops, and more than once. A storage that was
    handed in is never closed.

    Args:
        storage: the URL of an async storage of `limits` (``async+redis://``, ``async+valkey://``,
            ``async+memcached://``, ``async+mongodb://``, ``async+memory://``), or the storage itself.
        prefix: of all keys.
        timeout_seconds: after which a spend fails, connecting included.

    Raises:
        InvalidValueError: no such URL, the package of its client is missing, or a storage that has no sliding window
            or is not async. The URL is not shown, since it may hold a password.
        MissingExtraError: `limits` is not installed.
    """

    def __init__(
        self, storage: "str | Storage", *, prefix: str = PREFIX, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        make = _opening(storage)
        self._faults = _faults(make())
        self._make, self._closes = make, isinstance(storage, str)
        self._prefix, self._seconds = prefix, timeout_seconds
        self._storages: dict[asyncio.AbstractEventLoop, _Storage] = {}

    async def __aenter__(self) -> Self:
        """Ask the storage for something, so that one that does not answer is told now.

        Raises:
            BackendUnavailableError: it does not.
        """
        async with self._told_as_ours():
            here = self._here()
            await here.storage.get(f"{self._prefix}:opening")
            here.entered += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close what was opened for this loop."""
        here = self._here()
        here.entered -= 1
        if here.entered <= 0:
            del self._storages[asyncio.get_running_loop()]
            if self._closes:
                await _close(here.storage)

    async def spend(self, spends: Sequence[Spend]) -> tuple[Balance, ...]:
        """See RateLimiter.spend.

        Raises:
            BackendSettingsError: one of the quotas is exact, and the storage has none that are.
        """
        async with self._told_as_ours():
            storage = self._here().storage
            _require_exact(storage, spends)
            windows = await asyncio.gather(*(self._window(storage, spend) for spend in spends))
            now = time.time()
            admitted = [window.used(now) < spend.quota.amount for spend, window in zip(spends, windows, strict=True)]
            if all(admitted):
                for place, spend in enumerate(spends):
                    admitted[place] = await self._take(storage, spend)
                    if not admitted[place]:
                        windows[place] = _full(spend, now)
                        break
                    if spend.cost:
                        windows[place].take(now)
        return tuple(
            balance_of(spend, window, now, admitted=had_room)
            for spend, window, had_room in zip(spends, windows, admitted, strict=True)
        )

    async def _window(self, storage: Any, spend: Spend) -> Window:  # noqa: ANN401 - a storage that has sliding windows
        key, seconds = self._key(spend), spend.quota.window_seconds
        if spend.quota.exact:
            oldest, used = await storage.get_moving_window(key, spend.quota.amount, seconds)
            return Moments(seconds, time.time(), array("d", [oldest]) * used)
        previous, _, current, current_seconds = await storage.get_sliding_window(key, seconds)
        # A current window is kept for its length and as long again; none is there before the first spend.
        left = current_seconds - seconds if current_seconds else seconds
        return Counter(seconds, time.time() + left - seconds, previous, current)

    async def _take(self, storage: Any, spend: Spend) -> bool:  # noqa: ANN401 - a storage that has sliding windows
        if not spend.cost:
            return True
        deed = storage.acquire_entry if spend.quota.exact else storage.acquire_sliding_window_entry
        return bool(await deed(self._key(spend), spend.quota.amount, spend.quota.window_seconds))

    def _key(self, spend: Spend) -> str:
        quota = spend.quota
        told = f"{quota.window_seconds}{'-x'[quota.exact]}:{spend.name}:{spend.bucket}"
        return f"{self._prefix}:{hashlib.sha256(told.encode()).hexdigest()}"

    def _here(self) -> "_Storage":
        """The storage of the running loop: what is connected in one cannot be used from another."""
        loop = asyncio.get_running_loop()
        if loop not in self._storages:
            self._storages = {other: kept for other, kept in self._storages.items() if not other.is_closed()}
            self._storages[loop] = _Storage(self._make())
        return self._storages[loop]

    @asynccontextmanager
    async def _told_as_ours(self) -> AsyncGenerator[None, None]:
        """Turns what goes wrong inside into BackendUnavailableError, without a text that could hold an address."""
        try:
            async with asyncio.timeout(self._seconds):
                yield
        except self._faults as fault:
            msg = f"the storage of the limiter does not answer: {type(fault).__name__}"
            raise BackendUnavailableError(msg) from None


class _Storage:
    """A storage, and how often it was entered."""

    def __init__(self, storage: "Storage") -> None:
        self.storage, self.entered = storage, 0


def _opening(storage: "str | Storage") -> "Callable[[], Storage]":
    """What gives the storage in a new event loop."""
    try:
        from limits.aio.storage import SlidingWindowCounterSupport, Storage  # noqa: PLC0415 - an extra, loaded on use
        from limits.errors import ConfigurationError  # noqa: PLC0415 - likewise
        from limits.storage import storage_from_string  # noqa: PLC0415 - likewise
    except ImportError:
        asked = "a limiter on a storage of `limits`"
        raise MissingExtraError(asked, "limits") from None

    def made() -> Storage:
        try:
            found = storage if isinstance(storage, Storage) else storage_from_string(storage, **_options(storage))
        except (ConfigurationError, ValueError):
            found = None
        if not isinstance(found, Storage) or not isinstance(found, SlidingWindowCounterSupport):
            msg = (
                "not an async storage of limits that has sliding windows (write async+redis://host:6379/0), "
                "or the package of its client is not installed"
            )
            raise InvalidValueError(msg)
        return found

    return made


def _options(url: str) -> dict[str, str]:
    # The client that limits would take unasked fails at every hit.
    return {"implementation": "redispy"} if url.startswith("async+redis") else {}


def _faults(storage: "Storage") -> tuple[type[Exception], ...]:
    from limits.errors import ConcurrentUpdateError, StorageError  # noqa: PLC0415 - an extra, loaded on use

    own = storage.base_exceptions
    return (*(own if isinstance(own, tuple) else (own,)), ConcurrentUpdateError, StorageError, OSError)


def _require_exact(storage: "Storage", spends: Sequence[Spend]) -> None:
    if not hasattr(storage, "acquire_entry") and any(spend.quota.exact for spend in spends):
        msg = "the storage of the limiter has no exact quotas (moving-window)"
        raise BackendSettingsError(msg)


def _full(spend: Spend, now: float) -> Window:
    """A window of which only this is known: that others took the last call just now."""
    seconds, amount = spend.quota.window_seconds, spend.quota.amount
    return Moments(seconds, now, array("d", [now]) * amount) if spend.quota.exact else Counter(seconds, now, 0, amount)


async def _close(storage: "Storage") -> None:
    """Close the client of a storage on Redis or Valkey; the other clients close themselves."""
    client = getattr(getattr(cast("Any", storage), "bridge", None), "storage", None)
    if client is not None:
        await client.aclose()
