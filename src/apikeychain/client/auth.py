"""`SignedAuth`: signs what an httpx client sends."""

import hashlib
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Sequence
from typing import Any, Protocol, TypeVar

import httpx

from apikeychain.client.signing import PREFIX, Signer, fresh_nonce, require_gate, sha256_of, sign
from apikeychain.errors import InvalidValueError
from apikeychain.secret import Secret

_DIGEST = "x-content-sha256"


class _Request(Protocol):
    """What a request of httpx and one of httpx2 have in common."""

    method: str

    @property
    def url(self) -> Any: ...  # noqa: ANN401  # httpx.URL or httpx2.URL

    @property
    def headers(self) -> Any: ...  # noqa: ANN401  # httpx.Headers or httpx2.Headers

    @property
    def stream(self) -> object: ...

    @property
    def content(self) -> bytes: ...

    def read(self) -> bytes: ...


_R = TypeVar("_R", bound=_Request)


class SignedAuth(httpx.Auth):
    """Signs each send of a request afresh, for the clients of httpx and, as a function, for those of httpx2.

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

    def __call__(self, request: _R) -> _R:
        """See `auth_flow`: for a client that takes a function, such as ``httpx2.Client``.

        Raises:
            InvalidValueError: also where the body is an async stream without ``x-content-sha256``.
        """
        if _DIGEST not in request.headers:
            if not isinstance(request.stream, Iterable):
                msg = f"a body that is an async stream brings its hash in {_DIGEST}, or is read first"
                raise InvalidValueError(msg)
            request.read()
        self._sign(request)
        return request

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

    def _sign(self, request: _Request) -> None:
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


def _body_sha256(request: _Request) -> str:
    """That of the body where it is in memory: a hash that came along may be of another, as after a 303."""
    try:
        return hashlib.sha256(request.content).hexdigest()
    except RuntimeError:  # RequestNotRead, of httpx and of httpx2
        return str(request.headers[_DIGEST])
