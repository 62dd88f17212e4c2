"""What a provider answered: read whole, in bounded time and size, and judged by its status."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TypeVar

from apikeychain.errors import BackendUnavailableError
from apikeychain.model.call import UpstreamReply
from apikeychain.model.route import MIB
from apikeychain.rules.filtered import WholeStream
from apikeychain.rules.key_steps import Outcome, outcome

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider answered.

    Attributes:
        status: 100 to 599.
        body: at most 1 MiB.
    """

    status: int
    body: bytes = field(repr=False)


def judged(answer: Answer) -> Outcome:
    """What its status tells."""
    return outcome(answer.status)


Judge = Callable[[Answer], Outcome]


async def bounded(deed: Coroutine[object, object, T], seconds: float, provider: str) -> T:
    """What a deed returns.

    Raises:
        BackendUnavailableError: it took longer.
    """
    try:
        async with asyncio.timeout(seconds):
            return await deed
    except TimeoutError:
        msg = f"the provider {provider} did not answer within {seconds:.0f} s"
        raise BackendUnavailableError(msg) from None


async def whole(reply: UpstreamReply) -> bytes:
    """The body of an answer.

    Raises:
        BackendUnavailableError: it is longer than 1 MiB.
        UpstreamRefusedError: it broke off; or UpstreamTimeoutError.
    """
    stream = WholeStream(reply.body) if isinstance(reply.body, bytes) else reply.body
    body = bytearray()
    try:
        async for chunk in stream:
            body += chunk
            if len(body) > MIB:
                msg = "the answer of the key API is longer than 1 MiB"
                raise BackendUnavailableError(msg)
    finally:
        await stream.aclose()
    return bytes(body)
