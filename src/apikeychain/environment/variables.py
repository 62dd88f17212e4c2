"""Every variable of the environment on one screen, and how one is read, or the file that it names.

An empty variable counts as one that is not set. No value is told in a problem: it may be a secret in the wrong place.
For the same reason a path begins as no secret does, since paths are told later on, by whoever misses a file.
"""

import copy
import dataclasses
import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, final

from apikeychain.backends.tls import verified
from apikeychain.errors import InvalidValueError
from apikeychain.model.ids import parse_name
from apikeychain.model.records import DEFAULT_KEY_SERVICE
from apikeychain.secret import Secret
from apikeychain.settings import APIKeyChainSettings

PREFIX = "APIKEYCHAIN_"
PLUGS: Mapping[str, str] = MappingProxyType(
    {
        "DATA": "the directory of the embedded default, written from `/` or `./` on; "
        "beside a database, that of one process's claims and limits.",
        "KEY_FILE": "the platform key in a file; without it `platform.key` in `DATA`.",
        "DATABASE_URL": "`postgresql://user@host/database`: the store is PostgreSQL, and tells of changes.",
        "DATABASE_URL_FILE": "a file that holds that URL, since it may hold a password.",
        "DATABASE_CA_FILE": "the authorities that the database's certificate may be from; the system's without it.",
        "VALKEY_URL": "`valkeys://host:6379/0`: limits and claims that all workers share.",
        "VALKEY_URL_FILE": "a file that holds that URL.",
        "VALKEY_CA_FILE": "the authorities that its certificate may be from; the system's without it.",
        "SIGNALS": "`database` or `valkey`: who tells of changes; the database without it.",
        "OPENBAO_ADDRESS": "`https://host:8200`: the platform key is in OpenBao or Vault.",
        "OPENBAO_ROLE_ID": "of the AppRole that logs in there.",
        "OPENBAO_SECRET_ID_FILE": "a file that holds its secret id, read at each login.",
        "OPENBAO_TOKEN_FILE": "a file that holds a token, such as the sink of an agent; instead of an AppRole.",
        "OPENBAO_KEY": "the name of the transit key; `apikeychain` without it.",
        "OPENBAO_MOUNT": "the mount of the transit engine; `transit` without it.",
        "OPENBAO_NAMESPACE": "the namespace, where there is one.",
        "OPENBAO_CA_FILE": "the authorities that its certificate may be from; the system's without it.",
        "AWS_REGION": "`eu-central-1`: the platform key is in AWS KMS. Who asks is found as the AWS client finds it.",
        "AWS_NAME": "how the aliases of its KMS keys begin, before `-1`, `-2` and so on; `apikeychain` without it.",
        "AWS_PROFILE": "of the files of the AWS command.",
        "AWS_ENDPOINT_URL": "`https://name`: an endpoint of your own; the region's without it.",
        "AWS_CA_FILE": "the authorities that its certificate may be from; the system's without it.",
        "KEY_SERVICES": "`vault,eu-kms`: names of further key services. Each has variables of its own, "
        "`KEY_FILE`, `OPENBAO_...` or `AWS_...` behind `KEY_SERVICE_EU_KMS_`.",
        "WITNESS_FILE": "a file on another disk, to which the ledger's checkpoints go; "
        "without any witness `witness.jsonl` in `DATA`.",
        "WITNESS_S3_BUCKET": "the name of a bucket to which they go.",
        "WITNESS_S3_PREFIX": "how their keys begin there; `apikeychain` without it.",
        "WITNESS_S3_REGION": "of the bucket; `auto` where the server knows none.",
        "WITNESS_S3_PROFILE": "of the files of the AWS command.",
        "WITNESS_S3_ENDPOINT_URL": "`https://name`: a server of your own; AWS without it.",
        "WITNESS_S3_CA_FILE": "the authorities that its certificate may be from; the system's without it.",
        "WITNESS_S3_RETAIN_DAYS": "for how many days nobody may remove them, by the bucket's object lock.",
        "WITNESS_URL": "`https://host/path`: a webhook to which they go.",
        "WITNESS_URL_FILE": "a file that holds that URL, since it may hold a secret.",
        "WITNESS_SECRETS": "`whsec_...`: what signs them; two with a space between while the receiver changes.",
        "WITNESS_SECRETS_FILE": "a file that holds these secrets.",
        "WITNESS_CA_FILE": "the authorities that its certificate may be from; the system's without it.",
        "ASSETS_DIRECTORY": "a directory in which the scripts and styles are kept that tenants publish; "
        "without it or a bucket `assets` in `DATA`, and none where there is no `DATA`, or several processes serve.",
        "ASSETS_S3_BUCKET": "the name of a bucket in which they are kept.",
        "ASSETS_S3_PREFIX": "how their keys begin there; `apikeychain` without it.",
        "ASSETS_S3_REGION": "of the bucket; `auto` where the server knows none, as R2.",
        "ASSETS_S3_PROFILE": "of the files of the AWS command.",
        "ASSETS_S3_ENDPOINT_URL": "`https://name`: a server of your own, or R2; AWS without it.",
        "ASSETS_S3_CA_FILE": "the authorities that its certificate may be from; the system's without it.",
        "ALERTS_URL": "`https://host/path`: a webhook to which alerts go; the log without it.",
        "ALERTS_URL_FILE": "a file that holds that URL, since it may hold a secret.",
        "ALERTS_SECRETS": "`whsec_...`: what signs them; two with a space between while the receiver changes.",
        "ALERTS_SECRETS_FILE": "a file that holds these secrets.",
        "ALERTS_CA_FILE": "the authorities that its certificate may be from; the system's without it.",
        "COUNTRIES": "`registry`: in which country callers are is known by what the registries of addresses say; "
        "or the absolute path of an .mmdb file. Both need the extra `geo`.",
    }
)
COMMAND: Mapping[str, str] = MappingProxyType(
    {
        "MIGRATION_URL": "as `DATABASE_URL`, by the role that may migrate; read by `apikeychain migrate` alone.",
        "MIGRATION_URL_FILE": "a file that holds that URL.",
    }
)
SETTINGS = MappingProxyType({field.name.upper(): field for field in dataclasses.fields(APIKeyChainSettings)})
KEY_PLUGS = tuple(name for name in PLUGS if name == "KEY_FILE" or name.startswith(("OPENBAO_", "AWS_")))
_KNOWN = (*SETTINGS, *PLUGS, *COMMAND)
_NUMBER = re.compile(r"[0-9]{1,18}")
_NAME = re.compile(r"[A-Z0-9_]{1,64}")
_DIRECTORIES = ("/", "./", "../")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


@final
class Variables:
    """The variables that begin with APIKEYCHAIN_, read one by one.

    Args:
        given: all variables of the environment.

    Attributes:
        problems: what is wrong with them, one sentence each; grows with what is read.
        key_services: the names of further ones, each once.
    """

    def __init__(self, given: Mapping[str, str]) -> None:
        self._begin = PREFIX
        self._given = {name: value for name, value in given.items() if name.startswith(PREFIX) and value}
        self.problems: list[str] = []
        self.key_services = self._names("KEY_SERVICES")
        known = {*_KNOWN, *(begin_of(service) + name for service in self.key_services for name in KEY_PLUGS)}
        names = sorted(name.removeprefix(PREFIX) for name in self._given)
        self.problems += [_unknown(name, known) for name in names if name not in known]

    def behind(self, begin: str) -> Self:
        """The same, of those whose names go on like that."""
        view = copy.copy(self)
        view._begin += begin  # noqa: SLF001  # of this class
        return view

    def named(self, name: str) -> str:
        """The whole name of a variable."""
        return self._begin + name

    def has(self, name: str) -> bool:
        """Whether it is set."""
        return self._begin + name in self._given

    def text(self, name: str, default: str = "") -> str:
        """Its text."""
        return self._given.get(self._begin + name, default)

    def directory(self, name: str) -> Path | None:
        """A directory, or None where none is named."""
        return self._path(name, _DIRECTORIES, "write a path that begins with / or ./")

    def file(self, name: str, wanted: str = "write the absolute path of a file") -> Path | None:
        """A file, or None where none is named. See `problem` for `wanted`."""
        return self._path(name, ("/",), wanted)

    def authorities(self, name: str) -> Path | None:
        """A file with authorities that can be read, or None where none is named."""
        if path := self.file(name):
            try:
                verified(path)
            except (OSError, ValueError) as fault:
                self.problem(name, f"the authorities cannot be read ({type(fault).__name__})")
                return None
        return path

    def url(self, name: str) -> Secret | None:
        """A URL, which may hold a password, from the variable or from the file that its twin names; None without."""
        twin = f"{name}_FILE"
        if self.has(name) and self.has(twin):
            self.problem(name, f"say one of it and {self.named(twin)}")
            return None
        path = self.file(twin)
        return self._secret(twin, self._content(twin, path)) if path else self._secret(name, self.text(name))

    def secrets(self, name: str) -> tuple[Secret, ...]:
        """Secrets with a blank or a line break between them, from the variable or from the file that its twin names."""
        path = self.file(f"{name}_FILE")
        try:
            return tuple(map(Secret, (self._content(f"{name}_FILE", path) if path else self.text(name)).split()))
        except InvalidValueError as error:
            self.problem(f"{name}_FILE" if path else name, str(error))
            return ()

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
            return self.number(name)
        return text

    def number(self, name: str) -> int:
        """A whole number; 1 where it is none."""
        text = self.text(name)
        if _NUMBER.fullmatch(text):
            return int(text)
        self.problem(name, "write a number")
        return 1

    def problem(self, name: str, what: str) -> None:
        """Note that something is wrong with a variable."""
        self.problems.append(f"{self.named(name)}: {what}")

    def _names(self, name: str) -> tuple[str, ...]:
        names: dict[str, str] = {}
        for number, text in enumerate(self.text(name).split(",") if self.has(name) else (), 1):
            try:
                service = parse_name(text.strip(), "key service")
            except InvalidValueError:
                self.problem(name, f"entry {number} is no name (lower case letters, digits, `.`, `_` and `-`)")
                continue
            if service == DEFAULT_KEY_SERVICE:
                self.problem(name, f"entry {number} is the name of the one without a name")
            elif names.setdefault(begin_of(service), service) != service:
                self.problem(name, f"entry {number} is written as another one in capital letters")
        return tuple(names.values())

    def _path(self, name: str, begins: tuple[str, ...], wanted: str) -> Path | None:
        text = self.text(name)
        if not text or text.startswith(begins):
            return Path(text) if text else None
        self.problem(name, wanted)
        return None

    def _content(self, name: str, path: Path) -> str:
        try:
            text = path.read_text("utf-8").strip()
        except (OSError, ValueError) as fault:
            self.problem(name, f"the file cannot be read ({type(fault).__name__})")
            return ""
        # As if it were not named, workers would go on without what it names.
        if not text:
            self.problem(name, "the file is empty")
        return text

    def _secret(self, name: str, text: str) -> Secret | None:
        try:
            return Secret(text) if text else None
        except InvalidValueError:
            self.problem(name, "a URL has 8 to 4096 characters of printable ASCII, with %20 for a space")
        return None


def plain(url: Secret) -> str:
    """The text of a URL, for whoever dials it."""
    return url.reveal().decode("ascii")


def begin_of(key_service: str) -> str:
    """How the variables of a further key service go on behind APIKEYCHAIN_."""
    return f"KEY_SERVICE_{re.sub('[.-]', '_', key_service).upper()}_"


def _unknown(name: str, known: Iterable[str]) -> str:
    if not _NAME.fullmatch(name):
        return f"a variable that begins with {PREFIX} has a name of odd characters, and is not known"
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"{PREFIX}{name} is not known" + (f": did you mean {PREFIX}{near[0]}?" if near else "")
