import http
import inspect
import re

import pytest

from apikeychain import errors
from apikeychain.errors import (
    AnswerError,
    APIKeyChainError,
    FailureError,
    LedgerBrokenError,
    MissingExtraError,
    ParameterRefusedError,
    RateLimitedError,
    RefusalError,
    SettingsError,
    UnauthenticatedError,
)

# contracts 1: the table of refusals, as far as it can be raised
STATUS = {
    "header-refused": 400,
    "path-refused": 400,
    "parameter-refused": 400,
    "signature-missing": 401,
    "signature-refused": 401,
    "timestamp-refused": 401,
    "replayed": 401,
    "caller-missing": 401,  # amendment 3
    "origin-refused": 403,
    "preflight-refused": 403,
    "destination-refused": 403,
    "https-required": 403,
    "suspended": 403,
    "token-refused": 403,
    "not-found": 404,
    "method-refused": 405,
    "body-timeout": 408,  # decision 9
    "body-too-large": 413,
    "type-refused": 415,
    "rate-limited": 429,
    "upstream-refused": 502,
    "credential-refused": 502,
    "secret-unavailable": 503,
    "ledger-unavailable": 503,
    "backend-unavailable": 503,
    "upstream-timeout": 504,
    "internal": 500,
}
CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]
ANSWERS = [kind for kind in CLASSES if issubclass(kind, AnswerError)]
CONCRETE = [kind for kind in ANSWERS if kind not in {AnswerError, RefusalError, UnauthenticatedError, FailureError}]


def _drawn() -> dict[str, str]:
    """Each class of the drawing in the module docstring, with the class above it."""
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.fullmatch(r"    ((?:│   |    |├── |└── )*)(\w+Error)", line)
        if match:
            depth = len(match[1]) // 4
            path = [*path[:depth], match[2]]
            parents[match[2]] = path[depth - 1] if depth else ""
    return parents


def test_the_drawing_shows_the_classes_as_they_are() -> None:
    expected = {kind.__name__: kind.__bases__[0].__name__ for kind in CLASSES}
    expected["APIKeyChainError"] = ""
    assert _drawn() == expected


@pytest.mark.parametrize("kind", CLASSES)
def test_every_exception_has_the_root_an_honest_name_and_a_docstring(kind: type[Exception]) -> None:
    assert issubclass(kind, APIKeyChainError)
    assert kind.__name__.endswith("Error")
    assert kind.__doc__


def test_every_code_of_the_surface_has_its_status_and_one_class() -> None:
    assert {kind.code: kind.status for kind in CONCRETE} == STATUS
    assert len(CONCRETE) == len(STATUS)


@pytest.mark.parametrize("kind", CONCRETE)
def test_an_answer_knows_what_to_say(kind: type[AnswerError]) -> None:
    http.HTTPStatus(kind.status)
    assert re.fullmatch(r"[A-Z][^\n]+\.", kind.title)
    assert issubclass(kind, RefusalError) == (kind.status < 500)
    assert issubclass(kind, FailureError) == (kind.status >= 500)
    assert str(kind()) == kind.title


def test_an_answer_carries_its_hint_and_headers() -> None:
    error = RateLimitedError("wait", headers=((b"retry-after", b"1"),))
    assert (error.hint, error.headers, str(error)) == ("wait", ((b"retry-after", b"1"),), "wait")


def test_a_refused_parameter_is_named_and_its_hint_is_apart() -> None:
    error = ParameterRefusedError("units", "one of metric, imperial")
    assert (error.parameter, error.hint, error.headers) == ("units", "one of metric, imperial", ())


def test_wrong_values_missing_packages_are_also_what_python_calls_them() -> None:
    assert issubclass(errors.InvalidValueError, ValueError)
    assert issubclass(MissingExtraError, ImportError)
    assert str(MissingExtraError("the SQL store", "embedded")) == (
        "the SQL store needs more packages: pip install 'apikeychain[embedded]'"
    )


def test_settings_tell_every_problem() -> None:
    error = SettingsError(["one", "two"])
    assert (error.problems, str(error)) == (("one", "two"), "one; two")


def test_a_broken_ledger_says_where() -> None:
    error = LedgerBrokenError("acme", 7, "the hash differs")
    assert (error.tenant, error.seq, error.reason) == ("acme", 7, "the hash differs")
    assert str(error) == "the ledger of 'acme' is broken at entry 7: the hash differs"
