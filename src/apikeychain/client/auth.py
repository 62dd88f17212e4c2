"""`SignedAuth`: signs what an httpx client sends."""

import hashlib
import time
from collections.abc import AsyncGenerator, Callable, Generator, Sequence

import httpx

from apikeychain.client.signing import PREFIX, Signer, fresh_nonce, require_gate, sha256_of, sign
from apikeychain.secret import Secret

_DIGEST = "x-content-sha256"


class SignedAuth(httpx.Auth):
    """Signs each send of a request afresh, for ``httpx.Client`` and ``httpx.AsyncClient``.

    A body that is a stream is read into memory to be hashed, unless the request brings ``x-content-sha256``: then it is
    sent as it comes, and the gate cuts the call where the body is another. `sha256_of` makes that value of a file.

    httpx follows redirects beneath its auth, with the signature of the first address, which is refused at the second:
    leave ``follow_redirects`` off, and send ``response.next_request`` with this auth where you want to follow one.

    Args:
        key_id: of a signing key or a session key.
        key: its text, as it was shown.
        prefix: the path under which the gate is served, any mount of the host included.
        signed_headers: those that the project says.
        user: sent as ``x-iso-user``; without one, whom a session key names.
        now: unix seconds.

    Raises:
        InvalidValueError: one of them cannot be. The text never holds the key.
    """

    sha256_of = staticmethod(sha256_of)

    def __init__(
        self,
        key_id: str,
        key: Secret | str,
        *,
        prefix: str = PREFIX,
        signed_headers: Sequence[str] = (),
        user: str | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._signer = Signer.of(key_id, key, prefix=prefix, signed_headers=signed_headers, user=user)
        self._now = now

    def __repr__(self) -> str:
        return f"SignedAuth({self._signer.key_id!r}, ...)"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign, then send.

        Raises:
            InvalidValueError: it goes elsewhere than to a gate, or not over https; or a part cannot be signed.
        """
        self._sign(request)
        yield request

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See `auth_flow`; a stream without its hash is read first."""
        if _DIGEST not in request.headers:
            request.read()
        yield from self.auth_flow(request)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """See `auth_flow`; a stream without its hash is read first."""
        if _DIGEST not in request.headers:
            await request.aread()
        for signed in self.auth_flow(request):
            yield signed

    def _sign(self, request: httpx.Request) -> None:
        require_gate(request.url.scheme, request.url.host)
        lines = sign(
            self._signer,
            method=request.method,
            target=request.url.raw_path,
            headers=request.headers.raw,
            body_sha256=_body_sha256(request),
            timestamp=int(self._now()),
            nonce=fresh_nonce(),
        )
        for name, value in lines:
            request.headers[name.decode()] = value.decode()


def _body_sha256(request: httpx.Request) -> str:
    """That of the body where it is in memory: a hash that came along may be of another, as after a 303."""
    try:
        return hashlib.sha256(request.content).hexdigest()
    except httpx.RequestNotRead:
        return request.headers[_DIGEST]
