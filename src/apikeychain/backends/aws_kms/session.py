"""The connections under the AWS client: through the door, few, without cookies, redirects, proxies or a second try.

Source: contracts 4, "Connection".
"""

import ssl
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Self

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from apikeychain.backends.door import Door
from apikeychain.backends.patience import CONNECT_SECONDS, seconds_for
from apikeychain.model.network import Network
from apikeychain.ports.upstream import Guard

MAX_ANSWER_BYTES = 256 * 1024
_CONNECTIONS = 16
# Idle ones end before a server or a device between closes them unseen.
_KEPT_SECONDS = 15.0
_HTTPS = 443


class TooLongError(Exception):
    """An answer that nobody waits for the end of."""


@dataclass(frozen=True, slots=True)
class Read:
    """A body that was read, as the client asks for it."""

    body: bytes

    @property
    def content(self) -> Self:
        """Itself: what the client reads an object from."""
        return self

    async def read(self, _: int = -1) -> bytes:
        """All of it."""
        return self.body


class Session:
    """What the client sends with, in place of its own.

    Args:
        guard: the only source of addresses.
        network: what may be dialled.
        context: of its TLS.
        most_bytes: of an answer.
        given: what the client would tell its own: proxies of the environment among them, which are not used.
    """

    def __init__(
        self,
        guard: Guard,
        network: Network,
        context: ssl.SSLContext,
        most_bytes: int = MAX_ANSWER_BYTES,
        **given: object,
    ) -> None:
        del given
        self._guard, self._network, self._context, self._most_bytes = guard, network, context, most_bytes
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=Door(self._guard, self._network),
                use_dns_cache=False,
                ssl=self._context,
                limit=_CONNECTIONS,
                keepalive_timeout=_KEPT_SECONDS,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Content-Type", "User-Agent"),
            auto_decompress=False,
            trust_env=False,
        )
        # No public switch for it: a request that was sent is sent again by nobody but the line.
        self._session._retry_connection = False  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # likewise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def send(self, request: Any) -> Any:  # noqa: ANN401 - a prepared request and an answer of the client's own
        """The answer to a signed request, read whole."""
        if self._session is None:
            raise ConnectionError
        url = URL(str(request.url), encoded=True)
        self._guard.admit(url.host or "", url.port or _HTTPS, self._network)
        async with self._session.request(
            request.method,
            url,
            # An answer that would have to come before the body is one more to wait for.
            headers=CIMultiDict((n, _text(value)) for n, value in request.headers.items() if n.lower() != "expect"),
            data=request.body,
            allow_redirects=False,
            timeout=self._timeout(int(request.headers.get("Content-Length", 0))),
        ) as response:
            body = await self._whole(response)
            lines = {name.lower(): value for name, value in response.headers.items()}
        answer = import_module("aiobotocore.awsrequest").AioAWSResponse
        return answer(request.url, response.status, lines, Read(body))

    def _timeout(self, sent: int) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(
            total=seconds_for(max(sent, self._most_bytes)), connect=CONNECT_SECONDS, sock_read=seconds_for(sent)
        )

    async def _whole(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for piece in response.content.iter_any():
            body += piece
            if len(body) > self._most_bytes:
                raise TooLongError
        return bytes(body)


def _text(value: str | bytes) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else value
