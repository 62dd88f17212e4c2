"""Request bodies: a JSON object whose bytes go out unchanged, a form that is rebuilt, or a stream that is counted.

Source: contracts 4 ("A JSON body under a schema"); RFC 8259, sections 4, 6, 8; RFC 9110, sections 8.3 and 8.6.
"""

import re
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from dataclasses import dataclass, field

from apikeychain.errors import BodyTooLargeError, InvalidValueError, TypeRefusedError
from apikeychain.model.call import Call
from apikeychain.model.route import MIB, JSONBody, ProxyRoute, RawBody
from apikeychain.model.sanitizers import AcceptedValue
from apikeychain.rules.json_objects import JSONRule
from apikeychain.rules.pairs import PairRule, joined, split_form
from apikeychain.rules.parameters import Declarations
from apikeychain.rules.request_transforms import PairShaping, compile_form_shaping

# What is judged is parsed in one go while every other call waits. Measured for a MiB: 2 ms of one long JSON text,
# 13 ms of a chat, 110 ms of small objects, 200 ms of nothing but brackets, 330 ms of an escaped form.
MAX_JUDGED_BYTES = 8 * MIB
BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})
_JSON = (b"application/json",)
_FORM = (b"application/x-www-form-urlencoded",)
_TOKEN = rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_TYPE = re.compile(rb"(%b/%b)(?:[ \t]*;[ \t]*%b=(?:%b|\"[\x20-\x21\x23-\x5b\x5d-\x7e]*\"))*;?" % ((_TOKEN,) * 4))
_CHARSET = re.compile(rb";[ \t]*charset[^=;]*=\"?([^\";]*)", re.IGNORECASE)
_UTF8 = frozenset({b"utf-8", b"utf8"})

Body = bytes | AsyncIterable[bytes] | None


@dataclass(frozen=True, slots=True)
class FormPlan:
    """What a form may hold, the rule that rebuilds it, and how it is shaped before that."""

    declarations: Declarations
    rule: PairRule
    shaping: PairShaping | None


@dataclass(frozen=True, slots=True)
class BodyPlan:
    """What a route takes as a body, compiled.

    Attributes:
        types: the media types it takes, lower case; ``image/*`` stands for every subtype.
        cap: the most bytes.
        json: the members of a JSON object, or None.
        form: the fields of a form, or None.
        raw: whether the body is passed on as a stream.
    """

    types: frozenset[bytes]
    cap: int
    json: JSONRule | None = None
    form: FormPlan | None = None
    raw: bool = False

    @property
    def reads(self) -> bool:
        """Whether the body is read whole before anything is sent."""
        return self.json is not None or self.form is not None


@dataclass(frozen=True, slots=True)
class Filled:
    """The body that goes up.

    Attributes:
        content_type: as the caller sent it.
        content_length: in bytes where it is known.
        values: its members or fields, as accepted; made when they are asked for, once.
    """

    body: Body = None
    content_type: bytes | None = None
    content_length: int | None = None
    values: Iterable[AcceptedValue] = field(default=(), compare=False)


NOTHING = Filled()


def compile_body(route: ProxyRoute) -> BodyPlan:
    """The plan of a route's body.

    Raises:
        InvalidValueError: a field that cannot be, or more bytes than can be judged.
    """
    owner = f"the body of the route {route.name!r}"
    body = route.body
    if body is None:
        return BodyPlan(frozenset(), route.max_body_bytes)
    if isinstance(body, RawBody):
        return BodyPlan(frozenset(t.encode() for t in body.types), route.max_body_bytes, raw=True)
    if route.max_body_bytes > MAX_JUDGED_BYTES:
        msg = (
            f"{owner} is judged as a whole, so it takes at most {MAX_JUDGED_BYTES} bytes, not {route.max_body_bytes}: "
            "declare a RawBody, which is passed on as it comes"
        )
        raise InvalidValueError(msg)
    if isinstance(body, JSONBody):
        return BodyPlan(frozenset(_JSON), route.max_body_bytes, json=JSONRule(body, owner))
    declarations = Declarations(body.fields, owner)
    rule = PairRule(declarations.declared, body.undeclared, None)
    form = FormPlan(declarations, rule, compile_form_shaping(route, body))
    return BodyPlan(frozenset(_FORM), route.max_body_bytes, form=form)


def is_announced(call: Call) -> bool:
    """Whether a body may follow: a method that has one may send it without a word, where the protocol frames it."""
    return call.method not in BODILESS or bool(declared_length(call)) or b"transfer-encoding" in call.headers.first


def takes_body(call: Call, plan: BodyPlan) -> bool:
    """Whether a call's body is read; what its head rules out costs no reading.

    Raises:
        BodyTooLargeError: announced as larger than the route takes.
        TypeRefusedError: an encoded body, or one where there is none to be.
    """
    if b"content-encoding" in call.headers.first:
        hint = "a body is taken without Content-Encoding only"
        raise TypeRefusedError(hint)
    length = declared_length(call) or 0
    if length > plan.cap:
        raise BodyTooLargeError
    if call.method not in BODILESS and (plan.reads or plan.raw):
        return True
    if length or b"transfer-encoding" in call.headers.first:
        hint = "this route takes no body with this method"
        raise TypeRefusedError(hint)
    return False


def fill_body(call: Call, plan: BodyPlan, body: bytes | None, content_type: bytes | None) -> Filled:
    """The body that goes up for a call.

    Args:
        call: what came.
        plan: of its route.
        body: all of it where it was read, else None.
        content_type: the caller's, or None where it is absent or listed by ``Connection``.

    Raises:
        BodyTooLargeError: larger than the route takes.
        TypeRefusedError: an encoded body, one of another type, or one where there is none to be.
        ParameterRefusedError: a field that is not as declared.
    """
    if not takes_body(call, plan):
        return NOTHING
    length = declared_length(call)
    framed = bool(length) or bool(body) or b"transfer-encoding" in call.headers.first
    if call.method == "DELETE" and not framed and content_type is None:
        return _absent(plan)
    _require_type(content_type, plan)
    if plan.json:
        members = plan.json.judge(body or b"")
        values = (AcceptedValue("json", name, value) for name, value in members.items())
        return Filled(body, content_type, len(body or b""), values)
    if plan.form:
        return _rebuild(body or b"", content_type, plan.form)
    if body is not None or length == 0:
        return Filled(body or b"", content_type, len(body or b""))
    return Filled(counted(call.body, plan.cap), content_type, length)


def require_size(call: Call, cap: int) -> None:
    """Raise BodyTooLargeError for a body that is announced as larger than `cap` bytes: it costs no reading."""
    if (declared_length(call) or 0) > cap:
        raise BodyTooLargeError


def declared_length(call: Call) -> int | None:
    """The Content-Length of a call, which `headers.require_framing` has admitted; None where it sent none."""
    value = call.headers.get(b"content-length")
    return None if value is None else int(value)


async def read(chunks: AsyncIterable[bytes], cap: int) -> bytes:
    """All of a body.

    Raises:
        BodyTooLargeError: it has more than `cap` bytes.
    """
    body = await gathered(chunks, cap)
    if body is None:
        raise BodyTooLargeError
    return body


async def gathered(chunks: AsyncIterable[bytes], cap: int) -> bytes | None:
    """All of the chunks, or None where they are more than `cap` bytes: of those no more are read."""
    whole = bytearray()
    async for chunk in chunks:
        if len(whole) + len(chunk) > cap:
            return None
        whole += chunk
    return bytes(whole)


async def counted(chunks: AsyncIterable[bytes], cap: int) -> AsyncIterator[bytes]:
    """The chunks as they come.

    Raises:
        BodyTooLargeError: there are more than `cap` bytes; what is beyond does not leave.
    """
    total = 0
    async for chunk in chunks:
        total += len(chunk)
        if total > cap:
            raise BodyTooLargeError
        yield chunk


def _absent(plan: BodyPlan) -> Filled:
    if plan.json:
        plan.json.judge_absence()
    if plan.form:
        plan.form.declarations.judge_texts({})
    return NOTHING


def _require_type(content_type: bytes | None, plan: BodyPlan) -> None:
    match = _TYPE.fullmatch(content_type or b"")
    if not match:
        raise TypeRefusedError
    media = match.group(1).lower()
    if media not in plan.types and media.partition(b"/")[0] + b"/*" not in plan.types:
        raise TypeRefusedError
    if plan.reads and any(name.lower() not in _UTF8 for name in _CHARSET.findall(content_type or b"")):
        raise TypeRefusedError


def _rebuild(body: bytes, content_type: bytes | None, form: FormPlan) -> Filled:
    texts: dict[str, list[str]] = {}
    pairs = split_form(body)
    if form.shaping is not None:
        pairs = split_form(form.shaping.shape(pairs))
    accepted = form.rule.accept(pairs, texts)
    form.declarations.judge_texts(texts)
    rebuilt = joined(accepted)
    return Filled(rebuilt, content_type, len(rebuilt), (AcceptedValue("form", p.name, p.value) for p in accepted))
