"""Answers that hold a secret in some form: what comes out is what the slow matcher makes of them, in any chunks.

An input is the secret, a line feed, the sizes of the chunks as letters, a line feed, and the answer.
"""

import itertools
from collections.abc import Callable, Sequence

from apikeychain.rules.scrubbing import Needles, Scrubber
from spellings import slow_scrub

Stream = Callable[[bytes, Sequence[bytes]], bytes]
TOKENS = (
    *(
        b"%",
        b"%2",
        b"%61",
        b"%41",
        b"%25",
        b"%5c",
        b"%5C",
        b"%2F",
        b"\\",
        b"\\\\",
        b"\\/",
        b'\\"',
        b"\\u0061",
        b"\\u005C",
    ),
    *(
        b"&",
        b"&#",
        b"&#97;",
        b"&#x61;",
        b"&#X61;",
        b"&#0097;",
        b"&#x0000000061;",
        b"&amp;",
        b"&lt;",
        b"&quot;",
        b"&sol;",
    ),
    *(
        b"6162",
        b"616263646566",
        b"YWJjZGVm",
        b"FiY2RlZ",
        b"hYmNkZW",
        b"3d4e",
        b"\n",
        b"abcdef",
        b"abc",
        b"def",
        b"ab%",
        b"=",
    ),
)
_LONGEST_SECRET, _LONGEST_BODY = 16, 400


def stream(secret: bytes, chunks: Sequence[bytes]) -> bytes:
    """What leaves of `chunks`."""
    return streamed(Needles((secret,)), chunks)


def streamed(found: Needles, chunks: Sequence[bytes]) -> bytes:
    """What leaves of `chunks` when `found` is looked for."""
    scrubber = Scrubber(found)
    return b"".join([*(scrubber.feed(chunk) for chunk in chunks), scrubber.flush()])


def one_input(data: bytes, stream: Stream = stream) -> None:
    """`data` as a secret and an answer."""
    secret, _, rest = data.partition(b"\n")
    sizes, _, body = rest.partition(b"\n")
    if not (
        1 < len(secret) <= _LONGEST_SECRET and set(secret) <= set(range(0x20, 0x7F)) and len(body) <= _LONGEST_BODY
    ):
        return
    assert stream(secret, _cut(body, sizes)) == slow_scrub(body, [secret])


def _cut(body: bytes, sizes: bytes) -> list[bytes]:
    chunks: list[bytes] = []
    at = 0
    for size in itertools.cycle(sizes or b"\xff"):
        if at >= len(body):
            return chunks
        chunks.append(body[at : at + size % 32 + 1])
        at += size % 32 + 1
    return chunks
