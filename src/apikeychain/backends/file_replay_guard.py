"""FileReplayGuard: claims in memory, and one mark in a file, so that a restart forgets none.

The mark is a timestamp ahead of all that were claimed; after a start nothing at or below it is accepted. It is moved
before it is reached, beside the calls: only one that is signed ahead of it waits for the file.

Source: contracts 10; rename(2), fsync(2).
"""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from apikeychain.backends.memory_replay_guard import MAX_CLAIMS, MemoryReplayGuard
from apikeychain.errors import BackendUnavailableError
from apikeychain.flights import Flights
from apikeychain.ports.replay_guard import Claim

AHEAD_SECONDS = 2
# For so long after the mark was read the clock may still be set right; what was signed before is over then.
_UNSURE_SECONDS = 64.0
# The furthest ahead that a mark can be: a signature's window and what the mark is ahead of it.
_FURTHEST_SECONDS = 32
_log = logging.getLogger("apikeychain")


class FileReplayGuard:
    """See ReplayGuard. For one process at a time, which holds a lock before its first claim; an async context manager.

    Args:
        path: of the file with the mark, in a directory that exists once the guard is entered.
        max_claims: how many are kept at a time.
        now: the wall clock, unix seconds.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_claims: int = MAX_CLAIMS,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path, self._now, self._clock = path, now, clock
        self._claims = MemoryReplayGuard(max_claims=max_claims, now=now)
        self._mark, self._is_known = -1, False
        self._found, self._sure = -1, 0.0
        self._one_writer = threading.Lock()
        self._writing: Flights[str, int] = Flights()
        self._knowing: Flights[str, int] = Flights()

    async def __aenter__(self) -> Self:
        """Nothing yet: the mark is read with the first claim, when no other process can move it any more."""
        self._is_known = False
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let a writing that was begun end, while the lock is still held."""
        await asyncio.to_thread(self._one_writer.acquire)
        self._one_writer.release()

    async def claim(self, token: bytes, timestamp: int) -> Claim:
        """See ReplayGuard.claim."""
        if not self._is_known:
            await self._knowing.join("mark", lambda: asyncio.to_thread(self._read), self._know)
        if self._clock() < self._sure and self._found <= self._latest():
            self._claims.forget_until(self._found)
        while timestamp > self._mark:
            await self._writing.join("mark", lambda: self._write(timestamp + AHEAD_SECONDS), self._reach)
        if timestamp == self._mark:
            self._writing.begin("mark", lambda: self._write(timestamp + AHEAD_SECONDS), self._reach)
        return await self._claims.claim(token, timestamp)

    def _know(self, mark: int) -> None:
        """Forget what others may have claimed; a mark of our own is that of claims which are still here."""
        if mark != self._mark:
            self._mark = min(mark, self._latest())
            self._claims.forget_until(self._mark)
            self._found, self._sure = mark, self._clock() + _UNSURE_SECONDS
        self._is_known = True

    def _latest(self) -> int:
        """The latest mark that can be true by this clock; one beyond it was set while either clock was wrong."""
        return int(self._now()) + _FURTHEST_SECONDS

    def _reach(self, mark: int) -> None:
        self._mark = max(self._mark, mark)

    def _read(self) -> int:
        """The mark in the file; of one that cannot be read, the latest that can be true."""
        try:
            return int(self._path.read_bytes()[:11])
        except FileNotFoundError:
            return self._mark
        except (OSError, ValueError):
            _log.warning("%s cannot be read: signed calls are refused for %s s", self._path, _FURTHEST_SECONDS)
            return self._latest()

    async def _write(self, mark: int) -> int:
        try:
            await asyncio.to_thread(self._replace, mark)
        except OSError as error:
            msg = f"the mark of signed calls cannot be written to {self._path}: {error.strerror}"
            raise BackendUnavailableError(msg) from None
        return mark

    def _replace(self, mark: int) -> None:
        """Write the mark; one that was found stays as long as it may turn out to be true."""
        with self._one_writer:
            kept = self._found if self._clock() < self._sure else -1
            _replace(self._path, b"%d\n" % max(mark, kept))


def _replace(path: Path, content: bytes) -> None:
    """Put `content` in the place of the file, whole or not at all, and wait until the disk has it."""
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
