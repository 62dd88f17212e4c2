"""What a witness in S3 stores, asks for and tells, on real servers."""

import asyncio
import json
import logging
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apikeychain.backends import s3_objects, s3_witness
from apikeychain.backends.aws_kms import AccessKey
from apikeychain.backends.s3_witness import S3Witness
from apikeychain.errors import (
    BackendSettingsError,
    BackendUnavailableError,
    DamagedDataError,
    MissingExtraError,
    NotOpenError,
    SettingsError,
    WitnessRefusedError,
)
from apikeychain.model.ids import TenantId
from apikeychain.ports.witness import Extension
from apikeychain.proof.checkpoint import Checkpoint
from apikeychain.secret import Secret
from apikeychain.testing.checkpoints import (
    ACME,
    KEYS,
    NEXT_KEYS,
    OTHER,
    SigningKeys,
    extension,
    key_list,
    said,
    signed,
    written,
)
from apikeychain.testing.servers.aws import REGION, AWSServer
from apikeychain.testing.servers.s3 import S3Server

CHAIN = written(ACME, 40)
THIRD_KEYS = SigningKeys(ed25519_seed=b"\3" * 32, mldsa65_seed=b"\4" * 32)
LISTS = [key_list(KEYS), key_list(NEXT_KEYS, KEYS, minutes=1), key_list(THIRD_KEYS, NEXT_KEYS, minutes=2)]
NEWEST, BEFORE = "9007199254740989", "9007199254740990"
BUCKET = "witnessed"


class Place:
    """A bucket of its own on the local AWS.

    Attributes:
        server: it is on.
    """

    count = 0

    def __init__(self, server: AWSServer) -> None:
        Place.count += 1
        self.server, self.bucket = server, f"{BUCKET}-{Place.count}"
        server.create_bucket(self.bucket)

    @property
    def stored(self) -> dict[str, bytes]:
        return self.server.stored(self.bucket)

    def put(self, key: str, body: bytes) -> None:
        self.server.put(self.bucket, key, body)


@pytest.fixture
def place(aws: AWSServer) -> Place:
    return Place(aws)


@pytest.fixture
async def witness(place: Place) -> AsyncGenerator[S3Witness, None]:
    async with place.server.witness(place.bucket) as opened:
        yield opened


async def test_the_newest_object_comes_first_and_none_is_written_again(witness: S3Witness, place: Place) -> None:
    await witness.publish([extension(CHAIN[:3])])
    first = place.stored
    await witness.publish([later := extension(CHAIN[:9], 3, 1)])
    await witness.publish([later])
    await witness.vouch(LISTS)
    stored = place.stored
    assert [*stored] == [
        *(f"apikeychain/_key_lists/00000{number}.json" for number in (1, 2, 3)),
        "apikeychain/_made_once.json",
        *(f"apikeychain/acme/{number}.json" for number in (NEWEST, BEFORE)),
    ]
    assert all(stored[key] == body for key, body in first.items())
    told = json.loads(stored[f"apikeychain/acme/{NEWEST}.json"])
    assert (told["v"], told["note"]) == (1, later.checkpoint.note)
    assert told["checkpoint"]["statement"] == later.checkpoint.statement


async def test_two_moments_of_one_size_have_an_object_each(witness: S3Witness, place: Place) -> None:
    await witness.publish([extension(CHAIN[:3])])
    await witness.publish([again := extension(CHAIN[:3], 3, 1)])
    assert await witness.latest(ACME) == again.checkpoint
    assert len(place.stored) == 3


async def test_of_many_that_publish_the_same_one_makes_the_object(witness: S3Witness, place: Place) -> None:
    await witness.publish([extension(written(OTHER, 2))])
    await witness.publish([extension(CHAIN[:3])])
    later = extension(CHAIN[:9], 3, 1)
    await asyncio.gather(*(witness.publish([later]) for _ in range(8)))
    assert [key for key in place.stored if "/acme/" in key] == [f"apikeychain/acme/{n}.json" for n in (NEWEST, BEFORE)]
    await asyncio.gather(*(witness.vouch(LISTS) for _ in range(4)))
    assert list(await witness.key_lists()) == LISTS


async def test_who_is_always_second_says_so(witness: S3Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    await witness.publish([extension(CHAIN[:3])])
    monkeypatch.setattr(s3_witness, "_RACES", 0)
    for deed in (witness.publish([extension(CHAIN[:9], 3, 1)]), witness.vouch(LISTS)):
        with pytest.raises(BackendUnavailableError, match="others publish to this witness without a pause"):
            await deed


async def test_more_chains_than_are_kept_at_once(
    witness: S3Witness, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenants = [TenantId(f"t{number:02}") for number in range(20)]
    given = [Extension(each, 0, ()) for each in signed(*(said(written(tenant, 2)) for tenant in tenants))]
    under_way, most = 0, 0
    wire: Any = witness._objects._wire
    send = wire.send

    async def counted(verb: str, fields: dict[str, Any]) -> Any:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        answer = await send(verb, fields)
        under_way -= 1
        return answer

    monkeypatch.setattr(wire, "send", counted)
    await witness.publish(given)
    assert most == 16
    assert len(place.stored) == 21
    assert await witness.latest(tenants[-1]) == given[-1].checkpoint


async def test_a_long_list_of_key_lists_is_read_page_by_page(
    witness: S3Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_objects, "_PAGE", 2)
    await witness.vouch(LISTS)
    assert list(await witness.key_lists()) == LISTS


@pytest.mark.parametrize(
    ("key", "body", "why"),
    [
        (f"acme/{NEWEST}.json", b"", "is not JSON with one reading"),
        (f"acme/{NEWEST}.json", b'{"v":1}', "has other members"),
        (f"acme/{NEWEST}.json", b'{"checkpoint":{},"note":"","v":1}', "has other members"),
        ("acme/!", b"", "something else stands before the checkpoints"),
        ("_key_lists/000003.json", b"", "one of the key lists is missing"),
        ("_key_lists/000001.json", b"\xff", "is not JSON with one reading"),
        ("_key_lists/000001.json", b'{"v":1}', "has other members"),
    ],
    ids=["empty", "another", "no checkpoint", "something else", "a gap", "bytes", "another list"],
)
async def test_what_nobody_wrote_is_told(witness: S3Witness, place: Place, key: str, body: bytes, why: str) -> None:
    await witness.publish([extension(CHAIN[:3])])
    await witness.vouch(LISTS[:1])
    place.put(f"apikeychain/{key}", body)
    with pytest.raises(DamagedDataError, match=re.escape(why)):
        await (witness.key_lists() if "key" in key else witness.latest(ACME))


async def test_a_checkpoint_of_another_tenant_is_told(witness: S3Witness, place: Place) -> None:
    await witness.publish([extension(written(OTHER, 3))])
    place.put(f"apikeychain/acme/{NEWEST}.json", place.stored[f"apikeychain/other/{BEFORE}.json"])
    with pytest.raises(DamagedDataError, match="it is of another tenant"):
        await witness.latest(ACME)


async def test_what_is_made_is_retained_where_that_is_asked_for(aws: AWSServer) -> None:
    aws.create_bucket("with-a-lock", locks=True)
    async with aws.witness("with-a-lock", retain_days=365) as witness:
        await witness.publish([extension(CHAIN[:3])])
    lines = {"authorization": aws._scope("s3")}
    told = aws._client.head(f"/with-a-lock/apikeychain/acme/{BEFORE}.json", headers=lines).headers
    assert told["x-amz-object-lock-mode"] == "COMPLIANCE"
    until = datetime.fromisoformat(told["x-amz-object-lock-retain-until-date"])
    assert abs(until - datetime.now(UTC) - timedelta(days=365)) < timedelta(hours=1)


async def test_a_bucket_without_a_lock_retains_nothing(place: Place) -> None:
    async with place.server.witness(place.bucket, retain_days=1) as witness:
        with pytest.raises(BackendSettingsError, match="the bucket retains nothing: make one with object lock"):
            await witness.publish([extension(CHAIN[:3])])
    assert place.stored == {}


async def test_a_body_that_changed_on_its_way_is_refused_by_the_server(
    witness: S3Witness, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await witness.publish([extension(written(OTHER, 3))])
    before = place.stored

    async def changed(verb: str, fields: dict[str, Any]) -> Any:
        if verb == "put_object":
            fields = fields | {"Body": fields["Body"].replace(b"acme", b"evil")}
        return await send(verb, fields)

    wire: Any = witness._objects._wire
    send = wire.send
    monkeypatch.setattr(wire, "send", changed)
    with pytest.raises(BackendUnavailableError, match=r"it refuses \(BadDigest\): put_object is not done"):
        await witness.publish([extension(CHAIN[:3])])
    assert place.stored == before


async def test_no_such_bucket_is_told(aws: AWSServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with aws.witness("no-such-bucket") as witness:
        with pytest.raises(BackendUnavailableError, match=r"it refuses \(NoSuchBucket\)"):
            await witness.latest(ACME)
    assert "S3 is no witness now" in caplog.text
    assert "no-such-bucket" not in caplog.text
    with pytest.raises(NotOpenError, match="the witness is not open"):
        await witness.latest(ACME)


def on_rclone(server: S3Server, secret: str = "", **more: Any) -> S3Witness:
    key = AccessKey(server.access_key_id, Secret(secret or server.secret_access_key))
    return S3Witness(
        BUCKET, region=server.region, access_key=key, endpoint_url=server.endpoint, ca_file=server.ca_file, **more
    )


async def answered(witness: S3Witness) -> Checkpoint | None:
    """What it has of a chain, once a server that was hardly started answers in time."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await witness.latest(ACME)
            except BackendUnavailableError:
                await asyncio.sleep(1)


async def test_a_server_that_writes_again_what_is_there_is_no_witness(s3: S3Server) -> None:
    if BUCKET not in {each.name for each in s3._buckets.iterdir()}:
        s3.create_bucket(BUCKET)
    async with on_rclone(s3, prefix="a/b") as witness:
        assert await answered(witness) is None
        for deed in (witness.publish([extension(CHAIN[:3])]), witness.vouch(LISTS)):
            with pytest.raises(
                BackendSettingsError, match="knows no conditions on writes: what it has can be replaced"
            ):
                await deed
    assert [*s3.stored(BUCKET)] == ["a/b/_made_once.json"]


async def test_a_signature_that_the_server_does_not_know_is_told(s3: S3Server) -> None:
    async with on_rclone(s3, "a-made-up-secret-of-another") as witness:
        with pytest.raises(BackendUnavailableError, match=r"its credentials are wrong.*SignatureDoesNotMatch"):
            await witness.latest(ACME)


async def test_a_certificate_that_nobody_trusts_is_told(s3: S3Server) -> None:
    place = S3Witness(BUCKET, region=REGION, access_key=AccessKey("x", Secret("y" * 20)), endpoint_url=s3.endpoint)
    async with place as witness:
        with pytest.raises(BackendUnavailableError, match="its certificate is not trusted: give ca_file="):
            await witness.latest(ACME)


async def test_it_opens_while_nobody_is_there(aws: AWSServer) -> None:
    nobody = S3Witness(BUCKET, region=REGION, access_key=aws.root, endpoint_url="http://127.0.0.1:1")
    async with nobody, AsyncExitStack() as stack:
        await stack.enter_async_context(nobody)
        with pytest.raises(BackendUnavailableError, match="it does not answer"):
            await nobody.publish([extension(CHAIN[:3])])


async def test_who_is_refused_and_who_is_away_do_not_hide_each_other(
    witness: S3Witness, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await witness.publish([extension(CHAIN[:3])])
    wrong, good = extension(CHAIN[:2], 0, 1), extension(written(OTHER, 2))
    with pytest.raises(WitnessRefusedError, match="acme: the tree of acme cannot have grown from 3 leaves to 2"):
        await witness.publish([wrong, good])
    objects = witness._objects
    make = objects.make

    async def away(key: str, body: bytes) -> bool:
        if "other" in key:
            raise BackendUnavailableError(key)
        return await make(key, body)

    monkeypatch.setattr(type(objects), "make", lambda _, key, body, __: away(key, body))
    later = extension(written(OTHER, 5), 2, 1)
    with pytest.raises(BackendUnavailableError):
        await witness.publish([later])
    with pytest.raises(WitnessRefusedError) as refused:
        await witness.publish([wrong, later])
    assert refused.value.reasons == {
        ACME: "the tree of acme cannot have grown from 3 leaves to 2",
        OTHER: "it was not kept: apikeychain/other/9007199254740989.json",
    }
    assert await witness.latest(OTHER) == good.checkpoint


async def test_a_bug_is_told_as_one_beside_what_is_refused(witness: S3Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    await witness.publish([extension(CHAIN[:3])])
    monkeypatch.setattr(type(witness._objects), "make", lambda *_: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        await witness.publish([extension(CHAIN[:2], 0, 1), extension(written(OTHER, 2))])


async def test_a_chain_that_cannot_be_read_is_refused_and_others_are_kept(witness: S3Witness, place: Place) -> None:
    await witness.publish([extension(CHAIN[:3])])
    place.put(f"apikeychain/acme/{NEWEST}.json", b"{}")
    good = extension(written(OTHER, 2))
    with pytest.raises(WitnessRefusedError) as refused:
        await witness.publish([extension(CHAIN[:5], 3, 1), good])
    assert [*refused.value.reasons] == [ACME]
    assert "of the tenant 'acme' cannot be read" in refused.value.reasons[ACME]
    assert await witness.latest(OTHER) == good.checkpoint


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"bucket": "B"}, "bucket: write the name"),
        ({"prefix": "a//b"}, "prefix: write a path"),
        ({"prefix": "../b"}, "prefix: write a path"),
        ({"prefix": ""}, "prefix: write a path"),
        ({"region": "x"}, "region: write one of AWS"),
        ({"retain_days": 0}, "retain_days: write 1 to 36500"),
        ({"endpoint_url": "http://s3.example"}, "endpoint_url: http is for this machine alone"),
        ({"access_key": AccessKey("x", Secret("y" * 20)), "profile": "z"}, "access_key and profile: give one of them"),
    ],
    ids=["bucket", "prefix", "dots", "no prefix", "region", "days", "endpoint", "both"],
)
def test_what_cannot_be_is_told_at_once(given: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        S3Witness(**({"bucket": BUCKET, "region": REGION} | given))


def test_without_its_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiobotocore", None)
    with pytest.raises(MissingExtraError, match=r"S3 needs more packages: pip install 'apikeychain\[aws\]'"):
        S3Witness(BUCKET, region=REGION)


async def test_authorities_that_cannot_be_read_are_told() -> None:
    with pytest.raises(SettingsError, match="ca_file: /nowhere cannot be read"):
        await S3Witness(BUCKET, region=REGION, ca_file="/nowhere").__aenter__()
