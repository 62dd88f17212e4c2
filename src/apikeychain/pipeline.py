"""One proxied call from top to bottom. Read this first.

`Pipeline.handle` opens a `Passage`, walks the straight line of `_pass` and holds the only ``try``. Each step returns a
value or raises its own refusal. Rules decide without waiting; a step that waits is one private method, so that
``await`` marks every border: the store, the limiter, the vault, the caller's body, the provider.

Source: spec 5, 6, 8.1, 9.2; contracts 1, 2, 4, 6, 7.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import final

from apikeychain.errors import (
    AnswerError,
    BodyTimeoutError,
    CallerGoneError,
    HeaderLines,
    LedgerUnavailableError,
    NotFoundError,
    SealedValueError,
    SecretUnavailableError,
)
from apikeychain.ledger.ledger import Ledger
from apikeychain.ledger.passage import CALLER_GONE, Passage
from apikeychain.model.call import Call, Reply, UpstreamRequest
from apikeychain.ports.rate_limiter import RateLimiter
from apikeychain.ports.upstream import Upstream
from apikeychain.rules import (
    answer,
    bodies,
    chain,
    cors,
    headers,
    injection,
    problem,
    quotas,
    redaction,
    routing,
    suspension,
)
from apikeychain.rules.caller import Caller, TrustedProxies, bucket_address, identify
from apikeychain.rules.routing import CompiledRoute
from apikeychain.rules.snapshot import Snapshot
from apikeychain.secret import Secret
from apikeychain.settings import APIKeyChainSettings
from apikeychain.snapshots import Snapshots
from apikeychain.vault.vault import Vault
from apikeychain.watch.refused_origins import RefusedOrigins

# How long the body may take that is read whole before anything is sent.
READ_SECONDS = 30.0


@final
class Pipeline:
    """The gate.

    Args:
        now: the wall clock, UTC; `clock`: monotonic seconds.
    """

    def __init__(
        self,
        *,
        settings: APIKeyChainSettings,
        snapshots: Snapshots,
        vault: Vault,
        ledger: Ledger,
        rate_limiter: RateLimiter,
        upstream: Upstream,
        trusted: TrustedProxies,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._snapshots, self._vault, self._ledger = settings, snapshots, vault, ledger
        self._rate_limiter, self._upstream, self._trusted = rate_limiter, upstream, trusted
        self._now, self._clock = now, clock
        self._refused_origins = RefusedOrigins()

    async def handle(self, call: Call) -> Reply:
        """Answer one call. Raises nothing but CallerGoneError, cancellation and bugs."""
        caller = identify(call, self._trusted)
        passage = Passage(call, caller, self._now(), self._clock)
        try:
            reply = await self._pass(passage)
        except AnswerError as error:
            await passage.let_go()
            reply = self._refuse(passage, error)
        except BaseException as error:
            passage.abandon(_reason(error))
            await passage.let_go()
            raise
        return passage.depart(headers.secure(reply, call, caller, development=self._settings.development))

    async def _pass(self, passage: Passage) -> Reply:
        call, caller = passage.call, passage.caller
        headers.require_single(call.headers)
        headers.require_framing(call.headers)
        headers.require_https(caller, development=self._settings.development)
        passage.project = project = await self._load(call)
        if call.is_preflight:
            return cors.preflight(call, project)
        passage.origin = origin = cors.admit(call, project, caller)
        headers.require_no_signature(call.headers)
        headers.require_destination(call.headers)
        passage.route = route = routing.match(call, project)
        suspension.admit(project, route, origin, caller, passage.moment)
        passage.limits = await self._spend(project, route, caller)
        await self._record(passage, project, route)
        body = await self._read(passage, route)
        target = routing.fill(passage.call, route, body)
        secret = await self._open(project, route)
        reply = await self._send(passage, injection.inject(target, secret), route)
        reply = redaction.scrub(reply, redaction.needles(route.provider, secret))
        passage.answered = "provider"
        return cors.expose(reply, origin)

    async def _load(self, call: Call) -> Snapshot:
        if call.area != "proxy":
            raise NotFoundError
        return self._snapshots.fresh(call.project) or await self._snapshots.load(call.project)

    async def _spend(self, project: Snapshot, route: CompiledRoute, caller: Caller) -> HeaderLines:
        return quotas.admit(await self._rate_limiter.spend(quotas.spends(project, route, caller)))

    async def _record(self, passage: Passage, project: Snapshot, route: CompiledRoute) -> None:
        try:
            key = await self._vault.pseudonym_key(project.tenant)
        except SealedValueError:
            raise LedgerUnavailableError from None
        passage.pseudonym = chain.pseudonym(key, bucket_address(passage.caller.address))
        tail = route.tail_of(passage.call)
        passage.tail = chain.pseudonym(key, tail) if tail else None
        passage.slot = self._ledger.reserve(project.tenant.id)

    async def _read(self, passage: Passage, route: CompiledRoute) -> bytes | None:
        if not bodies.takes_body(passage.call, route.body):
            return None
        if route.body.raw:
            passage.count_body(route.timeouts.idle)
            return None
        try:
            async with asyncio.timeout(READ_SECONDS):
                body = await bodies.read(passage.call.body, route.body.cap)
        except TimeoutError:
            raise BodyTimeoutError from None
        passage.bytes_in = len(body)
        return body

    async def _open(self, project: Snapshot, route: CompiledRoute) -> Secret:
        sealed = project.secret_of(route)
        if sealed is None:
            hint = f"Put the secret {route.route.secret_name!r} for the provider {route.provider.name!r}."
            raise SecretUnavailableError(hint)
        opened = self._vault.opened(project.tenant.id, sealed, route.provider)
        return opened or await self._vault.open_secret(project.tenant.id, project.keys, sealed, route.provider)

    async def _send(self, passage: Passage, request: UpstreamRequest, route: CompiledRoute) -> Reply:
        passage.sent = self._clock()
        upstream = await self._upstream.send(request)
        passage.upstream = upstream.body
        base = f"{self._settings.prefix}/{passage.call.project}/proxy/{route.route.name}"
        return answer.pass_on(upstream, route, base.encode())

    def _refuse(self, passage: Passage, error: AnswerError) -> Reply:
        passage.refusal = error.code
        if passage.project and not passage.slot:
            self._ledger.count_refusal(passage.project.tenant.id, passage.project.project.id, error.code)
        if error.code == "origin-refused":
            self._refused_origins.note(passage.call.project, error.hint, self._clock())
        reply = problem.answer(error, development=self._settings.development)
        return cors.expose(reply, passage.origin)


def _reason(error: BaseException) -> str:
    """What the ledger says of a call that got no answer: a bug, or the caller left."""
    return "internal" if isinstance(error, Exception) and not isinstance(error, CallerGoneError) else CALLER_GONE
