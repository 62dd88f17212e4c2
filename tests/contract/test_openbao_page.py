"""The how-to page of OpenBao, done as it is written: policies, commands, and the turn of the platform key."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import canary
from apikeychain import APIKeyChain, APIKeyChainSettings
from apikeychain.backends.openbao import AppRole, OpenBaoKeyService
from apikeychain.errors import BackendUnavailableError
from apikeychain.testing.servers.openbao import GATE_POLICY, OPERATOR_POLICY, OpenBaoServer
from command import ROOT, SCRIPTS

PAGE = (ROOT / "docs" / "how-to" / "keep-the-platform-key-in-openbao.md").read_text()
QUICK = APIKeyChainSettings(kdf="pbkdf2-sha512")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_policies_of_the_page_are_those_that_the_tests_run_under() -> None:
    assert blocks("text") == [GATE_POLICY, OPERATOR_POLICY]


def run_as_written(folder: Path, server: OpenBaoServer) -> None:
    for name, text in zip(("gate.hcl", "operator.hcl"), blocks("text"), strict=True):
        (folder / name).write_text(text)
    [console] = blocks("console")
    environment = {
        "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "BAO_ADDR": server.address,
        "BAO_TOKEN": server.root_token,
        "BAO_CACERT": str(server.ca_file),
    }
    shell = shutil.which("sh")
    assert shell
    for line in console.splitlines():
        done = subprocess.run(  # noqa: S603  # the commands of our page
            [shell, "-c", line.removeprefix("$ ")],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        canary.hear("what bao says", done.stdout, done.stderr)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


async def test_what_the_page_says_gives_a_gate_that_serves_and_an_operator_who_turns_the_key(tmp_path: Path) -> None:
    with OpenBaoServer() as server:
        server.ask("DELETE", "sys/mounts/transit")
        server.ask("DELETE", "sys/auth/approle")
        run_as_written(tmp_path, server)
        secret_id = tmp_path / "secret-id"
        assert secret_id.stat().st_mode & 0o077 == 0
        gate = AppRole(role_id=(tmp_path / "role-id").read_text().strip(), secret_id=secret_id)
        async with APIKeyChain.embedded(
            tmp_path / "data", key_service=server.key_service(gate), settings=QUICK
        ) as keychain:
            acme = await keychain.create_tenant("acme")
            await acme.create_project("shop")
            with pytest.raises(BackendUnavailableError, match="do not allow <mount>/rewrap/<key>"):
                await acme.rewrap_keys()
        operator = server.key_service(server.app_role("operator"))
        await turned(tmp_path / "data", operator)
        async with APIKeyChain.embedded(
            tmp_path / "data", key_service=server.key_service(gate), settings=QUICK
        ) as keychain:
            assert await keychain.list_tenants()
        assert server.ask("GET", "transit/keys/apikeychain")["data"]["min_available_version"] == 2


async def turned(data: Path, operator: OpenBaoKeyService) -> None:
    names: dict[str, Any] = {"APIKeyChain": APIKeyChain, "OpenBaoKeyService": OpenBaoKeyService}
    [turn] = [block for block in blocks("python") if "async def turn" in block]
    exec(turn, names)  # noqa: S102  # the page is ours, and running it is the test
    async with APIKeyChain.embedded(data, key_service=operator, settings=QUICK) as keychain:
        newest = await names["turn"](keychain, operator)
        await names["destroy_what_is_older"](newest, operator)
