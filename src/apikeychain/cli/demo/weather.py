"""A stand-in weather provider: real TLS on this machine, one right key, and a note of whatever it received.

It answers as OpenWeather does where the demo needs it, and misbehaves on two further paths: ``/echo`` sends the key
back, ``/forecast`` lets its events come one by one.
"""

import asyncio
import base64
import hashlib
import json
import secrets
from typing import Self, final
from urllib.parse import parse_qs, urlsplit

from apikeychain.model.network import Network
from apikeychain.model.provider import Provider, QueryCredential
from apikeychain.secret import Secret
from apikeychain.testing.local_provider import LocalProvider, Received, Visit

HOST = "weather.localhost"
PARAMETER = "appid"
EVENTS = 5
EVENT_SECONDS = 0.15
_JSON = (b"content-type", b"application/json")
_EVENT_STREAM = (b"content-type", b"text/event-stream")
_SKIES = ("clear sky", "few clouds", "light rain", "mist", "snow", "thunderstorm")


@final
class WeatherProvider:
    """An async context manager; the address is known inside it.

    Attributes:
        key: the one key it answers to, new with each object.
    """

    def __init__(self) -> None:
        self._key = secrets.token_urlsafe(24)
        self.key = Secret(self._key)
        self._local = LocalProvider(HOST)
        for path, handler in (
            ("/data/2.5/weather", self._weather),
            ("/data/2.5/forecast", self._forecast),
            ("/echo", self._echo),
        ):
            self._local.on(path, handler)

    async def __aenter__(self) -> Self:
        await self._local.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._local.__aexit__(None, None, None)

    @property
    def provider(self) -> Provider:
        """What is registered in a project."""
        return Provider("weather", f"https://{HOST}:{self._local.port}", QueryCredential(PARAMETER))

    @property
    def network(self) -> dict[str, Network]:
        """The exception for this one address: loopback, and its own authority instead of the system's."""
        return {self.provider.base_url: self._local.network}

    @property
    def calls(self) -> int:
        """How many requests arrived."""
        return len(self._local.requests)

    def saw_key(self) -> bool:
        """Whether the newest request carried the right key."""
        return bool(self._local.requests) and self._is_paid(self._local.requests[-1])

    def notes(self, limit: int = 5) -> list[dict[str, object]]:
        """The newest requests, newest first, with the key masked."""
        received = self._local.requests[-limit:][::-1]
        return [
            {
                "number": self.calls - place,
                "method": request.method,
                "target": self._masked(request.target.decode()),
                "key": "right" if self._is_paid(request) else "wrong",
                "headers": [self._masked(f"{name.decode()}: {value.decode()}") for name, value in request.lines],
            }
            for place, request in enumerate(received)
        ]

    def leaks_into(self, text: bytes) -> bool:
        """Whether `text` holds the key: as it is, percent-encoded, in hex, or in base64 wherever it may begin."""
        key = self._key.encode()
        percent = "".join(f"%{byte:02x}" for byte in key).encode()
        spellings = [key, percent, key.hex().encode(), *(_base64_core(key, before) for before in range(3))]
        lowered = text.lower()
        return any(spelling in text or spelling in lowered for spelling in spellings)

    def _masked(self, text: str) -> str:
        return text.replace(self._key, "•" * 12)

    def _is_paid(self, request: Received) -> bool:
        query = parse_qs(urlsplit(request.target.decode()).query)
        return query.get(PARAMETER) == [self._key]

    async def _weather(self, visit: Visit) -> None:
        if await self._refused(visit):
            return
        query = parse_qs(urlsplit(visit.received.target.decode()).query)
        await visit.answer(200, [_JSON], _report(query["q"][0]))

    async def _echo(self, visit: Visit) -> None:
        if await self._refused(visit):
            return
        body = json.dumps({"you sent the key": self._key}).encode()
        await visit.answer(200, [_JSON, (b"x-request-id", self._key.encode())], body)

    async def _forecast(self, visit: Visit) -> None:
        if await self._refused(visit):
            return
        await visit.head(200, [_EVENT_STREAM, (b"transfer-encoding", b"chunked")])
        for day in range(1, EVENTS + 1):
            await visit.chunk(b"data: " + _report(f"Day {day}") + b"\n\n")
            await asyncio.sleep(EVENT_SECONDS)
        await visit.chunk(b"")

    async def _refused(self, visit: Visit) -> bool:
        """Whether the key was wrong and was answered with 401."""
        if self._is_paid(visit.received):
            return False
        await visit.answer(401, [_JSON], b'{"cod":401,"message":"Invalid API key."}')
        return True


def _base64_core(key: bytes, before: int) -> bytes:
    """The characters of base64 that `key` alone determines behind `before` other bytes."""
    whole = base64.b64encode(bytes(before) + key)
    return whole[(before * 8 + 5) // 6 : (before + len(key)) * 8 // 6]


def _report(place: str) -> bytes:
    """Weather, made up, the same for the same place."""
    dice = hashlib.sha256(place.encode()).digest()
    report = {
        "name": place,
        "weather": [{"description": _SKIES[dice[0] % len(_SKIES)]}],
        "main": {"temp": dice[1] % 35 - 5, "humidity": 30 + dice[2] % 60},
    }
    return json.dumps(report).encode()
