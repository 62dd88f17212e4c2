"""What redaction costs: ``python tests/benchmarks/redaction.py``.

Prints for each kind of body the median time for a MiB, in chunks as they come from a provider, and how many times
that of ten plain searches over the same bytes it is: `bytes.find` is what a machine is measured by.
"""

import base64
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from urllib.parse import quote

from apikeychain.model.provider import Credential, HeaderCredential, Provider, QueryCredential
from apikeychain.rules.redaction import needles
from apikeychain.rules.scrubbing import Needles, Scrubber
from apikeychain.secret import Secret

_MIB = 1024 * 1024
_CHUNK = 64 * 1024
_RUNS = 7
_CHANCE = random.Random(1)  # noqa: S311 - the same bodies in every run
_SECRET = "sk-proj-" + "".join(_CHANCE.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", k=40))


def _filled(piece: Callable[[], bytes]) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while size < _MIB:
        pieces.append(piece())
        size += len(pieces[-1])
    return b"".join(pieces)[:_MIB]


def _words() -> str:
    return " ".join("".join(_CHANCE.choices("etaoinshrdlu", k=6)) for _ in range(20))


def _begun(text: str) -> str:
    return text[: _CHANCE.randrange(1, len(text))]


def _escaped(text: str) -> bytes:
    return b"".join(b"%%%02x" % ord(one) for one in text)


def _bodies(text: str) -> Mapping[str, bytes]:
    """Where `text` is what is looked for."""
    return {
        "plain text": _filled(lambda: _words().encode() + b"\n"),
        "JSON, few escapes": _filled(lambda: json.dumps({"text": f'{_words()} "so"\n', "at": 1}).encode()),
        "JSON, links": _filled(
            lambda: json.dumps({"href": f"https://a.example/{_words()}"}).replace("/", "\\/").encode()
        ),
        "JSON, each character escaped": _filled(lambda: "".join(f"\\u{ord(one):04x}" for one in _words()).encode()),
        "percent, any byte": _filled(lambda: b"%%%02X" % _CHANCE.randrange(256)),
        "percent, each a letter": _filled(lambda: _escaped(_words())),
        "only percent signs": b"%" * _MIB,
        "entities with zeros": _filled(lambda: b"&#00000000000000%d;" % _CHANCE.randrange(48, 122)),
        "base64": base64.b64encode(_CHANCE.randbytes(_MIB))[:_MIB],
        "binary": _CHANCE.randbytes(_MIB),
        "near matches": _filled(lambda: _begun(text).encode()),
        "near matches, escaped": _filled(lambda: _escaped(_begun(text))),
        "the secret, over and over": text.encode() * (_MIB // len(text)),
        "the secret, one escape each": _filled(lambda: _escaped(text[0]) + text[1:].encode()),
        "the secret, escaped": _filled(lambda: _escaped(text)),
    }


def _hostile() -> Mapping[str, tuple[Needles, bytes]]:
    """Secrets that their own tenant chose to be slow, most of them of the greatest length."""
    one, pairs, signs = (
        Needles((b"a" * 4096,)),
        Needles((b"%25" * 1365,)),
        quote("pG7!x@Kd#93$u^Lm(Q)w+R=t{Z}n,B;e:Yc?V/h", safe=""),
    )
    return {
        "4,096 times a, in a": (one, b"a" * _MIB),
        "4,096 times a, in %61": (one, b"%61" * (_MIB // 3)),
        "4,096 times a, nearly": (one, (b"a" * 4000 + b"%61" * 90 + b"!") * (_MIB // 4271)),
        "1 and 4,095 times a, in %61": (Needles((b"1" + b"a" * 4095,)), b"%61" * (_MIB // 3)),
        "4,095 times a and %, nearly": (Needles((b"a" * 4095 + b"%",)), (b"a" * 8000 + b"%61!") * (_MIB // 8004)),
        "1,365 times %25, in %25": (pairs, b"%25" * (_MIB // 3)),
        "16 signs in a query, nearly": (
            Needles((signs.encode(),)),
            _filled(lambda: _escaped(signs) + signs.encode()[1:]),
        ),
        "8 bytes, one escape each": (Needles((b"k-y=z.!x",)), b"%6b-y=z.!x" * (_MIB // 10)),
        "8 bytes with %41, one escape each": (Needles((b"k-y=z%41",)), b"%6b-y=z%41" * (_MIB // 10)),
        "8 bytes with %41, read": (Needles((b"k-y=z%41",)), (b"k-y=zA" * 100 + b"%41") * (_MIB // 603)),
    }


def _median(run: Callable[[], object]) -> float:
    """Milliseconds of the processor, which others may share."""
    times: list[float] = []
    for _ in range(_RUNS):
        started = time.process_time()
        run()
        times.append((time.process_time() - started) * 1000)
    return statistics.median(times)


def _stream(found: Needles, body: bytes) -> None:
    scrubber = Scrubber(found)
    for at in range(0, len(body), _CHUNK):
        scrubber.feed(body[at : at + _CHUNK])
    scrubber.flush()


def _find(body: bytes) -> None:
    for _ in range(10):
        body.find(_SECRET.encode())


def _report(kind: str, found: Needles, body: bytes) -> None:
    per_mib = _MIB / len(body)
    spent, base = _median(lambda: _stream(found, body)) * per_mib, _median(lambda: _find(body)) * per_mib
    sys.stdout.write(f"| {kind} | {spent:.1f} | {spent / base:.0f} |\n")
    sys.stdout.flush()


def _needles(place: Credential, secret: str) -> Needles:
    return needles(Provider("bench", "https://a.example", place), Secret(secret))


def main() -> None:
    """Prints the table."""
    sys.stdout.write("| body | ms a MiB | times ten searches |\n| --- | --- | --- |\n")
    header, signs, leads = (
        HeaderCredential("x-key", "Bearer "),
        f"{_SECRET}+/=",
        f"{_SECRET[:24]}\\%41{_SECRET[24:]}&amp;",
    )
    for name, found, text in (
        ("", _needles(header, _SECRET), _SECRET),
        ("; the secret goes as a%2Bb", _needles(QueryCredential("key"), signs), quote(signs, safe="")),
        ("; the secret holds escapes", _needles(header, leads), leads),
    ):
        for kind, body in _bodies(text).items():
            _report(f"{kind}{name}", found, body)
    for kind, (slow, body) in _hostile().items():
        _report(kind, slow, body)


if __name__ == "__main__":
    main()
