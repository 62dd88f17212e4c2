"""An OAuth 2.0 authorization server on this machine, which is oauthlib's, and an API that takes its tokens."""

import base64
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from oauthlib.oauth2 import RequestValidator, Server

from apikeychain.model.key_steps import Step
from apikeychain.model.provider import BasicCredential, HeaderCredential, Provider
from apikeychain.model.rotators import OAuth2Rotation
from apikeychain.ports.upstream import Upstream
from apikeychain.rotation.access import Access
from apikeychain.secret import Secret
from apikeychain.testing.local_provider import LocalProvider, Visit
from apikeychain.testing.rotator import CANARY
from described_api import HOST, access_to

CLIENT, CLIENT_SECRET, REFRESH = "shop-client", "a-made-up-secret-of-the-client", "a-made-up-refresh-token-1"
_TRIED = Step(method="GET", path="/me")
HOWS = {
    "basic": OAuth2Rotation(provider="idp", credential="idp-client", path="/token", scope="read", verify=_TRIED),
    "body": OAuth2Rotation(provider="idp", credential="idp-client", path="/token", client="body", verify=_TRIED),
    "refresh": OAuth2Rotation(
        provider="idp",
        credential="idp-client",
        path="/token",
        grant="refresh_token",
        refresh="idp-refresh",
        verify=_TRIED,
    ),
}


@dataclass
class _Client:
    client_id: str


class _Judge(RequestValidator):
    """Knows one client, and what was given to it."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.refresh = {REFRESH}
        self.rotates = False

    def client_authentication_required(self, request: Any, *args: Any, **kwargs: Any) -> bool:
        return True

    def authenticate_client(self, request: Any, *args: Any, **kwargs: Any) -> bool:
        basic = request.headers.get("authorization", "").removeprefix("Basic ")
        name, _, secret = base64.b64decode(basic).decode().partition(":")
        given = (name, secret) if basic else (request.client_id, request.client_secret)
        request.client = _Client(CLIENT)
        return given == (CLIENT, CLIENT_SECRET)

    def validate_grant_type(self, *args: Any, **kwargs: Any) -> bool:
        return True

    def validate_scopes(self, client_id: str, scopes: Any, *args: Any, **kwargs: Any) -> bool:
        return {*scopes} <= {"read"}

    def get_default_scopes(self, *args: Any, **kwargs: Any) -> list[str]:
        return ["read"]

    def get_original_scopes(self, *args: Any, **kwargs: Any) -> list[str]:
        return ["read"]

    def validate_refresh_token(self, refresh_token: str, *args: Any, **kwargs: Any) -> bool:
        return refresh_token in self.refresh

    def rotate_refresh_token(self, request: Any) -> bool:
        return self.rotates

    def save_bearer_token(self, token: Any, request: Any, *args: Any, **kwargs: Any) -> None:
        self.tokens.append(token["access_token"])
        if self.rotates:
            self.refresh = {token["refresh_token"]}


@dataclass
class TokenServer:
    """The server, and what it is told to do.

    Attributes:
        judge: what it gave.
        status: that everything is answered with, with a text that tells too much; 0 for the honest answer.
        lost: how many of the next tokens are given and not answered.
        instead: the body of the next answers of the token endpoint, or b"".
    """

    local: LocalProvider
    judge: _Judge = field(default_factory=_Judge)
    status: int = 0
    lost: int = 0
    instead: bytes = b""
    is_gone: bool = False

    def __post_init__(self) -> None:
        self._server = Server(self.judge, token_expires_in=3600)

    def listen(self) -> None:
        """Answer from now on."""
        # It writes the tokens that it gives into its own log, which is none of ours.
        logging.getLogger("oauthlib").setLevel(logging.WARNING)
        self.local.on("/token", self._give)
        self.local.on("/me", self._try)

    def access(self, upstream: Upstream, secrets: Mapping[str, Secret]) -> Access:
        """What the rotator of the token reaches: a server that gives tokens, and an API that takes them."""
        base = f"https://{HOST}:{self.local.port}"
        idp = Provider("idp", base, BasicCredential())
        api = Provider("api", base, HeaderCredential("Authorization", "Bearer "))
        providers = {"idp-client": idp, "idp-refresh": idp, "api": api}
        return access_to(upstream, self.local, providers, secrets, "api")

    async def _give(self, visit: Visit) -> None:
        await visit.read_all()
        if await self._fails(visit):
            return
        lines = {name.decode(): value.decode() for name, value in visit.received.headers}
        body = visit.received.body.decode()
        more, text, status = self._server.create_token_response(f"https://{HOST}/token", "POST", body, lines)
        if self.lost:
            self.lost -= 1
            visit.cut()
            return
        told = [(name.encode(), value.encode()) for name, value in more.items()]
        await visit.answer(status, told, self.instead or text.encode())

    async def _try(self, visit: Visit) -> None:
        if not await self._fails(visit):
            token = (visit.received.headers.get(b"authorization") or b"").decode().removeprefix("Bearer ")
            await visit.answer(200 if token in self.judge.tokens else 401)

    async def _fails(self, visit: Visit) -> bool:
        if self.is_gone:
            visit.cut()
        elif self.status:
            told = f"{CANARY}: no, {[*visit.received.lines]} {self.judge.tokens}"
            await visit.answer(self.status, body=told.encode())
        return self.is_gone or bool(self.status)


def secrets() -> dict[str, Secret]:
    """What the project has."""
    return {"idp-client": Secret(f"{CLIENT}:{CLIENT_SECRET}"), "idp-refresh": Secret(REFRESH)}
