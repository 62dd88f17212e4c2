"""The how-to page of AWS KMS, done as it is written: policies, the first key, and the turn of the platform key."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from apikeychain import APIKeyChain, APIKeyChainSettings
from apikeychain.backends.aws_kms import AWSKeyService
from apikeychain.errors import BackendUnavailableError
from apikeychain.testing.servers.aws import AWSServer, policy
from command import ROOT

PAGE = (ROOT / "docs" / "how-to" / "keep-the-platform-key-in-aws-kms.md").read_text()
QUICK = APIKeyChainSettings(kdf="pbkdf2-sha512")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_policies_of_the_page_are_those_that_the_tests_run_under() -> None:
    assert [json.loads(block) for block in blocks("text")] == [policy("gate"), policy("operator")]


def functions() -> dict[str, Any]:
    names: dict[str, Any] = {"APIKeyChain": APIKeyChain, "AWSKeyService": AWSKeyService}
    for block in blocks("python")[:3]:
        exec(block, names)  # noqa: S102  # the page is ours, and running it is the test
    return names


async def test_what_the_page_says_gives_a_gate_that_serves_and_an_operator_who_turns_the_key(
    aws: AWSServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = functions()
    aws.enforce()
    turner, gate = aws.user("operator"), aws.user("gate")
    await page["prepare"](aws.key_service(turner, create=True))
    async with opened(tmp_path, aws.key_service(gate)) as keychain:
        acme = await keychain.create_tenant("acme")
        await acme.create_project("shop")
        with pytest.raises(BackendUnavailableError, match="do not allow re_encrypt"):
            await acme.rewrap_keys()
    operator = aws.key_service(turner, waiting_days=7)
    async with opened(tmp_path, operator) as keychain:
        newest = await page["turn"](keychain, operator)
        await page["destroy_what_is_older"](newest, operator)
    async with opened(tmp_path, aws.key_service(gate)) as keychain:
        assert await keychain.list_tenants()
    told = capsys.readouterr().out
    assert "there is a platform key" in told
    assert str(datetime.now(UTC).year) in told


def opened(data: Path, service: AWSKeyService) -> APIKeyChain:
    return APIKeyChain.embedded(data / "data", key_service=service, settings=QUICK)
