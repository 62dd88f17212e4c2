"""Who talks to providers, and the door through which it dials."""

from collections.abc import Sequence
from typing import Protocol

from apikeychain.model.call import UpstreamReply, UpstreamRequest
from apikeychain.model.network import Network


class Guard(Protocol):
    """The only door out: whoever dials asks it first, and dials nothing else."""

    async def addresses(self, host: str, port: int, network: Network) -> Sequence[str]:
        """The IP addresses of `host` that may be dialled, all classified, in the order to try them.

        Raises:
            UpstreamRefusedError: one of the answers is not allowed, or there is none.
        """
        ...

    def admit(self, host: str, port: int, network: Network) -> None:
        """The standing verdict on a host, asked before each send, also on a connection that is open already.

        Raises:
            UpstreamRefusedError: its answers turned bad since it was dialled.
        """
        ...


class Upstream(Protocol):
    """Sends one request to a provider and hands back the answer as it comes. Made by a factory that is given a Guard.

    Contract (tested by `apikeychain.testing.UpstreamContract`):
        U1: the request target, method, header lines and body arrive byte for byte.
        U2: it dials only what the guard handed out for that host, port and network, with SNI and Host kept,
            all addresses tried in turn, and asks the guard's verdict before each send.
        U3: it follows no redirect, keeps no cookie, uses no proxy and no netrc, and undoes no content coding.
        U4: TLS below the network's minimum, an expired, foreign or self-made certificate: UpstreamRefusedError.
        U5: a streamed body is sent as it comes, an answer handed over as it comes; neither is held in memory.
        U6: no answer within `connect` or `first_byte`, pieces of a head and 1xx being none: UpstreamTimeoutError; none
            within `idle` or `total`: the same, from the body.
        U7: cancelling `send`, or closing the body early, closes the connection to the provider within a second.
        U8: nothing of a client's exception leaves it, neither text nor cause: UpstreamRefusedError instead.
        U9: an answer that is cut short raises from the body; it never ends cleanly.
        U10: a streamed body that is not as long as `content_length` says cuts the request.
        U11: an answer of the type text/event-stream or NDJSON lasts as long as streams may, 15 minutes: once its head
            is there only `idle` bounds it, and `total` no more.
        U12: calls that hang at one provider, however many, keep no other call waiting.
        U13: a body of which the provider takes nothing for `idle`: UpstreamTimeoutError; what its source takes of time
            is not the provider's.
        U14: an answer of which nobody reads anything for `idle`, or that is not read by the end of `total`, is closed
            within a second: the next chunk is UpstreamTimeoutError.
        U15: what a provider says beyond an answer, with it or later, is never taken for the answer to another call.
        U16: an answer whose end can be read in two ways or is only that of its connection, or a head without an end:
            UpstreamRefusedError, in bounded memory.
    """

    async def send(self, request: UpstreamRequest) -> UpstreamReply:
        """Send `request` and return when the head of the answer is there.

        Raises:
            UpstreamRefusedError: it could not be reached safely.
            UpstreamTimeoutError: it did not answer in time.
        """
        ...
