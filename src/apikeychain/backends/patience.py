"""Asking a service that may be down: again where that helps, and not at all for a moment where it did not.

What passes is asked again twice, within 5 s in all and a second more for each MiB; then whoever asks is refused at once
for up to a second, so that a herd of callers neither waits for a service that hangs nor keeps one down that comes up.
The log names the reason once a minute.

Source: contracts 10 (a KMS that is down).
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Generic, NoReturn, Protocol, TypeVar, final

from apikeychain.errors import BackendUnavailableError

CONNECT_SECONDS = 2.0
TOTAL_SECONDS = 5.0
_MIB = 1024 * 1024
_PAUSES = 0.1, 0.3
_SHUT_SECONDS = 1.0
_TELL_SECONDS = 60.0
_LEAST_SHARE = 0.5


def seconds_for(size: int) -> float:
    """How long an exchange may take that carries so many bytes: 8 Mbit/s are enough."""
    return TOTAL_SECONDS + size // _MIB


class Told(Protocol):
    """What came of asking once."""

    @property
    def is_passing(self) -> bool:
        """Whether the same may well be done a moment later."""
        ...

    @property
    def is_failure(self) -> bool:
        """Whether it is not worth asking anything for a moment."""
        ...

    def why(self, refused: str) -> str:
        """The reason, for the operator; nothing in it is the service's own text.

        Args:
            refused: what a refusal means.
        """
        ...


A = TypeVar("A", bound=Told)


@final
class Patience(Generic[A]):
    """How one service is asked in one event loop.

    Args:
        service: its name, for the operator.
        log: where the reasons are told.
        nothing: what came, where nothing came in time.
        plug: what it is for.
    """

    def __init__(self, service: str, log: logging.Logger, nothing: A, plug: str = "key service") -> None:
        self._service, self._log, self._nothing, self._plug = service, log, nothing, plug
        self._clock = asyncio.get_running_loop().time
        self._shut, self._shut_until = "", 0.0
        self._told: dict[str, float] = {}

    async def ask(self, once: Callable[[], Awaitable[A]], *, repeats: bool = True, size: int = 0) -> A:
        """An answer that is no failure.

        Args:
            once: asks.
            repeats: whether asking twice does no harm.
            size: of what goes over, in bytes.

        Raises:
            BackendUnavailableError: there is none.
        """
        if self._clock() < self._shut_until:
            raise BackendUnavailableError(self._shut)
        answer, failure = self._nothing, ""
        try:
            async with asyncio.timeout(seconds_for(size)):
                answer = await self._asked(once, _PAUSES if repeats else ())
        except TimeoutError:
            failure = self._nothing.why("")
        except BackendUnavailableError as error:
            failure = error.hint
        if failure or answer.is_failure:
            self._shut = failure or answer.why("")
            self._shut_until = self._clock() + _SHUT_SECONDS * random.uniform(_LEAST_SHARE, 1)  # noqa: S311 - spreads the load, keeps no secret
            self.refuse(self._shut)
        return answer

    def refuse(self, reason: str) -> NoReturn:
        """Raise BackendUnavailableError; the operator reads why, once a minute.

        Args:
            reason: of ours, nothing that the service said.
        """
        now = self._clock()
        if now - self._told.get(reason, now - _TELL_SECONDS) >= _TELL_SECONDS:
            self._told[reason] = now
            self._log.error("%s is no %s now: %s", self._service, self._plug, reason)
        raise BackendUnavailableError(reason)

    async def _asked(self, once: Callable[[], Awaitable[A]], pauses: tuple[float, ...]) -> A:
        ends = self._clock() + TOTAL_SECONDS
        answer = await once()
        for pause in pauses:
            # What hung for as long as that is not asked again, whatever its size.
            if not answer.is_passing or self._clock() > ends:
                break
            await asyncio.sleep(pause * random.uniform(_LEAST_SHARE, 1))  # noqa: S311 - likewise
            answer = await once()
        return answer
