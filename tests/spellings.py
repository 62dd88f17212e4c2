"""What an answer may hold of a secret, read by the letter: slow, and without a word of the code under test."""

import base64
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from html.entities import html5
from itertools import product

from hypothesis import strategies as st

_STANDARD = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_URL = _STANDARD.replace("+/", "-_")
Spans = set[tuple[int, int]]


@cache
def _spelled(byte: int) -> re.Pattern[bytes]:
    """Every spelling of `byte` but itself."""
    digits = "".join(f"[{digit}{digit.upper()}]" for digit in f"{byte:02x}")
    names = [name for name, text in html5.items() if text == chr(byte) and name.endswith(";")]
    several = [f"%{digits}", rf"\\u00{digits}", f"&#0{{0,16}}{byte};", f"&#[xX]0{{0,16}}{digits};"]
    several += [f"&{name}" for name in names]
    several += [rf"\\{re.escape(chr(byte))}"] if chr(byte) in '"\\/' else []
    return re.compile("|".join(several).encode())


def mixed_spans(body: bytes, text: bytes) -> Spans:
    """Where `text` stands in `body`, each byte as itself or as an escape."""
    spans: Spans = set()
    for start in range(len(body)):
        places = {start}
        for byte in text:
            places = {end for place in places for end in _behind(body, place, byte)}
            if not places:
                break
        spans |= {(start, end) for end in places}
    return spans


def united(spans: Iterable[tuple[int, int]]) -> list[list[int]]:
    """In order, those that overlap as one."""
    found: list[list[int]] = []
    for start, stop in sorted(spans):
        if found and start < found[-1][1]:
            found[-1][1] = max(stop, found[-1][1])
        else:
            found.append([start, stop])
    return found


def joined(*parts: bytes, longest: int) -> list[bytes]:
    """All that can be made of so many parts."""
    return [b"".join(some) for count in range(longest + 1) for some in product(parts, repeat=count)]


def _behind(body: bytes, place: int, byte: int) -> Iterator[int]:
    if body[place : place + 1] == bytes([byte]):
        yield place + 1
    spelled = _spelled(byte).match(body, place)
    if spelled:
        yield spelled.end()


def _hex(body: bytes, text: bytes) -> Spans:
    digits = text.hex().encode()
    ends = {start: start + len(digits) for start in range(len(body))}
    return {(start, end) for start, end in ends.items() if body[start:end].lower() == digits}


def _base64(body: bytes, text: bytes, alphabet: str) -> Spans:
    bits = "".join(f"{byte:08b}" for byte in text)
    body_bits = [f"{alphabet.index(chr(byte)):06b}" if chr(byte) in alphabet else "?" * 6 for byte in body]
    all_bits, spans = "".join(body_bits), set[tuple[int, int]]()
    for lead in (0, 2, 4):
        # The bits that the character before holds of the text are the last ones: 0, 4 or 2 of its six.
        held = (6 - lead) % 6
        size = (len(bits) - held) // 6
        core, rest = bits[held : held + size * 6], bits[held + size * 6 :]
        for start in range(len(body) - size + 1):
            stop = start + size
            if not all_bits.startswith(core, start * 6):
                continue
            before = bool(held and start and body_bits[start - 1].endswith(bits[:held]))
            after = bool(rest and stop < len(body) and body_bits[stop].startswith(rest))
            spans.add((start - before, stop + after))
    return spans


def slow_scrub(body: bytes, texts: Sequence[bytes]) -> bytes:
    """`body` without any form of `texts`."""
    spans: Spans = set()
    for text in texts:
        spans |= mixed_spans(body, text) | _hex(body, text) | _base64(body, text, _STANDARD) | _base64(body, text, _URL)
    out, reached, begun = bytearray(body), 0, 0
    for start, end in sorted(spans):
        begun = begun if start < reached else start
        reached = max(reached, end)
        out[begun:reached] = (b"[redacted]" + b"*" * len(body))[: reached - begun]
    return bytes(out)


def every_spelling(byte: int) -> list[bytes]:
    """Some of each kind."""
    low, high = f"{byte:02x}", f"{byte:02X}"
    named = [f"&{name}" for name, text in html5.items() if text == chr(byte) and name.endswith(";")]
    short = [f"\\{chr(byte)}"] if chr(byte) in '"\\/' else []
    numbers = [
        f"&#{byte};",
        f"&#0{byte};",
        f"&#{'0' * 16}{byte};",
        f"&#x{low};",
        f"&#X{high};",
        f"&#x{'0' * 16}{high};",
    ]
    texts = [chr(byte), f"%{low}", f"%{high}", f"\\u00{low}", f"\\u00{high}", *numbers, *named, *short]
    return [text.encode() for text in texts]


def spelled(text: bytes) -> st.SearchStrategy[bytes]:
    """`text` with each byte as itself or as an escape."""
    return st.tuples(*(st.sampled_from(every_spelling(byte)) for byte in text)).map(b"".join)


def hexed(text: bytes) -> st.SearchStrategy[bytes]:
    """`text` in hex, each digit in either case."""
    pairs = [st.sampled_from([f"{digit:c}".encode(), f"{digit:c}".upper().encode()]) for digit in text.hex().encode()]
    return st.tuples(*pairs).map(b"".join)


def based(text: bytes) -> st.SearchStrategy[bytes]:
    """`text` somewhere in base64 or base64url, padded or not."""
    around = st.binary(max_size=5)
    whole = st.builds(lambda before, after: before + text + after, around, around)
    kinds = st.sampled_from([base64.b64encode, base64.urlsafe_b64encode])
    return st.builds(
        lambda kind, data, pad: kind(data) if pad else kind(data).rstrip(b"="), kinds, whole, st.booleans()
    )


def any_form(text: bytes) -> st.SearchStrategy[bytes]:
    """`text` in one of its forms."""
    return st.one_of(st.just(text), spelled(text), hexed(text), based(text))


def cut(draw: st.DrawFn, whole: bytes) -> list[bytes]:
    """`whole` in chunks."""
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    return [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
