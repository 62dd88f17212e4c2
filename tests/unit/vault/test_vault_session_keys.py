"""Session keys: derived as the text says, and another for every other key, id and origin."""

import base64
import hmac

import pytest

from apikeychain.secret import Secret
from apikeychain.vault.session_keys import session_key

SIGNING = Secret("aks_" + "k" * 43)
ID, ORIGIN = "s1.k_abc.1800000000.YWxpY2U", "https://app.example.com"


def _by_hand(signing: bytes, key_id: str, origin: str) -> str:
    """RFC 5869 with SHA-256, an empty salt and one block, over what contracts 3 names."""
    info = b"apikeychain/v1/session"
    for text in (key_id.encode(), origin.encode()):
        info += len(text).to_bytes(4, "big") + text
    block = hmac.digest(hmac.digest(bytes(32), signing, "sha256"), info + b"\1", "sha256")
    return base64.urlsafe_b64encode(block).decode().rstrip("=")


@pytest.mark.parametrize("origin", [ORIGIN, ""], ids=["of a page", "of an app"])
def test_a_session_key_is_what_the_text_says(origin: str) -> None:
    made = session_key(SIGNING, ID, origin)
    assert made.matches(Secret(_by_hand(SIGNING.reveal(), ID, origin)))
    assert len(made) == 43


def test_another_key_id_or_origin_gives_another_session_key() -> None:
    made = [
        session_key(SIGNING, ID, ORIGIN),
        session_key(Secret("aks_" + "l" * 43), ID, ORIGIN),
        session_key(SIGNING, ID + "x", ORIGIN),
        session_key(SIGNING, ID, ORIGIN + ":8443"),
        session_key(SIGNING, ID + ORIGIN, ""),
    ]
    assert len({key.reveal() for key in made}) == 5
