"""Calls a gate that runs somewhere, as a page on a foreign origin would, and changes nothing there."""

import asyncio
import email.utils
import secrets
import ssl
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

import httpx

from apikeychain.doctor.deployment import Answered, DeploymentFacts, TLSFacts, of_deployment, of_tls
from apikeychain.doctor.finding import Finding
from apikeychain.errors import InvalidValueError
from apikeychain.model.ids import new_project_id
from apikeychain.rules.headers import is_public_name
from apikeychain.settings import APIKeyChainSettings

_SECONDS = 10.0
_HTTPS, _HTTP = 443, 80
_DAY_SECONDS = 86_400
_FOREIGN = "https://doctor.invalid"


@dataclass(frozen=True, slots=True)
class Place:
    """Where it is.

    Attributes:
        host, port: of its https.
        path: its prefix, or that of the settings where the address has none.
        plain_port: of its http; None where the address names a port, so that it cannot be known.
    """

    host: str
    port: int
    path: str
    plain_port: int | None


def parse_place(url: str) -> Place:
    """Where a gate is.

    Raises:
        InvalidValueError: not an https address of a host.
    """
    msg = "say an https address of the gate, such as https://host/api/apikeychain"
    try:
        parts: SplitResult = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InvalidValueError(msg) from None
    if parts.scheme != "https" or not host or parts.username or parts.query or parts.fragment:
        raise InvalidValueError(msg)
    path = parts.path.rstrip("/") or APIKeyChainSettings().prefix
    return Place(host, port or _HTTPS, path, None if port else _HTTP)


async def look_at_deployment(
    place: Place, *, ca_file: Path | None = None, now: Callable[[], float] = time.time
) -> Sequence[Finding]:
    """All that can be seen from outside.

    Args:
        place: where it is.
        ca_file: authorities that its certificate may be from; the system's without it.
        now: this machine's clock.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
        return [*of_tls(await _tls(place, context)), *of_deployment(await _facts(place, context, now))]
    except ssl.SSLCertVerificationError as error:
        told = f"its certificate does not hold: {error.verify_message}"
        return [Finding("tls", "failure", told, "get one of an authority that browsers know, or say --ca-file")]
    except (OSError, httpx.HTTPError) as error:
        told = f"it does not answer: {type(error).__name__}"
        return [Finding("gate", "failure", told, "look whether it runs, and whether this machine may reach it")]


async def _tls(place: Place, context: ssl.SSLContext) -> TLSFacts:
    is_old_spoken = await _speaks_old(place)
    async with asyncio.timeout(_SECONDS):
        _, writer = await asyncio.open_connection(place.host, place.port, ssl=context)
    spoken = cast("ssl.SSLObject", writer.get_extra_info("ssl_object"))
    ends = ssl.cert_time_to_seconds(cast("dict[str, Any]", spoken.getpeercert())["notAfter"])
    writer.close()
    days_left = (ends - time.time()) / _DAY_SECONDS
    return TLSFacts(version=spoken.version() or "", is_old_spoken=is_old_spoken, days_left=days_left)


async def _speaks_old(place: Place) -> bool:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Who it is was looked at already, and without the level this machine would not speak such a version itself.
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        # That nobody should speak it any more is why it is asked for.
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version, old.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_1
    try:
        async with asyncio.timeout(_SECONDS):
            _, writer = await asyncio.open_connection(place.host, place.port, ssl=old)
    except OSError:
        return False
    writer.close()
    return True


async def _facts(place: Place, context: ssl.SSLContext, now: Callable[[], float]) -> DeploymentFacts:
    path = f"{place.path}/{new_project_id()}/proxy/doctor-{secrets.token_hex(4)}"
    url = f"https://{_written(place.host)}:{place.port}{path}"
    async with httpx.AsyncClient(verify=context, trust_env=False, timeout=_SECONDS) as client:
        asked = {"Origin": _FOREIGN, "Access-Control-Request-Method": "GET"}
        call = await client.get(url, headers={"Origin": _FOREIGN})
        at = now()
        return DeploymentFacts(
            call=_answered(call),
            preflight=_answered(await client.options(url, headers=asked)),
            trace=_answered(await client.request("TRACE", url)),
            spoofed=_answered(await client.get(url, headers={"Origin": _FOREIGN, "X-Forwarded-Proto": "http"})),
            plain=await _plain(client, place, path),
            is_public=is_public_name(place.host),
            ahead_seconds=_ahead(call, at),
        )


async def _plain(client: httpx.AsyncClient, place: Place, path: str) -> Answered | None:
    if place.plain_port is None:
        return None
    try:
        return _answered(await client.get(f"http://{_written(place.host)}:{place.plain_port}{path}"))
    except httpx.TransportError:
        return None


def _written(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _answered(response: httpx.Response) -> Answered:
    return Answered(response.status_code, {name.lower(): value for name, value in response.headers.items()})


def _ahead(response: httpx.Response, at: float) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(response.headers.get("date", "")).timestamp() - at
    except ValueError:
        return None
