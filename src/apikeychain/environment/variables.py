"""Every variable of the environment on one screen, and how the text of one is read.

An empty variable counts as one that is not set. No value is told in a problem: it may be a secret in the wrong place.
"""

import dataclasses
import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, final

from apikeychain.settings import APIKeyChainSettings

PREFIX = "APIKEYCHAIN_"
PLUGS: Mapping[str, str] = MappingProxyType(
    {
        "DATA": "the directory of the embedded default; beside a database, that of one process's claims and limits.",
        "KEY_FILE": "the platform key in a file; without it `platform.key` in `DATA`.",
        "DATABASE_URL": "`postgresql://user@host/database`: the store is PostgreSQL, and tells of changes.",
        "DATABASE_URL_FILE": "a file that holds that URL, since it may hold a password.",
        "DATABASE_CA_FILE": "the authorities that the database's certificate may be from; the system's without it.",
        "VALKEY_URL": "`valkeys://host:6379/0`: limits and claims that all workers share.",
        "VALKEY_URL_FILE": "a file that holds that URL.",
        "SIGNALS": "`database` or `valkey`: who tells of changes; the database without it.",
        "OPENBAO_ADDRESS": "`https://host:8200`: the platform key is in OpenBao or Vault.",
        "OPENBAO_ROLE_ID": "of the AppRole that logs in there.",
        "OPENBAO_SECRET_ID_FILE": "a file that holds its secret id, read at each login.",
        "OPENBAO_TOKEN_FILE": "a file that holds a token, such as the sink of an agent; instead of an AppRole.",
        "OPENBAO_KEY": "the name of the transit key; `apikeychain` without it.",
        "OPENBAO_MOUNT": "the mount of the transit engine; `transit` without it.",
        "OPENBAO_NAMESPACE": "the namespace, where there is one.",
        "OPENBAO_CA_FILE": "the authorities that its certificate may be from; the system's without it.",
    }
)
COMMAND: Mapping[str, str] = MappingProxyType(
    {
        "MIGRATION_URL": "as `DATABASE_URL`, by the role that may migrate; read by `apikeychain migrate` alone.",
        "MIGRATION_URL_FILE": "a file that holds that URL.",
    }
)
SETTINGS = MappingProxyType({field.name.upper(): field for field in dataclasses.fields(APIKeyChainSettings)})
_KNOWN = (*SETTINGS, *PLUGS, *COMMAND)
_NUMBER = re.compile(r"[0-9]{1,18}")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


@final
class Variables:
    """The variables that begin with APIKEYCHAIN_, read one by one.

    Args:
        given: all variables of the environment.

    Attributes:
        problems: what is wrong with them, one sentence each; grows with what is read.
    """

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = {name: value for name, value in given.items() if name.startswith(PREFIX) and value}
        self.problems = [_unknown(name) for name in sorted(self._given) if name.removeprefix(PREFIX) not in _KNOWN]

    def has(self, name: str) -> bool:
        """Whether it is set."""
        return PREFIX + name in self._given

    def text(self, name: str, default: str = "") -> str:
        """Its text."""
        return self._given.get(PREFIX + name, default)

    def path(self, name: str) -> Path | None:
        """A path, or None where it is not set."""
        return Path(self.text(name)) if self.has(name) else None

    def one_of(self, name: str, *choices: str) -> str:
        """One of the choices; the first where it is not set, or is none of them."""
        text = self.text(name, choices[0])
        if text in choices:
            return text
        self.problem(name, f"write {' or '.join(choices)}")
        return choices[0]

    def setting(self, name: str) -> Any:  # noqa: ANN401  # of the type of its field
        """A field of APIKeyChainSettings: of the type that its default has."""
        text, default = self.text(name), SETTINGS[name].default
        if isinstance(default, tuple):
            return tuple(part.strip() for part in text.split(","))
        if isinstance(default, bool):
            return _FLAGS[self.one_of(name, *_FLAGS)]
        if isinstance(default, int):
            return self._number(name)
        return text

    def problem(self, name: str, what: str) -> None:
        """Note that something is wrong with a variable."""
        self.problems.append(f"{PREFIX}{name}: {what}")

    def _number(self, name: str) -> int:
        text = self.text(name)
        if _NUMBER.fullmatch(text):
            return int(text)
        self.problem(name, "write a number")
        return 1


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name.removeprefix(PREFIX), _KNOWN, n=1)
    return f"{name} is not known" + (f": did you mean {PREFIX}{near[0]}?" if near else "")
