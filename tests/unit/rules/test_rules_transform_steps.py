"""Transforms that cannot be: told when the route is added, with the name and the reason."""

from typing import Any

import pytest

from apikeychain.errors import InvalidValueError
from apikeychain.model.request_transforms import (
    DefaultParameter,
    DropParameter,
    RenameParameter,
    RequestTransform,
    SetParameter,
)
from apikeychain.model.route import HeaderParameter, ProxyRoute, QueryParameter
from apikeychain.rules.transform_steps import Site, Steps
from exchange import BY_HEADER, BY_QUERY, a_route

DECLARED: list[QueryParameter | HeaderParameter] = [
    QueryParameter("q", pattern="[a-z]+"),
    QueryParameter("n", type="integer", choices=["1", "2"]),
    QueryParameter("fixed", fixed="f"),
    QueryParameter("own", default="o"),
    HeaderParameter("X-Declared"),
]


def _told(*transforms: RequestTransform, provider: Any = BY_HEADER, **options: Any) -> str:
    with pytest.raises(InvalidValueError) as refused:
        a_route(provider, request_transforms=transforms, **{"parameters": DECLARED} | options)
    return str(refused.value).removeprefix("the route 'weather' cannot be transformed so: its ")


@pytest.mark.parametrize(
    ("transforms", "told"),
    [
        ([DropParameter("a"), SetParameter("a", "1")], "query parameter 'a' is transformed twice"),
        ([SetParameter("q", "a"), DefaultParameter("q", "b")], "query parameter 'q' is transformed twice"),
        ([DropParameter("q")], "query parameter 'q' is declared, so it cannot be dropped or renamed"),
        ([RenameParameter("q", "n")], "query parameter 'q' is declared, so it cannot be dropped or renamed"),
        ([SetParameter("a", "1")], "query parameter 'a' never goes up: declare it"),
        ([DefaultParameter("a", "1")], "query parameter 'a' never goes up: declare it"),
        ([RenameParameter("a", "b")], "query parameter 'b' never goes up: declare it"),
        ([SetParameter("Q", "a")], "query parameter 'Q' never goes up: declare it"),
        ([SetParameter("fixed", "f")], "query parameter 'fixed' is fixed, so no transform can give it a value"),
        ([RenameParameter("a", "fixed")], "query parameter 'fixed' is fixed, so no transform can give it a value"),
        ([DefaultParameter("own", "p")], "query parameter 'own' has a default already"),
        (
            [RenameParameter("a", "q"), SetParameter("q", "b")],
            "query parameter 'q' is what another is renamed to, so nothing else may happen to it",
        ),
        (
            [RenameParameter("a", "a")],
            "query parameter 'a' is what another is renamed to, so nothing else may happen to it",
        ),
        (
            [DropParameter("X-A", place="header"), DropParameter("x-a", place="header")],
            "header parameter 'X-A' is transformed twice",
        ),
        (
            [DropParameter("x-declared", place="header")],
            "header parameter 'x-declared' is declared, so it cannot be dropped or renamed",
        ),
        ([SetParameter("x-other", "1", place="header")], "header parameter 'x-other' never goes up: declare it"),
        ([SetParameter("user-agent", "1", place="header")], "header parameter 'user-agent' never goes up: declare it"),
        (
            [SetParameter("content-type", "1", place="header")],
            "header parameter 'content-type' never goes up: declare it",
        ),
        ([SetParameter("range", "1", place="header")], "header parameter 'range' never goes up: declare it"),
        ([SetParameter("x-api-key", "1", place="header")], "header parameter 'x-api-key' holds the credential"),
        ([RenameParameter("x-a", "X-API-Key", place="header")], "header parameter 'X-API-Key' holds the credential"),
        ([DropParameter("x-api-key", place="header")], "header parameter 'x-api-key' holds the credential"),
    ],
)
def test_a_transform_that_cannot_be_is_told(transforms: list[RequestTransform], told: str) -> None:
    assert _told(*transforms) == told


@pytest.mark.parametrize("make", [SetParameter, DefaultParameter])
def test_a_value_that_the_declaration_refuses_is_told(make: type[SetParameter]) -> None:
    own = "the route 'weather': the value that the parameter {!r} sends by itself is not one it may have"
    assert _told(make("q", "A")) == own.format("q")
    assert _told(make("n", "3")) == own.format("n")
    assert _told(make("n", "01")) == own.format("n")


@pytest.mark.parametrize(
    "transform",
    [SetParameter("AppId", "1"), DefaultParameter("appid", "1"), RenameParameter("a", "APPID"), DropParameter("appID")],
)
def test_the_name_of_the_credential_is_nobodys(transform: RequestTransform) -> None:
    told = _told(transform, provider=BY_QUERY, undeclared="forward")
    assert told.endswith(" holds the credential")
    assert told.startswith("query parameter ")


def test_where_others_are_forwarded_a_name_that_looks_like_a_declared_one_is_told() -> None:
    assert _told(SetParameter("Q", "a"), undeclared="forward") == "query parameter 'Q' never goes up: declare it"
    assert a_route(request_transforms=[SetParameter("z", "a")], undeclared="forward", parameters=DECLARED).shaping


def test_what_can_be_is_taken() -> None:
    route = a_route(
        parameters=DECLARED,
        headers=["X-More"],
        request_transforms=[
            RenameParameter("a", "q"),
            RenameParameter("b", "q"),
            DefaultParameter("q", "x"),
            RenameParameter("c", "own"),
            DropParameter("d"),
            SetParameter("n", "1"),
            SetParameter("x-more", "1", place="header"),
            RenameParameter("n", "x-declared", place="header"),
        ],
    )
    assert route.shaping is not None
    assert (route.shaping.query is None, route.shaping.headers is None) == (False, False)
    assert a_route(parameters=DECLARED, request_transforms=[SetParameter("own", "p")]).shaping
    alone = a_route(request_transforms=[DropParameter("x-a", place="header")])
    assert alone.shaping is not None
    assert alone.shaping.query is None


def test_steps_come_in_one_order_however_they_are_written() -> None:
    route = ProxyRoute(
        "weather",
        provider="weather",
        parameters=DECLARED,
        request_transforms=[
            DefaultParameter("q", "x"),
            SetParameter("n", "1"),
            RenameParameter("a", "q"),
            DropParameter("z"),
            DropParameter("y"),
        ],
    )
    queries = [p for p in DECLARED if isinstance(p, QueryParameter)]
    site = Site(route=route, place="query", parameters=queries, takes=lambda _: False, injected=frozenset())
    steps = site.steps()
    assert steps == Steps(frozenset({"y", "z"}), {"a": "q"}, {"n": "1"}, {"q": "x"})
    assert steps is not None
    assert steps.sources == {"y", "z", "a"}
    shaped = steps.shape(
        [("n", b"2"), ("b", b"3"), ("z", b"4"), ("a", b"5")],
        lambda name, text: f"{name}:{text}".encode(),
        lambda name, piece: name.encode() + b"<" + piece,
    )
    assert shaped == [("b", b"3"), ("q", b"q<5"), ("n", b"n:1")]
    nothing = steps.shape([], lambda name, text: f"{name}:{text}".encode(), lambda _, piece: piece)
    assert nothing == [("n", b"n:1"), ("q", b"q:x")]
