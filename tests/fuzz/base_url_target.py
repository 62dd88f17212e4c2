"""Base URLs of providers: what is taken is https, a name with a dot, and read alike by three other readers.

They are the WHATWG parser behind pydantic's `Url`, httpx, and a grammar that is written here a second time.
"""

import re
from collections.abc import Callable

import httpx
from pydantic import ValidationError
from pydantic_core import Url

from apikeychain.errors import InvalidValueError
from apikeychain.model.provider import BaseURL

Parse = Callable[[str], BaseURL]
TOKENS = (
    *(
        b"https://",
        b"http://",
        b"HTTPS://",
        b"//",
        b"/",
        b"\\",
        b"@",
        b"?",
        b"#",
        b":",
        b":443",
        b":8443",
        b":0",
        b":00",
    ),
    *(b":65535", b":65536", b"..", b".", b"/./", b"/../", b"%2e", b"%2f", b"%", b"*", b"[::1]", b"127.0.0.1", b"0x7f"),
    *(b"localhost", b".localhost", b"xn--", b"_", b"-", b"\n", b"\t", b" ", b"\0", b"user:word@", b";x=y", b"{region}"),
    *(
        "\u3002".encode(),
        "\uff0e".encode(),
        "\u00ad".encode(),
        "\u00df".encode(),
        b"\xff",
        b"api.provider.test",
        b"/v1",
    ),
)
_GRAMMAR = re.compile(
    r"https://(?P<host>(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?(?P<path>(?:/[A-Za-z0-9._~!$&'()*+,;=:@-]+)*)"
)
_LAST_IS_A_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_MAX_HOST = 253
_HTTPS = 443


def one_input(data: bytes, parse: Parse = BaseURL.parse) -> None:
    """`data` as the base URL of a provider."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        base = parse(text)
    except InvalidValueError as error:
        assert str(error).isprintable()  # noqa: PT017 - what it says is judged, not that it comes
        assert not _is_plain(text)
        return
    assert base.text == text
    assert parse(base.text) == base
    _require_grammar(text, base)
    _require_as_others_read_it(text, base)


def _is_plain(text: str) -> bool:
    """Whether there is nothing to refuse in it: letters and digits only, with a port that is not the default."""
    return bool(re.fullmatch(r"https://[a-z]{1,20}\.[a-z]{2,20}(?::[1-9][0-9]{3})?(?:/[a-z0-9]{1,20})*", text))


def _require_grammar(text: str, base: BaseURL) -> None:
    found = _GRAMMAR.fullmatch(text)
    assert found is not None
    port = int(found["port"] or _HTTPS)
    assert (base.scheme, base.host, base.port, base.path) == ("https", found["host"], port, found["path"])
    assert len(base.host) <= _MAX_HOST
    assert not _LAST_IS_A_NUMBER.fullmatch(base.host.rpartition(".")[2])
    assert found["port"] != str(_HTTPS)
    assert port < 1 << 16
    assert not {".", ".."} & set(base.path.split("/"))


def _require_as_others_read_it(text: str, base: BaseURL) -> None:
    other = httpx.URL(text)
    assert (other.scheme, other.raw_host) == ("https", base.host.encode())
    assert (other.port or _HTTPS) == base.port
    assert (other.userinfo, other.query, other.fragment) == (b"", b"", "")
    assert other.raw_path == (base.path or "/").encode()
    try:
        url = Url(text)
    except ValidationError:
        # It knows which code points an international name may hold; such a name is looked up and not found.
        assert "xn--" in base.host
        return
    assert (url.scheme, url.host, url.port, url.path or "/") == ("https", base.host, base.port, base.path or "/")
    assert (url.username, url.password, url.query, url.fragment) == (None, None, None, None)
