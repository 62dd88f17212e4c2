"""The credential, put into a request as the last thing before it is sent.

Source: contracts 4 ("credential injected last, an injected name always wins"); RFC 7617; spec 4.1.
"""

import base64
import re

from apikeychain.errors import InternalError, SecretUnavailableError
from apikeychain.model.call import UpstreamRequest
from apikeychain.model.headers import Line
from apikeychain.model.provider import HeaderCredential, Provider, QueryCredential
from apikeychain.rules.paths import encode_query
from apikeychain.rules.routing import CompiledRoute, Target
from apikeychain.secret import Secret

_PRINTABLE = re.compile(rb"[\x20-\x7e]+").fullmatch
_REQUEST_TARGET = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@/%-]*(?:\?[A-Za-z0-9._~!$()*,:@/?+%&=-]*)?").fullmatch


def credential(provider: Provider, secret: Secret) -> bytes:
    """The whole credential as it is sent: a header's value, or a query parameter's.

    Raises:
        SecretUnavailableError: it would hold something other than printable ASCII, a line break for one.
    """
    plain = secret.reveal()  # the one exit: from here the bytes go into the request and into the needles only
    place = provider.credential
    if isinstance(place, HeaderCredential):
        value = place.prefix.encode() + plain
    elif isinstance(place, QueryCredential):
        value = encode_query(plain)
    else:
        user = b"" if place.username is None else place.username.encode() + b":"
        value = b"Basic " + base64.b64encode(user + plain)
    if not (_PRINTABLE(plain) and _PRINTABLE(value)):
        raise SecretUnavailableError
    return value


def inject(target: Target, secret: Secret) -> UpstreamRequest:
    """The request to send.

    Raises:
        SecretUnavailableError: the secret cannot be part of a request.
        InternalError: the request would not go to the place of its provider.
    """
    route = target.route
    headers, query = _with_credential(target, credential(route.provider, secret))
    request = UpstreamRequest(
        method=target.method,
        scheme=route.base.scheme,
        host=route.base.host,
        port=route.base.port,
        target=target.path + (b"?" + query if query else b""),
        headers=headers,
        body=target.body,
        content_length=target.content_length,
        timeouts=route.timeouts,
        network=route.network,
    )
    _require_place(request, route)
    return request


def _with_credential(target: Target, value: bytes) -> tuple[tuple[Line, ...], bytes]:
    route = target.route
    name = route.credential_name
    if isinstance(route.provider.credential, QueryCredential):
        pair = name + b"=" + value
        return target.headers, target.query + b"&" + pair if target.query else pair
    others = [line for line in target.headers if line[0] != name]
    return (*others, (name, value)), target.query


def _require_place(request: UpstreamRequest, route: CompiledRoute) -> None:
    """Raise InternalError unless the text of the URL, read without a parser, is the provider's and under its base."""
    url, base = request.url, route.base
    sound = url.startswith(base.text) and url.removeprefix(base.text)[:1] in {"", "/", "?"}
    if not (sound and _REQUEST_TARGET(url, len(base.root))):
        raise InternalError
