"""Answers that a sound AWS KMS gives seldom or never, what is sent to it, and how often it is asked."""

import asyncio
import base64
import json
import ssl
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from apikeychain.backends.aws_kms import AccessKey, AWSKeyService
from apikeychain.backends.aws_kms.session import Session
from apikeychain.egress import Egress
from apikeychain.errors import BackendUnavailableError, SealedValueError, SettingsError
from apikeychain.model.keys import KeyContext
from apikeychain.model.network import PUBLIC
from apikeychain.secret import Secret
from apikeychain.testing.local_provider import LocalProvider, Visit
from outages import require_refused

CONTEXT = KeyContext(tenant="acme", purpose="tenant-secret")
KEY = bytes(range(32))
LOGIN = AccessKey("AKIAIOSFODNN7EXAMPLE", Secret("a-made-up-secret-access-key"))
ONE, TWO = "0000aaaa-0000-0000-0000-000000000001", "0000aaaa-0000-0000-0000-000000000002"
GOOD_KEY = {
    "KeyId": ONE,
    "KeySpec": "SYMMETRIC_DEFAULT",
    "KeyUsage": "ENCRYPT_DECRYPT",
    "Origin": "AWS_KMS",
    "MultiRegion": False,
    "KeyState": "Enabled",
}


def alias(epoch: int, key: str = ONE, name: str = "apikeychain") -> dict[str, str]:
    return {"AliasName": f"alias/{name}-{epoch}", "TargetKeyId": key}


def text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def error(code: str, message: str = "a-text-of-the-server", status: int = 400) -> tuple[int, dict[str, str]]:
    return status, {"__type": code, "message": message}


class Stand:
    """What stands where an AWS KMS should: it answers each verb with what it was told, one after another."""

    def __init__(self, provider: LocalProvider) -> None:
        self.provider = provider
        self._said: dict[str, list[object]] = {}
        provider.on("/", self._answer)
        self.says("ListAliases", {"Aliases": [alias(1)], "Truncated": False})
        self.says("DescribeKey", {"KeyMetadata": GOOD_KEY})
        self.says("Encrypt", {"CiphertextBlob": text(b"blob"), "KeyId": ONE})
        self.says("Decrypt", {"Plaintext": text(KEY), "KeyId": ONE})

    def says(self, verb: str, *answers: object) -> None:
        """What is said of a verb: a status with an object or bytes, or an object; the last one again and again."""
        self._said[verb] = [*answers]

    async def _answer(self, visit: Visit) -> None:
        left = self._said[verb_of(visit.received.headers.get(b"x-amz-target"))]
        said = left.pop(0) if len(left) > 1 else left[0]
        status, body = said if isinstance(said, tuple) else (200, said)
        lines = [(b"location", b"https://aws.localhost:%d/elsewhere" % self.provider.port), (b"set-cookie", b"a=b")]
        await visit.answer(status, lines, body if isinstance(body, bytes) else json.dumps(body).encode())

    def asked(self, verb: str) -> list[dict[str, Any]]:
        """The bodies of the requests of a verb."""
        asked = [each for each in self.provider.requests if verb_of(each.headers.get(b"x-amz-target")) == verb]
        return [json.loads(each.body) for each in asked]

    def service(self, **more: Any) -> AWSKeyService:
        given: dict[str, Any] = {"access_key": LOGIN, "ca_file": self.provider.ca_pem_path} | more
        return AWSKeyService("eu-central-1", endpoint_url=f"https://aws.localhost:{self.provider.port}", **given)


def verb_of(target: bytes | None) -> str:
    return (target or b"").decode().removeprefix("TrentService.")


@pytest.fixture
async def stand() -> AsyncGenerator[Stand, None]:
    async with LocalProvider("aws.localhost") as provider:
        yield Stand(provider)


async def test_what_passes_is_asked_again_and_nobody_notices(stand: Stand) -> None:
    stand.says("Encrypt", error("ThrottlingException"), (503, b""), {"CiphertextBlob": text(b"blob")})
    async with stand.service() as service:
        assert await service.wrap(KEY, CONTEXT) == b"KM\x01\x00\x00\x00\x01blob"
    assert len(stand.asked("Encrypt")) == 3


@pytest.mark.parametrize(
    ("said", "told", "times"),
    [
        (error("ThrottlingException"), "it is throttled", 3),
        (error("KMSInternalException", status=500), "it is broken for now", 3),
        (error("KeyUnavailableException", status=500), "it is broken for now", 3),
        (error("DependencyTimeoutException", status=503), "it is broken for now", 3),
        ((502, b"<html>"), "it is broken for now", 3),
        ((200, b"no json"), r"it refuses \(no error\): the key of epoch 1 is not as it was", 1),
        (error("no such: code"), "it is broken for now", 3),
        ((307, {}), "it is broken for now", 3),
        (
            error("ExpiredTokenException"),
            r"revoked or expired, or the clock is wrong \(ExpiredTok",
            1,
        ),
        (error("InvalidSignatureException"), r"revoked or expired.*\(InvalidSignatureException\)", 1),
        (error("KMSInvalidStateException"), r"it refuses \(KMSInvalidStateException\): the key of epoch 1", 1),
        (error("AccessDeniedException", "User: u is not authorized to perform: x"), "do not allow encrypt", 1),
        (error("LimitExceededException"), r"it refuses \(LimitExceededException\)", 1),
    ],
    ids=lambda said: said if isinstance(said, str) else None,
)
async def test_an_error_is_told_and_asked_for_again_where_that_may_help(
    stand: Stand, said: object, told: str, times: int
) -> None:
    stand.says("Encrypt", said)
    async with stand.service() as service:
        await require_refused(service, told)
    assert len(stand.asked("Encrypt")) == times
    assert all(request.target == b"/" for request in stand.provider.requests)


@pytest.mark.parametrize("said", [{}, {"CiphertextBlob": None}, [], "text"])
async def test_an_answer_that_is_none_is_not_taken_for_a_wrapped_key(stand: Stand, said: object) -> None:
    stand.says("Encrypt", said)
    async with stand.service() as service:
        await require_refused(service, r"it refuses \(no error\)|it is broken for now|it does not answer")


async def test_an_answer_that_is_none_is_not_taken_for_a_key(stand: Stand) -> None:
    stand.says("Decrypt", {"KeyId": ONE})
    async with stand.service() as service:
        with pytest.raises(BackendUnavailableError, match="no error"):
            await service.unwrap(await service.wrap(KEY, CONTEXT), CONTEXT)


@pytest.mark.parametrize(
    "said",
    [
        error("InvalidCiphertextException"),
        error("IncorrectKeyException"),
        error("NotFoundException"),
        error("KMSInvalidStateException", f"arn:aws:kms:eu-central-1:000000000000:key/{ONE} is pending deletion."),
        error("AccessDeniedException", "The ciphertext refers to a key that does not exist, or you may not access it."),
        error("AccessDeniedException", "User: u is not authorized on the resource associated with this ciphertext"),
    ],
    ids=["ciphertext", "key", "gone", "pending", "of-another", "of-another-account"],
)
async def test_what_is_said_of_a_text_that_does_not_open_is_one_error(stand: Stand, said: object) -> None:
    stand.says("Decrypt", said)
    stand.says("ReEncrypt", said)
    async with stand.service() as service:
        for verb in (service.unwrap, service.rewrap):
            with pytest.raises(SealedValueError):
                await verb(b"KM\x01\x00\x00\x00\x01blob", CONTEXT)


async def test_the_key_is_always_named_and_the_context_is_whom_it_serves(stand: Stand) -> None:
    stand.says("ListAliases", {"Aliases": [alias(1), alias(2, TWO)]})
    stand.says("ReEncrypt", {"CiphertextBlob": text(b"other")})
    context = KeyContext(tenant="acme", project="p", purpose="derived", version="00")
    async with stand.service() as service:
        assert await service.wrap(KEY, context) == b"KM\x01\x00\x00\x00\x02blob"
        assert await service.unwrap(b"KM\x01\x00\x00\x00\x01blob", CONTEXT) == KEY
        assert await service.rewrap(b"KM\x01\x00\x00\x00\x01blob", CONTEXT) == b"KM\x01\x00\x00\x00\x02other"
    full = {"tenant": "acme", "project": "p", "purpose": "derived", "version": "00"}
    short = {"tenant": "acme", "purpose": "tenant-secret"}
    assert stand.asked("Encrypt") == [{"KeyId": TWO, "Plaintext": text(KEY), "EncryptionContext": full}]
    blob = text(b"blob")
    assert stand.asked("Decrypt") == [{"KeyId": ONE, "CiphertextBlob": blob, "EncryptionContext": short}]
    [asked] = stand.asked("ReEncrypt")
    assert (asked["SourceKeyId"], asked["DestinationKeyId"], asked["CiphertextBlob"]) == (ONE, TWO, blob)
    assert asked["SourceEncryptionContext"] == asked["DestinationEncryptionContext"] == short


async def test_what_is_sent_is_signed_and_holds_no_secret_and_no_cookie(stand: Stand) -> None:
    async with stand.service() as service:
        await service.wrap(KEY, CONTEXT)
    for request in stand.provider.requests:
        lines = dict(request.lines)
        assert b"a-made-up" not in repr(lines).encode()
        assert b"Cookie" not in lines
        assert lines[b"Authorization"].startswith(b"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/")


async def test_aliases_are_read_page_by_page_and_others_are_passed_over(stand: Stand) -> None:
    others = [alias(7, name="other"), {"AliasName": "alias/apikeychain-1-8"}, {"AliasName": "alias/apikeychain-09"}]
    first = {"Aliases": [*others, {"AliasName": "alias/apikeychain-9"}], "Truncated": True, "NextMarker": "m"}
    stand.says("ListAliases", first, {"Aliases": [alias(3), alias(10, "a/b")]})
    async with stand.service() as service:
        assert (await service.wrap(KEY, CONTEXT))[6] == 3
    assert [asked.get("Marker") for asked in stand.asked("ListAliases")] == [None, "m"]


async def test_aliases_without_end_or_that_are_none_are_refused(stand: Stand) -> None:
    stand.says("ListAliases", {"Aliases": [], "Truncated": True, "NextMarker": "m"})
    with pytest.raises(BackendUnavailableError, match="more aliases than anybody has"):
        await stand.service().__aenter__()
    assert len(stand.asked("ListAliases")) == 100
    stand.says("ListAliases", {})
    with pytest.raises(BackendUnavailableError, match="cannot be listed"):
        await stand.service().__aenter__()


async def test_a_key_is_made_once_and_named_once_whatever_is_lost(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    stand.says("CreateKey", (500, b""))
    async with stand.service() as service:
        with pytest.raises(BackendUnavailableError):
            await service.rotate()
        assert len(stand.asked("CreateKey")) == 1
    stand.says("CreateKey", {"KeyMetadata": {}}, {"KeyMetadata": {"KeyId": TWO}})
    stand.says("CreateAlias", (500, b""), error("LimitExceededException"), error("AlreadyExistsException"))
    async with stand.service() as service:
        with pytest.raises(BackendUnavailableError, match="no error"):
            await service.rotate()
        with pytest.raises(BackendUnavailableError):
            await service.rotate()
    assert len(stand.asked("CreateAlias")) == 1
    assert f"the KMS key {TWO} was made for a new epoch, and may have no alias" in caplog.text
    async with stand.service() as service:
        with pytest.raises(BackendUnavailableError, match="LimitExceededException"):
            await service.rotate()
        with pytest.raises(BackendUnavailableError, match="too many rotate at the same time"):
            await service.rotate()
    named = [asked["AliasName"] for asked in stand.asked("CreateAlias")]
    assert named[2:] == [f"alias/apikeychain-{epoch}" for epoch in range(2, 10)]


async def test_a_version_that_was_made_here_is_used_before_it_is_listed(stand: Stand) -> None:
    stand.says("CreateKey", {"KeyMetadata": {"KeyId": TWO}})
    stand.says("CreateAlias", (200, b""))
    async with stand.service() as service:
        assert await service.rotate() == 2
        assert (await service.wrap(KEY, CONTEXT))[6] == 2
        assert await service.unwrap(b"KM\x01\x00\x00\x00\x02blob", CONTEXT) == KEY
        with pytest.raises(SealedValueError):
            await service.unwrap(b"KM\x01\x00\x00\x00\x03blob", CONTEXT)
        assert (await service.wrap(KEY, CONTEXT))[6] == 2


@pytest.mark.parametrize("said", [error("LimitExceededException"), {}])
async def test_a_retirement_that_is_refused_says_so(stand: Stand, said: object) -> None:
    stand.says("ListAliases", {"Aliases": [alias(1), alias(2, TWO)]})
    stand.says("ScheduleKeyDeletion", said)
    async with stand.service(waiting_days=9) as service:
        with pytest.raises(BackendUnavailableError, match="it refuses"):
            await service.retire(1)
    assert stand.asked("ScheduleKeyDeletion") == [{"KeyId": ONE, "PendingWindowInDays": 9}]


async def test_an_answer_about_the_key_that_is_none_is_refused_at_the_opening(stand: Stand) -> None:
    stand.says("DescribeKey", error("NotFoundException"))
    service = stand.service()
    with pytest.raises(BackendUnavailableError, match="it refuses"):
        await service.__aenter__()
    stand.says("DescribeKey", {"KeyMetadata": None})
    with pytest.raises(SettingsError, match="KeySpec is wrong"):
        await service.__aenter__()
    assert len(service._lines) == 0


async def test_an_answer_without_end_is_cut(stand: Stand) -> None:
    stand.says("Encrypt", (200, b" " * 256 * 1024 + b"{}"))
    async with stand.service() as service:
        await require_refused(service, "its answer is too long")


async def test_an_answer_that_drips_is_waited_for_five_seconds_in_all(stand: Stand) -> None:
    async with stand.service() as service:

        async def drip(visit: Visit) -> None:
            await visit.head(200, [(b"content-length", b"1000")])
            while True:
                await visit.write(b" ")
                await asyncio.sleep(0.5)

        stand.provider.on("/", drip)
        began = time.monotonic()
        await require_refused(service, "it does not answer")
        assert 4.5 < time.monotonic() - began < 6


@asynccontextmanager
async def proxied(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[list[bytes], None]:
    """A proxy that the environment names, and what came to it."""
    came: list[bytes] = []

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(await reader.read(100))
        writer.close()

    async with await asyncio.start_server(meet, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "AWS_ENDPOINT_URL_KMS"):
            monkeypatch.setenv(name, address)
        yield came


async def test_neither_proxy_nor_address_of_the_environment_is_used(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with proxied(monkeypatch) as came, stand.service() as service:
        await service.wrap(KEY, CONTEXT)
    assert came == []


async def test_a_certificate_that_nobody_vouches_for_is_named(stand: Stand) -> None:
    with pytest.raises(BackendUnavailableError, match="its certificate is not trusted: give ca_file="):
        await stand.service(ca_file=None).__aenter__()
    with pytest.raises(SettingsError, match="ca_file: no-such"):
        await stand.service(ca_file="no-such.pem").__aenter__()


async def test_what_a_name_resolves_to_is_judged_by_the_door(stand: Stand) -> None:
    service = stand.service()

    async def metadata(host: str, port: int) -> list[str]:
        del host, port
        return ["169.254.169.254"]

    service._guard._resolve = metadata  # the system's resolver, as whoever holds the zone would have it answer
    service._place = replace(service._place, base=f"https://kms.example.com:{stand.provider.port}")
    with pytest.raises(BackendUnavailableError, match="it does not answer"):
        await service.__aenter__()
    assert stand.provider.requests == []


async def test_a_session_that_is_not_open_sends_nothing() -> None:
    session = Session(Egress(), PUBLIC, ssl.create_default_context(), proxies={})
    with pytest.raises(ConnectionError):
        await session.send(None)
    await session.close()
