"""What becomes of a key service when its AWS KMS is stopped or hung, or knows us no more, and of what it wrapped."""

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from apikeychain.backends.aws_kms import AccessKey, AWSKeyService
from apikeychain.errors import BackendUnavailableError, InvalidValueError, NotOpenError, SealedValueError, SettingsError
from apikeychain.secret import Secret
from apikeychain.testing.servers.aws import REGION, AWSServer
from outages import CONTEXT, KEY, KEY_IN_BASE64, SHUT, all_heard, require_closed, require_open, require_patience

_NAMES = itertools.count(1)


@pytest.fixture
def name() -> str:
    """A platform key of the test's own."""
    return f"outage-{next(_NAMES)}"


@pytest.fixture
async def service(aws: AWSServer, name: str) -> AsyncGenerator[AWSKeyService, None]:
    async with aws.key_service(name=name, create=True) as opened:
        yield opened


@pytest.fixture
def strict(aws: AWSServer) -> AWSServer:
    """One that checks who asks; conftest ends that."""
    aws.enforce()
    return aws


async def require_sealed(service: AWSKeyService, wrapped: bytes) -> None:
    with pytest.raises(SealedValueError):
        await service.unwrap(wrapped, CONTEXT)


def key_id(aws: AWSServer, name: str, epoch: int) -> str:
    aliases = {alias["AliasName"]: alias["TargetKeyId"] for alias in aws.kms("ListAliases")["Aliases"]}
    return str(aliases[f"alias/{name}-{epoch}"])


async def test_one_that_was_stopped_is_told_and_asked_again_when_it_runs(
    aws: AWSServer, service: AWSKeyService, caplog: pytest.LogCaptureFixture
) -> None:
    wrapped = await service.wrap(KEY, CONTEXT)
    for _ in range(2):
        aws.stop()
    began = time.monotonic()
    await require_closed(service, wrapped, "it does not answer")
    assert time.monotonic() - began < 2
    aws.start()
    await asyncio.sleep(SHUT)
    # moto has forgotten the key: it answers, and what it says is believed.
    await require_sealed(service, wrapped)
    assert "AWS KMS is no key service now: it does not answer" in caplog.text


async def test_one_that_hangs_is_waited_for_once_and_refused_at_once_after_that(
    aws: AWSServer, service: AWSKeyService
) -> None:
    await require_patience(aws, service)


async def test_a_key_that_is_disabled_closes_and_opens_again(aws: AWSServer, service: AWSKeyService, name: str) -> None:
    wrapped = await service.wrap(KEY, CONTEXT)
    aws.kms("DisableKey", KeyId=key_id(aws, name, 1))
    await require_closed(service, wrapped, r"it refuses \(DisabledException\): the key of epoch 1 is not as it was")
    with pytest.raises(BackendUnavailableError, match="DisabledException"):
        await service.wrap(KEY, CONTEXT)
    with pytest.raises(SettingsError, match="KeyState is wrong, it wraps nothing"):
        await aws.key_service(name=name).__aenter__()
    aws.kms("EnableKey", KeyId=key_id(aws, name, 1))
    await require_open(service, wrapped)


async def test_a_version_is_closed_at_once_on_the_day_that_is_told_and_for_every_process(
    aws: AWSServer, service: AWSKeyService, name: str
) -> None:
    first = await service.wrap(KEY, CONTEXT)
    async with aws.key_service(name=name) as other:
        await require_open(other, first)
        assert await service.rotate() == 2
        kept = await service.rewrap(first, CONTEXT)
        gone = await service.retire(1)
        await require_sealed(other, first)
        await require_open(other, kept)
        assert await other.retire(1) == gone
        for never in (-1, 0, 2, 3):
            with pytest.raises(InvalidValueError, match="1 to 1 can"):
                await other.retire(never)
    told = aws.kms("DescribeKey", KeyId=key_id(aws, name, 1))["KeyMetadata"]
    assert told["KeyState"] == "PendingDeletion"
    aws.kms("CancelKeyDeletion", KeyId=key_id(aws, name, 1))
    aws.kms("EnableKey", KeyId=key_id(aws, name, 1))
    await require_open(service, first)


async def test_a_version_whose_key_is_gone_opens_nothing_and_is_retired(
    aws: AWSServer, service: AWSKeyService, name: str
) -> None:
    first = await service.wrap(KEY, CONTEXT)
    await service.rotate()
    aws.kms("DeleteAlias", AliasName=f"alias/{name}-1")
    async with aws.key_service(name=name) as other:
        await require_sealed(other, first)
        assert (await other.retire(1)).tzinfo is not None


async def test_a_key_that_two_versions_share_is_not_destroyed(
    aws: AWSServer, service: AWSKeyService, name: str
) -> None:
    aws.kms("CreateAlias", AliasName=f"alias/{name}-2", TargetKeyId=key_id(aws, name, 1))
    with pytest.raises(InvalidValueError, match="its key is that of another version too"):
        await service.retire(1)
    await require_open(service, await service.wrap(KEY, CONTEXT))


async def test_those_who_rotate_at_once_get_a_version_each(aws: AWSServer, service: AWSKeyService, name: str) -> None:
    async with aws.key_service(name=name) as other:
        versions = await asyncio.gather(*(each.rotate() for each in (service, other, service, other)))
        assert sorted(versions) == [2, 3, 4, 5]
        assert len({key_id(aws, name, epoch) for epoch in range(1, 6)}) == 5
    async with aws.key_service(name=name) as late:
        wrapped = await late.wrap(KEY, CONTEXT)
    assert int.from_bytes(wrapped[3:7], "big") == 5
    await require_open(service, wrapped)


async def test_what_another_process_wrapped_under_a_newer_version_opens_and_is_soon_used(
    aws: AWSServer, service: AWSKeyService, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.wrap(KEY, CONTEXT)
    async with aws.key_service(name=name) as other:
        await other.rotate()
        await require_open(service, await other.wrap(KEY, CONTEXT))
    assert (await service.wrap(KEY, CONTEXT))[6] == 2


async def test_a_forged_version_is_looked_for_and_refused_and_a_forged_text_is_not_sent(
    aws: AWSServer, service: AWSKeyService
) -> None:
    wrapped = await service.wrap(KEY, CONTEXT)
    await service.rotate()
    listed: list[str] = []
    ask = service._line._wire.send

    async def listening(verb: str, fields: dict[str, object]) -> object:
        listed.append(verb)
        return await ask(verb, fields)

    service._line._wire.send = listening  # type: ignore[method-assign,assignment]  # it listens, and asks
    for epoch in (0, 2, 3, 2**32 - 1, 77, 78, 79):
        await require_sealed(service, wrapped[:3] + epoch.to_bytes(4, "big") + wrapped[7:])
    for forged in (b"KM\x02" + wrapped[3:], b"", wrapped[:7], wrapped[:7] + bytes(6145)):
        await require_sealed(service, forged)
    assert (listed.count("list_aliases"), listed.count("decrypt")) == (6, 1)


@pytest.mark.usefixtures("strict")
async def test_each_role_may_do_its_work_and_no_more(
    aws: AWSServer, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with aws.key_service(aws.user("operator", name), name=name, create=True) as operator:
        async with aws.key_service(aws.user("gate", name), name=name) as gate:
            wrapped = await gate.wrap(KEY, CONTEXT)
            await require_open(gate, wrapped)
            for _ in range(2):
                with pytest.raises(BackendUnavailableError, match="do not allow re_encrypt"):
                    await gate.rewrap(wrapped, CONTEXT)
            with pytest.raises(BackendUnavailableError, match="do not allow create_key"):
                await gate.rotate()
            await require_open(gate, wrapped)
        assert caplog.text.count("re_encrypt") == 1
        await operator.rotate()
        new = await operator.rewrap(wrapped, CONTEXT)
        await operator.retire(1)
        await require_open(operator, new)


@pytest.mark.usefixtures("strict")
async def test_a_key_that_was_revoked_closes_and_a_new_one_in_its_file_opens_without_a_restart(
    aws: AWSServer, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    service = AWSKeyService(REGION, name=name, create=True, profile="gate", endpoint_url=aws.address)
    with pytest.raises(BackendUnavailableError, match=r"no credentials to be had \(ProfileNotFound\)"):
        await service.__aenter__()
    first = aws.user("operator", name)
    write(file, first)
    async with service:
        wrapped = await service.wrap(KEY, CONTEXT)
        aws.revoke(first)
        await require_closed(
            service, wrapped, r"credentials are wrong, revoked or expired.*\(UnrecognizedClientException\)"
        )
        write(file, aws.user("gate", name))
        await asyncio.sleep(SHUT)
        await require_open(service, wrapped)


def write(file: Path, key: AccessKey) -> None:
    secret = key.secret.reveal().decode()
    file.write_text(f"[gate]\naws_access_key_id = {key.id}\naws_secret_access_key = {secret}\n")


async def test_a_key_that_a_promise_would_break_with_is_refused_at_the_opening(aws: AWSServer, name: str) -> None:
    wrong: dict[str, dict[str, object]] = {
        "KeySpec is wrong, it knows no encryption context": {"KeySpec": "RSA_2048"},
        "Origin is wrong, whoever holds its material": {"Origin": "EXTERNAL"},
        "MultiRegion is wrong, a copy of it": {"MultiRegion": True},
        "KeyUsage is wrong, it wraps nothing": {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"},
    }
    for epoch, (told, more) in enumerate(wrong.items(), 1):
        key = aws.kms("CreateKey", **more)["KeyMetadata"]["KeyId"]
        aws.kms("CreateAlias", AliasName=f"alias/{name}-{epoch}", TargetKeyId=key)
        with pytest.raises(SettingsError, match=told):
            await aws.key_service(name=name).__aenter__()
    with pytest.raises(SettingsError, match="there is no KMS key with the alias of epoch 1: create=True makes it"):
        await aws.key_service(name="no-such-key").__aenter__()


async def test_it_is_open_for_as_long_as_anybody_holds_it_open(aws: AWSServer, name: str) -> None:
    service = aws.key_service(name=name, create=True)
    async with service:
        async with service:
            wrapped = await service.wrap(KEY, CONTEXT)
        await require_open(service, wrapped)
    with pytest.raises(NotOpenError):
        await service.unwrap(wrapped, CONTEXT)


def test_each_event_loop_has_its_own_connections(aws: AWSServer, name: str) -> None:
    service = aws.key_service(name=name, create=True)

    async def left_open() -> bytes:
        await service.__aenter__()
        wrapped = await service.wrap(KEY, CONTEXT)
        await service._line.aclose()  # its sockets, which a loop that ends leaves open
        return wrapped

    async def opened(wrapped: bytes) -> int:
        async with service:
            await require_open(service, wrapped)
            return len(service._lines)

    assert asyncio.run(opened(asyncio.run(left_open()))) == 1


async def test_neither_the_secret_key_nor_a_key_is_in_a_log_a_repr_or_an_error(
    aws: AWSServer, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    secret, token = "wJalrXUtnFEMI-a-made-up-secret", "a-made-up-session-token"
    login = AccessKey("ASIAIOSFODNN7EXAMPLE", Secret(secret), Secret(token))
    async with all_heard(caplog) as heard, aws.key_service(login, name=name, create=True) as service:
        wrapped = await service.wrap(KEY, CONTEXT)
        await require_open(service, wrapped)
        answer = await service._line.ask("decrypt", KeyId=key_id(aws, name, 1), CiphertextBlob=wrapped[7:])
        aws.stop()
        with pytest.raises(BackendUnavailableError) as failed:
            await service.unwrap(wrapped, CONTEXT)
        error = failed.value
        heard += [repr(thing) for thing in (login, answer, service, vars(service), vars(service._line))]
        heard += [repr((error, error.__context__, error.__cause__, vars(error)))]
    told = "\n".join(heard)
    assert "AWS KMS is no key service now" in told
    for hidden in (secret, token, KEY.hex(), repr(KEY), KEY_IN_BASE64):
        assert hidden not in told
