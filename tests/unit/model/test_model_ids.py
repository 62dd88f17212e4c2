import pytest

from apikeychain.errors import InvalidValueError
from apikeychain.model.ids import new_project_id, parse_name, parse_project_id, parse_tenant_id


@pytest.mark.parametrize("text", ["a", "7", "Acme_Inc-1", "a" * 64])
def test_a_tenant_id_is_the_hosts_own(text: str) -> None:
    assert parse_tenant_id(text) == text


@pytest.mark.parametrize("text", ["", "_a", "-a", "a" * 65, "a.b", "a/b", "../b", "a\n", "\u00e9", "a b"])
def test_anything_else_is_no_tenant_id(text: str) -> None:
    with pytest.raises(InvalidValueError, match="not a tenant id"):
        parse_tenant_id(text)


@pytest.mark.parametrize("text", ["a", "7", "open-weather.v2_x", "a" * 63])
def test_a_name_is_lower_case(text: str) -> None:
    assert parse_name(text, "route") == text


@pytest.mark.parametrize("text", ["", "A", ".a", "_a", "-a", "a" * 64, "a/b", "a\n", "\u00e9", "a b", "a%2e"])
def test_anything_else_is_no_name_and_the_text_says_of_what(text: str) -> None:
    with pytest.raises(InvalidValueError, match="not a secret name"):
        parse_name(text, "secret")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "p_",
        "p_" + "a" * 19,
        "p_" + "a" * 21,
        "p_" + "A" * 20,
        "p_" + "1" * 20,
        "q_" + "a" * 20,
        "p_" + "a" * 20 + "\n",
    ],
)
def test_anything_else_is_no_project_id(text: str) -> None:
    with pytest.raises(InvalidValueError, match="not a project id"):
        parse_project_id(text)


def test_project_ids_are_random_and_parse() -> None:
    made = {new_project_id() for _ in range(200)}
    assert len(made) == 200
    assert all(parse_project_id(text) == text for text in made)
    # Each of the 20 places takes many values: no place is padding.
    assert all(len({text[place] for text in made}) > 16 for place in range(2, 22))
