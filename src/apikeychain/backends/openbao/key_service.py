"""A platform key in the transit engine of OpenBao or HashiCorp Vault, which never leaves it.

What is stored is OpenBao's own text, ``vault:v<version>:<base64>``, in its one spelling: OpenBao would also open
``v01``, ``v0`` for version 1, a line break inside and other spellings of the last base64 character. The context, the
length-prefixed tenant, project, purpose and version, is what OpenBao derives the key of each wrap from (HKDF-SHA256).
It is not sent as associated data, too: rewrapping within OpenBao knows none.

Source: contracts 5; OpenBao API documentation, "Transit secrets engine".
"""

import asyncio
import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, Self

from apikeychain.backends.openbao.line import Line
from apikeychain.backends.openbao.place import name_problems, parse_place, path_problems
from apikeychain.backends.openbao.tokens import AppRole, Token
from apikeychain.backends.openbao.wire import BAD_REQUEST, NOT_FOUND, Answer, Wire
from apikeychain.backends.opened_lines import OpenedLines
from apikeychain.errors import InvalidValueError, SealedValueError, SettingsError
from apikeychain.model.keys import KeyContext

_WRAPPED = re.compile(r"vault:v[1-9][0-9]{0,8}:([A-Za-z0-9+/]{38,}={0,2})")
_TYPE = "aes256-gcm96"
# What OpenBao says of a text that this key did not make under this context, or whose version is gone.
_SEALED = ("message authentication failed", "invalid ciphertext", "disallowed by policy (too old)")
# What a key has to be for the promises of a KeyService, and what breaks otherwise.
_MUST_BE: tuple[tuple[str, object, str], ...] = (
    ("type", _TYPE, "other types are not looked after here"),
    ("derived", True, "without it OpenBao takes no notice of whom a key was wrapped for"),
    ("convergent_encryption", False, "two wraps of one key would be equal"),
    ("exportable", False, "the key could leave OpenBao"),
    ("allow_plaintext_backup", False, "the key could leave OpenBao"),
    ("soft_deleted", False, "it is deleted; restore it"),
)


class OpenBaoKeyService:
    """Holds the platform key in OpenBao or HashiCorp Vault. See KeyService.

    An async context manager: entering it logs in and looks at the key, once in each event loop or often. Connections,
    tokens and their renewal belong to the loop and end when it is left.

    Args:
        address: ``https://host[:port]``; ``http://`` for a loopback host; ``unix:///path/of/its/socket``.
        login: an AppRole, or a Token.
        key: name of the transit key.
        mount: of the transit engine.
        namespace: of OpenBao, or "".
        ca_file: the authorities that its certificate may come from; None for those of the system.

    Raises:
        SettingsError: with every problem of what is given.
    """

    def __init__(
        self,
        address: str,
        *,
        login: AppRole | Token,
        key: str = "apikeychain",
        mount: str = "transit",
        namespace: str = "",
        ca_file: Path | str | None = None,
    ) -> None:
        trust = Path(ca_file) if ca_file else None
        self._place, problems = parse_place(address, namespace=namespace, ca_file=trust)
        problems += [*name_problems("key", key), *path_problems("mount", mount), *login.problems()]
        if problems:
            raise SettingsError(problems)
        self._login, self._mount, self._key = login, mount, key
        self._lines: OpenedLines[Line] = OpenedLines()

    async def __aenter__(self) -> Self:
        """Log in and look at the key.

        Raises:
            SettingsError: the key is missing or not what it has to be, or the authorities cannot be read.
            BackendUnavailableError: OpenBao does not answer, or does not know us.
        """
        await self._lines.enter(self._new_line, self._greet)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close what belongs to this event loop."""
        await self._lines.leave()

    async def wrap(self, key: bytes, context: KeyContext) -> bytes:
        """See KeyService.wrap."""
        answer = await self._ask("encrypt", {"plaintext": _text(key), **_bound(context)})
        return self._wrapped(answer)

    async def unwrap(self, wrapped: bytes, context: KeyContext) -> bytes:
        """See KeyService.unwrap."""
        answer = await self._opened("decrypt", wrapped, context)
        key = _decoded(_data(answer).get("plaintext"))
        if key is None:
            self._refuse(answer)
        return key

    async def rewrap(self, wrapped: bytes, context: KeyContext) -> bytes:
        """See KeyService.rewrap. The key does not leave OpenBao."""
        return self._wrapped(await self._opened("rewrap", wrapped, context))

    async def rotate(self) -> int:
        """See KeyService.rotate."""
        answer = await self._ask("keys", {}, "/rotate", repeats=False)
        return self._number(answer, "latest_version")

    async def retire(self, version: int) -> datetime:
        """See KeyService.retire. It is gone at once, and with it every older one.

        OpenBao keeps no hole in its versions: what is wrapped under an older one has to be rewrapped before, too.
        Backups of OpenBao's storage keep the version until they are destroyed.

        Raises:
            InvalidValueError: it is the newest, or there never was one of that number.
        """
        state = await self._ask("keys")
        newest = self._number(state, "latest_version")
        if not 0 < version < newest:
            msg = f"version {version} of the platform key cannot be retired: 1 to {newest - 1} can"
            raise InvalidValueError(msg)
        if self._number(state, "min_available_version") <= version:
            await self._destroy(state, version)
        return datetime.now(UTC)

    async def _destroy(self, state: Answer, version: int) -> None:
        # Each in a request of its own; where the second is lost, the next `retire` goes on from here.
        least = {
            name: max(version + 1, self._number(state, name))
            for name in ("min_decryption_version", "min_encryption_version")
        }
        for deed, body in (("/config", least), ("/trim", {"min_available_version": version + 1})):
            answer = await self._ask("keys", body, deed)
            if not answer.is_good:
                self._refuse(answer)

    async def _opened(self, verb: str, wrapped: bytes, context: KeyContext) -> Answer:
        body = {"ciphertext": _spelled(wrapped), **_bound(context)}
        answer = await self._ask(verb, body)
        if answer.status == BAD_REQUEST and any(text in answer.errors for text in _SEALED):
            raise SealedValueError
        return answer

    def _wrapped(self, answer: Answer) -> bytes:
        text = _data(answer).get("ciphertext")
        if not isinstance(text, str) or not _is_spelled(text):
            self._refuse(answer)
        return text.encode("ascii")

    def _number(self, answer: Answer, name: str) -> int:
        number = _data(answer).get(name)
        if type(number) is not int:
            self._refuse(answer)
        return number

    def _require(self, answer: Answer) -> None:
        if answer.status == NOT_FOUND:
            raise SettingsError(["there is no transit key of that name at that mount: make one, derived"])
        if not answer.is_good:
            self._refuse(answer)
        told = _data(answer)
        # A version of OpenBao or Vault that does not tell of it does not have it.
        wrong = [(name, why) for name, must, why in _MUST_BE if told.get(name, False) != must]
        if wrong:
            raise SettingsError([f"the transit key: {name} is wrong, {why}" for name, why in wrong])

    async def _new_line(self) -> Line:
        return Line(Wire(self._place, await asyncio.to_thread(self._place.context)), self._login)

    async def _greet(self) -> None:
        self._require(await self._ask("keys"))

    def _refuse(self, answer: Answer) -> NoReturn:
        self._line.refuse(answer.why("the transit key is not as it was"))

    async def _ask(
        self, verb: str, body: Mapping[str, object] | None = None, deed: str = "", *, repeats: bool = True
    ) -> Answer:
        path = f"{self._mount}/{verb}/{self._key}{deed}"
        return await self._line.ask(path, body, told=f"<mount>/{verb}/<key>{deed}", repeats=repeats)

    @property
    def _line(self) -> Line:
        return self._lines.here


def _spelled(wrapped: bytes) -> str:
    """The text that OpenBao made.

    Raises:
        SealedValueError: it is none, or another spelling of one.
    """
    text = wrapped.decode("latin-1")
    if not _is_spelled(text):
        raise SealedValueError
    return text


def _is_spelled(text: str) -> bool:
    found = _WRAPPED.fullmatch(text)
    return found is not None and _decoded(found[1]) is not None


def _decoded(text: object) -> bytes | None:
    """The bytes behind base64 in its one spelling."""
    try:
        raw = base64.b64decode(str(text), validate=True)
    except ValueError:
        return None
    return raw if _text(raw) == text else None


def _data(answer: Answer) -> Mapping[str, Any]:
    return answer.part("data") if answer.is_good else {}


def _bound(context: KeyContext) -> dict[str, str]:
    return {"context": _text(context.encoded)}


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
