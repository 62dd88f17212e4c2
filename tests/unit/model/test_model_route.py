"""A route is data that cannot be wrong; what needs the provider or an engine is judged when it is compiled."""

import math
from typing import Any

import pytest

from apikeychain.errors import InvalidValueError
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


def _route(**options: Any) -> ProxyRoute:  # whatever a route may have
    return ProxyRoute(options.pop("name", "weather"), provider=options.pop("provider", "weather"), **options)


def test_a_bare_route_is_a_get_that_takes_nothing() -> None:
    route = _route()
    assert (route.methods, route.parameters, route.body, route.tail, route.undeclared) == (
        ("GET",),
        (),
        None,
        False,
        "refuse",
    )
    assert (route.max_body_bytes, route.enabled, route.secret_name, route.placeholders) == (
        1 << 20,
        True,
        "weather",
        (),
    )


def test_lists_become_tuples_so_that_nothing_changes_later() -> None:
    route = _route(
        methods=["GET", "POST"],
        parameters=[QueryParameter("q", choices=["a"])],
        headers=["X-A"],
        tolerated=["x-stainless-*"],
        answer_headers=["Link"],
    )
    assert (route.methods, route.headers, route.tolerated, route.answer_headers) == (
        ("GET", "POST"),
        ("X-A",),
        ("x-stainless-*",),
        ("Link",),
    )
    assert route.parameters == (QueryParameter("q", choices=("a",)),)
    assert JSONBody([JSONField("a")]).fields == (JSONField("a"),)
    assert FormBody([FormParameter("a")]).fields == (FormParameter("a"),)
    assert RawBody(["image/*"]).types == ("image/*",)


def test_a_template_names_its_parameters_in_order() -> None:
    route = _route(
        path="/models/{model}:run/{user_id}",
        parameters=(PathParameter("user_id"), PathParameter("model")),
        secret="other",
    )
    assert (route.placeholders, route.secret_name) == (("model", "user_id"), "other")


@pytest.mark.parametrize(
    "path",
    [
        "weather",
        "/",
        "/a/",
        "//a",
        "/a//b",
        "/..",
        "/a/../b",
        "/.",
        "/a b",
        "/a?b",
        "/a#b",
        "/a%2fb",
        "/\u00e9",
        "/{A}",
        "/{}",
        "/{a",
        "/a}",
    ],
)
def test_a_path_that_is_no_template_is_refused(path: str) -> None:
    with pytest.raises(InvalidValueError, match="not a path template"):
        _route(path=path)


@pytest.mark.parametrize(
    "options",
    [
        {"path": "/{a}/{a}", "parameters": (PathParameter("a"),)},
        {"path": "/{a}"},
        {"path": "/a", "parameters": (PathParameter("a"),)},
        {"name": "Weather"},
        {"name": ""},
        {"provider": "../x"},
        {"secret": "A"},
        {"quota": "often"},
        {"methods": ()},
        {"methods": ("CONNECT",)},
        {"methods": ("TRACE",)},
        {"methods": ("get",)},
        {"headers": ("a b",)},
        {"headers": ("Host",)},
        {"answer_headers": ("a:",)},
        {"tolerated": ("X-Upper",)},
        {"tolerated": ("*x",)},
    ],
)
def test_a_route_that_cannot_be_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError):
        _route(**options)


@pytest.mark.parametrize(
    "options", [{"required": True}, {"default": "a"}, {"many": True}], ids=["required", "default", "many"]
)
def test_a_fixed_parameter_is_nothing_else(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError, match="is fixed"):
        QueryParameter("q", fixed="x", **options)


@pytest.mark.parametrize("name", ["", "a b", "a&b", "a=b", "\u00e9", "a" * 65, "a\n"])
def test_a_parameter_has_a_plain_name(name: str) -> None:
    with pytest.raises(InvalidValueError):
        QueryParameter(name)


def test_a_header_parameter_is_a_header() -> None:
    for name in ("a[b]", "Host", "content-length"):
        with pytest.raises(InvalidValueError):
            HeaderParameter(name)


@pytest.mark.parametrize("text", ["", "image", "image/", "Image/PNG", "image/png; a=b", "*/*"])
def test_a_raw_body_has_media_types(text: str) -> None:
    with pytest.raises(InvalidValueError):
        RawBody((text,))


def test_a_quota_is_read_when_the_route_is_made() -> None:
    assert _route(quota="10/minute").quota == "10/minute"


@pytest.mark.parametrize("seconds", [0.0, -1.0, 900.1, math.inf, math.nan])
@pytest.mark.parametrize("name", ["connect", "first_byte", "idle", "total"])
def test_a_timeout_is_above_0_and_at_most_15_minutes(name: str, seconds: float) -> None:
    with pytest.raises(InvalidValueError, match="at most 900 seconds"):
        Timeouts(**{name: seconds})


def test_15_minutes_and_no_total_are_good_timeouts() -> None:
    assert Timeouts(connect=900, first_byte=900, idle=900, total=900).total == 900
    assert Timeouts(total=None).total is None
