"""A proxy route: one call of a provider that a browser may make, with its parameters, as data.

Source: contracts 4; spec 6.1.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from apikeychain.errors import InvalidValueError
from apikeychain.model.answer_transforms import AnswerTransform
from apikeychain.model.header_lines import require_header_name, require_header_value
from apikeychain.model.ids import parse_name, parse_parameter_name
from apikeychain.model.quota import Quota
from apikeychain.model.request_transforms import RequestTransform

Type = Literal["string", "integer", "number", "boolean"]
JSONType = Literal["string", "integer", "number", "boolean", "object", "array"]
Undeclared = Literal["refuse", "forward"]
Require = Literal["origin", "session", "signature"]
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
MIB = 1 << 20
# The longest that a stream may last: by its content type, or where a route sets no total.
LONGEST_SECONDS = 15 * 60.0
STREAMS = frozenset({b"text/event-stream", b"application/x-ndjson", b"application/ndjson"})
_STREAM = re.compile(rb"\s*(?:%b)\s*(?:;.*)?" % b"|".join(sorted(STREAMS)), re.IGNORECASE | re.DOTALL)
_SEQUENCES = (
    "methods",
    "parameters",
    "headers",
    "tolerated",
    "answer_headers",
    "request_transforms",
    "answer_transforms",
)
_LITERAL = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@-]+")
_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]{0,62})\}")
_TOLERATED = re.compile(r"[a-z0-9-]{1,64}\*?")
_TYPE = re.compile(r"[a-z0-9.+-]+/[a-z0-9.+*-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long a provider may take, in seconds.

    Attributes:
        connect: name look-up, TCP and TLS together.
        first_byte: from the end of the request to the head of the answer.
        idle: between two chunks of the answer, and until the provider takes one of the request. Whoever reads the
            answer has as long for a chunk.
        total: the whole call, or None for streams (which end after 15 minutes all the same). It does not cut an answer
            of the type text/event-stream or NDJSON.

    Raises:
        InvalidValueError: one is not above 0, or above 15 minutes.
    """

    connect: float = 5.0
    first_byte: float = 60.0
    idle: float = 60.0
    total: float | None = 120.0

    def __post_init__(self) -> None:
        given = (self.connect, self.first_byte, self.idle, LONGEST_SECONDS if self.total is None else self.total)
        if not all(0 < seconds <= LONGEST_SECONDS for seconds in given):
            msg = f"a timeout is more than 0 and at most {LONGEST_SECONDS:.0f} seconds: {self}"
            raise InvalidValueError(msg)

    def lasting(self, content_type: bytes | None) -> float:
        """How long a call may last whose answer is of this type."""
        if self.total is None:
            return LONGEST_SECONDS
        return LONGEST_SECONDS if content_type and _STREAM.fullmatch(content_type) else self.total


@dataclass(frozen=True, slots=True)
class Parameter:
    """One declared parameter: what fits is forwarded, anything else is refused.

    Attributes:
        name: as the provider calls it.
        type: judged on the text, before anything is converted.
        pattern: a regular expression that the whole value matches (Rust syntax, linear time).
        choices: the values that exist.
        minimum: of a number; `maximum` likewise.
        max_length: of a text, in characters.
        required: whether the call is refused without it.
        default: sent when the caller sends none.
        fixed: always sent; a caller who sends the name at all is refused.
        many: whether it may come more than once.
    """

    name: str
    type: Type = field(default="string", kw_only=True)
    pattern: str | None = field(default=None, kw_only=True)
    choices: Sequence[str] = field(default=(), kw_only=True)
    minimum: float | None = field(default=None, kw_only=True)
    maximum: float | None = field(default=None, kw_only=True)
    max_length: int = field(default=1024, kw_only=True)
    required: bool = field(default=False, kw_only=True)
    default: str | None = field(default=None, kw_only=True)
    fixed: str | None = field(default=None, kw_only=True)
    many: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        parse_parameter_name(self.name)
        if self.fixed is not None and (self.required or self.default is not None or self.many):
            msg = f"the parameter {self.name!r} is fixed: it cannot be required, defaulted or repeated"
            raise InvalidValueError(msg)
        object.__setattr__(self, "choices", tuple(self.choices))


@dataclass(frozen=True, slots=True)
class QueryParameter(Parameter):
    """A parameter in the query."""


@dataclass(frozen=True, slots=True)
class PathParameter(Parameter):
    """A ``{name}`` of the path template. Always required, one segment."""


@dataclass(frozen=True, slots=True)
class HeaderParameter(Parameter):
    """A request header that is validated before it is forwarded."""

    def __post_init__(self) -> None:
        Parameter.__post_init__(self)
        require_header_name(self.name)
        for text in (self.default, self.fixed):
            require_header_value(text or "")


@dataclass(frozen=True, slots=True)
class FormParameter(Parameter):
    """A field of an ``application/x-www-form-urlencoded`` body."""


@dataclass(frozen=True, slots=True)
class JSONField(Parameter):
    """A top-level member of a JSON body; objects and arrays pass whole, within the body's limits."""

    type: JSONType = field(default="string", kw_only=True)  # type: ignore[assignment]  # widens: JSON has two more types


@dataclass(frozen=True, slots=True)
class JSONBody:
    """A JSON object whose members are declared; the caller's bytes go out unchanged."""

    fields: Sequence[JSONField] = ()
    undeclared: Undeclared = "refuse"
    kind: Literal["json"] = "json"

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", tuple(self.fields))


@dataclass(frozen=True, slots=True)
class FormBody:
    """A form whose fields are declared; it is rebuilt from what was accepted."""

    fields: Sequence[FormParameter] = ()
    undeclared: Undeclared = "refuse"
    kind: Literal["form"] = "form"

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", tuple(self.fields))


@dataclass(frozen=True, slots=True)
class RawBody:
    """An opaque body (an upload, multipart) that is streamed and counted, of one of these content types."""

    types: Sequence[str] = ("application/octet-stream",)
    kind: Literal["raw"] = "raw"

    def __post_init__(self) -> None:
        object.__setattr__(self, "types", tuple(self.types))
        for text in self.types:
            if not _TYPE.fullmatch(text):
                msg = f"not a content type: {text!r}"
                raise InvalidValueError(msg)


Body = JSONBody | FormBody | RawBody


@dataclass(frozen=True, slots=True)
class ProxyRoute:
    """One call of a provider that callers may make.

    Attributes:
        name: the segment after ``/proxy/``.
        provider: the name of a registered provider.
        path: the template under the provider's base URL; callers send its ``{names}`` as segments after the
            route's name, in order.
        methods: GET includes HEAD.
        parameters: query, path and header parameters, in any order.
        body: what the body is, or None for no body.
        tail: True for any further segments, or one pattern per segment.
        undeclared: what happens to a query name that no parameter declares.
        headers: further request headers that are forwarded as they are.
        tolerated: further request headers that preflights allow and the gate drops; may end in ``*``.
        answer_headers: further headers of the provider's answer that pass.
        secret: the name of the secret to inject; by default that of the provider.
        max_body_bytes: of the request; at most 8 MiB for a JSON object or a form.
        stream: whether the answer may take as long as streams may (15 minutes).
        ranges: whether Range and 206 pass (static media only: redaction then sees parts).
        cache_seconds: ``Cache-Control: private, max-age=...`` on the answer; otherwise ``no-store``.
        quota: for this route alone, beside those of the project.
        require: what a call has to bring, where that is more than its project asks for.
        request_transforms: how what was accepted is shaped before it goes up.
        answer_transforms: how the JSON of a good answer is shaped before it leaves, in this order.
        enabled: whether it is served.

    Raises:
        InvalidValueError: one of them cannot be.
    """

    name: str
    provider: str = field(kw_only=True)
    path: str = field(default="", kw_only=True)
    methods: Sequence[str] = field(default=("GET",), kw_only=True)
    parameters: Sequence[QueryParameter | PathParameter | HeaderParameter] = field(default=(), kw_only=True)
    body: Body | None = field(default=None, kw_only=True)
    tail: bool | tuple[str, ...] = field(default=False, kw_only=True)
    undeclared: Undeclared = field(default="refuse", kw_only=True)
    headers: Sequence[str] = field(default=(), kw_only=True)
    tolerated: Sequence[str] = field(default=(), kw_only=True)
    answer_headers: Sequence[str] = field(default=(), kw_only=True)
    secret: str | None = field(default=None, kw_only=True)
    max_body_bytes: int = field(default=MIB, kw_only=True)
    timeouts: Timeouts = field(default_factory=Timeouts, kw_only=True)
    stream: bool = field(default=False, kw_only=True)
    ranges: bool = field(default=False, kw_only=True)
    cache_seconds: int | None = field(default=None, kw_only=True)
    quota: str | None = field(default=None, kw_only=True)
    require: Require = field(default="origin", kw_only=True)
    request_transforms: Sequence[RequestTransform] = field(default=(), kw_only=True)
    answer_transforms: Sequence[AnswerTransform] = field(default=(), kw_only=True)
    enabled: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        for name in _SEQUENCES:
            object.__setattr__(self, name, tuple(getattr(self, name)))
        parse_name(self.name, "route")
        parse_name(self.provider, "provider")
        if self.secret is not None:
            parse_name(self.secret, "secret")
        if self.quota is not None:
            Quota.parse(self.quota)
        self._require_methods()
        self._require_template()
        for header in (*self.headers, *self.answer_headers):
            require_header_name(header)
        for header in self.tolerated:
            if not _TOLERATED.fullmatch(header):
                msg = f"not a tolerated header: {header!r} (lower case, may end in '*')"
                raise InvalidValueError(msg)

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The ``{names}`` of the template, in order."""
        return tuple(_PLACEHOLDER.findall(self.path))

    @property
    def secret_name(self) -> str:
        """The secret that is injected."""
        return self.secret or self.provider

    def _require_methods(self) -> None:
        unknown = set(self.methods) - METHODS
        if unknown or not self.methods:
            msg = f"the route {self.name!r} needs methods out of {', '.join(sorted(METHODS))}"
            raise InvalidValueError(msg)

    def _require_template(self) -> None:
        segments = self.path.split("/")[1:] if self.path else []
        sound = not self.path or self.path.startswith("/")
        for segment in segments:
            literal = _PLACEHOLDER.sub("x", segment)
            sound = sound and bool(_LITERAL.fullmatch(literal)) and literal not in {".", ".."}
        declared = {p.name for p in self.parameters if isinstance(p, PathParameter)}
        if not sound or len(set(self.placeholders)) != len(self.placeholders):
            msg = f"not a path template: {self.path!r} (write /data/2.5/weather or /users/{{user}}/posts)"
            raise InvalidValueError(msg)
        if declared != set(self.placeholders):
            msg = f"the route {self.name!r} needs one PathParameter for each {{name}} of its path"
            raise InvalidValueError(msg)
