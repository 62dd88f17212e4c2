import json
from typing import Any

import pytest

from apikeychain.errors import DamagedDataError
from apikeychain.model.codec import dump, load
from apikeychain.model.records import AddedRoute, Project, Record, RegisteredProvider, Tenant
from apikeychain.model.tally import Tally, ValueTally
from apikeychain.model.watch import CountedWindow
from apikeychain.testing.records import ACME, RECORDS, SHOP, project, tenant

_ALL = (tenant(ACME), project(SHOP), *RECORDS)
_ROUTE = next(record for record in RECORDS if isinstance(record, AddedRoute))


@pytest.mark.parametrize("record", _ALL, ids=lambda record: "-".join((record.kind, *record.key)))
def test_every_record_comes_back_as_it_was(record: Record) -> None:
    loaded = load(type(record), dump(record))
    assert loaded == record
    assert load(type(record), dump(loaded)) == record


def test_the_records_under_test_have_every_shape() -> None:
    text = "".join(map(dump, _ALL))
    shapes = ("Header", "Path", "Query", "Form")
    assert all(f'"is":"{shape}Parameter"' in text for shape in shapes)
    assert all(f'"is":"{shape}Body"' in text for shape in ("JSON", "Form", "Raw"))
    assert all(f'"is":"{shape}Credential"' in text for shape in ("Header", "Query", "Basic"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '"shop"',
        '{"is":"Secret"}',
        '{"is":["Project"]}',
        '{"is":"Tenant","id":"acme"}',
        '{"base64":"no"}',
        '{"base64":5}',
        "[" * 100_000,
        dump(tenant(ACME)),
        dump(project(SHOP))[:-1],
        dump(project(SHOP)).replace('"generation":1', '"generation":"one"'),
        dump(project(SHOP)).replace('"generation":1', '"generation":1,"later":true'),
    ],
    ids=range(15),
)
def test_what_is_no_project_is_not_read_as_one(text: str) -> None:
    with pytest.raises(DamagedDataError, match="a stored project cannot be read"):
        load(Project, text)


@pytest.mark.parametrize(
    ("name", "value"),
    [("name", "../x"), ("methods", ["BREW"]), ("quota", "many"), ("undeclared", "ignore"), ("path", "/{who}")],
)
def test_a_stored_route_is_judged_like_a_new_one(name: str, value: object) -> None:
    body: dict[str, Any] = json.loads(dump(_ROUTE))
    body["route"][name] = value
    with pytest.raises(DamagedDataError):
        load(AddedRoute, json.dumps(body))


def test_a_field_that_came_later_has_its_default_in_older_rows() -> None:
    body = json.loads(dump(project(SHOP)))
    del body["referer_fallback"]
    assert load(Project, json.dumps(body)) == project(SHOP)


def test_what_no_record_holds_cannot_be_written() -> None:
    odd = Tenant(id=ACME, created=project(SHOP).created, wrapped_secret=b"", wrapped_pseudonym_key=bytearray(b"b"))  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(TypeError, match="cannot hold a bytearray"):
        dump(odd)


def test_a_provider_with_a_secret_header_value_is_refused_without_telling_it() -> None:
    record = next(record for record in RECORDS if isinstance(record, RegisteredProvider))
    body = dump(record).replace('"1"', '"tell\\nnobody"')
    with pytest.raises(DamagedDataError) as caught:
        load(RegisteredProvider, body)
    assert "nobody" not in str(caught.value)


def test_names_that_callers_choose_are_no_classes() -> None:
    names = dict.fromkeys(("is", "base64", "pairs", ""), ValueTally(values=1, hashes={3, 1, 2}))
    window = CountedWindow(project=SHOP, begin="", worker="", routes={"is": Tally(parameters=names)})
    assert load(CountedWindow, dump(window)) == window
    assert "[1,2,3]" in dump(window)
