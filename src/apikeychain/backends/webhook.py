"""A URL of an operator that is asked by signed POSTs, as Standard Webhooks has it: for witnesses and for alerts.

The URL is the operator's, so that it may be a private one, and no redirect leads away from it. Nothing of an answer's
own text is told, nor of the URL, which may hold a secret.

Source: contracts 4, "Connection"; Standard Webhooks.
"""

import asyncio
import re
import ssl
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import final
from urllib.parse import urlsplit

import httpx

from apikeychain.backends.address import parse_address
from apikeychain.backends.dialling import NO_ANSWER, Came, Client
from apikeychain.backends.standard_webhooks import require_secrets, signed_lines
from apikeychain.backends.tls import verified
from apikeychain.errors import InvalidValueError, SettingsError
from apikeychain.secret import Secret

_URL = re.compile(r"https?://[!-~]{1,2000}")


@final
class WebhookLine:
    """What asks one webhook in one event loop.

    Args:
        url: of it.
        secrets: that sign.
        context: of its TLS.
        now: the wall clock, unix seconds.
        most: bytes of an answer.

    Attributes:
        entered: how often it was opened.
    """

    def __init__(
        self, url: str, secrets: Sequence[Secret], context: ssl.SSLContext, now: Callable[[], float], most: int
    ) -> None:
        self._url, self._secrets, self._now = url, secrets, now
        lines = {"content-type": "application/json"}
        self._client = Client(context, lines, most, is_tls=url.startswith("https:"))
        self.entered = 0

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def ask(self, message: str, body: bytes) -> Came:
        """Ask once; without an answer it is one that says so.

        Args:
            message: its id, the same when it is sent again.
            body: JSON.
        """
        lines = signed_lines(self._secrets, message, int(self._now()), body)
        return await self._client.ask("POST", self._url, content=body, headers=lines)


@final
class WebhookPlace:
    """Where a webhook is, and what signs what goes there.

    Args:
        url: ``https://host[:port]/path``; ``http://`` for a loopback host.
        secrets: ``whsec_`` and base64, as the receiver has it; two while it changes to another.
        ca_file: the authorities that its certificate may come from; None for those of the system.
        now: the wall clock, unix seconds.
        most: bytes of an answer.

    Raises:
        SettingsError: with every problem of what is given.
    """

    def __init__(
        self,
        url: str,
        *,
        secrets: Sequence[Secret],
        ca_file: Path | str | None,
        most: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        problems = _url_problems(url)
        try:
            require_secrets(secrets)
        except InvalidValueError as error:
            problems.append(f"secrets: {error}")
        if problems:
            raise SettingsError(problems)
        self._url, self.secrets, self._now, self._most = url, tuple(secrets), now, most
        self._trust = Path(ca_file) if ca_file else None

    async def line(self) -> WebhookLine:
        """One in this event loop. Nobody is greeted: a receiver that is down must not keep the gate from opening.

        Raises:
            SettingsError: the authorities cannot be read.
        """
        try:
            context = await asyncio.to_thread(verified, self._trust)
        except OSError as error:
            raise SettingsError([f"ca_file: {self._trust} cannot be read ({type(error).__name__})"]) from None
        return WebhookLine(self._url, self.secrets, context, self._now, self._most)


def why_not(status: int, reason: str, refused: str = "") -> str:
    """Why an answer does not help, for the operator.

    Args:
        status: of HTTP, or NO_ANSWER.
        reason: where there was no answer.
        refused: what the status means, where that is known.
    """
    if status == NO_ANSWER:
        return reason
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return f"it does not take the signature ({status}): is the secret the same there, and the clock right?"
    return f"its answer ({status}) is {refused or 'not one that helps'}"


def _url_problems(url: str) -> list[str]:
    wanted = "url: write https://host/path, without a user; http is for a loopback host"
    try:
        parts = urlsplit(url if _URL.fullmatch(url) else "")
        read = (httpx.URL(url).host, httpx.URL(url).raw_path.decode())
    except (ValueError, httpx.InvalidURL):
        return [wanted]
    _, _, problems = parse_address("url", f"{parts.scheme}://{parts.netloc}")
    # What is dialled is compared with what was read here. The text is not told, it may hold a secret.
    target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    is_same = read == (parts.hostname, target)
    return [] if is_same and not problems and not parts.fragment else [wanted]
