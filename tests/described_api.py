"""Key APIs on this machine: each makes, lists and ends keys as its documentation says, and fails on command."""

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from urllib.parse import parse_qs, parse_qsl, urlsplit

from apikeychain.errors import SecretUnavailableError
from apikeychain.model.ids import TenantId
from apikeychain.model.key_steps import Search, Step
from apikeychain.model.provider import HeaderCredential, Provider
from apikeychain.model.rotators import HTTPRotation
from apikeychain.ports.upstream import Upstream
from apikeychain.providers import (
    CLOUDFLARE,
    OPENAI,
    SENDGRID,
    TWILIO,
    cloudflare_rotation,
    openai_rotation,
    sendgrid_rotation,
    twilio_rotation,
)
from apikeychain.providers.twilio import TWILIO_IAM
from apikeychain.rotation.access import Access, Held
from apikeychain.secret import Secret
from apikeychain.testing.local_provider import LocalProvider, Visit
from apikeychain.testing.rotator import CANARY

ACCOUNT = "0123456789abcdef0123456789abcdef"
HOST = "keys.provider.test"
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
_PAGE = 2

PLAIN = Provider("plain", "https://api.plain.test/v1", HeaderCredential("X-Key"))
PLAIN_ROTATION = HTTPRotation(
    provider="plain",
    credential="plain-admin",
    create=Step(method="POST", path="/keys", body='{"name": "{label}"}'),
    key="secret",
    id="id",
    verify=Step(method="GET", path="/me"),
    revoke=Step(method="DELETE", path="/keys/{id}"),
    search=Search(step=Step(method="GET", path="/keys"), keys="", label="name", id="id"),
)


@dataclass(frozen=True)
class Key:
    """One that lives."""

    number: int
    label: str

    @property
    def id(self) -> str:
        return f"SK{self.number:032x}"

    @property
    def text(self) -> str:
        return f"a-made-up-key-{self.number:08}-Ab"


@dataclass(frozen=True)
class Shape:
    """What one key API looks like.

    Attributes:
        keys: the path of its keys; `tried`: of the call with a key.
        made: its answer to a creation; `item`: a key in its list; `listed`: the list.
        key: how a key is sent that a caller has.
        label: in what field.
    """

    how: HTTPRotation
    rotated: Provider
    key_api: Provider
    keys: str
    tried: str
    made: Callable[[Key], object]
    item: Callable[[Key], object]
    listed: Callable[[list[object]], object]
    key: Callable[[Key], str] = lambda key: key.text
    label: str = "name"


SHAPES = {
    "plain": Shape(
        PLAIN_ROTATION,
        PLAIN,
        PLAIN,
        "/v1/keys",
        "/v1/me",
        lambda key: {"id": key.id, "secret": key.text},
        lambda key: {"id": key.id, "name": key.label},
        lambda items: items,
    ),
    "sendgrid": Shape(
        sendgrid_rotation(),
        SENDGRID,
        SENDGRID,
        "/v3/api_keys",
        "/v3/scopes",
        lambda key: {"api_key": key.text, "api_key_id": key.id, "name": key.label, "scopes": ["mail.send"]},
        lambda key: {"name": key.label, "api_key_id": key.id},
        lambda items: {"result": items},
    ),
    "twilio": Shape(
        twilio_rotation(f"AC{ACCOUNT}"),
        TWILIO,
        TWILIO_IAM,
        "/v1/Keys",
        "/v2/Services",
        lambda key: {"sid": key.id, "friendly_name": key.label, "secret": key.text, "policy": None},
        lambda key: {"sid": key.id, "friendly_name": key.label},
        lambda items: {"keys": items, "meta": {"page": 0, "next_page_url": None, "key": "keys"}},
        lambda key: f"{key.id}:{key.text}",
        "FriendlyName",
    ),
    "openai": Shape(
        openai_rotation("proj_abc"),
        OPENAI,
        OPENAI,
        "/v1/organization/projects/proj_abc/service_accounts",
        "/v1/models",
        lambda key: {"id": key.id, "name": key.label, "role": "member", "api_key": {"value": key.text, "id": "key_1"}},
        lambda key: {"object": "organization.project.service_account", "id": key.id, "name": key.label},
        lambda items: {"object": "list", "data": items},
    ),
    "cloudflare": Shape(
        cloudflare_rotation(ACCOUNT, [{"effect": "allow", "resources": {"com.cloudflare.api.account.zone.*": "*"}}]),
        CLOUDFLARE,
        CLOUDFLARE,
        f"/client/v4/accounts/{ACCOUNT}/tokens",
        f"/client/v4/accounts/{ACCOUNT}/tokens/verify",
        lambda key: {"success": True, "result": {"id": key.id, "name": key.label, "value": key.text}},
        lambda key: {"id": key.id, "name": key.label, "status": "active"},
        lambda items: {"success": True, "result": items},
    ),
}


@dataclass
class KeyAPI:
    """A provider with a key API, and the provider that takes its keys.

    Attributes:
        keys: those that live, oldest first.
        status: that everything is answered with, with a text that tells too much; 0 for the honest answer.
        refused: methods of the key API that are answered with 403.
        is_gone: whether every connection is cut before anything is done.
        lost: how many of the next creations are done and not answered.
        late: the label of a key that is made just before the next one, as by an order that was on its way.
        answers: instead of the honest ones, by method and path.
        heard: method, target, header lines and body of each request, but for the credential.
    """

    local: LocalProvider
    shape: Shape
    admin: str = "a-made-up-key-of-the-administrator"
    keys: list[Key] = field(default_factory=list)
    status: int = 0
    refused: set[str] = field(default_factory=set)
    is_gone: bool = False
    lost: int = 0
    late: str = ""
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    takes_idempotency: str = ""
    numbers: "count[int]" = field(default_factory=lambda: count(1))
    _given: dict[str, Key] = field(default_factory=dict)

    def listen(self) -> None:
        """Answer from now on."""
        self.local.on(self.shape.tried, self._known(self._try, lambda: {self.shape.key(key) for key in self.keys}))
        self.local.on(self.shape.keys, self._known(self._manage, lambda: {self.admin}))

    def make(self, label: str) -> Key:
        """A key of that label."""
        key = Key(next(self.numbers), label)
        self.keys.append(key)
        self.local.on(f"{self.shape.keys}/{key.id}", self._known(self._end, lambda: {self.admin}))
        return key

    def access(self, upstream: Upstream, secrets: Mapping[str, Secret] | None = None) -> Access:
        """What the rotator of the provider's secret reaches."""
        held = {self.shape.how.credential: Secret(self.admin), **(secrets or {})}
        return access_to(upstream, self.local, self.providers(), held, self.shape.rotated.name)

    def providers(self) -> dict[str, Provider]:
        """That of each secret, by the secret's name."""
        shape, port = self.shape, self.local.port
        return {shape.rotated.name: _moved(shape.rotated, port), shape.how.credential: _moved(shape.key_api, port)}

    def _known(
        self, deed: Callable[[Visit], Awaitable[None]], keys: Callable[[], set[str]]
    ) -> Callable[[Visit], Awaitable[None]]:
        async def judged(visit: Visit) -> None:
            await visit.read_all()
            method, target = visit.received.method, visit.received.target.decode()
            instead = self.answers.get(f"{method} {urlsplit(target).path}")
            if self.is_gone:
                visit.cut()
            elif self.status or (method in self.refused and deed != self._try):
                told = f"{CANARY}: no, {[*visit.received.lines]} {[key.text for key in self.keys]}"
                await visit.answer(self.status or 403, body=told.encode())
            elif instead is not None:
                await visit.answer(instead[0], body=instead[1])
            elif not {_credential(self.shape.rotated, key) for key in keys()} & {*visit.received.lines}:
                await _tell(visit, 401, {"error": "who are you?"})
            else:
                await deed(visit)

        return judged

    async def _try(self, visit: Visit) -> None:
        await _tell(visit, 200, {"ok": True})

    async def _manage(self, visit: Visit) -> None:
        if visit.received.method == "GET":
            await self._list(visit)
            return
        if self.late:
            self.make(self.late)
            self.late = ""
        again = visit.received.headers.get(self.takes_idempotency.encode()) if self.takes_idempotency else None
        key = self._given.get((again or b"").decode()) or self.make(self._label(visit))
        if again:
            self._given[again.decode()] = key
        if self.lost:
            self.lost -= 1
            visit.cut()
            return
        await _tell(visit, 201, self.shape.made(key))

    def _label(self, visit: Visit) -> str:
        body = visit.received.body.decode()
        sent = dict(parse_qsl(body)) if self.shape.how.create.form else json.loads(body)
        label: str = sent[self.shape.label]
        return label

    async def _list(self, visit: Visit) -> None:
        query = parse_qs(urlsplit(visit.received.target.decode()).query)
        search, keys = self.shape.how.search, self.keys
        assert search is not None
        if search.page:
            first = (int(query[search.page][0]) - 1) * _PAGE
            keys = keys[first : first + _PAGE]
        elif search.after:
            ids = [key.id for key in keys]
            first = ids.index(query[search.after][0]) + 1 if search.after in query else 0
            keys = keys[first : first + _PAGE]
        await _tell(visit, 200, self.shape.listed([self.shape.item(key) for key in keys]))

    async def _end(self, visit: Visit) -> None:
        named = visit.received.target.decode().rpartition("/")[2]
        before = len(self.keys)
        self.keys[:] = [key for key in self.keys if key.id != named]
        await _tell(visit, 204 if len(self.keys) < before else 404, None)


@dataclass
class HeldSecrets:
    """The secrets of a project, and the provider of each by name."""

    held: Mapping[str, Secret]
    providers: Mapping[str, Provider]

    async def open(self, name: str) -> Held:
        if name not in self.held:
            raise SecretUnavailableError
        return Held(self.providers[name], self.held[name])


def access_to(
    upstream: Upstream,
    local: LocalProvider,
    providers: Mapping[str, Provider],
    secrets: Mapping[str, Secret],
    rotated: str,
) -> Access:
    """What a rotator reaches, of providers that one server on this machine plays.

    Args:
        providers: that of each secret, by the secret's name.
        secrets: by name.
        rotated: the name of the one that turns.
    """
    return Access(
        upstream=upstream,
        tenant=TenantId("acme"),
        networks={provider.base_url: local.network for provider in providers.values()},
        secret=rotated,
        provider=providers[rotated],
        secrets=HeldSecrets(secrets, providers),
        now=lambda: NOW,
        pause=_at_once,
    )


async def _at_once(_: float) -> None:
    """No pause: what would be waited for is there already."""


def _moved(provider: Provider, port: int) -> Provider:
    return replace(provider, base_url=provider.base_url.replace(provider.address.host, f"{HOST}:{port}"))


def _credential(provider: Provider, key: str) -> tuple[bytes, bytes]:
    place = provider.credential
    if isinstance(place, HeaderCredential):
        return place.header.lower().encode(), f"{place.prefix}{key}".encode()
    return b"authorization", b"Basic " + base64.b64encode(key.encode())


async def _tell(visit: Visit, status: int, told: object) -> None:
    await visit.answer(
        status, [(b"content-type", b"application/json")], json.dumps(told).encode() if told is not None else b""
    )
