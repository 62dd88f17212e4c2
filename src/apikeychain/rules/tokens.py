"""Access tokens of an OAuth 2.0 authorization server: what is asked, and its answers read.

Source: RFC 6749, sections 2.3.1, 4.4.2, 5.1 and 6; RFC 6750, section 6.1.1 (the token type ``Bearer``).
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from apikeychain.errors import BackendUnavailableError, InvalidValueError, RotationRefusedError
from apikeychain.model.rotators import OAuth2Rotation
from apikeychain.rules.key_steps import FORM, Asked, form_of, is_struck, read, split_pair, text_at
from apikeychain.secret import MIN_BYTES, Secret

# A token that lives longer than that, 31 years, is one that does not end.
_MOST_SECONDS = 999_999_999
_NUMBER = re.compile(r"-?[0-9]{1,19}(?:\.[0-9]{1,19})?(?:[eE][+-]?[0-9]{1,3})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What a token endpoint gave.

    Attributes:
        expires: when the token ends by itself, or None where the answer does not say; at once where it says so in a
            way that cannot be read, since such a token would be used beyond its end.
        refresh: the refresh token to use from now on, or None where the old one stays.
    """

    token: Secret = field(repr=False)
    expires: datetime | None
    refresh: Secret | None = field(repr=False)


def grant(how: OAuth2Rotation, client: Secret, refresh: Secret | None) -> Asked:
    """The request for a token.

    Args:
        how: what is asked for.
        client: ``id:secret``; part of the form where `how` says so.
        refresh: the refresh token, for the grant that takes one.

    Raises:
        RotationRefusedError: the client's secret is no such pair.
    """
    fields: dict[str, str] = {"grant_type": how.grant}
    secrets = [_secret_part(client)]
    if refresh is not None:
        fields["refresh_token"] = refresh.reveal().decode("ascii")  # into the request and nowhere else
        secrets.append(refresh.reveal())
    if how.scope:
        fields["scope"] = how.scope
    if how.client == "body":
        fields["client_id"], fields["client_secret"] = split_pair(client)
    return Asked(
        method="POST",
        path=how.path.encode(),
        body=form_of(fields.items()),
        content_type=FORM,
        secrets=tuple(secrets),
    )


def granted(body: bytes, asked: datetime) -> Granted:
    """What an answer gives.

    Args:
        body: of the answer.
        asked: when it was asked for: the token lives from then at the earliest.

    Raises:
        BackendUnavailableError: it cannot be read.
        RotationRefusedError: the token is not one of the type Bearer.
    """
    document = read(body)
    token = text_at(document, "access_token")
    if text_at(document, "token_type").lower() != "bearer":
        msg = "the token endpoint gives tokens of another type than Bearer"
        raise RotationRefusedError(msg)
    members = cast("dict[str, object]", document)
    seconds = _seconds(members.get("expires_in"))
    expires = None if seconds is None else asked + timedelta(seconds=seconds)
    try:
        return Granted(token=Secret(token), expires=expires, refresh=_refresh(document, members))
    except InvalidValueError:
        msg = "the token endpoint gave a token that no secret can hold"
        raise BackendUnavailableError(msg) from None


def _seconds(told: object) -> int | None:
    """How long a token lives; None where that is not told, or is longer than anybody waits."""
    if told is None:
        return None
    text = "" if isinstance(told, bool) else str(told)
    seconds = float(text) if _NUMBER.fullmatch(text) else 0.0
    return None if seconds > _MOST_SECONDS else math.floor(max(seconds, 0.0))


def _secret_part(client: Secret) -> bytes:
    """What must not come back of ``id:secret``. The id may: it stands in tokens."""
    plain = client.reveal()  # read to be looked for in the answer
    rest = plain.partition(b":")[2]
    return rest if len(rest) >= MIN_BYTES else plain


def _refresh(document: object, members: Mapping[str, object]) -> Secret | None:
    given = members.get("refresh_token")
    # One that was struck is the one that was sent: it stays.
    if not given or (isinstance(given, str) and is_struck(given)):
        return None
    return Secret(text_at(document, "refresh_token"))
