"""Where an OpenBao is, as the operator says it, and what is refused of it before anything is dialled.

The operator chooses the address, and it is mostly a private one: no guard of tenants' destinations stands before it.

Source: contracts 4, "Connection".
"""

import re
import ssl
from dataclasses import dataclass
from pathlib import Path

from apikeychain.backends.address import parse_address
from apikeychain.backends.tls import verified
from apikeychain.errors import SettingsError

_SEGMENT = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
_NAME, _PATH = re.compile(_SEGMENT), re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")
_UNIX = "unix://"


@dataclass(frozen=True, slots=True)
class Place:
    """One OpenBao.

    Attributes:
        base: scheme and authority of every request; those through a socket go to a name that is never looked up.
        socket: the path of its Unix socket, or "" where it has an address.
        namespace: of OpenBao, or "".
        ca_file: the authorities that its certificate may come from; None for those of the system.
    """

    base: str
    socket: str = ""
    namespace: str = ""
    ca_file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """TLS 1.3, verified. Reads the authorities from disk (some 20 ms): call it in a thread, and keep it.

        Raises:
            SettingsError: the authorities cannot be read.
        """
        try:
            return verified(self.ca_file)
        except OSError as error:
            raise SettingsError([f"ca_file: {self.ca_file} cannot be read ({type(error).__name__})"]) from None


def parse_place(address: str, *, namespace: str, ca_file: Path | None) -> tuple[Place, list[str]]:
    """The place, and what is wrong with it.

    Args:
        address: ``https://host[:port]``, ``http://`` and a loopback host, or ``unix:///path/of/its/socket``.
        namespace: of OpenBao, or "".
        ca_file: the authorities that its certificate may come from.
    """
    problems = path_problems("namespace", namespace) if namespace else []
    if address.startswith(_UNIX):
        path = address.removeprefix(_UNIX)
        if not path.startswith("/"):
            problems.append("address: a Unix socket is written with its whole path, like unix:///run/openbao.sock")
        return Place("http://socket.invalid", path, namespace), problems
    base, _, wrong = parse_address("address", address, ", or unix:///path/of/its/socket")
    return Place(base, "", namespace, ca_file), problems + wrong


def name_problems(what: str, text: str) -> list[str]:
    """What is wrong with a name that becomes one segment of a path."""
    return [] if _NAME.fullmatch(text) else [f"{what}: write a name of letters, digits, `.`, `_` and `-`"]


def path_problems(what: str, text: str) -> list[str]:
    """What is wrong with a mount or namespace, which may have several segments."""
    return [] if _PATH.fullmatch(text) else [f"{what}: write a path like a/b (no slash before or behind)"]
