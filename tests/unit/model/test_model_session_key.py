"""The id of a session key has one spelling, and what is none is told so."""

import pytest

from apikeychain.errors import InvalidValueError
from apikeychain.model.session_key import SessionKey, parse_user


@pytest.mark.parametrize("expiry", [0, 7, 99_999_999_999])
@pytest.mark.parametrize("user", ["a", "ab", "abc", "abcd", "abW", "W", "~" * 128])
def test_what_an_id_says_is_read_from_it(expiry: int, user: str) -> None:
    session = SessionKey("k_1", expiry, user)
    assert SessionKey.read(session.id) == session
    assert set(session.id.rpartition(".")[2]).isdisjoint("=+/")


def test_an_id_is_written_as_the_contract_says() -> None:
    assert SessionKey("k_1", 1_800_000_000, "alice").id == "s1.k_1.1800000000.YWxpY2U"
    assert SessionKey("k_1", 1, "abW").id == "s1.k_1.1.YWJX"


@pytest.mark.parametrize(
    "key_id",
    [
        "s1.k.100000000000.YQ",
        "s1.k.-1.YQ",
        "s1.k.-0.YQ",
        "s1.k.+1.YQ",
        "s1.k.01.YQ",
        "s1..1.YQ",
        "s1.k.1.YQ=",
        "s1.k.1.YQ==",
        "s1.k.1.YR",
        "s1.k.1.YWJj=",
        "s1.k.1.Y",
        "s1.k.1.",
        "s1.k.1",
        "s1.k.1.YQ.YQ",
        "s2.k.1.YQ",
        "k.1.YQ",
        "",
    ],
)
def test_any_other_spelling_is_no_id(key_id: str) -> None:
    with pytest.raises(InvalidValueError, match=r"^not the id of a session key$"):
        SessionKey.read(key_id)


def test_what_is_no_label_is_told_what_one_is() -> None:
    told = r"^not a user label: 'a b' \(1 to 128 printable ASCII characters, no spaces\)$"
    with pytest.raises(InvalidValueError, match=told):
        parse_user("a b")
