"""The `apikeychain` command in this process, as a person at a terminal would use it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import canary
from apikeychain.cli import main


@dataclass
class Terminal:
    """Runs command lines on one data directory.

    Attributes:
        names_data: whether they say so; else the environment does.
    """

    data: Path
    capsys: pytest.CaptureFixture[str]
    names_data: bool = True

    def told(self, *arguments: object) -> str:
        """What a command line says that ends well."""
        code, out, err = self.run(*arguments)
        assert (code, err) == (0, ""), f"{out}{err}"
        return out

    def read(self, *arguments: object) -> Any:
        """The document that it says with ``--json``."""
        return json.loads(self.told(*arguments, "--json"))

    def refused(self, *arguments: object, code: int = 1) -> str:
        """The one line of a command line that fails."""
        ended, out, err = self.run(*arguments)
        assert (ended, out) == (code, ""), f"{out}{err}"
        assert err.startswith("apikeychain: ")
        assert err.count("\n") == 1
        return err.removeprefix("apikeychain: ").removesuffix("\n")

    def run(self, *arguments: object) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        code = main([*(("--data", str(self.data)) if self.names_data else ()), *map(str, arguments)])
        out, err = self.capsys.readouterr()
        canary.hear("what a command says", out, err)
        return code, out, err

    def project(self, project: str = "acme/shop") -> str:
        """The id of a project, made with its tenant where it is missing."""
        self.told("tenant", "ensure", project.split("/", maxsplit=1)[0])
        made: dict[str, str] = self.read("project", "ensure", project)
        return made["id"]

    def kinds(self, tenant: str = "acme") -> list[str]:
        """What stands in the ledger of a tenant."""
        return [entry["kind"] for entry in self.read("ledger", "list", tenant)]
