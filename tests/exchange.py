"""A route, a call to it and an answer, made up, for tests of what goes up and what comes back."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

from apikeychain.model.call import Call, UpstreamReply
from apikeychain.model.headers import Headers, Line
from apikeychain.model.network import PUBLIC, Network
from apikeychain.model.provider import HeaderCredential, Provider, QueryCredential
from apikeychain.model.route import MIB, ProxyRoute
from apikeychain.rules.routing import CompiledRoute, Target, compile_route, fill

BY_HEADER = Provider("weather", "https://api.weather.example/v1", HeaderCredential("X-Api-Key"))
BY_QUERY = Provider("weather", "https://api.weather.example/v1", QueryCredential("appid"))
NOW = datetime(2026, 7, 1, 12, 30, 45, 678_901, tzinfo=UTC)
LOCATION_BASE = b"/api/apikeychain/p_x/proxy/weather"


def a_route(provider: Provider = BY_HEADER, *, network: Network = PUBLIC, **options: Any) -> CompiledRoute:
    """The route ``weather``, compiled."""
    return compile_route(
        ProxyRoute("weather", provider="weather", **options), provider, network=network, body_limit=100 * MIB
    )


def a_call(
    path: bytes = b"weather",
    query: bytes = b"",
    *lines: Line,
    method: str = "GET",
    chunks: Sequence[bytes] = (),
) -> Call:
    """A proxied call."""
    return Call(
        method=method,
        scheme="https",
        project="p_" + "a" * 20,
        area="proxy",
        path=path,
        query=query,
        headers=Headers(lines),
        peer="192.0.2.1",
        body=_stream(chunks),
    )


def goes_up(route: CompiledRoute, path: bytes = b"weather", query: bytes = b"", *lines: Line) -> Target:
    """What goes up for a GET."""
    return fill(a_call(path, query, *lines), route, None)


def posted(route: CompiledRoute, body: bytes, content_type: bytes = b"application/json") -> Target:
    """What goes up for a POST whose body was read."""
    return fill(a_call(b"weather", b"", (b"content-type", content_type), method="POST"), route, body)


class Chunks:
    """A stream that counts how often it was closed."""

    def __init__(self, *chunks: bytes, error: BaseException | None = None) -> None:
        self._chunks, self._error, self.closed = iter(chunks), error, 0

    def __aiter__(self) -> "Chunks":
        return self

    async def __anext__(self) -> bytes:
        for chunk in self._chunks:
            return chunk
        raise self._error or StopAsyncIteration

    async def aclose(self) -> None:
        self.closed += 1


def an_answer(*lines: Line, status: int = 200, body: Chunks | None = None) -> UpstreamReply:
    """A provider's answer."""
    return UpstreamReply(status, Headers(lines), body or Chunks())


async def _stream(chunks: Sequence[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
