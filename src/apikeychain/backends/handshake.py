"""A connection of httpcore on which TLS is not spoken yet: address and handshake share one budget of time.

Source: httpcore, "Network Backends".
"""

import ssl
import time
from collections.abc import Callable

import httpcore

SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
_UNLIMITED_SECONDS = 30.0


class Dialled(httpcore.AsyncNetworkStream):
    """A connection before TLS, for which it has what dialling left of the time.

    Args:
        stream: as it was dialled.
        left: how many seconds there are.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream, left: Callable[[], float]) -> None:
        self._stream, self._left = stream, left

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # the signature is httpcore's
    ) -> httpcore.AsyncNetworkStream:
        """Speak TLS; where that fails or is cancelled, nothing stays open."""
        del timeout
        try:
            return await self._stream.start_tls(ssl_context, server_hostname, timeout=self._left())
        except BaseException:
            # httpcore forgets a connection whose handshake is cancelled.
            await self._stream.aclose()
            raise


def time_left(seconds: float | None) -> Callable[[], float]:
    """How much is left of `seconds`, from now on; never nothing, which would be no limit."""
    ends = time.monotonic() + (_UNLIMITED_SECONDS if seconds is None else seconds)
    return lambda: max(ends - time.monotonic(), 0.001)
