import json
from typing import Any

import pytest

from apikeychain import errors
from apikeychain.errors import AnswerError, OriginRefusedError, ParameterRefusedError, RateLimitedError
from apikeychain.rules.problem import answer
from exchange import a_call


def _document(error: AnswerError, *, development: bool = False) -> dict[str, Any]:
    body = answer(error, a_call(), development=development).body
    assert isinstance(body, bytes)
    document = json.loads(body)
    assert isinstance(document, dict)
    return document


def _concrete() -> list[type[AnswerError]]:
    family = (errors.RefusalError, errors.FailureError)
    return [kind for base in family for kind in base.__subclasses__() if kind is not ParameterRefusedError]


def test_a_refusal_is_a_problem_document_with_its_code_in_a_header_too() -> None:
    reply = answer(OriginRefusedError("told in development"), a_call(), development=False)
    assert reply.status == 403
    assert reply.body == (
        b'{"type":"urn:apikeychain:problem:origin-refused","title":"This origin is not allowed.",'
        b'"status":403,"code":"origin-refused"}'
    )
    assert reply.headers == (
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(reply.body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-apikeychain-error", b"origin-refused"),
    )


@pytest.mark.parametrize("kind", _concrete())
def test_every_error_that_is_an_answer_is_told_by_its_title_alone(kind: type[AnswerError]) -> None:
    assert _document(kind("canary")) == {
        "type": f"urn:apikeychain:problem:{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "code": kind.code,
    }


def test_a_refused_parameter_is_named() -> None:
    assert _document(ParameterRefusedError("units", "canary"))["parameter"] == "units"
    assert _document(ParameterRefusedError(""))["parameter"] == ""


def test_a_hint_is_told_in_development_only() -> None:
    error = OriginRefusedError("To allow it: apikeychain origin allow")
    assert _document(error, development=True)["hint"] == error.hint
    assert "hint" not in _document(error)
    assert "hint" not in _document(OriginRefusedError(), development=True)


def test_a_chained_cause_stays_inside() -> None:
    error = errors.UpstreamRefusedError()
    error.__cause__ = ValueError("https://api.example/?key=canary")
    assert "canary" not in json.dumps(_document(error, development=True))


def test_the_headers_of_an_error_go_with_it() -> None:
    reply = answer(RateLimitedError(headers=((b"retry-after", b"7"),)), a_call(), development=False)
    assert reply.headers[-1] == (b"retry-after", b"7")
