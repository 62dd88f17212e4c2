"""Asks one registered provider with one secret: bounded in time and size, and nothing of an answer is told.

Source: contracts 4 ("Connection"), 8.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal, final

from apikeychain.errors import (
    BackendUnavailableError,
    RotationRefusedError,
    SecretUnavailableError,
    UpstreamRefusedError,
    UpstreamTimeoutError,
)
from apikeychain.model.call import Message, UpstreamRequest
from apikeychain.model.network import Network
from apikeychain.model.provider import Provider
from apikeychain.model.route import Timeouts
from apikeychain.ports.upstream import Upstream
from apikeychain.rotation.answer import Answer, Judge, bounded, judged, whole
from apikeychain.rules import injection
from apikeychain.rules.credential_place import Place
from apikeychain.rules.forwarding import USER_AGENT
from apikeychain.rules.key_steps import Asked
from apikeychain.rules.redaction import needles
from apikeychain.rules.scrubbing import PIECE, Needles, Scrubber
from apikeychain.secret import Secret

CALL_SECONDS = 30.0
_TIMEOUTS = Timeouts(first_byte=CALL_SECONDS, idle=CALL_SECONDS, total=CALL_SECONDS)


@final
class Line:
    """A way to one provider.

    Args:
        upstream: by which it is reached.
        provider: the registered one.
        network: the exceptions that host code made for its address.
        secret: goes where the provider's credential goes, or signs; None for a request without one.
        now: the moment of a signature.
    """

    def __init__(
        self,
        upstream: Upstream,
        provider: Provider,
        network: Network,
        secret: Secret | None,
        now: Callable[[], datetime],
    ) -> None:
        self._upstream, self._provider, self._network = upstream, provider, network
        self._secret, self._now = secret, now

    async def ask(self, asked: Asked) -> Answer:
        """Ask once, 30 s at most. A redirect is not followed, and what was sent of a secret is struck from the answer.

        Raises:
            BackendUnavailableError: it was not reached or did not answer in time: what came of it is not known.
            RotationRefusedError: the secret cannot be part of a request; nothing was sent.
        """
        return await bounded(self._asked(self._request(asked), asked.secrets), CALL_SECONDS, repr(self._provider.name))

    def require(self, answer: Answer, deed: str, judge: Judge = judged) -> None:
        """Raise unless it was done.

        Args:
            answer: of the provider.
            deed: what was asked for, behind "refused to".
            judge: says what an answer tells.

        Raises:
            RotationRefusedError: the provider says no, or that there is no such thing.
            BackendUnavailableError: it does not say.
        """
        told = f"the provider {self._provider.name!r}"
        result = judge(answer)
        if result == "unknown":
            msg = f"{told} did not say what came of it (HTTP {answer.status})"
            raise BackendUnavailableError(msg)
        if result != "done":
            msg = f"{told} refused to {deed} (HTTP {answer.status}): look at the description and the credential"
            raise RotationRefusedError(msg)

    def require_ended(self, answer: Answer, judge: Judge = judged) -> Literal["gone"] | None:
        """Raise unless a key was ended, or is not known there: "gone".

        Raises:
            RotationRefusedError: the provider says no.
            BackendUnavailableError: it does not say.
        """
        if judge(answer) == "gone":
            return "gone"
        self.require(answer, "end a key", judge)
        return None

    async def _asked(self, request: UpstreamRequest, secrets: Sequence[bytes]) -> Answer:
        try:
            reply = await self._upstream.send(request)
            body = await whole(reply)
        except (UpstreamRefusedError, UpstreamTimeoutError):
            msg = f"the provider {self._provider.name!r} was not reached, or its answer broke off"
            raise BackendUnavailableError(msg) from None
        hidden = self._hidden(request, secrets)
        return Answer(reply.status, body if hidden is None else await _struck(body, hidden))

    def _hidden(self, request: UpstreamRequest, secrets: Sequence[bytes]) -> Needles | None:
        """What was sent and must not come back: ids of an answer are told, and keys of it go to another provider."""
        texts = [*secrets]
        if self._secret is not None:
            signing = Place.of(self._provider.credential).signing
            texts += () if secrets else needles(self._provider, self._secret).texts
            texts += [] if signing is None else [injection.signature_of(request, signing)]
        return Needles(tuple(sorted({*texts}))) if texts else None

    def _request(self, asked: Asked) -> UpstreamRequest:
        provider, network, base = self._provider, self._network, self._provider.address
        path, lines = base.path.encode() + asked.path, tuple(self._lines(asked).items())
        message = Message(method=asked.method, path=path, query=asked.query, headers=lines, body=asked.body)
        if self._secret is None:
            return UpstreamRequest(
                method=message.method,
                scheme=base.scheme,
                host=base.host,
                port=base.port,
                target=path + (b"?" + asked.query if asked.query else b""),
                headers=lines,
                body=message.body,
                timeouts=_TIMEOUTS,
                network=network,
            )
        try:
            return injection.authorised(
                message, provider, self._secret, self._now(), timeouts=_TIMEOUTS, network=network
            )
        except SecretUnavailableError:
            msg = f"the secret cannot be part of a request to the provider {provider.name!r}, or sign one: put another"
            raise RotationRefusedError(msg) from None

    def _lines(self, asked: Asked) -> dict[bytes, bytes]:
        agent = self._provider.user_agent
        lines = {b"accept": b"*/*"}
        lines |= {name.lower().encode(): value.encode() for name, value in self._provider.headers}
        lines |= dict(asked.headers)
        lines |= {b"user-agent": USER_AGENT if agent is None else agent.encode(), b"accept-encoding": b"identity"}
        return lines | ({b"content-type": asked.content_type} if asked.content_type else {})


async def _struck(body: bytes, hidden: Needles) -> bytes:
    """An answer without what is hidden; piece by piece, so that others get on meanwhile."""
    scrubber, clean = Scrubber(hidden), bytearray()
    for at in range(0, len(body), PIECE):
        clean += scrubber.feed(body[at : at + PIECE])
        await asyncio.sleep(0)
    return bytes(clean + scrubber.flush())
