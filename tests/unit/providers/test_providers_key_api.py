"""The key APIs of the catalogue: what an account is asked for, and where it stands; contract tests try them."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from apikeychain.errors import InvalidValueError
from apikeychain.providers import (
    CATALOGUE,
    CatalogueEntry,
    cloudflare_rotation,
    openai_rotation,
    sendgrid_rotation,
    twilio_rotation,
)
from described_api import ACCOUNT, SHAPES

KNOWN = [entry for entry in CATALOGUE if entry.key_api is not None]


def test_four_have_one_and_each_is_tried() -> None:
    names = {entry.provider.name for entry in KNOWN}
    assert names == {"cloudflare", "openai", "sendgrid", "twilio"}
    assert names == SHAPES.keys() - {"plain"}


@pytest.mark.parametrize("entry", KNOWN, ids=lambda entry: entry.provider.name)
def test_a_key_api_names_its_documentation_and_the_day_it_was_read(entry: CatalogueEntry) -> None:
    known = entry.key_api
    assert known is not None
    assert known.source.startswith("https://")
    assert date(2026, 11, 1) <= date.fromisoformat(known.reviewed) <= datetime.now(UTC).date()
    assert SHAPES[entry.provider.name].key_api is known.provider
    assert SHAPES[entry.provider.name].how.provider == known.provider.name


@pytest.mark.parametrize(
    ("describe", "given"),
    [
        (sendgrid_rotation, ([],)),
        (sendgrid_rotation, (["mail.send", "{label}"],)),
        (twilio_rotation, (ACCOUNT,)),
        (twilio_rotation, ("ACxyz",)),
        (openai_rotation, ("../admin",)),
        (openai_rotation, ("",)),
        (cloudflare_rotation, ("x", [])),
        (cloudflare_rotation, (ACCOUNT, [{"effect": object()}])),
        (cloudflare_rotation, (ACCOUNT, [{"effect": float("nan")}])),
        (cloudflare_rotation, (ACCOUNT, [{"effect": "{key}"}])),
    ],
    ids=range(10),
)
def test_what_is_no_account_is_refused(describe: Any, given: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidValueError):
        describe(*given)


def test_a_key_of_sendgrid_may_what_it_is_made_for() -> None:
    assert sendgrid_rotation(["mail.send", "stats.read"]).create.body.endswith('"scopes": ["mail.send", "stats.read"]}')
