"""What is asked of an asset, and the answer: tables of queries, codings, tags and ranges."""

import base64
import gzip
import hashlib
from typing import Any

import pytest

from apikeychain.errors import (
    DestinationRefusedError,
    MethodRefusedError,
    NotFoundError,
    ParameterRefusedError,
    SignatureRefusedError,
    TokenRefusedError,
)
from apikeychain.model.call import Call, Reply
from apikeychain.model.headers import Headers, Line
from apikeychain.rules import asset_answer
from apikeychain.rules.asset_answer import BR, GZIP, IDENTITY, AssetQuery, ReadyAsset, ready
from sample_project import a_call

BODY = b"0123456789" * 10
ZIPPED = gzip.compress(BODY, mtime=0)
SHA256 = hashlib.sha256(BODY).hexdigest()
ASSET = ready(b"text/css; charset=utf-8", SHA256, {IDENTITY: BODY, GZIP: ZIPPED, BR: b"as if br"})
ETAG = b'"%b"' % SHA256.encode()


def an_asset_call(*lines: Line, area: str = "js", path: bytes = b"a.js", slash: bool = True, **fields: Any) -> Call:
    call = a_call(*lines, **fields)
    call.area, call.path, call.slash = area, path, slash
    return call


def got(*lines: Line, asset: ReadyAsset = ASSET, **fields: Any) -> tuple[Reply, Headers]:
    reply = asset_answer.answer(an_asset_call(*lines, **fields), asset, ((b"cache-control", b"here"),))
    return reply, Headers(reply.headers)


@pytest.mark.parametrize(
    ("area", "path", "slash", "found"),
    [
        ("js", b"", False, b"js/index.js"),
        ("css", b"", False, b"css/index.css"),
        ("assets.json", b"", False, b"assets.json"),
        ("js", b"a.js", True, b"js/a.js"),
        ("js", b"../css/index.css", True, b"js/../css/index.css"),
        ("js", b"%2e%2e", True, b"js/%2e%2e"),
        ("js", b"", True, None),
        ("css", b"", True, None),
        ("assets.json", b"", True, None),
        ("assets.json", b"a", True, None),
    ],
)
def test_a_path_is_taken_as_it_was_sent(area: str, path: bytes, slash: bool, found: bytes | None) -> None:
    call = an_asset_call(area=area, path=path, slash=slash)
    if found is None:
        with pytest.raises(NotFoundError):
            asset_answer.path_of(call)
    else:
        assert asset_answer.path_of(call) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (b"", (b"", b"")),
        (b"token=v1.1.a", (b"v1.1.a", b"")),
        (b"token=", (b"", b"")),
        (b"sha256=" + b"a" * 64, (b"", b"a" * 64)),
        (b"token=t&sha256=" + b"0" * 64, (b"t", b"0" * 64)),
        (b"sha256=" + b"0" * 64 + b"&token=t", (b"t", b"0" * 64)),
    ],
)
def test_a_query_is_a_token_and_a_hash(query: bytes, found: AssetQuery) -> None:
    assert asset_answer.read_query(query, is_manifest=False) == found


@pytest.mark.parametrize(
    ("query", "name"),
    [
        (b"v=1", "v"),
        (b"&", ""),
        (b"token=t&", ""),
        (b"Token=t", "Token"),
        (b"%74oken=t", "%74oken"),
        (b"sha256", "sha256"),
        (b"sha256=" + b"A" * 64, "sha256"),
        (b"sha256=" + b"a" * 63, "sha256"),
        (b"sha256=" + b"a" * 65, "sha256"),
        (b"sha256=" + b"a" * 64 + b"\n", "sha256"),
        (b"sha256=%61" + b"a" * 63, "sha256"),
        (b"sha256=" + b"a" * 64 + b"&sha256=" + b"a" * 64, "sha256"),
        (b"x" * 5000 + b"=1", "x" * 64),
        (b"\xff=1", "\xff"),
    ],
)
def test_any_other_parameter_is_refused_by_name(query: bytes, name: str) -> None:
    with pytest.raises(ParameterRefusedError) as refused:
        asset_answer.read_query(query, is_manifest=False)
    assert refused.value.parameter == name


def test_the_manifest_has_no_versions() -> None:
    with pytest.raises(ParameterRefusedError):
        asset_answer.read_query(b"sha256=" + b"a" * 64, is_manifest=True)
    assert asset_answer.read_query(b"token=t", is_manifest=True).token == b"t"


def test_two_tokens_are_none() -> None:
    with pytest.raises(TokenRefusedError):
        asset_answer.read_query(b"token=t&token=t", is_manifest=False)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "get", "TRACE"])
def test_a_method_that_changes_anything_is_refused_with_those_that_are_not(method: str) -> None:
    with pytest.raises(MethodRefusedError) as refused:
        asset_answer.require_method(method)
    assert refused.value.headers == ((b"allow", b"GET, HEAD"),)
    asset_answer.require_method("GET")
    asset_answer.require_method("HEAD")


@pytest.mark.parametrize(
    ("lines", "is_manifest", "is_served"),
    [
        ([], False, True),
        ([(b"sec-fetch-dest", b"script"), (b"sec-fetch-mode", b"no-cors")], False, True),
        ([(b"sec-fetch-dest", b"style")], False, True),
        ([(b"sec-fetch-dest", b"empty")], False, True),
        ([(b"sec-fetch-dest", b"empty")], True, True),
        ([(b"sec-fetch-dest", b"json")], True, True),
        ([(b"sec-fetch-dest", b"json")], False, False),
        ([(b"sec-fetch-dest", b"script")], True, False),
        ([(b"sec-fetch-dest", b"document")], False, False),
        ([(b"sec-fetch-dest", b"iframe")], False, False),
        ([(b"sec-fetch-dest", b"worker")], False, False),
        ([(b"sec-fetch-dest", b"sharedworker")], False, False),
        ([(b"sec-fetch-dest", b"serviceworker")], False, False),
        ([(b"sec-fetch-dest", b"")], False, False),
        ([(b"sec-fetch-mode", b"navigate")], False, False),
        ([(b"service-worker", b"script")], False, False),
        ([(b"sec-fetch-dest", b"script"), (b"service-worker", b"script")], False, False),
    ],
)
def test_what_a_browser_wants_it_for_decides(lines: list[Line], is_manifest: bool, is_served: bool) -> None:
    if is_served:
        asset_answer.require_destination(Headers(lines), is_manifest=is_manifest)
    else:
        with pytest.raises(DestinationRefusedError):
            asset_answer.require_destination(Headers(lines), is_manifest=is_manifest)


@pytest.mark.parametrize("name", [b"x-key-id", b"x-timestamp", b"x-nonce", b"x-content-sha256", b"x-signature"])
def test_a_signing_header_is_refused_since_nobody_verifies_it(name: bytes) -> None:
    with pytest.raises(SignatureRefusedError):
        asset_answer.require_plain(Headers([(name, b"1")]))
    asset_answer.require_plain(Headers([(b"accept", b"1")]))


@pytest.mark.parametrize(
    ("asked", "seconds", "value"),
    [
        (AssetQuery(b"", b""), None, b"public, no-cache"),
        (AssetQuery(b"t", b""), None, b"public, no-cache"),
        (AssetQuery(b"", b"a" * 64), None, b"public, max-age=31536000, immutable"),
        (AssetQuery(b"t", b"a" * 64), 7, b"private, max-age=7, immutable"),
        (AssetQuery(b"t", b""), 7, b"private, max-age=0, must-revalidate"),
    ],
)
def test_a_hash_makes_it_immutable_and_a_token_private(asked: AssetQuery, seconds: int | None, value: bytes) -> None:
    assert asset_answer.caching(asked, seconds) == (b"cache-control", value)


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        (None, b""),
        (b"", b""),
        (b"br", b"br"),
        (b"gzip", b"gzip"),
        (b"x-gzip", b"gzip"),
        (b"GZip", b"gzip"),
        (b"gzip, deflate, br, zstd", b"br"),
        (b"gzip;q=1.0, br;q=0.9", b"gzip"),
        (b"gzip;q=0.5, br;q=0.500", b"br"),
        (b"br;q=0, gzip", b"gzip"),
        (b"br;q=0.000, gzip;q=0", b""),
        (b"*", b"br"),
        (b"*;q=0.1, gzip;q=0.2", b"gzip"),
        (b"br;q=0, *", b"gzip"),
        (b"identity", b""),
        (b"identity;q=1, gzip;q=0.9", b""),
        (b"identity;q=0.5, gzip;q=0.4, br;q=0.3", b""),
        (b"identity, gzip", b"gzip"),
        # Nothing that we have is accepted: the body itself is sent (RFC 9110, 12.5.3).
        (b"deflate, identity;q=0", b""),
        (b"*;q=0", b""),
        # What is malformed names nothing.
        (b"br;q=2, gzip", b"gzip"),
        (b"br;q=0.1234, gzip", b"gzip"),
        (b"b r, gzip", b"gzip"),
        (b"\xff, gzip ; q=0.5 ", b"gzip"),
        (b"gzip" + b", gzip" * 1000, b"gzip"),
    ],
)
def test_the_coding_is_the_one_that_is_liked_best(accept: bytes | None, coding: bytes) -> None:
    _, headers = got(*([] if accept is None else [(b"accept-encoding", accept)]))
    assert headers.all(b"content-encoding") == ((coding,) if coding else ())
    assert headers.all(b"vary") == (b"Accept-Encoding, Origin",)


def test_several_lines_of_accepted_codings_are_one_list() -> None:
    _, headers = got((b"accept-encoding", b"br;q=0"), (b"accept-encoding", b"gzip"))
    assert headers.get(b"content-encoding") == b"gzip"


def test_a_body_that_no_coding_makes_shorter_is_sent_as_it_is() -> None:
    reply, headers = got((b"accept-encoding", b"br, gzip"), asset=ready(b"text/css", SHA256, {IDENTITY: BODY}))
    assert (reply.body, headers.get(b"content-encoding")) == (BODY, None)


@pytest.mark.parametrize(("coding", "body"), [(b"identity", BODY), (b"gzip", ZIPPED), (b"br", b"as if br")])
def test_each_coding_has_its_own_tag_and_digest_and_all_one_hash(coding: bytes, body: bytes) -> None:
    reply, headers = got((b"accept-encoding", coding))
    digest = hashlib.sha256(body)
    assert (reply.status, reply.body) == (200, body)
    assert headers.get(b"etag") == b'"%b"' % digest.hexdigest().encode()
    assert headers.get(b"repr-digest") == b"sha-256=:%b:" % base64.b64encode(digest.digest())
    assert headers.get(b"content-sha256") == SHA256.encode()
    assert headers.get(b"content-length") == b"%d" % len(body)
    assert headers.get(b"content-type") == b"text/css; charset=utf-8"
    assert headers.get(b"x-content-type-options") == b"nosniff"
    assert headers.get(b"cross-origin-resource-policy") == b"cross-origin"
    assert headers.get(b"cache-control") == b"here"
    assert headers.are_unique


@pytest.mark.parametrize(
    ("lines", "is_held"),
    [
        ([ETAG], True),
        ([b"W/" + ETAG], True),
        ([b'"other", ' + ETAG], True),
        ([b'"other"', ETAG], True),
        ([b'W/"other",W/' + ETAG + b' , "third"'], True),
        ([b"*"], True),
        ([b'"other"'], False),
        ([SHA256.encode()], False),
        ([b'"%b-gzip"' % SHA256.encode()], False),
        ([b""], False),
    ],
)
def test_who_has_it_gets_nothing_anew(lines: list[bytes], is_held: bool) -> None:
    for method in ("GET", "HEAD"):
        reply, headers = got(*[(b"if-none-match", line) for line in lines], method=method)
        assert reply.status == (304 if is_held else 200)
        assert headers.get(b"content-sha256") == SHA256.encode()
        assert headers.get(b"etag") == ETAG
        assert headers.get(b"vary") == b"Accept-Encoding, Origin"
        assert headers.get(b"cache-control") == b"here"
        if is_held:
            assert reply.body == b""
            assert not {b"content-length", b"content-type", b"content-encoding", b"repr-digest"} & headers.first.keys()


def test_the_tag_of_one_coding_is_none_of_another() -> None:
    assert got((b"if-none-match", ETAG), (b"accept-encoding", b"gzip"))[0].status == 200


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        (b"bytes=0-0", 0, 0),
        (b"bytes=0-9", 0, 9),
        (b"bytes=90-", 90, 99),
        (b"bytes=-1", 99, 99),
        (b"bytes=-1000", 0, 99),
        (b"bytes=50-1000", 50, 99),
        (b"Bytes=50-50", 50, 50),
        (b"bytes=00-09", 0, 9),
    ],
)
def test_one_part_is_served_with_its_place(asked: bytes, first: int, last: int) -> None:
    reply, headers = got((b"range", asked), (b"accept-encoding", b"br, gzip"))
    assert (reply.status, reply.body) == (206, BODY[first : last + 1])
    assert headers.get(b"content-range") == b"bytes %d-%d/100" % (first, last)
    assert headers.all(b"content-length") == (b"%d" % (last + 1 - first),)
    assert headers.get(b"content-encoding") is None
    # Of the whole: RFC 9530 says it of what was selected, contracts 9 of the body itself.
    assert headers.get(b"repr-digest") == got()[1].get(b"repr-digest")
    assert headers.get(b"content-sha256") == SHA256.encode()
    assert headers.get(b"etag") == ETAG
    assert headers.get(b"content-type") == b"text/css; charset=utf-8"


@pytest.mark.parametrize(
    "asked",
    [
        b"bytes=0-1,3-4",
        b"bytes=" + b",".join([b"0-99"] * 1000),
        b"bytes=100-",
        b"bytes=100-200",
        b"bytes=5-4",
        b"bytes=-0",
        b"bytes=-",
        b"bytes=a-b",
        b"bytes=0-1 ",
        b"bytes = 0-1",
        b"bytes=0--1",
        b"bytes=+0-1",
        b"bytes=" + b"9" * 19 + b"-",
        b"lines=0-1",
        b"bytes",
        b"",
        "bytes=\uff10-\uff11".encode(),
    ],
)
def test_any_other_range_is_the_whole(asked: bytes) -> None:
    reply, headers = got((b"range", asked))
    assert (reply.status, reply.body) == (200, BODY)
    assert headers.get(b"content-range") is None
    # In the coding that it would have without it.
    assert got((b"range", asked), (b"accept-encoding", b"gzip"))[0].body == ZIPPED


def test_a_range_is_for_a_get_alone_and_comes_once() -> None:
    assert got((b"range", b"bytes=0-1"), method="HEAD")[0].status == 200
    assert got((b"range", b"bytes=0-1"), (b"range", b"bytes=0-1"))[0].status == 200


def test_a_part_of_nothing_is_all_of_it() -> None:
    empty = ready(b"text/css", "0" * 64, {IDENTITY: b""})
    for asked in (b"bytes=0-", b"bytes=-1", b"bytes=0-0"):
        assert got((b"range", asked), asset=empty)[0].status == 200


def test_who_takes_no_plain_body_gets_no_part_of_it() -> None:
    reply, headers = got((b"range", b"bytes=0-1"), (b"accept-encoding", b"gzip, identity;q=0"))
    assert (reply.status, headers.get(b"content-encoding")) == (200, b"gzip")


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        ([ETAG], 206),
        ([b"W/" + ETAG], 200),
        ([b'"other"'], 200),
        ([b"Wed, 21 Oct 2015 07:28:00 GMT"], 200),
        ([b""], 200),
        ([ETAG, ETAG], 200),
    ],
)
def test_a_part_is_of_what_the_caller_has(conditions: list[bytes], status: int) -> None:
    lines = [(b"if-range", condition) for condition in conditions]
    assert got((b"range", b"bytes=0-1"), *lines)[0].status == status


def test_a_condition_comes_before_the_range() -> None:
    assert got((b"range", b"bytes=0-1"), (b"if-none-match", ETAG))[0].status == 304
