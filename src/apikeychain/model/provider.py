"""A provider: a third-party API as data.

Source: contracts 4, "Provider base URL"; spec 6.2 (no dynamic hostnames).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from apikeychain.errors import InvalidValueError
from apikeychain.model.header_lines import require_header_name, require_header_value
from apikeychain.model.ids import parse_name
from apikeychain.model.origin import is_host
from apikeychain.model.sanitizers import Sanitizer
from apikeychain.model.signing_credentials import AWSCredential, SigningCredential

_USERNAME = re.compile(r"[\x20-\x39\x3b-\x7e]{0,1024}")
_QUERY_NAME = re.compile(r"[A-Za-z0-9._~-]{1,64}")
_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@-]+)*")
# Where the last label is a number, resolvers read the name as an IPv4 address: 0x7f.1
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
# An AWS service may sign a path as it stands or escaped once more: one spelling of both is left without these.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9._~/-]*")
_AUTHORIZATION = frozenset({"authorization"})
HTTPS_PORT = 443
_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class HeaderCredential:
    """The secret as a header's value, behind a prefix: ``Authorization: Bearer <secret>``."""

    header: str
    prefix: str = ""
    kind: Literal["header"] = "header"

    def __post_init__(self) -> None:
        require_header_name(self.header)
        require_header_value(self.prefix)

    @property
    def header_names(self) -> frozenset[str]:
        """The headers that only this credential sets, in lower case."""
        return frozenset({self.header.lower()})


@dataclass(frozen=True, slots=True)
class QueryCredential:
    """The secret as a query parameter, last in the query: ``?appid=<secret>``."""

    parameter: str
    kind: Literal["query"] = "query"

    def __post_init__(self) -> None:
        if not _QUERY_NAME.fullmatch(self.parameter):
            msg = f"not a query name: {self.parameter!r}"
            raise InvalidValueError(msg)

    @property
    def header_names(self) -> frozenset[str]:
        """None."""
        return frozenset()


@dataclass(frozen=True, slots=True)
class BasicCredential:
    """HTTP Basic (RFC 7617). Without a username the secret itself is ``user:password``."""

    username: str | None = None
    kind: Literal["basic"] = "basic"

    def __post_init__(self) -> None:
        if self.username is not None and not _USERNAME.fullmatch(self.username):
            msg = "a Basic username is printable ASCII without ':'"
            raise InvalidValueError(msg)

    @property
    def header_names(self) -> frozenset[str]:
        """The headers that only this credential sets, in lower case."""
        return _AUTHORIZATION


@dataclass(frozen=True, slots=True)
class OAuth2Credential:
    """An OAuth 2.0 access token as a Bearer token (RFC 6750). A rotation of the kind `oauth2` keeps it fresh."""

    kind: Literal["oauth2"] = "oauth2"

    @property
    def header_names(self) -> frozenset[str]:
        """The headers that only this credential sets, in lower case."""
        return _AUTHORIZATION


Credential = HeaderCredential | QueryCredential | BasicCredential | OAuth2Credential | SigningCredential


@dataclass(frozen=True, slots=True)
class Provider:
    """Where calls go and how the secret goes with them.

    Attributes:
        name: unique in the project.
        base_url: ``https://host[:port][/path]``: a DNS name, no query. A final slash is dropped.
        credential: where the secret goes.
        user_agent: sent instead of ours where the provider asks for one.
        headers: lines that every call carries, e.g. a version of the API.
        source: address of the documentation behind this entry.
        reviewed: the date on which it was read, ``YYYY-MM-DD``.
        sanitizers: rules about its parameters, beside those of its routes.

    Raises:
        InvalidValueError: one of them cannot be.
    """

    name: str
    base_url: str
    credential: Credential
    user_agent: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    source: str = ""
    reviewed: str = ""
    sanitizers: Sequence[Sanitizer] = ()

    def __post_init__(self) -> None:
        parse_name(self.name, "provider")
        object.__setattr__(self, "base_url", self.base_url.removesuffix("/"))
        object.__setattr__(self, "sanitizers", tuple(self.sanitizers))
        base = BaseURL.parse(self.base_url)
        if isinstance(self.credential, AWSCredential) and not _PLAIN_PATH.fullmatch(base.path):
            msg = f"the path of an AWS base URL has letters, digits and '._~-' only, not {base.path!r}"
            raise InvalidValueError(msg)
        require_header_value(self.user_agent or "")
        for name, value in self.headers:
            require_header_name(name)
            require_header_value(value)

    @property
    def address(self) -> "BaseURL":
        """The parsed base URL."""
        return BaseURL.parse(self.base_url)


@dataclass(frozen=True, slots=True)
class BaseURL:
    """A base URL in its parts.

    Attributes:
        path: "" or ``/a/b``, without a trailing slash.
        authority: as Host says it: the port where it is not 443.
        root: all before the path.
        text: the one spelling of it.
    """

    scheme: str
    host: str
    port: int
    path: str
    authority: bytes = field(init=False, repr=False, compare=False)
    root: str = field(init=False, repr=False, compare=False)
    text: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        port = "" if self.port == HTTPS_PORT else f":{self.port}"
        object.__setattr__(self, "authority", f"{self.host}{port}".encode())
        object.__setattr__(self, "root", f"{self.scheme}://{self.host}{port}")
        object.__setattr__(self, "text", self.root + self.path)

    @classmethod
    def parse(cls, text: str) -> "BaseURL":
        """The parts of `text`, rebuilt and compared, so that there is one reading of it.

        Raises:
            InvalidValueError: not a base URL that a provider can have.
        """
        try:
            parts = urlsplit(text)
            port = parts.port or HTTPS_PORT
            base = cls("https", parts.hostname or "", port, parts.path)
        except ValueError:
            base = cls("https", "", 0, "")
        if base.text != text or not base._is_sound():
            msg = f"not a provider's base URL: {text!r} (https, a DNS name with a dot, lower case, no query)"
            raise InvalidValueError(msg)
        return base

    def _is_sound(self) -> bool:
        labels = self.host.split(".")
        return (
            is_host(self.host)
            and len(labels) > 1
            and not _NUMERIC_LABEL.fullmatch(labels[-1])
            and 0 < self.port <= _MAX_PORT
            and bool(_PATH.fullmatch(self.path))
            and not {".", ".."} & set(self.path.split("/"))
        )
