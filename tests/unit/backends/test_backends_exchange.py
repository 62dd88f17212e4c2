import ssl
from dataclasses import replace
from typing import Any

import pytest

from apikeychain.backends.exchange import Exchange
from apikeychain.backends.tls import client_context
from apikeychain.errors import UpstreamRefusedError
from apikeychain.model.call import UpstreamRequest
from apikeychain.model.network import PUBLIC, Network

REQUEST = UpstreamRequest(
    method="POST", scheme="https", host="api.provider.test", port=443, target=b"/v1?x=1", headers=((b"x-a", b"1"),)
)


async def test_host_comes_first_and_the_length_last() -> None:
    assert Exchange(replace(REQUEST, body=b"abc")).lines == [
        (b"host", b"api.provider.test"),
        (b"x-a", b"1"),
        (b"content-length", b"3"),
    ]
    assert Exchange(replace(REQUEST, port=8443)).lines[0] == (b"host", b"api.provider.test:8443")


@pytest.mark.parametrize(
    ("method", "length"), [("POST", b"0"), ("PUT", b"0"), ("PATCH", b"0"), ("GET", None), ("DELETE", None)]
)
async def test_no_body_has_a_length_where_one_is_expected(method: str, length: bytes | None) -> None:
    assert dict(Exchange(replace(REQUEST, method=method)).lines).get(b"content-length") == length


@pytest.mark.parametrize(
    "change",
    [
        {"scheme": "http"},
        *({"method": method} for method in ("CONNECT", "TRACE", "GET /x HTTP/1.1\r\nhost: evil.test\r\n\r\nGET")),
        *({"host": host} for host in ("", "127.0.0.1", "127.1", "[::1]", "0x7f.1", "A.test", "a.test:1")),
        *({"target": target} for target in (b"", b"*", b"x", b"/a b", b"/a\r\n", b"/a#b", b"/caf\xc3\xa9")),
        *(
            {"headers": ((name, b"1"),)}
            for name in (b"host", b"Content-Length", b"transfer-encoding", b"connection", b"te", b"expect", b"upgrade")
        ),
        *({"headers": ((name, b"1"),)} for name in (b"", b"a b", b"a:b", b"a\r\nb", b"caf\xc3\xa9")),
        *({"headers": ((b"x-a", value),)} for value in (b"a\r\nb: c", b"a\n", b"a\x00", b" a", b"a ", b"\x7f")),
    ],
    ids=repr,
)
async def test_what_could_be_read_as_another_request_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(UpstreamRefusedError, match="not one that can be sent"):
        Exchange(replace(REQUEST, **change))


def test_tls_is_verified_and_new_unless_the_network_says_otherwise() -> None:
    context = client_context(PUBLIC)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    assert client_context(Network(minimum_tls="1.2")).minimum_version is ssl.TLSVersion.TLSv1_2
