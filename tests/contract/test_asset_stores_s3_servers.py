"""What an asset store in S3 stores, asks for and tells, on real servers."""

import asyncio
import logging
import secrets
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

import pytest

import cable
from apikeychain.backends import patience, s3_assets
from apikeychain.backends.aws_kms import AccessKey
from apikeychain.backends.aws_kms.wire import Answer
from apikeychain.backends.s3_assets import S3Assets
from apikeychain.errors import (
    AlreadyExistsError,
    BackendUnavailableError,
    DoesNotExistError,
    MissingExtraError,
    NotOpenError,
    SettingsError,
)
from apikeychain.model.asset import MIB, AssetPrefix
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.secret import Secret
from apikeychain.testing.servers.aws import REGION, AWSServer
from apikeychain.testing.servers.s3 import S3Server

SHOP = AssetPrefix(TenantId("acme"), ProjectId("p_" + "a" * 20))
NAMES = [f"{number:032x}" for number in range(8)]
COUNT = iter(range(1000))
LOST = "no answer"


@pytest.fixture
def bucket(aws: AWSServer) -> str:
    name = f"of-assets-{next(COUNT)}"
    aws.create_bucket(name)
    return name


@pytest.fixture
async def store(aws: AWSServer, bucket: str) -> AsyncGenerator[S3Assets, None]:
    async with aws.assets(bucket) as opened:
        yield opened


class Between:
    """Between a store and its server: counts what is asked, and loses or changes some of it.

    Attributes:
        asked: the verbs, in order.
        lost: how many answers of each verb do not arrive.
        changed: what takes the place of bodies that are put.
    """

    def __init__(self, store: S3Assets, monkeypatch: pytest.MonkeyPatch) -> None:
        wire: Any = store._lines.here._wire
        self.asked: list[str] = []
        self.lost: dict[str, int] = {}
        self.changed = b""
        self._send = wire.send
        monkeypatch.setattr(wire, "send", self.send)

    async def send(self, verb: str, fields: dict[str, Any]) -> Any:
        self.asked.append(verb)
        if self.changed and verb == "put_object":
            fields = fields | {"Body": self.changed}
        answer = await self._send(verb, fields)
        if self.lost.get(verb, 0):
            self.lost[verb] -= 1
            return type(answer)(LOST)
        return answer


@pytest.fixture
async def between(store: S3Assets, monkeypatch: pytest.MonkeyPatch) -> Between:
    return Between(store, monkeypatch)


async def test_objects_lie_under_the_prefixes_of_tenant_and_project(
    aws: AWSServer, bucket: str, store: S3Assets
) -> None:
    await store.put(SHOP, NAMES[0], b"body")
    async with aws.assets(bucket, "a/b") as other:
        assert await other.list(SHOP, "", 10) == []
        await other.put(SHOP, NAMES[1], b"other")
    keys = [f"a/b/acme/{SHOP.project}/{NAMES[1]}", f"apikeychain/acme/{SHOP.project}/{NAMES[0]}"]
    assert aws.stored(bucket) == dict(zip(keys, (b"other", b"body"), strict=True))
    told = aws._client.head(f"/{bucket}/{keys[1]}", headers={"authorization": aws._scope("s3")}).headers
    assert told["content-type"] == "application/octet-stream"


async def test_a_body_that_changed_on_its_way_is_refused_by_the_server(
    aws: AWSServer, bucket: str, store: S3Assets, between: Between
) -> None:
    between.changed = b"evil"
    with pytest.raises(BackendUnavailableError, match=r"it refuses \(BadDigest\): put_object is not done"):
        await store.put(SHOP, NAMES[0], b"body")
    assert aws.stored(bucket) == {}


async def test_a_put_whose_answer_was_lost_is_no_other_ones(store: S3Assets, between: Between) -> None:
    between.lost["put_object"] = 1
    await store.put(SHOP, NAMES[0], body := secrets.token_bytes(MIB))
    assert between.asked == ["list_objects_v2", "put_object", "put_object", "get_object"]
    assert await store.open(SHOP, NAMES[0]) == body


async def test_one_that_was_put_by_another_at_the_same_moment_is_told(
    aws: AWSServer, bucket: str, store: S3Assets, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def not_yet(_: str) -> None:
        aws.put(bucket, f"apikeychain/{SHOP.path}{NAMES[0]}", b"theirs")

    monkeypatch.setattr(store._lines.here, "first", not_yet)
    with pytest.raises(AlreadyExistsError, match=f"there is an object {NAMES[0]}"):
        await store.put(SHOP, NAMES[0], b"ours")
    assert await store.open(SHOP, NAMES[0]) == b"theirs"


async def test_a_long_list_is_read_page_by_page_past_what_is_no_object(
    aws: AWSServer, bucket: str, store: S3Assets, between: Between, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_assets, "_PAGE", 2)
    for name in (*NAMES[:5], "0-notes", "0/" + NAMES[0], NAMES[5] + ".old", "zz"):
        aws.put(bucket, f"apikeychain/{SHOP.path}{name}", b"")
    assert await store.list(SHOP, "", 100) == NAMES[:5]
    assert between.asked == ["list_objects_v2"] * 5
    assert await store.list(SHOP, "", 3) == NAMES[:3]
    assert await store.list(SHOP, NAMES[3], 100) == NAMES[4:5]
    assert await store.list(SHOP, "", 0) == []


async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hand on what comes, little by little."""
    while piece := await reader.read(65_536):
        await asyncio.sleep(0.05)
        writer.write(piece)
    writer.close()


async def test_a_page_without_a_name_is_not_the_last_one(store: S3Assets, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES[:3]:
        await store.put(SHOP, name, b"body")
    wire: Any = store._lines.here._wire
    usual, asked = wire.send, list[dict[str, Any]]()

    async def send(verb: str, fields: dict[str, Any]) -> Answer:
        asked.append(fields)
        if len(asked) < 3:
            return Answer(body={"IsTruncated": True, "NextContinuationToken": f"token {len(asked)}"})
        began = {name: value for name, value in fields.items() if name != "ContinuationToken"}
        answer: Answer = await usual(verb, began)
        return answer

    monkeypatch.setattr(wire, "send", send)
    async with asyncio.timeout(10):
        assert await store.list(SHOP, "", 10) == NAMES[:3]
    assert [fields.get("ContinuationToken") for fields in asked] == [None, "token 1", "token 2"]


async def test_a_slow_line_has_time_for_what_is_long(
    aws: AWSServer, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with cable.Cable() as line:
        line.to = int(aws.address.rpartition(":")[2])
        address = f"http://127.0.0.1:{line.port}"
        async with S3Assets(bucket, region=REGION, access_key=aws.root, endpoint_url=address) as store:
            assert await store.list(SHOP, "", 1) == []
            await line.cut()
            monkeypatch.setattr(cable, "pour", slowly)
            # What is short has to be there in that time.
            monkeypatch.setattr(patience, "TOTAL_SECONDS", 1.5)
            await store.put(SHOP, NAMES[0], body := secrets.token_bytes(4 * MIB))
            assert await store.open(SHOP, NAMES[0]) == body


async def test_a_server_that_hangs_is_not_waited_for_as_for_what_is_long(
    aws: AWSServer, store: S3Assets, between: Between, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await store.list(SHOP, "", 1) == []
    monkeypatch.setattr(patience, "TOTAL_SECONDS", 0.3)
    monkeypatch.setattr(patience, "_PAUSES", (600.0, 600.0))
    aws.hang()
    async with asyncio.timeout(10):
        with pytest.raises(BackendUnavailableError, match="it does not answer"):
            await store.open(SHOP, NAMES[0])
    assert between.asked == ["list_objects_v2", "get_object"]


async def test_an_object_that_is_longer_than_one_can_be_is_not_read(
    aws: AWSServer, bucket: str, store: S3Assets
) -> None:
    aws.put(bucket, f"apikeychain/{SHOP.path}{NAMES[0]}", bytes(16 * MIB + 1))
    with pytest.raises(BackendUnavailableError, match="its answer is too long"):
        await store.open(SHOP, NAMES[0])


async def test_no_such_bucket_is_told_and_no_object_missing(aws: AWSServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with aws.assets("no-such-bucket") as store:
        for deed in (store.open(SHOP, NAMES[0]), store.delete(SHOP, NAMES[0]), store.put(SHOP, NAMES[0], b"body")):
            with pytest.raises(BackendUnavailableError, match=r"it refuses \(NoSuchBucket\)"):
                await deed
    assert "S3 is no asset store now" in caplog.text
    assert "no-such-bucket" not in caplog.text
    with pytest.raises(NotOpenError, match="the asset store is not open"):
        await store.open(SHOP, NAMES[0])


async def test_a_signature_that_the_server_does_not_know_is_told(s3: S3Server) -> None:
    key = AccessKey(s3.access_key_id, Secret("a-made-up-secret-of-another"))
    place = S3Assets("of-assets", region=s3.region, access_key=key, endpoint_url=s3.endpoint, ca_file=s3.ca_file)
    async with place as store:
        with pytest.raises(BackendUnavailableError, match=r"its credentials are wrong.*SignatureDoesNotMatch"):
            await store.list(SHOP, "", 1)


async def test_it_opens_while_nobody_is_there(aws: AWSServer) -> None:
    nobody = S3Assets("of-assets", region=REGION, access_key=aws.root, endpoint_url="http://127.0.0.1:1")
    async with nobody, AsyncExitStack() as stack:
        await stack.enter_async_context(nobody)
        with pytest.raises(BackendUnavailableError, match="it does not answer"):
            await nobody.open(SHOP, NAMES[0])


async def test_what_is_gone_was_deleted_by_whoever_asked_first(store: S3Assets, between: Between) -> None:
    await store.put(SHOP, NAMES[0], b"body")
    between.lost["delete_object"] = 1
    await store.delete(SHOP, NAMES[0])
    with pytest.raises(DoesNotExistError):
        await store.open(SHOP, NAMES[0])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"bucket": "B"}, "bucket: write the name of a bucket"),
        ({"prefix": "a//b"}, "prefix: write a path like a/b"),
        ({"region": "mars"}, "region: write one of AWS, like eu-central-1"),
        ({"endpoint_url": "http://s3.example"}, "endpoint_url: "),
        (
            {"access_key": AccessKey("x", Secret("y" * 20)), "profile": "gate"},
            "access_key and profile: give one of them",
        ),
    ],
)
def test_what_is_wrong_with_it_is_told(given: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        S3Assets(**({"bucket": "of-assets", "region": REGION} | given))


def test_without_its_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiobotocore", None)
    with pytest.raises(MissingExtraError, match=r"S3 needs more packages: pip install 'apikeychain\[aws\]'"):
        S3Assets("of-assets", region=REGION)
