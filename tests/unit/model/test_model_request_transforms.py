"""Request transforms as data: what one is, and what none can be."""

from collections.abc import Callable

import pytest

from apikeychain.errors import InvalidValueError
from apikeychain.model.request_transforms import (
    DefaultParameter,
    DropParameter,
    RenameParameter,
    SetParameter,
    TransformPlace,
)
from apikeychain.model.route import HeaderParameter, ProxyRoute

NAMED: list[Callable[[str, TransformPlace], object]] = [
    lambda name, place: SetParameter(name, "v", place=place),
    lambda name, place: DefaultParameter(name, "v", place=place),
    lambda name, place: DropParameter(name, place=place),
    lambda name, place: RenameParameter(name, "to", place=place),
    lambda name, place: RenameParameter("from", name, place=place),
]
VALUED: list[Callable[[str, TransformPlace], object]] = [
    lambda value, place: SetParameter("n", value, place=place),
    lambda value, place: DefaultParameter("n", value, place=place),
]


@pytest.mark.parametrize("make", NAMED, ids=["set", "default", "drop", "from", "to"])
@pytest.mark.parametrize(("name", "place"), [("", "query"), ("a&b", "form"), ("a b", "header"), ("a" * 65, "query")])
def test_a_name_that_is_none_is_told(
    make: Callable[[str, TransformPlace], object], name: str, place: TransformPlace
) -> None:
    with pytest.raises(InvalidValueError, match="not a parameter name"):
        make(name, place)


@pytest.mark.parametrize("make", NAMED, ids=["set", "default", "drop", "from", "to"])
@pytest.mark.parametrize("name", ["Cookie", "host", "content-length", "a[0]"])
def test_a_header_that_nobody_sets_is_told(make: Callable[[str, TransformPlace], object], name: str) -> None:
    assert make(name, "query")
    with pytest.raises(InvalidValueError, match="not a header that can be set here"):
        make(name, "header")


@pytest.mark.parametrize("make", VALUED, ids=["set", "default"])
@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nb", "a\0b", "\x80", "\u20ac", "a\tb"])
def test_a_header_value_is_printable_ascii(make: Callable[[str, TransformPlace], object], value: str) -> None:
    # contracts 4: header injection through what a route sets
    assert make(value, "query")
    with pytest.raises(InvalidValueError, match="a header value is printable ASCII"):
        make(value, "header")


@pytest.mark.parametrize("make", VALUED, ids=["set", "default"])
def test_a_value_is_text_of_at_most_1024_characters(make: Callable[[str, TransformPlace], object]) -> None:
    assert make("\ue000\ud7ff" + "a" * 1022, "query")
    for value in ("a" * 1025, "\ud800", "a\udfff"):
        with pytest.raises(InvalidValueError, match="the value that 'n' gets is text of at most 1024 characters"):
            make(value, "query")


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\0", "\x80", "\u20ac"])
def test_a_header_parameter_sends_no_line_break_by_itself(value: str) -> None:
    # contracts 4: header injection through parameters
    for sent in ({"default": value}, {"fixed": value}):
        with pytest.raises(InvalidValueError, match="a header value is printable ASCII"):
            HeaderParameter("x-v", **sent)  # type: ignore[arg-type]  # one of two texts


def test_a_route_keeps_its_transforms() -> None:
    drop = DropParameter("_", place="query")
    assert ProxyRoute("a", provider="a", request_transforms=[drop]).request_transforms == (drop,)
