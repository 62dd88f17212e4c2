"""Asking an OpenBao: again where that helps, and not at all for a moment where it did not.

What passes (no answer, throttled, sealed, a broken node) is asked again twice, within 5 s in all; then whoever asks is
refused at once for up to a second, so that a herd of callers neither waits for an OpenBao that hangs nor keeps one
down that comes up. A token that is refused is replaced once. The log names the reason once a minute.

Source: contracts 10 (a KMS that is down); OpenBao API documentation, "HTTP status codes".
"""

import asyncio
import logging
import random
from collections.abc import Mapping
from typing import NoReturn, final

from apikeychain.backends.openbao.tokens import Login, Tokens
from apikeychain.backends.openbao.wire import FORBIDDEN, NO_ANSWER, TOTAL_SECONDS, Answer, Wire
from apikeychain.errors import BackendUnavailableError

_PAUSES = 0.1, 0.3
_SHUT_SECONDS = 1.0
_TELL_SECONDS = 60.0
_LEAST_SHARE = 0.5
_log = logging.getLogger("apikeychain.openbao")


@final
class Line:
    """What asks one OpenBao in one event loop.

    Args:
        wire: to it.
        login: who asks.

    Attributes:
        entered: how often it was opened.
    """

    def __init__(self, wire: Wire, login: Login) -> None:
        self._wire, self._tokens = wire, Tokens(login, wire)
        self._clock = asyncio.get_running_loop().time
        self._shut, self._shut_until = "", 0.0
        self._told: dict[str, float] = {}
        self.entered = 0

    async def aclose(self) -> None:
        """Close the connections."""
        self._tokens.close()
        await self._wire.aclose()

    async def ask(self, path: str, body: Mapping[str, object] | None = None, *, repeats: bool = True) -> Answer:
        """A good answer, or one that tells what is wrong with the question.

        Args:
            path: below ``/v1/``, of validated names.
            body: what is posted; None reads.
            repeats: whether asking twice does no harm.

        Raises:
            BackendUnavailableError: it cannot be reached, is sealed or throttled, breaks, or refuses who asks.
        """
        if self._clock() < self._shut_until:
            raise BackendUnavailableError(self._shut)
        answer, failure = Answer(NO_ANSWER), ""
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                answer = await self._asked(path, body, _PAUSES if repeats else ())
        except TimeoutError:
            failure = answer.why("")
        except BackendUnavailableError as error:
            failure = error.hint
        if answer.status == FORBIDDEN:
            self.refuse(answer.why(f"the policies of its token do not allow {path}"))
        if failure or not answer.is_told:
            self._shut = failure or answer.why("")
            self._shut_until = self._clock() + _SHUT_SECONDS * random.uniform(_LEAST_SHARE, 1)  # noqa: S311 - spreads the load, keeps no secret
            self.refuse(self._shut)
        return answer

    def refuse(self, reason: str) -> NoReturn:
        """Raise BackendUnavailableError; the operator reads why, once a minute.

        Args:
            reason: of ours, nothing that OpenBao said.
        """
        now = self._clock()
        if now - self._told.get(reason, now - _TELL_SECONDS) >= _TELL_SECONDS:
            self._told[reason] = now
            _log.error("OpenBao is no key service now: %s", reason)
        raise BackendUnavailableError(reason)

    async def _asked(self, path: str, body: Mapping[str, object] | None, pauses: tuple[float, ...]) -> Answer:
        answer = await self._asked_once(path, body)
        for pause in pauses:
            if not answer.is_passing:
                break
            await asyncio.sleep(pause * random.uniform(_LEAST_SHARE, 1))  # noqa: S311 - likewise
            answer = await self._asked_once(path, body)
        return answer

    async def _asked_once(self, path: str, body: Mapping[str, object] | None) -> Answer:
        held = await self._tokens.current()
        answer = await self._wire.send(path, body, held.token)
        if answer.status == FORBIDDEN and self._tokens.refuse(held):
            held = await self._tokens.current()
            answer = await self._wire.send(path, body, held.token)
        held.is_proven |= answer.is_good
        return answer
