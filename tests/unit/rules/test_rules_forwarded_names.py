"""Names that a route forwards undeclared: none may be read as a declared one, or as another one."""

import json
from urllib.parse import quote, urlencode

import pytest

from apikeychain.errors import ParameterRefusedError
from apikeychain.model.route import FormBody, FormParameter, JSONBody, JSONField
from apikeychain.rules.routing import CompiledRoute
from exchange import a_route, posted

FORM = b"application/x-www-form-urlencoded"


def _json(body: JSONBody) -> CompiledRoute:
    return a_route(methods=("POST",), body=body)


def _form(*fields: FormParameter) -> CompiledRoute:
    return a_route(methods=("POST",), body=FormBody(fields, undeclared="forward"))


# The last five: long s, full width, Kelvin sign, and the two letters i that Java takes for one.
TWINS = ["Model", "MODEL", "mode\u017f", "\uff4dodel", "to\u212aen", "\u0131d", "\u0130D"]
FORWARDED = ("model", "modes", "token", "id")


@pytest.mark.parametrize("name", TWINS)
def test_a_forwarded_member_is_no_declared_one_in_another_case(name: str) -> None:
    route = _json(JSONBody(tuple(JSONField(one, choices=("gpt",)) for one in FORWARDED), undeclared="forward"))
    assert posted(route, b'{"model":"gpt","other":1,"others":2}').body
    for ascii_only in (True, False):
        with pytest.raises(ParameterRefusedError):
            posted(route, json.dumps({name: "dear"}, ensure_ascii=ascii_only).encode())


@pytest.mark.parametrize("name", TWINS)
def test_a_forwarded_field_is_no_declared_one_in_another_case(name: str) -> None:
    fields = tuple(FormParameter(one, choices=("gpt",)) for one in FORWARDED)
    route = _form(*fields)
    assert posted(route, b"model=gpt&other=1&others=2", FORM).body
    with pytest.raises(ParameterRefusedError):
        posted(route, quote(name).encode() + b"=x", FORM)


@pytest.mark.parametrize("names", [("other", "Other"), ("\u017f", "s"), ("\u00e9", "\u00c9")])
def test_two_forwarded_names_differ_by_more_than_their_case(names: tuple[str, str]) -> None:
    json_route = _json(JSONBody(undeclared="forward"))
    form_route = _form()
    with pytest.raises(ParameterRefusedError):
        posted(json_route, json.dumps(dict.fromkeys(names, 1)).encode())
    with pytest.raises(ParameterRefusedError):
        posted(form_route, urlencode(dict.fromkeys(names, 1)).encode(), FORM)


def test_names_that_only_some_provider_takes_for_the_same_are_forwarded() -> None:
    fields, forms = (JSONField("a", choices=("x",)),), (FormParameter("a", choices=("x",)),)
    names = ["a ", " a", "a[]", "a[0]", "a.x"]
    assert posted(_json(JSONBody(fields, undeclared="forward")), json.dumps(dict.fromkeys(names, 1)).encode()).body
    route = _form(*forms)
    assert posted(route, urlencode(dict.fromkeys(names, 1)).encode(), FORM).body
