"""One request to a provider's key API: as data, with places for the label and the id of a key.

Source: contracts 8; spec 6.4.
"""

import json
import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal, NoReturn, cast

from apikeychain.errors import InvalidValueError
from apikeychain.model.header_lines import require_header_name, require_header_value

StepMethod = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@{}-]*)+")
_FIELD = re.compile(r"[A-Za-z0-9_-]{1,64}(?:\.[A-Za-z0-9_-]{1,64}){0,7}")
_NAME = re.compile(r"[\x21-\x7e]{1,128}")
_QUERY_NAME = re.compile(r"[A-Za-z0-9._~-]{1,64}")
_PLACEHOLDER = re.compile(r"\{(label|id)\}")
_BRACE = re.compile(r"[{}]")
_WITHOUT_BODY = frozenset({"GET"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request to the key API of a provider.

    In the path, in values of query and form, and in strings of the body ``{label}`` and ``{id}`` stand for those of
    the key; in values of headers ``{label}`` does. Each is encoded for its place. Other braces are refused.

    Attributes:
        path: behind the provider's base URL, from ``/`` on.
        query: names and values.
        headers: lines beside the credential's.
        body: a JSON document as text, or "" for none.
        form: names and values of a form, where the provider takes one instead of JSON.
    """

    method: StepMethod
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    form: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        require_path(self.path)
        for name, value in self.headers:
            require_header_name(name)
            require_header_value(value)
        for name, _ in (*self.query, *self.form):
            if not _NAME.fullmatch(name) or _BRACE.search(name):
                msg = f"not a name in the query or form of a step: {name!r}"
                raise InvalidValueError(msg)
        if self.body and self.form:
            msg = "a step has a body or a form, not both"
            raise InvalidValueError(msg)
        if (self.body or self.form) and self.method in _WITHOUT_BODY:
            msg = f"a step with {self.method} has no body"
            raise InvalidValueError(msg)
        for text in self._texts():
            if _BRACE.search(_PLACEHOLDER.sub("", text)):
                msg = f"a step knows {{label}} and {{id}} and no other braces: {text!r}"
                raise InvalidValueError(msg)
        if any("{id}" in value for _, value in self.headers):
            msg = "{id} cannot stand in a header of a step"
            raise InvalidValueError(msg)

    @property
    def placeholders(self) -> frozenset[str]:
        """Which of ``label`` and ``id`` it uses."""
        return frozenset(name for text in self._texts() for name in _PLACEHOLDER.findall(text))

    def _texts(self) -> Iterator[str]:
        yield self.path
        yield from (value for _, value in (*self.query, *self.headers, *self.form))
        if self.body:
            yield from _strings(_document(self.body))


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How keys with a label are found, so that one whose making broke off is ended.

    Attributes:
        step: the request that lists keys.
        keys: where in the answer the list is, as names with dots between them; "" for the whole answer.
        label: where in one of its items the label is; `id`: likewise.
        page: the name of the query parameter that counts pages, from 1, where there are pages; or "".
        after: the name of the one that takes the id of the last key of the page before, where it is that; or "".
    """

    step: Step
    keys: str
    label: str
    id: str
    page: str = ""
    after: str = ""

    def __post_init__(self) -> None:
        require_fields(*filter(None, (self.keys,)), self.label, self.id)
        if self.page and self.after:
            msg = "a search goes on by page= or by after=, not both"
            raise InvalidValueError(msg)
        for name in filter(None, (self.page, self.after)):
            if not _QUERY_NAME.fullmatch(name):
                msg = f"not the name of a query parameter: {name!r}"
                raise InvalidValueError(msg)
        require_placeholders("search", self.step, known={"label"})


def require_fields(*paths: str) -> None:
    """Raise InvalidValueError unless each is names with dots between them."""
    for path in paths:
        if not _FIELD.fullmatch(path):
            msg = f"not the place of a field: {path!r} (names with dots between them)"
            raise InvalidValueError(msg)


def require_path(path: str) -> None:
    """Raise InvalidValueError unless it is one that goes up as it stands, without dot segments."""
    if not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        msg = f"not the path of a step: {path!r}"
        raise InvalidValueError(msg)


def require_placeholders(
    name: str, step: Step, *, known: AbstractSet[str] = frozenset(), needed: AbstractSet[str] = frozenset()
) -> None:
    """Raise InvalidValueError unless a step uses what is known where it is sent, and what is needed there."""
    used = step.placeholders
    unknown, missing = sorted(used - known), sorted(needed - used)
    if unknown or missing:
        told = f"cannot know {{{unknown[0]}}}" if unknown else f"must name {{{missing[0]}}}"
        msg = f"the step {name!r} {told}"
        raise InvalidValueError(msg)


def _document(body: str) -> object:
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        msg = "the body of a step is a JSON document, with {label} and {id} inside strings"
        raise InvalidValueError(msg) from None


def _no_constant(_: str) -> NoReturn:
    raise ValueError


def _strings(value: object) -> Iterator[str]:
    """Every string in a JSON document but the names of its members, which stand as they are."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in cast("list[object]", value):
            yield from _strings(item)
    elif isinstance(value, dict):
        for item in cast("dict[str, object]", value).values():
            yield from _strings(item)
