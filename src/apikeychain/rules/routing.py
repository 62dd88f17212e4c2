"""Which route a call takes, and everything that goes up for it but the credential.

`match` looks at the route's name and the method only. `fill` runs after the call was admitted, and judges the rest.

Source: contracts 4; spec 6.1.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from apikeychain.errors import InvalidValueError, MethodRefusedError, NotFoundError
from apikeychain.model.call import Call, Message
from apikeychain.model.headers import Line
from apikeychain.model.network import Network
from apikeychain.model.provider import BaseURL, Provider, QueryCredential
from apikeychain.model.route import (
    MIB,
    HeaderParameter,
    Parameter,
    PathParameter,
    ProxyRoute,
    QueryParameter,
    RawBody,
    Timeouts,
)
from apikeychain.model.sanitizers import AcceptedCall, AcceptedValue, SanitizerFunction
from apikeychain.rules.answer_plan import AnswerPlan, compile_answer
from apikeychain.rules.bodies import MAX_JUDGED_BYTES, BodyPlan, compile_body, fill_body
from apikeychain.rules.credential_place import Place
from apikeychain.rules.forwarding import (
    ForwardPlan,
    compile_forwarding,
    dropped_names,
    fill_headers,
)
from apikeychain.rules.pairs import Pair, PairRule, joined, split_query
from apikeychain.rules.parameters import Declarations
from apikeychain.rules.paths import Template, require_sound_url
from apikeychain.rules.request_transforms import Shaping, compile_shaping
from apikeychain.rules.sanitizers import Sanitizing, compile_sanitizers


@dataclass(frozen=True, slots=True)
class CompiledRoute:
    """A route with everything that a call needs, ready.

    Attributes:
        methods: the methods it takes; with GET comes HEAD.
        allow: them as the value of ``Allow``.
        timeouts: those of the route; a stream has no total.
        path_keys: the placeholder of each path parameter, with the key under which it is judged.
        shaping: what the route's transforms do, or None.
        sanitizing: what the provider's sanitizers say, or None.
        place: where the credential goes.
        watched: the names of parameters that callers have a say in; `fixed` those of the others.
    """

    route: ProxyRoute
    provider: Provider
    base: BaseURL
    network: Network
    methods: frozenset[str]
    allow: bytes
    timeouts: Timeouts
    template: Template
    path_keys: tuple[tuple[str, str], ...]
    parameters: Declarations
    query: PairRule
    forward: ForwardPlan
    body: BodyPlan
    answer: AnswerPlan
    shaping: Shaping | None
    sanitizing: Sanitizing | None
    place: Place
    watched: frozenset[str]
    fixed: frozenset[str]

    def tail_of(self, call: Call) -> str:
        """What the caller sent beyond the values of the path template, as it came, with its slash; or ""."""
        if b"/" not in call.path:
            return ""
        segments = call.path.split(b"/")[1 + len(self.template.names) :]
        return "".join(f"/{segment.decode('latin-1')}" for segment in segments)


@dataclass(slots=True, kw_only=True)
class Target(Message):
    """What goes up for a call, on the way of its route.

    Attributes:
        path_values, tail, pairs, members: what was accepted of path, query and body; the last are made once, when they
            are asked for.
    """

    route: CompiledRoute
    path_values: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    tail: Sequence[str] = field(default=(), repr=False)
    pairs: Sequence[Pair] = field(default=(), repr=False)
    members: Iterable[tuple[str, object]] = field(default=(), repr=False)


class Routes(Protocol):
    """Whatever holds the enabled routes of a project by their names."""

    @property
    def routes(self) -> Mapping[bytes, CompiledRoute]:
        """By name."""
        ...


def compile_route(
    route: ProxyRoute,
    provider: Provider,
    *,
    network: Network,
    body_limit: int,
    sanitizer: SanitizerFunction | None = None,
) -> CompiledRoute:
    """A route, ready to serve.

    Args:
        route: what was declared.
        provider: the one that it names.
        network: the exceptions that host code makes for this provider.
        body_limit: the most bytes that any route may take.
        sanitizer: of the host's own code, for this provider.

    Raises:
        InvalidValueError: something in it cannot be; the text says what.
    """
    if route.provider != provider.name:
        msg = f"the route {route.name!r} is of the provider {route.provider!r}, not of {provider.name!r}"
        raise InvalidValueError(msg)
    place = Place.of(provider.credential)
    if not 0 < route.max_body_bytes <= body_limit:
        msg = f"the route {route.name!r} may take 1 to {body_limit} bytes, not {route.max_body_bytes}"
        raise InvalidValueError(msg)
    _require_parameters(route, provider)
    _require_whole_body(route, place)
    base, owner = provider.address, f"the route {route.name!r}"
    parameters = Declarations(route.parameters, owner)
    queries = [d for d in parameters.declared if isinstance(d.parameter, QueryParameter)]
    headers = [d for d in parameters.declared if isinstance(d.parameter, HeaderParameter)]
    forward = compile_forwarding(route, provider, headers)
    query = _injected_query(provider)
    methods = frozenset((*route.methods, "HEAD") if "GET" in route.methods else route.methods)
    return CompiledRoute(
        route=route,
        provider=provider,
        base=base,
        network=network,
        methods=methods,
        allow=", ".join(sorted(methods)).encode(),
        timeouts=replace(route.timeouts, total=None) if route.stream else route.timeouts,
        template=Template.compile(base.path, route.path, route.tail, route.name),
        path_keys=tuple((d.name, d.key) for d in parameters.declared if isinstance(d.parameter, PathParameter)),
        parameters=parameters,
        query=PairRule(queries, route.undeclared, query),
        forward=forward,
        body=compile_body(route),
        answer=compile_answer(route, provider, network),
        shaping=compile_shaping(
            route,
            forward,
            query=frozenset(filter(None, (query,))),
            headers=provider.credential.header_names,
        ),
        sanitizing=compile_sanitizers(provider, sanitizer),
        place=place,
        watched=_names(route, fixed=False),
        fixed=_names(route, fixed=True),
    )


def match(call: Call, project: Routes) -> CompiledRoute:
    """The route of a call, by name and method only.

    Raises:
        NotFoundError: there is none of that name that is enabled.
        MethodRefusedError: it does not take this method; ``Allow`` says which.
    """
    route = project.routes.get(call.path.partition(b"/")[0])
    if route is None:
        raise NotFoundError
    if call.method not in route.methods:
        raise MethodRefusedError(headers=((b"allow", route.allow),))
    return route


def body_cap(call: Call, routes: Routes) -> int:
    """The most bytes of a body that are read before its call was admitted: 1 MiB where there is no such route."""
    route = routes.routes.get(call.path.partition(b"/")[0])
    return MIB if route is None else min(route.body.cap, MAX_JUDGED_BYTES)


def fill(call: Call, route: CompiledRoute, body: bytes | None) -> Target:
    """What goes up for an admitted call: shaped first where the route says so, then all of it judged.

    Args:
        call: what came.
        route: what `match` found.
        body: all of it, or None where it streams or there is none.

    Raises:
        PathRefusedError, ParameterRefusedError, HeaderRefusedError: not as declared.
        BodyTooLargeError, TypeRefusedError: the body is not one that the route takes.
    """
    require_sound_url(call.path, call.query)
    if route.shaping is not None:
        call = route.shaping.shape(call)
    values, tail = route.template.read(call.path.split(b"/")[1:])
    texts = {key: [values[name]] for name, key in route.path_keys} if values else {}
    pairs = route.query.accept(split_query(call.query), texts)
    dropped = dropped_names(call.headers)
    lines = fill_headers(call.headers, route.forward, dropped, texts)
    route.parameters.judge_texts(texts)
    content_type = None if b"content-type" in dropped else call.headers.get(b"content-type")
    filled = fill_body(call, route.body, body, content_type)
    if route.sanitizing is not None:
        accepted = (*_accepted_path(values, tail), *_accepted_pairs(pairs), *_accepted_lines(lines, route.forward))
        filled = replace(filled, values=tuple(filled.values))
        route.sanitizing.judge(AcceptedCall(route.route.name, call.method, (*accepted, *filled.values)))
    if filled.content_type is not None:
        lines.append((b"content-type", filled.content_type))
    return Target(
        method=call.method,
        path=route.template.fill(values, tail),
        query=joined(pairs),
        headers=tuple(lines),
        body=filled.body,
        content_length=filled.content_length,
        route=route,
        path_values=values,
        tail=tail,
        pairs=pairs,
        members=((value.name, value.value) for value in filled.values),
    )


def _accepted_path(values: Mapping[str, str], tail: Iterable[str]) -> Iterator[AcceptedValue]:
    yield from (AcceptedValue("path", name, value) for name, value in values.items())
    yield from (AcceptedValue("tail", "", segment) for segment in tail)


def _accepted_pairs(pairs: Iterable[Pair]) -> Iterator[AcceptedValue]:
    return (AcceptedValue("query", pair.name, pair.value) for pair in pairs)


def _accepted_lines(lines: Iterable[Line], plan: ForwardPlan) -> Iterator[AcceptedValue]:
    """The headers that a caller has a say in: without those that every call of the provider carries."""
    return (
        AcceptedValue("header", line[0].decode("ascii"), line[1].decode("ascii"))
        for line in lines
        if line not in plan.constant
    )


def _injected_query(provider: Provider) -> str | None:
    return provider.credential.parameter if isinstance(provider.credential, QueryCredential) else None


def _require_whole_body(route: ProxyRoute, place: Place) -> None:
    """Raise InvalidValueError for a body that is passed on as it comes where the call is signed with all of it."""
    if isinstance(route.body, RawBody) and place.signing is not None and place.signing.signs_body:
        msg = (
            f"the route {route.name!r} cannot have a RawBody: the provider {route.provider!r} wants the body signed, "
            "so it is read whole before it is sent: declare a JSONBody or a FormBody"
        )
        raise InvalidValueError(msg)


def _require_parameters(route: ProxyRoute, provider: Provider) -> None:
    names = Counter(_place(parameter) for parameter in route.parameters)
    repeated = [name for (_, name), count in names.items() if count > 1]
    if repeated:
        msg = f"the route {route.name!r} declares the parameter {repeated[0]!r} twice"
        raise InvalidValueError(msg)
    injected = _injected_query(provider)
    for parameter in route.parameters:
        if isinstance(parameter, PathParameter) and (
            parameter.many or parameter.fixed is not None or parameter.default is not None
        ):
            msg = f"the path parameter {parameter.name!r} is always sent once: no many, fixed or default"
            raise InvalidValueError(msg)
        if isinstance(parameter, QueryParameter) and injected and parameter.name.lower() == injected.lower():
            noun = f"the query parameter {parameter.name!r}"
            msg = f"the route {route.name!r} cannot have {noun}: the credential goes there"
            raise InvalidValueError(msg)


def _names(route: ProxyRoute, *, fixed: bool) -> frozenset[str]:
    fields = () if route.body is None or isinstance(route.body, RawBody) else route.body.fields
    return frozenset(p.name for p in (*route.parameters, *fields) if (p.fixed is not None) is fixed)


def _place(parameter: Parameter) -> tuple[type[Parameter], str]:
    name = parameter.name.lower() if isinstance(parameter, HeaderParameter) else parameter.name
    return type(parameter), name
