"""Asks the system for the addresses of hosts, so that a host whose look-up hangs takes nothing from the others.

Nothing ends a ``getaddrinfo`` but the system. So a host holds one thread at most, and if its look-up took longer than
anybody waited, what came of it is all that is told for half a minute. Hosts that have not answered in time share three
quarters of the threads; the rest are for those that did.

Source: contracts 4, "Connection".
"""

import asyncio
import math
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

LookUp = Callable[..., list[tuple[Any, ...]]]

THREADS = 32
SPARED = 8
_SECONDS = 2.0
_REST_SECONDS = 30.0
# How often whoever waits for a thread looks for one.
_AGAIN_SECONDS = 0.05
_MAX_HOSTS = 10_000


def _running() -> "Future[Sequence[str]]":
    """A future that none of those who wait for it can cancel for the others."""
    future: Future[Sequence[str]] = Future()
    future.set_running_or_notify_cancel()
    return future


@dataclass(slots=True)
class _Question:
    """One look-up.

    Attributes:
        until: when its host may be asked again, by time.monotonic().
    """

    answer: "Future[Sequence[str]]" = field(default_factory=_running)
    until: float = math.inf


class SystemResolver:
    """Asks the system (``getaddrinfo``) in a thread and waits two seconds at most, for the thread and the answer.

    The threads are daemons: one that hangs does not hold up the end of the process.

    Args:
        look_up: replaces ``socket.getaddrinfo`` in tests.
    """

    def __init__(
        self, look_up: LookUp = socket.getaddrinfo, *, seconds: float = _SECONDS, rest_seconds: float = _REST_SECONDS
    ) -> None:
        self._look_up, self._seconds, self._rest_seconds = look_up, seconds, rest_seconds
        self._lock = threading.Lock()
        self._held = 0
        self._questions: dict[str, _Question] = {}
        # Hosts whose last answer came in time, oldest first.
        self._prompt: dict[str, None] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str] | None:
        """Every address of `host`, in the system's order, or None where no thread was free to ask.

        Raises:
            OSError: the system does not know it, or not in time (TimeoutError).
        """
        answer = None
        try:
            async with asyncio.timeout(self._seconds):
                while (answer := self._ask(host, port)) is None:  # noqa: ASYNC110  # threads have no event for loops
                    await asyncio.sleep(_AGAIN_SECONDS)
                return await asyncio.wrap_future(answer)
        except TimeoutError:
            if answer is None:
                return None
            raise

    def _ask(self, host: str, port: int) -> "Future[Sequence[str]] | None":
        """The look-up of `host`: one under way, one that took too long lately, or a new one if it gets a thread."""
        with self._lock:
            question = self._questions.get(host)
            if question is not None and time.monotonic() < question.until:
                return question.answer
            if self._held >= (THREADS if host in self._prompt else THREADS - SPARED):
                return None
            question = _Question()
            threading.Thread(
                target=self._find, args=(host, port, question), name="apikeychain-dns", daemon=True
            ).start()
            self._held += 1
            self._questions[host] = question
            return question.answer

    def _find(self, host: str, port: int, question: _Question) -> None:
        began = time.monotonic()
        found: Sequence[str] = ()
        failure: Exception | None = None
        try:
            answers = self._look_up(host, port, type=socket.SOCK_STREAM)
            found = tuple(dict.fromkeys(str(address[0]) for *_, address in answers))
        except Exception as error:  # noqa: BLE001  # it is raised where the answer is awaited
            failure = error
        self._note(host, question, is_late=time.monotonic() - began > self._seconds, is_known=bool(found))
        if failure is None:
            question.answer.set_result(found)
        else:
            question.answer.set_exception(failure)

    def _note(self, host: str, question: _Question, *, is_late: bool, is_known: bool) -> None:
        now = time.monotonic()
        with self._lock:
            self._held -= 1
            self._prompt.pop(host, None)
            if is_late:
                question.until = now + self._rest_seconds
                self._questions = {name: kept for name, kept in self._questions.items() if now < kept.until}
                return
            del self._questions[host]
            if is_known:
                self._prompt[host] = None
            if len(self._prompt) > _MAX_HOSTS:
                del self._prompt[next(iter(self._prompt))]
