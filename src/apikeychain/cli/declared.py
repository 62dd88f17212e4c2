"""Providers and routes as a TOML file declares them: the fields of the model, or `known` and what differs from it."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from apikeychain.cli.catalogue import known_provider, known_route
from apikeychain.cli.fields import BROKEN, Place, Table, as_table, default
from apikeychain.model.answer_transforms import DropFields, KeepFields, RenameField
from apikeychain.model.provider import BasicCredential, HeaderCredential, OAuth2Credential, Provider, QueryCredential
from apikeychain.model.request_transforms import DefaultParameter, DropParameter, RenameParameter, SetParameter
from apikeychain.model.route import (
    FormBody,
    FormParameter,
    HeaderParameter,
    JSONBody,
    JSONField,
    PathParameter,
    ProxyRoute,
    QueryParameter,
    RawBody,
    Timeouts,
)
from apikeychain.model.sanitizers import Sanitizer
from apikeychain.model.signing_credentials import AWSCredential, HMACCredential

T = TypeVar("T", Provider, ProxyRoute)
CREDENTIALS: Mapping[str, type[Any]] = {
    "header": HeaderCredential,
    "query": QueryCredential,
    "basic": BasicCredential,
    "oauth2": OAuth2Credential,
    "aws": AWSCredential,
    "hmac": HMACCredential,
}
PARAMETERS: Mapping[str, type[Any]] = {"query": QueryParameter, "path": PathParameter, "header": HeaderParameter}
BODIES: Mapping[str, type[Any]] = {"json": JSONBody, "form": FormBody, "raw": RawBody}
REQUEST_TRANSFORMS: Mapping[str, type[Any]] = {
    "set": SetParameter,
    "rename": RenameParameter,
    "drop": DropParameter,
    "default": DefaultParameter,
}
ANSWER_TRANSFORMS: Mapping[str, type[Any]] = {"keep": KeepFields, "drop": DropFields, "rename": RenameField}
_UNIONS = (CREDENTIALS, PARAMETERS, BODIES, REQUEST_TRANSFORMS, ANSWER_TRANSFORMS)
_KINDS: Mapping[type[Any], str] = {cls: kind for kinds in _UNIONS for kind, cls in kinds.items()}
_FIELDS: Mapping[str, type[Any]] = {"json": JSONField, "form": FormParameter}


def declared_provider(place: Place, table: Table) -> Provider | None:
    """The provider that a table declares, or None after its problems were noted."""
    given = dict(table)
    if "credential" in given:
        given["credential"] = _of_kind(place.inside("credential"), given["credential"], CREDENTIALS)
    if headers := as_table(given.get("headers")):
        given["headers"] = [list(line) for line in headers.items()]
    if "sanitizers" in given:
        tables = place.tables(given["sanitizers"], "sanitizer")
        given["sanitizers"] = [inner.build(Sanitizer, one) or BROKEN for inner, one in tables]
    return _built(place, Provider, given, known_provider)


def declared_route(place: Place, table: Table) -> ProxyRoute | None:
    """The route that a table declares, or None after its problems were noted."""
    given = dict(table)
    if "parameters" in given:
        tables = place.tables(given["parameters"], "parameter")
        given["parameters"] = [_of_kind(inner, one, PARAMETERS) for inner, one in tables]
    if "request_transforms" in given:
        tables = place.tables(given["request_transforms"], "transform")
        given["request_transforms"] = [_of_kind(inner, one, REQUEST_TRANSFORMS) for inner, one in tables]
    if "answer_transforms" in given:
        tables = place.tables(given["answer_transforms"], "transform")
        given["answer_transforms"] = [_of_kind(inner, one, ANSWER_TRANSFORMS) for inner, one in tables]
    if "body" in given:
        given["body"] = _body(place.inside("body"), given["body"])
    if "timeouts" in given:
        given["timeouts"] = _timeouts(place.inside("timeouts"), as_table(given["timeouts"]))
    return _built(place, ProxyRoute, given, known_route)


def _built(place: Place, cls: type[T], given: Table, find: Callable[[str], T]) -> T | None:
    known = given.pop("known", None)
    if known is not None:
        found: T | None = place.attempt(find, str(known))
        if found is None:
            return None
        given = {f.name: getattr(found, f.name) for f in dataclasses.fields(cls)} | given
    return place.build(cls, given)


def _body(place: Place, given: object) -> object:
    body = dict(as_table(given) or {})
    fields = _FIELDS.get(str(body.get("kind")))
    if fields and "fields" in body:
        body["fields"] = [place_.build(fields, one) or BROKEN for place_, one in place.tables(body["fields"], "field")]
    return _of_kind(place, body, BODIES)


def _timeouts(place: Place, table: Table | None) -> object:
    if table is None:
        place.note("write a table")
        return BROKEN
    return place.build(Timeouts, table) or BROKEN


def _of_kind(place: Place, given: object, kinds: Mapping[str, type[Any]]) -> object:
    """An object of the class that the table's `kind` names."""
    table = dict(as_table(given) or {})
    cls = kinds.get(str(table.pop("kind", None)))
    if cls is None:
        place.note(f"write a table with kind = one of {', '.join(map(repr, kinds))}")
        return BROKEN
    return place.build(cls, table) or BROKEN


def plain(value: object, *, full: bool = True) -> Any:  # noqa: ANN401 - JSON of any shape
    """A part of the model as a file would declare it.

    Args:
        value: a dataclass, or what stands in one.
        full: whether fields that have their default are told too.
    """
    if isinstance(value, tuple):
        return [plain(item, full=full) for item in cast("tuple[object, ...]", value)]
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    kind = _KINDS.get(type(value))
    fields = [f for f in dataclasses.fields(value) if f.name != "kind"]
    told = {f.name: getattr(value, f.name) for f in fields if full or getattr(value, f.name) != default(f)}
    return ({"kind": kind} if kind else {}) | {name: plain(inner, full=full) for name, inner in told.items()}
