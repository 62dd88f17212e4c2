"""Asking an OpenBao: with patience, and with another token where one is refused.

A token that is refused is replaced once.

Source: OpenBao API documentation, "HTTP status codes".
"""

import logging
from collections.abc import Mapping
from typing import NoReturn, final

from apikeychain.backends.dialling import NO_ANSWER
from apikeychain.backends.openbao.tokens import Login, Tokens
from apikeychain.backends.openbao.wire import FORBIDDEN, Answer, Wire
from apikeychain.backends.patience import Patience

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
        self._patience = Patience("OpenBao", _log, Answer(NO_ANSWER))
        self.entered = 0

    async def aclose(self) -> None:
        """Let the token go, and close the connections."""
        try:
            await self._tokens.close()
        finally:
            await self._wire.aclose()

    async def ask(
        self, path: str, body: Mapping[str, object] | None = None, *, told: str, repeats: bool = True
    ) -> Answer:
        """A good answer, or one that tells what is wrong with the question.

        Args:
            path: below ``/v1/``, of validated names.
            body: what is posted; None reads.
            told: the path as a refusal shows it, without what the operator wrote.
            repeats: whether asking twice does no harm.

        Raises:
            BackendUnavailableError: it cannot be reached, is sealed or throttled, breaks, or refuses who asks.
        """
        answer = await self._patience.ask(lambda: self._asked_once(path, body), repeats=repeats)
        if answer.status == FORBIDDEN:
            self.refuse(answer.why(f"the policies of its token do not allow {told}"))
        return answer

    def refuse(self, reason: str) -> NoReturn:
        """Raise BackendUnavailableError. See Patience.refuse."""
        self._patience.refuse(reason)

    async def _asked_once(self, path: str, body: Mapping[str, object] | None) -> Answer:
        held = await self._tokens.current()
        answer = await self._wire.send(path, body, held.token)
        if answer.status == FORBIDDEN and self._tokens.refuse(held):
            held = await self._tokens.current()
            answer = await self._wire.send(path, body, held.token)
        held.is_proven |= answer.is_good
        return answer
