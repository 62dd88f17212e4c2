"""Where a credential goes, decided once for each route.

Source: contracts 4 ("credential injected last, an injected name always wins").
"""

from dataclasses import dataclass
from typing import Self

from apikeychain.model.provider import BasicCredential, Credential, HeaderCredential, OAuth2Credential, QueryCredential
from apikeychain.model.signing_credentials import AWSCredential, HMACCredential, SigningCredential
from apikeychain.rules.paths import encode_query


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a credential in a request.

    Attributes:
        name: of the header or query parameter that carries it, as it is sent; empty where calls are signed with it.
        headers: every header that it sets: no other line of that name goes up.
        signing: the credential itself, where calls are signed with it, else None.
    """

    name: bytes
    headers: frozenset[bytes]
    signing: SigningCredential | None

    @classmethod
    def of(cls, credential: Credential) -> Self:
        """The place of `credential`."""
        headers = frozenset(name.encode() for name in credential.header_names)
        signing = credential if isinstance(credential, AWSCredential | HMACCredential) else None
        return cls(_name(credential), headers, signing)


def _name(credential: Credential) -> bytes:
    if isinstance(credential, QueryCredential):
        return encode_query(credential.parameter.encode())
    if isinstance(credential, HeaderCredential):
        return credential.header.lower().encode()
    return b"authorization" if isinstance(credential, BasicCredential | OAuth2Credential) else b""
