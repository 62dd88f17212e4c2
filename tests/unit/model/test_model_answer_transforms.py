"""Answer transforms as data: what one is, and what none can be."""

from collections.abc import Callable, Sequence

import pytest

from apikeychain.errors import InvalidValueError
from apikeychain.model.answer_transforms import MAX_FIELDS, MAX_PATH, DropFields, KeepFields, RenameField

LISTS: list[Callable[[Sequence[str]], KeepFields | DropFields]] = [KeepFields, DropFields]
each_list = pytest.mark.parametrize("make", LISTS)


@each_list
def test_fields_are_a_tuple_in_their_order(make: Callable[[Sequence[str]], KeepFields | DropFields]) -> None:
    assert make(["b", "a.c", "a.b.c"]).fields == ("b", "a.c", "a.b.c")
    assert make(["a b", "naïve", "a-b", "a"]).fields == ("a b", "naïve", "a-b", "a")


@each_list
def test_one_field_may_stand_by_itself(make: Callable[[Sequence[str]], KeepFields | DropFields]) -> None:
    assert make("items.name").fields == ("items.name",)


@each_list
@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b", "\ud800", "a.\udfff", "a" * (MAX_PATH + 1)])
def test_what_is_no_path_is_told(make: Callable[[Sequence[str]], KeepFields | DropFields], path: str) -> None:
    assert make("a" * MAX_PATH).fields == ("a" * MAX_PATH,)
    with pytest.raises(InvalidValueError, match="not the path of a field"):
        make(["id", path])


@each_list
@pytest.mark.parametrize("paths", [["a", "a"], ["a.b", "a"], ["a", "b", "a.b.c"], ["a", "a.b", "a!"]])
def test_a_field_within_another_is_told(
    make: Callable[[Sequence[str]], KeepFields | DropFields], paths: list[str]
) -> None:
    with pytest.raises(InvalidValueError, match="lies within 'a"):
        make(paths)


@each_list
def test_a_list_has_1_to_256_fields(make: Callable[[Sequence[str]], KeepFields | DropFields]) -> None:
    assert len(make([f"f{n}" for n in range(MAX_FIELDS)]).fields) == MAX_FIELDS == 256
    for fields in ([], [f"f{n}" for n in range(MAX_FIELDS + 1)]):
        with pytest.raises(InvalidValueError, match="names 1 to 256 fields"):
            make(fields)


def test_a_new_name_is_one_name_and_another_one() -> None:
    assert RenameField("items.mail", "email") == RenameField("items.mail", to="email")
    for to in ("a.b", "mail"):
        with pytest.raises(InvalidValueError, match="needs another name, one without a dot"):
            RenameField("items.mail", to)
    for name, to in (("", "a"), ("a", ""), ("a", "\ud800")):
        with pytest.raises(InvalidValueError, match="not the path of a field"):
            RenameField(name, to)
