import re
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apikeychain.backends.heads import MAX_HEAD_BYTES, answered, head_of
from apikeychain.errors import UpstreamRefusedError
from apikeychain.model.call import UpstreamRequest
from apikeychain.model.headers import Line
from exchange import Chunks

REQUEST = UpstreamRequest(
    method="POST", scheme="https", host="api.provider.test", port=443, target=b"/v1?x=1", headers=((b"x-a", b"1"),)
)
NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
VALUE = re.compile(rb"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?")
OURS = frozenset(
    b"connection content-length expect host keep-alive proxy-connection te trailer transfer-encoding upgrade".split()
)
NAMES = st.sampled_from([*OURS, b"Host", b"x-a", b"te-x", b"a:b", b"a b", b"", b"a\nb", b"x-a\r\nhost"]) | st.binary(
    max_size=6
)
VALUES = st.sampled_from([b"", b"1", b" a", b"a\t", b"a\tb", b"a\nb", b"a\r\nb: c", b"\n", b"caf\xe9"]) | st.binary(
    max_size=6
)


def is_line(line: Line) -> bool:
    """One by one, as RFC 9110, 5.1 and 5.5, say it."""
    name, value = line
    return bool(NAME.fullmatch(name) and VALUE.fullmatch(value)) and name.lower() not in OURS


@given(st.lists(st.tuples(NAMES, VALUES), max_size=5))
@example([(b"x-a", b"1\nx-b\n2")])
@example([(b"x-a\n1\nx-b", b"2")])
@example([(b"x-a", b"1"), (b"CONTENT-length", b"2")])
def test_lines_that_are_looked_at_together_are_refused_like_each_by_itself(lines: list[Line]) -> None:
    request = replace(REQUEST, headers=tuple(lines))
    if all(map(is_line, lines)):
        assert b"".join(b"%b: %b\r\n" % line for line in lines) in head_of(request)
    else:
        with pytest.raises(UpstreamRefusedError, match="not one that can be sent"):
            head_of(request)


@pytest.mark.parametrize(
    ("change", "framing"),
    [
        ({"body": b"abc"}, b"content-length: 3\r\n"),
        ({"body": b""}, b"content-length: 0\r\n"),
        ({"body": None}, b"content-length: 0\r\n"),
        ({"body": None, "method": "GET"}, b""),
        ({"body": Chunks(b"abc"), "content_length": 3}, b"content-length: 3\r\n"),
        ({"body": Chunks(b"abc")}, b"transfer-encoding: chunked\r\n"),
    ],
)
def test_a_head_is_written_byte_for_byte_and_its_framing_last(change: dict[str, object], framing: bytes) -> None:
    request = replace(REQUEST, **change)  # type: ignore[arg-type]  # fields by name
    begin = request.method.encode() + b" /v1?x=1 HTTP/1.1\r\n"
    assert head_of(request) == begin + b"host: api.provider.test\r\nx-a: 1\r\n" + framing + b"\r\n"


def test_the_port_is_told_where_it_is_another() -> None:
    assert b"\r\nhost: api.provider.test:8443\r\n" in head_of(replace(REQUEST, port=8443))


@pytest.mark.parametrize("more", [0, 1])
def test_a_head_of_an_answer_may_have_so_many_bytes_and_no_more(more: int) -> None:
    length = (b"content-length", b"0")
    rest = MAX_HEAD_BYTES - sum(map(len, length)) - 4
    lines = (length, (b"x", b"y" * (rest - 5 + more)))
    if more:
        with pytest.raises(UpstreamRefusedError, match="head that cannot be passed on"):
            answered("api.provider.test", "GET", 200, lines)
    else:
        assert answered("api.provider.test", "GET", 200, lines).lines == lines
