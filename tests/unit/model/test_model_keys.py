from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.model.keys import KeyContext, SealContext, length_prefixed

KEY = KeyContext(tenant="acme", project="p_x", purpose="master", version="00ff")
SEAL = SealContext(
    tenant="acme",
    project="p_x",
    purpose="secret",
    name="openai",
    version=12,
    scheme="https",
    host="api.example",
    port=443,
)


def test_a_field_is_its_length_in_four_bytes_and_its_utf_8() -> None:  # amendment 10
    assert length_prefixed(["a", "", "\u00e9"]) == b"\x00\x00\x00\x01a\x00\x00\x00\x00\x00\x00\x00\x02\xc3\xa9"


@given(st.lists(st.text(max_size=5), max_size=5), st.lists(st.text(max_size=5), max_size=5))
def test_no_two_lists_of_one_length_encode_alike(one: list[str], other: list[str]) -> None:
    assert (length_prefixed(one) == length_prefixed(other)) == (one == other)


def test_a_key_context_binds_its_fields_in_order() -> None:
    assert KEY.encoded == length_prefixed(["acme", "p_x", "master", "00ff"])
    assert KeyContext(tenant="acme", purpose="tenant-secret").encoded == length_prefixed(
        ["acme", "", "tenant-secret", ""]
    )


def test_a_seal_context_binds_its_fields_in_order_numbers_decimal_and_absent_ones_empty() -> None:
    assert SEAL.encoded == length_prefixed(["acme", "p_x", "secret", "openai", "12", "https", "api.example", "443"])
    bare = SealContext(tenant="acme", project="p_x", purpose="asset-token")
    assert bare.encoded == length_prefixed(["acme", "p_x", "asset-token", "", "", "", "", ""])


@pytest.mark.parametrize("field", ["tenant", "project", "purpose", "version"])
def test_every_field_of_a_key_context_counts(field: str) -> None:
    changes: dict[str, str] = {field: "other"}
    assert replace(KEY, **changes).encoded != KEY.encoded


@pytest.mark.parametrize(
    "other",
    [
        replace(SEAL, tenant="other"),
        replace(SEAL, project="p_y"),
        replace(SEAL, purpose="other"),
        replace(SEAL, name="other"),
        replace(SEAL, version=13),
        replace(SEAL, scheme="http"),
        replace(SEAL, host="api.other"),
        replace(SEAL, port=8443),
    ],
)
def test_every_field_of_a_seal_context_counts(other: SealContext) -> None:
    assert other.encoded != SEAL.encoded
