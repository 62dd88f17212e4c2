"""How the key of a provider is replaced: as data, kept with the project.

Source: contracts 8; spec 6.4.
"""

import re
from dataclasses import dataclass, field
from typing import Literal

from apikeychain.errors import InvalidValueError
from apikeychain.model.header_lines import require_header_name
from apikeychain.model.ids import parse_name
from apikeychain.model.key_steps import Search, Step, require_fields, require_path, require_placeholders

_USER = re.compile(r"[A-Za-z0-9_+=,.@-]{1,64}")
_SCOPE = re.compile(r"(?:[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class HTTPRotation:
    """A provider with a key API over HTTP.

    Attributes:
        provider: the registered provider of the key API.
        credential: the name of the secret that may make and end keys there.
        create: makes a key; `key` and `id` say where in its answer the key and its id are.
        key: one place, or two with ``:`` between them, whose texts are joined by one: ``sid:secret``. The id, which is
            told, is never at the last of them.
        verify: a call with the new key that succeeds if it is good; sent to the provider of the rotated secret.
        revoke: ends the key ``{id}``.
        search: finds keys by label, or None where the provider lists none.
        idempotency: the name of the header by which the provider makes only one key of an order that comes again; or
            "" where it knows none. Its value is the label.
    """

    provider: str
    credential: str
    create: Step
    key: str
    id: str
    verify: Step
    revoke: Step
    search: Search | None = None
    idempotency: str = ""
    kind: Literal["http"] = field(default="http")

    def __post_init__(self) -> None:
        parse_name(self.provider, "provider")
        parse_name(self.credential, "secret")
        places = self.key.split(":", 1)
        require_fields(*places, self.id)
        if self.id == places[-1]:
            msg = f"the id is told in the ledger and in alerts, so it cannot be where the key is: {self.id!r}"
            raise InvalidValueError(msg)
        if self.idempotency:
            require_header_name(self.idempotency)
        needed = frozenset[str]() if self.search is None else {"label"}
        require_placeholders("create", self.create, known={"label"}, needed=needed)
        require_placeholders("verify", self.verify)
        require_placeholders("revoke", self.revoke, known={"id"}, needed={"id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AWSIAMRotation:
    """Access keys of one IAM user, which nobody else makes keys for: what appears beside ours is ended.

    Attributes:
        provider: the registered provider at which IAM is, with an `AWSCredential`.
        credential: the name of the secret that may make and end keys of `user`; it may be the rotated one.
        user: its name.
        verify: a call with the new key that succeeds if it is good; sent to the provider of the rotated secret.
    """

    provider: str
    credential: str
    user: str
    verify: Step
    kind: Literal["aws-iam"] = field(default="aws-iam")

    def __post_init__(self) -> None:
        parse_name(self.provider, "provider")
        parse_name(self.credential, "secret")
        if not _USER.fullmatch(self.user):
            msg = f"not the name of an IAM user: {self.user!r}"
            raise InvalidValueError(msg)
        require_placeholders("verify", self.verify)


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth2Rotation:
    """Access tokens of an OAuth 2.0 authorization server (RFC 6749), fetched before the last one runs out.

    Attributes:
        provider: the registered provider of the token endpoint, whose credential is that of the client.
        credential: the name of the secret of the client: ``id:secret``.
        path: of the token endpoint.
        client: where the client's credential goes: ``provider`` for where that of the provider goes, which should be
            Basic; or ``body``, for a server that takes ``client_id`` and ``client_secret`` in the form alone.
        grant: ``client_credentials``, or ``refresh_token`` with the token in the secret `refresh`.
        refresh: the name of the secret that holds the refresh token, or ""; a new one in an answer takes its place.
        scope: as the server takes it, or "".
        verify: a call with the new token that succeeds if it is good, sent to the provider of the rotated secret; or
            None: then a token that was given is believed.
    """

    provider: str
    credential: str
    path: str
    grant: Literal["client_credentials", "refresh_token"] = "client_credentials"
    refresh: str = ""
    scope: str = ""
    client: Literal["provider", "body"] = "provider"
    verify: Step | None = None
    kind: Literal["oauth2"] = field(default="oauth2")

    def __post_init__(self) -> None:
        parse_name(self.provider, "provider")
        parse_name(self.credential, "secret")
        if self.refresh:
            parse_name(self.refresh, "secret")
        if bool(self.refresh) != (self.grant == "refresh_token"):
            msg = "refresh= goes with grant='refresh_token', and only with it"
            raise InvalidValueError(msg)
        require_path(self.path)
        if {"{", "}"} & {*self.path}:
            msg = f"the path of a token endpoint has no braces: {self.path!r}"
            raise InvalidValueError(msg)
        if not _SCOPE.fullmatch(self.scope):
            msg = f"not a scope: {self.scope!r} (RFC 6749, 3.3)"
            raise InvalidValueError(msg)
        if self.verify is not None:
            require_placeholders("verify", self.verify)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualRotation:
    """A provider without a key API: somebody is told when it is time, and puts the new key."""

    kind: Literal["manual"] = field(default="manual")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRotation:
    """A rotator of the host's own.

    Attributes:
        name: of the plug in ``APIKeyChain(rotators={...})``.
    """

    name: str
    kind: Literal["host"] = field(default="host")

    def __post_init__(self) -> None:
        parse_name(self.name, "rotator")


HowToRotate = HTTPRotation | AWSIAMRotation | OAuth2Rotation | ManualRotation | HostRotation
