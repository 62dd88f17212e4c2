"""One proxied call from top to bottom. Read this first.

`Pipeline.handle` opens a `Passage`, walks the straight line of `_pass` and holds the only ``try``. Each step returns a
value or raises its own refusal. Rules decide without waiting; a step that waits is one private method, so that
``await`` marks every border: the store, the limiter, the vault, the caller's body, the provider.

Source: spec 5, 6, 8.1, 9.2; contracts 1 to 4, 6, 7.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import final

from apikeychain.errors import (
    AnswerError,
    HeaderLines,
    LedgerUnavailableError,
    MissingExtraError,
    NotFoundError,
    SealedValueError,
    UnauthenticatedError,
    UpstreamRefusedError,
)
from apikeychain.ledger.ledger import Ledger
from apikeychain.ledger.passage import Passage
from apikeychain.model.call import Call, Reply, UpstreamRequest, has_body
from apikeychain.model.quota import Spend
from apikeychain.model.route import MIB
from apikeychain.ports.locator import Locator
from apikeychain.ports.upstream import Upstream
from apikeychain.rules import (
    answer,
    answer_transforms,
    bodies,
    cors,
    decoding,
    headers,
    injection,
    observation,
    problem,
    quotas,
    redaction,
    routing,
    signature,
    suspension,
)
from apikeychain.rules.caller import TrustedProxies, identify
from apikeychain.rules.routing import CompiledRoute
from apikeychain.rules.signature import Signature
from apikeychain.rules.signed_text import NOTHING_SHA256
from apikeychain.rules.snapshot import Snapshot
from apikeychain.secret import Secret
from apikeychain.settings import APIKeyChainSettings
from apikeychain.snapshots import Snapshots
from apikeychain.telemetry import reach, secret_used, sent, step
from apikeychain.vault.open_needles import OpenNeedles
from apikeychain.vault.retiring import open_retiring
from apikeychain.vault.session_keys import session_key
from apikeychain.vault.vault import Vault
from apikeychain.watch.claims import Claims
from apikeychain.watch.countries import Countries
from apikeychain.watch.mentions import Mentions
from apikeychain.watch.meter import Meter
from apikeychain.watch.refusals import Refusals
from apikeychain.watch.under_way import UnderWay
from apikeychain.watch.unverified import Unverified


@final
class Pipeline:
    """The gate.

    Args:
        under_way: the calls that were sent; `now`: the wall clock, UTC; `clock`: monotonic seconds.
    """

    def __init__(
        self,
        *,
        settings: APIKeyChainSettings,
        snapshots: Snapshots[Snapshot],
        vault: Vault,
        ledger: Ledger,
        meter: Meter,
        refusals: Refusals,
        claims: Claims,
        upstream: Upstream,
        trusted: TrustedProxies,
        under_way: UnderWay,
        locator: Locator | None,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._snapshots, self._vault, self._ledger = settings, snapshots, vault, ledger
        self._meter, self._refusals, self._claims, self._development = meter, refusals, claims, settings.development
        self._upstream, self._trusted, self._under_way = upstream, trusted, under_way
        self._now, self._clock = now, clock
        self._mentions, self._unverified, self._needles = Mentions(), Unverified(), OpenNeedles()
        self._countries = Countries(locator)

    async def handle(self, call: Call) -> Reply:
        """Answer one call. Raises nothing but CallerGoneError, cancellation and bugs."""
        caller = identify(call, self._trusted)
        passage = Passage(call, caller, self._now(), self._clock, self._under_way.end)
        with passage:
            try:
                reply = await self._pass(passage)
            except AnswerError as error:
                await passage.let_go()
                reply = await self._refuse(passage, error)
            except BaseException:
                await passage.let_go()
                raise
            reply.headers = headers.secure(reply.headers, call, caller, development=self._development) + passage.limits
            return passage.depart(reply)

    async def _pass(self, passage: Passage) -> Reply:
        call, caller = passage.call, passage.caller
        headers.require_https(caller, development=self._development)
        passage.project = project = await self._load(call)
        headers.require_single(call.headers)
        headers.require_framing(call.headers)
        if call.is_preflight:
            return cors.preflight(call, project)
        call.admitted = origin = cors.admit(call, project, caller)
        passage.page = cors.page_of(call, project, caller)
        headers.require_destination(call.headers)
        if project.names_callers:
            await reach("key_service", self._veil(passage, project))
        passage.signature = await self._admit_signed(passage, project)
        passage.route = route = passage.route or passage.admit(project, passage.signature)
        passage.limits = await step("spend", self._spend(passage, project, route))
        await step("record", self._record(passage, project), "key_service")
        body = await self._read(passage, route)
        target = routing.fill(passage.call, route, body)
        if target.body is None:
            signature.require_body(passage.signature, b"")
        passage.values = observation.taken(target, passage.moment.microsecond)
        await passage.intend()
        secret = await self._open(project, route)
        past = await open_retiring(self._vault, project, route, self._snapshots.holds) if project.retiring else ()
        request = injection.inject(target, secret, passage.moment if route.place.signing is None else self._now())
        reply = await step("send", self._send(passage, request, route))
        if route.answer.shape is not None:
            reply = await self._shape(passage, reply, route)
        needles = self._needles.of(route.provider, secret, *past)
        reply = redaction.scrub(reply, injection.hidden(needles, request, route))
        passage.answered = "provider"
        reply.headers = cors.expose(reply.headers, origin)
        return reply

    async def _load(self, call: Call) -> Snapshot:
        if call.area != "proxy":
            raise NotFoundError
        held = self._snapshots.fresh(call.project)
        return held if held is not None else await step("load", self._snapshots.load(call.project))

    async def _admit_signed(self, passage: Passage, project: Snapshot) -> Signature | None:
        """The signature of the call, once it holds. Whoever is refused over and over has to prove it without a body."""
        lines = passage.call.headers
        if not (signature.is_signed(lines) and b"x-content-sha256" in lines.first):
            await self._refusals.admit(project.project.id, passage.caller)
            return await step("verify", self._verify(passage, project)) if signature.is_signed(lines) else None
        try:
            return await step("verify", self._verify(passage, project))
        except UnauthenticatedError:
            # A claim that also spends foresees the route of a call that it then refuses: that one was not admitted.
            passage.route = None
            await self._refusals.admit(project.project.id, passage.caller)
            raise

    async def _verify(self, passage: Passage, project: Snapshot) -> Signature:
        call, sent = passage.call, signature.read(passage.call.headers)
        signature.require_window(sent, passage.moment)
        signature.require_user(sent, call.headers.get(b"x-iso-user"))
        key = await self._signing_key(project, sent, passage)
        digest = sent.content_sha256 or await self._digest(passage, project)
        mac = signature.require_mac(key, sent, call, project.project.signed_headers, digest)
        suspension.admit_caller(project, passage.caller, passage.moment, passage.pseudonym)
        await self._refusals.admit_claim(project.project.id, passage.caller, sent)
        signature.require_window(sent, self._now())
        token = signature.claim_token(project.project.id, sent, mac)
        spends = partial(self._foresee, passage, project, sent)
        claim, passage.balances = await self._claims.claim(token, int(sent.timestamp), spends)
        signature.require_claim(claim)
        return sent

    async def _signing_key(self, project: Snapshot, sent: Signature, passage: Passage) -> Secret | None:
        stored = signature.key_of(project.signing_keys, sent, passage.moment)
        if stored is None:
            return None
        key = self._vault.opened_signing_key(project.tenant, stored)
        if key is None:
            current = partial(self._snapshots.holds, project)
            opening = self._vault.open_signing_key(project.tenant, project.keys, stored, current=current)
            key = await step("open", opening, "key_service")
        return key if sent.session is None else session_key(key, sent.key_id, passage.page or "")

    async def _digest(self, passage: Passage, project: Snapshot) -> bytes:
        """Read the body that the signature covers: before anything else is told, and before anything is spent."""
        call = passage.call
        if not bodies.is_announced(call):
            passage.body = b""
            return NOTHING_SHA256
        cap = routing.body_cap(call, project) if call.admitted else MIB
        bodies.require_size(call, cap)
        async with self._unverified.one(call, passage.caller):
            passage.body = await passage.read_body(cap)
        return hashlib.sha256(passage.body).hexdigest().encode()

    def _foresee(self, passage: Passage, project: Snapshot, signed: Signature) -> Sequence[Spend]:
        """What a call will spend whose signature holds; raises what will refuse it before."""
        passage.route = passage.admit(project, signed)
        return self._spends(passage, project, passage.route, signed)

    def _spends(
        self, passage: Passage, project: Snapshot, route: CompiledRoute, signed: Signature | None
    ) -> Sequence[Spend]:
        call = passage.call
        claimed = (call.headers.get(b"x-iso-user") or b"").decode("latin-1") or None
        proven = call.login is not None or signed is not None
        return self._meter.spends(
            project, route, passage.caller, origin=passage.page, user=call.login or claimed, proven=proven
        )

    async def _spend(self, passage: Passage, project: Snapshot, route: CompiledRoute) -> HeaderLines:
        """Take one call from all quotas, where its claim has not done that already."""
        if passage.balances is not None:
            return self._meter.settle(project, passage.balances)
        return await self._meter.spend(project, self._spends(passage, project, route, passage.signature))

    async def _record(self, passage: Passage, project: Snapshot) -> None:
        await self._veil(passage, project)
        passage.country = self._countries.of(passage.caller)
        slot = self._ledger.reserve(project.tenant.id, quotas.holder(passage.signature, passage.caller))
        passage.slot = slot if slot.is_noted else await slot.note()

    async def _veil(self, passage: Passage, project: Snapshot) -> None:
        try:
            passage.veil(await self._vault.pseudonym_key(project.tenant))
        except SealedValueError:
            raise LedgerUnavailableError from None

    async def _read(self, passage: Passage, route: CompiledRoute) -> bytes | None:
        if passage.body is None:
            if not bodies.takes_body(passage.call, route.body):
                return None
            if route.body.raw:
                passage.stream_body(route.timeouts.idle)
                return None
            passage.body = await step("read", passage.read_body(route.body.cap))
            signature.require_body(passage.signature, passage.body)
        passage.bytes_in = len(passage.body)
        return passage.body

    async def _open(self, project: Snapshot, route: CompiledRoute) -> Secret:
        tenant, provider, sealed = project.tenant, route.provider, project.secret_of(route)
        secret = self._vault.opened(tenant, sealed, provider)
        secret_used(cached=secret is not None)
        if secret is not None:
            return secret
        current = partial(self._snapshots.holds, project)
        opening = self._vault.open_secret(tenant, project.keys, sealed, provider, current=current)
        return await step("open", opening, "key_service")

    async def _send(self, passage: Passage, request: UpstreamRequest, route: CompiledRoute) -> Reply:
        self._under_way.begin(passage)
        upstream = await sent(self._upstream.send(request))
        passage.meet(upstream.body)
        base = f"{passage.call.root}{self._settings.prefix}/{passage.call.project}/proxy/{route.route.name}"
        reply = answer.pass_on(upstream, route, base.encode("latin-1", "replace"))
        try:
            return decoding.decode(reply, upstream, passage.call.method)
        except MissingExtraError as missing:
            self._mentions.note(passage.call.project, str(missing), self._clock())
            raise UpstreamRefusedError(str(missing)) from None

    async def _shape(self, passage: Passage, reply: Reply, route: CompiledRoute) -> Reply:
        """`reply` as the route's transforms leave it; its body is read whole before its head leaves."""
        shape = answer.shape_of(reply, route)
        if shape is None:
            return reply
        if not has_body(reply.status, passage.call.method):
            return answer.rewritten(reply, reply.body)
        raw = await step("shape", answer_transforms.read(reply.body))
        await passage.let_go()
        return answer.shaped(reply, shape.shape(raw))

    async def _refuse(self, passage: Passage, error: AnswerError) -> Reply:
        passage.refusal = error.code
        if (project := passage.project) and not passage.slot:
            self._ledger.count_refusal(project.tenant.id, project.project.id, error.code)
            await self._refusals.note(project.project.id, passage.caller, error, passage.unspent)
        if error.hint and error.code in {"origin-refused", "not-found"}:
            self._mentions.note(passage.call.project, error.hint, self._clock())
        return problem.answer(error, passage.call, development=self._development)
