"""Pairs at their limits: how many, and which names no caller fills."""

import pytest

from apikeychain.errors import ParameterRefusedError
from apikeychain.rules.pairs import PairRule, joined, split_form, split_query


def test_a_form_has_a_thousand_pairs_and_not_one_more() -> None:
    assert len(split_form(b"&".join([b"a=1"] * 1000))) == 1000
    with pytest.raises(ParameterRefusedError):
        split_form(b"&".join([b"a=1"] * 1001))


@pytest.mark.parametrize("name", [b"appid", b"AppID", b"app%69d", b"%EF%BD%81ppid"])
def test_the_name_of_the_credential_is_refused_in_every_spelling(name: bytes) -> None:
    rule = PairRule((), "forward", "AppId")
    with pytest.raises(ParameterRefusedError):
        rule.accept(split_query(b"a=1&" + name + b"=x"), {})
    assert joined(rule.accept(split_query(b"a=1&appid2=x"), {})) == b"a=1&appid2=x"
    assert PairRule((), "forward", None).accept(split_query(b"a=1&" + name), {})
