"""The credential, put into a request as the last thing before it is sent.

Source: contracts 4 ("credential injected last, an injected name always wins"); RFC 7617; RFC 6750, 2.1; spec 4.1.
"""

import base64
import hashlib
import re
from collections.abc import AsyncIterable
from datetime import datetime

from apikeychain.errors import InternalError, InvalidValueError, SecretUnavailableError
from apikeychain.model.call import Message, UpstreamRequest
from apikeychain.model.headers import Line
from apikeychain.model.network import PUBLIC, Network
from apikeychain.model.provider import (
    BaseURL,
    BasicCredential,
    HeaderCredential,
    OAuth2Credential,
    Provider,
    QueryCredential,
)
from apikeychain.model.route import Timeouts
from apikeychain.model.signing_credentials import AWSCredential, HMACCredential, SigningCredential
from apikeychain.rules import hmac_signing, sigv4
from apikeychain.rules.credential_place import Place
from apikeychain.rules.paths import encode_query
from apikeychain.rules.routing import CompiledRoute, Target
from apikeychain.rules.scrubbing import Needles
from apikeychain.secret import Secret

_PRINTABLE = re.compile(rb"[\x20-\x7e]+").fullmatch
_REQUEST_TARGET = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@/%-]*(?:\?[A-Za-z0-9._~!$()*,:@/?+%&=-]*)?").fullmatch


def credential(provider: Provider, secret: Secret) -> bytes:
    """The whole credential as it is sent: a header's value, or a query parameter's; of one that signs, the secret.

    Raises:
        SecretUnavailableError: it would hold something other than printable ASCII, a line break for one.
    """
    plain = secret.reveal()  # the one exit: from here the bytes go into the request and into the needles only
    place = provider.credential
    if isinstance(place, HeaderCredential):
        value = place.prefix.encode() + plain
    elif isinstance(place, QueryCredential):
        value = encode_query(plain)
    elif isinstance(place, BasicCredential):
        user = b"" if place.username is None else place.username.encode() + b":"
        value = b"Basic " + base64.b64encode(user + plain)
    else:
        value = b"Bearer " + plain if isinstance(place, OAuth2Credential) else plain
    if not (_PRINTABLE(plain) and _PRINTABLE(value)):
        raise SecretUnavailableError
    return value


def require_form(provider: Provider, secret: Secret) -> None:
    """Raise InvalidValueError unless a secret has the parts with which calls to the provider are signed."""
    place = provider.credential
    try:
        if isinstance(place, AWSCredential):
            sigv4.read_key(credential(provider, secret))
        elif isinstance(place, HMACCredential):
            hmac_signing.read_key(place, credential(provider, secret))
    except SecretUnavailableError as error:
        raise InvalidValueError(error.hint) from None


def inject(target: Target, secret: Secret, moment: datetime) -> UpstreamRequest:
    """The request to send for a call.

    Args:
        target: what goes up.
        secret: the one of its route.
        moment: of a signature, where the provider wants one.

    Raises:
        SecretUnavailableError: the secret cannot be part of a request, or sign one.
        InternalError: the request would not go to the place of its provider.
    """
    route = target.route
    place, timeouts, network = route.place, route.timeouts, route.network
    return _complete(target, route.provider, route.base, place, secret, moment, timeouts, network)


def authorised(
    message: Message,
    provider: Provider,
    secret: Secret,
    moment: datetime,
    *,
    timeouts: Timeouts | None = None,
    network: Network = PUBLIC,
) -> UpstreamRequest:
    """The request to send for a message of our own to a registered provider. Raises what `inject` raises.

    Args:
        message: its path begins with that of the provider's base URL; its body is whole.
        provider: where it goes.
        secret: of that provider.
        moment: of a signature, where the provider wants one.
        timeouts: other than the usual ones.
        network: the exceptions that host code makes for this provider.
    """
    place, base = Place.of(provider.credential), provider.address
    return _complete(message, provider, base, place, secret, moment, timeouts or Timeouts(), network)


def signature_of(request: UpstreamRequest, signing: SigningCredential) -> bytes:
    """The signature that `request` carries: whoever has it may repeat the call for a while."""
    _, value = request.headers[-1]
    return value[-signing.signature_bytes :]


def hidden(needles: Needles, request: UpstreamRequest, route: CompiledRoute) -> Needles:
    """What must not come back of a call: the needles of its secret, and its signature where it has one."""
    signing = route.place.signing
    return needles if signing is None else needles.beside(signature_of(request, signing))


def _complete(  # noqa: PLR0917 - by position: it runs on every call
    message: Message,
    provider: Provider,
    base: BaseURL,
    place: Place,
    secret: Secret,
    moment: datetime,
    timeouts: Timeouts,
    network: Network,
) -> UpstreamRequest:
    path, query, value = message.path, message.query, credential(provider, secret)
    headers: tuple[Line, ...]
    if place.signing is not None:
        path, query, headers = _signed(place.signing, message, place, base, value, moment)
    elif place.headers:
        headers = (*[line for line in message.headers if line[0] != place.name], (place.name, value))
    else:
        headers, pair = message.headers, place.name + b"=" + value
        query = query + b"&" + pair if query else pair
    request = UpstreamRequest(
        method=message.method,
        scheme=base.scheme,
        host=base.host,
        port=base.port,
        target=path + (b"?" + query if query else b""),
        headers=headers,
        body=message.body,
        content_length=message.content_length,
        timeouts=timeouts,
        network=network,
    )
    _require_place(request, base)
    return request


def _signed(  # noqa: PLR0917 - what is signed
    signing: SigningCredential, message: Message, place: Place, base: BaseURL, plain: bytes, moment: datetime
) -> tuple[bytes, bytes, tuple[Line, ...]]:
    """Path, query and header lines, signed as they are sent."""
    others = tuple(line for line in message.headers if line[0] not in place.headers)
    host, whole = base.authority, _whole(signing, message.body)
    if isinstance(signing, AWSCredential):
        path, query = sigv4.plain_path(message.path), sigv4.plain_query(message.query)
        payload = sigv4.UNSIGNED_PAYLOAD if whole is None else hashlib.sha256(whole).hexdigest().encode()
        own = sigv4.signed_lines(
            signing,
            sigv4.read_key(plain),
            moment,
            method=message.method,
            host=host,
            path=path,
            query=query,
            headers=others,
            payload=payload,
        )
        return path, query, (*others, *own)
    own = hmac_signing.signed_lines(
        signing,
        hmac_signing.read_key(signing, plain),
        moment,
        method=message.method,
        host=host,
        path=message.path,
        query=message.query,
        body=whole or b"",
    )
    return message.path, message.query, (*others, *own)


def _whole(signing: SigningCredential, body: bytes | AsyncIterable[bytes] | None) -> bytes | None:
    """The body that is signed; None for one that goes up unsigned, as a stream.

    Raises:
        InternalError: it has to be signed and is not there.
    """
    if body is None or isinstance(body, bytes):
        return body or b""
    if signing.signs_body:
        raise InternalError
    return None


def _require_place(request: UpstreamRequest, base: BaseURL) -> None:
    """Raise InternalError unless the text of the URL, read without a parser, is the provider's and under its base."""
    url = request.url
    sound = url.startswith(base.text) and url.removeprefix(base.text)[:1] in {"", "/", "?"}
    if not (sound and _REQUEST_TARGET(url, len(base.root))):
        raise InternalError
