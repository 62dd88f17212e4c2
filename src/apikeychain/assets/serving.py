"""One request for an asset from top to bottom, as `pipeline` is for a proxied call.

`AssetServer.handle` walks the straight line of `_pass`. What is in memory costs no wait, no hash and no key: nothing is
awaited that is not missing. Assets are no proxied calls: they spend no quota, stand in no ledger entry of their own,
and no suspension concerns them, since they carry no secret; `Project.assets` is what switches them off.

Source: spec 7; contracts 1, 2, 9.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import final

from apikeychain.assets.damage import Damages
from apikeychain.assets.hot import HotAssets
from apikeychain.assets.shelves import ShelvedProjects
from apikeychain.assets.token_keys import TokenKeys
from apikeychain.errors import AnswerError, NotFoundError
from apikeychain.ledger.ledger import Ledger
from apikeychain.model.asset import AssetVersion
from apikeychain.model.call import Call, Reply
from apikeychain.model.headers import Line
from apikeychain.model.ids import ProjectId
from apikeychain.ports.asset_store import AssetStore
from apikeychain.ports.store import Store
from apikeychain.rules import asset_answer, asset_glance, asset_request, cors, headers, problem
from apikeychain.rules.asset_names import MANIFEST
from apikeychain.rules.asset_tokens import require_token
from apikeychain.rules.caller import Caller, https_host, identify, parse_trusted
from apikeychain.rules.shelf import Shelf
from apikeychain.settings import APIKeyChainSettings
from apikeychain.snapshots import Snapshots
from apikeychain.telemetry import step
from apikeychain.vault.vault import Vault
from apikeychain.watch.mentions import Mentions

# A shelf of a thousand assets with ten versions each has some 10 MB, a usual one some kB.
MAX_SHELVES = 1_000
_FORBIDDEN = 403
# That of https, which a browser leaves out and some proxies write.
_USUAL_PORT = ":443"


@dataclass(slots=True)
class _Visit:
    call: Call
    caller: Caller
    shelf: Shelf | None = None


@final
class AssetServer:
    """Serves what tenants publish.

    Args:
        settings: of the keychain.
        store: of the tenants' records.
        asset_store: of their objects.
        vault: opens what is sealed.
        ledger: counts refusals.
        now: the wall clock, UTC; `clock`: monotonic seconds.
    """

    def __init__(
        self,
        settings: APIKeyChainSettings,
        store: Store,
        asset_store: AssetStore,
        vault: Vault,
        ledger: Ledger,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._development, self._host = settings.development, settings.asset_host
        self._below = f"{settings.prefix}/".encode()
        self._needs_closer_look = settings.development or bool(settings.asset_host)
        self._trusted = parse_trusted(settings.trusted_proxies)
        self._vault, self._ledger, self._now, self._clock = vault, ledger, now, clock
        read = ShelvedProjects(prefix=settings.prefix, development=settings.development)
        self._shelves = Snapshots(store, read, changed=self._drop, most=MAX_SHELVES, clock=clock)
        self._damages = Damages(store, now=now, clock=clock)
        self._hot = HotAssets(asset_store, vault, holds=self._shelves.holds, damaged=self._damages.tell, clock=clock)
        self._token_keys, self._mentions = TokenKeys(vault, self._shelves.holds), Mentions()

    async def handle(self, call: Call) -> Reply:
        """Answer one request in one of `asset_request.AREAS`. Raises nothing but cancellation and bugs."""
        visit = _Visit(call, identify(call, self._trusted))
        try:
            return await self._pass(visit)
        except AnswerError as error:
            return self._refuse(visit, error)

    def at_once(self, path: bytes, query: bytes, lines: Sequence[Line], peer: str, scheme: str) -> Reply | None:
        """The answer to a plain GET for what is in memory, the one that `handle` gives; None to any other.

        Args:
            path: raw, the prefix included.
            query: without ``?``.
            lines: the headers as the server gives them.
            peer: see `Call`.
            scheme: likewise.
        """
        place = asset_glance.place_of(path, self._below)
        shelf = None if place is None or self._needs_closer_look else self._shelves.fresh(place.project)
        if place is None or shelf is None or shelf.project.asset_tokens:
            return None
        version = asset_glance.version_of(shelf, place.path, query)
        asset = None if version is None else self._hot.peek(version)
        if asset is None:
            return None
        first = asset_glance.plain(lines)
        if first is None or not (host := https_host(first, peer, scheme, self._trusted)):
            return None
        return asset_glance.answer(first, host, asset, shelf, is_addressed=bool(query))

    async def _pass(self, visit: _Visit) -> Reply:
        call, lines = visit.call, visit.call.headers
        headers.require_https(visit.caller, development=self._development)
        self._require_host(visit.caller)
        path, is_manifest = asset_request.path_of(call), call.area == MANIFEST
        held = self._shelves.fresh(call.project)
        shelf = held if held is not None else await step("load", self._shelves.load(call.project))
        visit.shelf = shelf
        headers.require_single(lines)
        headers.require_framing(lines)
        if call.is_preflight:
            return self._secure(visit, cors.preflight(call, shelf))
        call.admitted = origin = cors.admit_public(call, shelf)
        asset_request.require_plain(lines)
        asset_request.require_destination(lines, is_manifest=is_manifest)
        asset_request.require_method(call.method)
        asked = asset_request.read_query(call.query, is_manifest=is_manifest)
        seconds = await self._seconds(shelf, path, asked.token) if shelf.project.asset_tokens else None
        if is_manifest:
            asset = shelf.manifest
        else:
            version = self._find(shelf, path, asked.sha256)
            hot = self._hot.peek(version)
            asset = hot if hot is not None else await step("open", self._hot.fetch(shelf, version))
        readable = () if origin is None else shelf.readable[lines.first[b"origin"]]
        further = (asset_answer.caching(asked, seconds), *readable)
        return asset_answer.answer(call, asset, further + headers.hsts(visit.caller, development=self._development))

    def hear(self, *, is_heard: bool) -> None:
        """Note whether changes are heard. See `Snapshots.hear`."""
        self._shelves.hear(is_heard=is_heard)

    def forget(self, project: ProjectId | None) -> None:
        """Drop what is held of a project that changed; where it is not known which, all are read anew first."""
        self._shelves.forget(project)
        if project is not None:
            self._hot.forget(project)

    async def close(self) -> None:
        """Wait for what is still to be told of."""
        await self._damages.close()

    def _require_host(self, caller: Caller) -> None:
        if self._host and caller.host.lower().removesuffix(_USUAL_PORT) != self._host:
            raise NotFoundError

    async def _seconds(self, shelf: Shelf, path: bytes, token: bytes) -> int:
        """For how long the token of a request is good; it is told before whether there is such an asset."""
        moment = self._now()
        keys = await self._token_keys.of(shelf, moment)
        return require_token(keys, shelf.project.id, path.decode("latin-1"), token, moment)

    @staticmethod
    def _find(shelf: Shelf, path: bytes, sha256: bytes) -> AssetVersion:
        version = shelf.find(path, sha256)
        if version is None:
            raise NotFoundError
        return version

    def _refuse(self, visit: _Visit, error: AnswerError) -> Reply:
        shelf = visit.shelf
        if shelf is not None and error.status == _FORBIDDEN:
            # A page that asks for what is not there tells nothing worth an entry; who may not ask does.
            self._ledger.count_refusal(shelf.tenant.id, shelf.project.id, error.code)
        if error.code == "origin-refused":
            self._mentions.note(visit.call.project, error.hint, self._clock())
        return self._secure(visit, problem.answer(error, visit.call, development=self._development))

    def _secure(self, visit: _Visit, reply: Reply) -> Reply:
        reply.headers = headers.secure(
            reply.headers, visit.call, visit.caller, development=self._development, public=True
        )
        return reply

    def _drop(self, project: ProjectId) -> None:
        self._vault.forget(project)
        self._hot.forget(project)
