"""Asking an AWS KMS: with patience, and with the credentials that there are now after they were refused.

Source: contracts 10 (a KMS that is down).
"""

import logging
from typing import NoReturn, final

from apikeychain.backends.aws_kms.wire import FORBIDDEN, NO_ANSWER, Answer, Wire
from apikeychain.backends.patience import Patience

_log = logging.getLogger("apikeychain.aws_kms")


@final
class Line:
    """What asks one AWS KMS in one event loop.

    Args:
        wire: to it.

    Attributes:
        entered: how often it was opened.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._patience = Patience("AWS KMS", _log, Answer(NO_ANSWER))
        self.entered = 0

    async def aclose(self) -> None:
        """Close the connections."""
        await self._wire.aclose()

    async def ask(self, verb: str, *, repeats: bool = True, **fields: object) -> Answer:
        """A good answer, or one that tells what is wrong with the question.

        Args:
            verb: of KMS, as the client spells it.
            repeats: whether asking twice does no harm.
            fields: of the request.

        Raises:
            BackendUnavailableError: it cannot be reached, throttles, breaks, or refuses who asks.
        """
        answer = await self._patience.ask(lambda: self._asked_once(verb, fields), repeats=repeats)
        # One that speaks of a ciphertext is about the key that somebody wrote into it: see `key_service`.
        if answer.code in FORBIDDEN and "authorized" in answer.message and "ciphertext" not in answer.message:
            self.refuse(f"the policies of its credentials do not allow {verb}")
        return answer

    def refuse(self, reason: str) -> NoReturn:
        """Raise BackendUnavailableError. See Patience.refuse."""
        self._patience.refuse(reason)

    async def _asked_once(self, verb: str, fields: dict[str, object]) -> Answer:
        answer = await self._wire.send(verb, fields)
        if answer.is_unknown:
            await self._wire.aclose()
        return answer
