"""What is kept of a chain elsewhere, written and read."""

import pytest

from apikeychain.errors import InvalidValueError
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head
from apikeychain.rules.kept import kept_text, parse_kept

ACME = TenantId("acme")
DIGEST = "0f" * 32


def test_what_is_printed_is_what_is_read() -> None:
    head = Head(ACME, 12, bytes.fromhex(DIGEST))
    assert kept_text(head) == f"12:{DIGEST}"
    assert parse_kept(kept_text(head), ACME) == head
    assert parse_kept(f" 12:{DIGEST.upper()}\n", ACME) == head


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12",
        ":",
        f":{DIGEST}",
        f"0:{DIGEST}",
        f"-1:{DIGEST}",
        f"+1:{DIGEST}",
        f"1_0:{DIGEST}",
        f"\u0661:{DIGEST}",
        f"\u00b2:{DIGEST}",
        f"{'9' * 5_000}:{DIGEST}",
        f"12:{DIGEST}0f",
        f"12:{DIGEST[2:]}",
        f"12:{DIGEST[1:]}",
        f"12:{'x' * 64}",
        f"12:{DIGEST}:1",
    ],
    ids=range(16),
)
def test_what_is_not_written_so_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match="SIZE:HASH"):
        parse_kept(text, ACME)
