"""Request transforms, compiled: query, headers and form are judged, then shaped; `routing.fill` judges the result.

What is shaped is raw again, so that it passes the same rules as what a caller sends: no transform reaches past them.

Source: contracts 4; amendment 9.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from apikeychain.errors import InvalidValueError
from apikeychain.model.call import Call
from apikeychain.model.headers import Headers
from apikeychain.model.request_transforms import DropParameter, RenameParameter
from apikeychain.model.route import FormBody, HeaderParameter, Parameter, ProxyRoute, QueryParameter, Undeclared
from apikeychain.rules.forwarding import ForwardPlan, dropped_names, fill_headers, require_free
from apikeychain.rules.pairs import Pair, PairRule, encode_pair, split_query
from apikeychain.rules.parameters import Declarations
from apikeychain.rules.paths import encode_query, require_sound_url
from apikeychain.rules.transform_steps import Site, Steps


class PairShaping:
    """Shapes a query or a form."""

    __slots__ = ("_declarations", "_rule", "_steps")

    def __init__(self, steps: Steps, parameters: Sequence[Parameter], undeclared: Undeclared) -> None:
        sources = [QueryParameter(name, many=True, max_length=sys.maxsize) for name in steps.sources]
        self._steps = steps
        self._declarations = Declarations([*_optional(parameters), *sources], "the transforms")
        self._rule = PairRule(self._declarations.declared, undeclared, None)

    def shape(self, pairs: Sequence[Pair]) -> bytes:
        """The raw pairs that are judged next.

        Raises:
            ParameterRefusedError: a pair that the route does not take from a caller.
        """
        texts: dict[str, list[str]] = {}
        self._rule.accept(pairs, texts)
        self._declarations.judge_texts(texts)
        items = ((pair.name, pair.encoded) for pair in pairs)
        return b"&".join(piece for _, piece in self._steps.shape(items, encode_pair, _relabel_pair))


class HeaderShaping:
    """Shapes the header lines that can go up."""

    __slots__ = ("_declarations", "_known", "_plan", "_steps")

    def __init__(self, steps: Steps, parameters: Sequence[HeaderParameter], plan: ForwardPlan) -> None:
        sources = frozenset(name.encode() for name in steps.sources)
        self._steps = steps
        self._declarations = Declarations(_optional(parameters), "the transforms")
        named = tuple((d.name.lower().encode(), d) for d in self._declarations.declared)
        self._plan = ForwardPlan(plan.passed | sources, named, ())
        self._known = frozenset({*self._plan.passed, *(name for name, _ in named), b"content-type"})

    def shape(self, headers: Headers) -> Headers:
        """All lines; of those that can go up, what `Connection` lists is gone, and the rest is shaped.

        Raises:
            HeaderRefusedError, ParameterRefusedError: a line that the route does not take from a caller.
        """
        dropped = dropped_names(headers)
        texts: dict[str, list[str]] = {}
        fill_headers(headers, self._plan, dropped, texts)
        self._declarations.judge_texts(texts)
        gone = (dropped & self._known) | {b"connection"}
        items = ((name.decode("latin-1"), value) for name, value in headers if name not in gone)
        shaped = self._steps.shape(items, lambda _, text: text.encode(), lambda _, value: value)
        return Headers((name.encode("latin-1"), value) for name, value in shaped)


@dataclass(frozen=True, slots=True)
class Shaping:
    """Shapes the head of a call; a part without transforms is None."""

    query: PairShaping | None
    headers: HeaderShaping | None

    def shape(self, call: Call) -> Call:
        """The call as if it had been sent so: all of it is judged next.

        Raises:
            PathRefusedError, ParameterRefusedError, HeaderRefusedError: what was sent, or comes of it, cannot be.
        """
        query = call.query if self.query is None else self.query.shape(split_query(call.query))
        require_sound_url(call.path, query)
        headers = call.headers if self.headers is None else self.headers.shape(call.headers)
        return replace(call, query=query, headers=headers)


def compile_shaping(
    route: ProxyRoute, plan: ForwardPlan, *, query: frozenset[str], headers: frozenset[str]
) -> Shaping | None:
    """The transforms of a route's query and headers, or None where it has none.

    Args:
        route: what was declared.
        plan: of its headers.
        query: the name of the query parameter that holds the credential, if one does.
        headers: the names of headers that hold it.

    Raises:
        InvalidValueError: a transform that cannot be, or whose result would always be refused.
    """
    if any(t.place == "form" for t in route.request_transforms) and not isinstance(route.body, FormBody):
        msg = f"the route {route.name!r} transforms a form and declares none (any other body goes out as it came)"
        raise InvalidValueError(msg)
    queries = [p for p in route.parameters if isinstance(p, QueryParameter)]
    declared = [p for p in route.parameters if isinstance(p, HeaderParameter)]
    forwards = route.undeclared == "forward"
    asked = Site(route=route, place="query", parameters=queries, takes=lambda _: forwards, injected=query).steps()
    passes = Site(
        route=route, place="header", parameters=declared, takes=lambda n: n.encode() in plan.passed, injected=headers
    )
    lines = passes.steps()
    for name in lines.sources if lines else ():
        require_free(name, frozenset(), route.name)
    if asked is None and lines is None:
        return None
    return Shaping(
        query=PairShaping(asked, queries, route.undeclared) if asked else None,
        headers=HeaderShaping(lines, declared, plan) if lines else None,
    )


def compile_form_shaping(route: ProxyRoute, form: FormBody) -> PairShaping | None:
    """The transforms of a route's form, or None where it has none. Raises as `compile_shaping`."""
    forwards = form.undeclared == "forward"
    site = Site(route=route, place="form", parameters=form.fields, takes=lambda _: forwards, injected=frozenset())
    steps = site.steps()
    return PairShaping(steps, form.fields, form.undeclared) if steps else None


def caller_headers(route: ProxyRoute) -> Iterable[str]:
    """The headers that a caller may send because they are renamed or dropped."""
    transforms = (t for t in route.request_transforms if isinstance(t, (RenameParameter, DropParameter)))
    return (t.name for t in transforms if t.place == "header")


def _optional(parameters: Iterable[Parameter]) -> list[Parameter]:
    """As declared, and none of them required: what is missing may come of a transform."""
    return [replace(parameter, required=False) for parameter in parameters]


def _relabel_pair(name: str, piece: bytes) -> bytes:
    _, equals, value = piece.partition(b"=")
    return encode_query(name.encode()) + equals + value
