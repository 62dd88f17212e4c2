"""What an answer must know of its call, and the one entry that the call leaves.

A passage ends exactly once: with a whole body at once, with a stream at its last byte, its break or its closing, or
when the call is abandoned before there was an answer.

Source: contracts 6 (`call`, refusals are counted); spec 9.2.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, Self, final
from urllib.parse import unquote

from apikeychain.errors import CALLER_GONE, AnswerError, BodyTimeoutError, HeaderLines, SuspendedError, code_of
from apikeychain.ledger.slot import Slot
from apikeychain.model.call import ByteStream, Call, Reply
from apikeychain.model.ledger import JSON, LedgerDraft
from apikeychain.model.origin import Origin
from apikeychain.model.quota import Balance
from apikeychain.model.route import QueryParameter
from apikeychain.rules import admission, bodies
from apikeychain.rules.call_entries import Asked, asked_data, call_data, intent_data
from apikeychain.rules.caller import Caller, bucket_address
from apikeychain.rules.chain import pseudonym
from apikeychain.rules.routing import CompiledRoute
from apikeychain.rules.signature import Signature, matching
from apikeychain.rules.snapshot import Snapshot
from apikeychain.telemetry import CallSpan, step

# How long the body may take that is read whole before anything is sent.
READ_SECONDS = 30.0
_CLIENT_CLOSED = 499


@final
@dataclass(slots=True)
class Passage:
    """One call on its way through the gate.

    Attributes:
        moment: the one reading of the wall clock.
        clock: monotonic seconds; `started` its reading at the beginning, `sent` when the provider was called.
        project: known once the project was loaded; `route` once it was matched.
        page: the origin of the page that calls, also where its browser sends no Origin.
        signature: set once it was verified; `body` once the body was read whole.
        balances: what the quotas hold, where they were spent with the claim.
        limits: the RateLimit lines, once the quotas admitted the call.
        upstream: the body of the provider's answer, to be let go of where the answer is not passed on.
        slot: the place in the ledger, once there is one; `pseudonym` stands for the caller in it, `tail` for what the
            caller sent beyond the path template, where that is anything; `asked` is what its entries say of the call,
            once one of them was made; `country` is where the caller is, "" where that is not known.
        bytes_in: of the body, as far as it came; `streams` where it goes on while the call is sent.
        answered: who made the answer.
        refusal: the code of a refusal, of a failure, or of what cut the answer.
        values: some of those that go up, with the names of their parameters; `key` is that of the pseudonyms.
        is_cut: whether it was suspended on its way; `is_leaving` whether its answer streams to the caller.
        observe: told of the passage at its end, with the status and the bytes of its answer; it raises nothing.
        span: current while the passage is entered.
    """

    call: Call
    caller: Caller
    moment: datetime
    clock: Callable[[], float]
    observe: "Callable[[Passage, int, int], None]" = field(default=lambda _, __, ___: None, repr=False)
    started: float = field(init=False)
    sent: float = field(init=False)
    project: Snapshot | None = None
    route: CompiledRoute | None = None
    page: Origin | None = None
    signature: Signature | None = None
    body: bytes | None = None
    balances: Sequence[Balance] | None = None
    limits: HeaderLines = ()
    slot: Slot | None = None
    upstream: ByteStream | None = None
    pseudonym: str | None = None
    country: str = ""
    tail: str | None = None
    asked: Asked | None = None
    bytes_in: int = 0
    streams: bool = False
    answered: Literal["provider", "gate"] = "gate"
    refusal: str | None = None
    values: Sequence[tuple[str, str]] = field(default=(), repr=False)
    key: bytes = field(default=b"", repr=False)
    is_cut: bool = False
    is_leaving: bool = False
    is_over: bool = False
    span: CallSpan = field(default_factory=CallSpan)

    def __post_init__(self) -> None:
        self.started = self.sent = self.clock()

    def __enter__(self) -> None:
        self.span.enter(self.call.method)

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """End without an answer where `error` left none: the caller is gone, or a bug broke the gate."""
        self.span.leave()
        if error is not None:
            self.refusal = code_of(error)
            self.end(_CLIENT_CLOSED if self.refusal == CALLER_GONE else 500, 0)

    @property
    def unspent(self) -> Signature | None:
        """The signature of a call that may have claimed, and was not held to its quotas."""
        return None if self.limits else self.signature

    def admit(self, project: Snapshot, signed: Signature | None) -> CompiledRoute:
        """The route of the call, where nothing but its quotas refuses it still. Raises what `admission.admit` does."""
        return admission.admit(
            self.call,
            project,
            self.caller,
            signed=signed,
            page=self.page,
            now=self.moment,
            pseudonym=self.pseudonym,
        )

    def stream_body(self, idle: float) -> None:
        """Count the call's body as it streams by, and hold it against its signature.

        Args:
            idle: the seconds between two chunks after which the body breaks with BodyTimeoutError.
        """
        body: AsyncIterable[bytes] = self._counted(self.call.body, idle)
        if self.signature is not None:
            body = matching(body, self.signature)
        self.call, self.streams = replace(self.call, body=body), True

    async def read_body(self, cap: int) -> bytes:
        """The call's body, whole.

        Args:
            cap: in bytes.

        Raises:
            BodyTooLargeError, CallerGoneError: see `bodies.read`.
            BodyTimeoutError: it does not come within 30 s.
        """
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await bodies.read(self.call.body, cap)
        except TimeoutError:
            raise BodyTimeoutError from None

    def veil(self, key: bytes) -> None:
        """Learn what stands in the ledger for the caller, and for the tail of the path once the route is known.

        Args:
            key: the tenant's, for pseudonyms.
        """
        if self.pseudonym is None:
            self.pseudonym = pseudonym(key, bucket_address(self.caller.address))
        self.key, tail = key, self.route.tail_of(self.call) if self.route is not None else ""
        self.tail = pseudonym(key, tail) if tail else None

    async def intend(self) -> None:
        """Wait until what is about to be done is written down, where the ledger is one that is written ahead.

        Raises:
            LedgerUnavailableError: it cannot be, so nothing may be sent.
        """
        slot, project, route = self.slot, self.project, self.route
        if slot is not None and project is not None and route is not None and slot.is_ahead:
            await step("intend", slot.intend(self._intent(project, route)))

    def depart(self, reply: Reply) -> Reply:
        """`reply`, whose end is the end of the passage."""
        if isinstance(reply.body, bytes):
            self.end(reply.status, 0 if self.call.method == "HEAD" else len(reply.body))
        else:
            self.is_leaving = True
            reply.body = Departure(self, reply.status, reply.body)
            reply.total_seconds -= self.clock() - self.sent
        return reply

    def cut(self) -> None:
        """End it, since it was suspended: a stream in its middle, any other call as soon as its answer comes."""
        self.is_cut = True
        if self.is_leaving:
            self.refusal = SuspendedError.code
            self.call.hang_up()

    def meet(self, answer: bytes | ByteStream) -> None:
        """Take the body of the provider's answer. Raises SuspendedError: the call was cut while it was waited for."""
        self.upstream = None if isinstance(answer, bytes) else answer
        if self.is_cut:
            raise SuspendedError

    async def let_go(self) -> None:
        """Close the provider's answer where there is one: it is not passed on."""
        if self.upstream is not None:
            await self.upstream.aclose()

    def end(self, status: int, bytes_out: int) -> None:
        """Tell of it, fill the slot and end the span, once; a call that has no slot leaves no entry."""
        if self.is_over:
            return
        self.is_over = True
        self.observe(self, status, bytes_out)
        project, route, slot = self.project, self.route, self.slot
        if slot is not None and route is not None and project is not None:
            slot.fill(self._draft(project, route, status, bytes_out))
        self.span.end(
            status,
            self.refusal,
            project.project.id if project else None,
            (route.route.name, route.provider.name) if route else None,
        )

    async def _counted(self, body: AsyncIterable[bytes], idle: float) -> AsyncGenerator[bytes, None]:
        chunks = aiter(body)
        while True:
            try:
                async with asyncio.timeout(idle):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise BodyTimeoutError from None
            self.bytes_in += len(chunk)
            yield chunk

    def _draft(self, project: Snapshot, route: CompiledRoute, status: int, bytes_out: int) -> LedgerDraft:
        data = call_data(
            self._said(route),
            status=status,
            duration_ms=int((self.clock() - self.started) * 1000),
            bytes_in=self.bytes_in,
            bytes_out=bytes_out,
            answered=self.answered,
            refusal=self.refusal,
            country=self.country or None,
        )
        return self._entry("call", project, data)

    def _intent(self, project: Snapshot, route: CompiledRoute) -> LedgerDraft:
        data = intent_data(self._said(route), bytes_in=None if self.streams else self.bytes_in)
        return self._entry("intent", project, data)

    def _said(self, route: CompiledRoute) -> Asked:
        if self.asked is None:
            self.asked = asked_data(
                route=route.route.name,
                base_url=route.provider.base_url,
                path_template=route.route.path if self.tail is None else f"{route.route.path}/{self.tail}",
                method=self.call.method,
                query=_declared(self.call.query, route) if self.call.query else (),
                caller=self.pseudonym,
            )
        return self.asked

    def _entry(self, kind: str, project: Snapshot, data: dict[str, JSON]) -> LedgerDraft:
        return LedgerDraft(at=self.moment, kind=kind, actor="gate", project=project.project.id, data=data)


def _declared(query: bytes, route: CompiledRoute) -> set[str]:
    """The names in a raw query that the route declares."""
    sent = {unquote(pair.partition("=")[0]) for pair in query.decode("latin-1").split("&")}
    return {p.name for p in route.route.parameters if p.name in sent and isinstance(p, QueryParameter)}


@final
class Departure:
    """The body of an answer on its way out: counted, and closed exactly once."""

    __slots__ = ("_body", "_bytes_out", "_passage", "_status")

    def __init__(self, passage: Passage, status: int, body: ByteStream) -> None:
        self._passage, self._status, self._body = passage, status, body
        self._bytes_out = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await anext(self._body)
        except StopAsyncIteration:
            self._passage.end(self._status, self._bytes_out)
            raise
        except AnswerError as error:
            self._passage.refusal = error.code
            raise
        self._bytes_out += len(chunk)
        return chunk

    async def aclose(self) -> None:
        """Close what is behind, and end the passage where the stream did not come to its end."""
        try:
            await self._body.aclose()
        finally:
            self._passage.refusal = self._passage.refusal or CALLER_GONE
            self._passage.end(self._status, self._bytes_out)
