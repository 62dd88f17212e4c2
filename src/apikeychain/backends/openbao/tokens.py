"""Who we are at an OpenBao: logged in once for all who ask, renewed before it ends, replaced when it is refused.

A token that ends in `n` seconds is renewed after half to three quarters of them, by a timer, so that it lives on while
nobody asks for keys: an AppRole whose secret id is used up could not log in again. What cannot be renewed, or grows no
longer since it nears its greatest age, is replaced by a new login. One that we logged in for is revoked when we leave.

Source: OpenBao API documentation, "AppRole auth method", "Token auth method".
"""

import asyncio
import contextlib
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, final

from apikeychain.backends.openbao.place import path_problems
from apikeychain.backends.openbao.wire import FORBIDDEN, Wire
from apikeychain.errors import BackendUnavailableError, InvalidValueError
from apikeychain.flights import Flights
from apikeychain.secret import Secret

# A renewal that failed is tried again, but never in a loop that does nothing else.
_AGAIN_SECONDS = 1.0
_RENEW_AFTER = 0.5, 0.75
# How long a new token that is refused is taken for a good one with too narrow policies.
DOUBT_SECONDS = 5.0
# How long whoever leaves waits for an OpenBao that does not answer.
_LEAVE_SECONDS = 1.0
# asyncio's timers hold no more than some weeks.
_LONGEST_SECONDS = 86_400.0


@final
@dataclass(slots=True)
class Held:
    """A token in use.

    Attributes:
        token: as OpenBao gave it.
        seconds: that it was given for; infinite where it does not end.
        ends: by the loop's clock.
        is_renewable: whether OpenBao prolongs it.
        is_proven: whether it was good for anything yet. One that never was is refused for what its policies lack.
        since: by the loop's clock.
    """

    token: Secret
    seconds: float
    ends: float
    is_renewable: bool
    is_proven: bool
    since: float


class Login(Protocol):
    """How a token is had.

    Attributes:
        is_ours: whether each token is made for us, and of no use to anybody once we left.
    """

    is_ours: ClassVar[bool]

    def problems(self) -> list[str]:
        """What is wrong with what was given."""
        ...

    async def token(self, wire: Wire) -> tuple[Secret, Mapping[str, Any]]:
        """The token, and what OpenBao says of it (``ttl`` or ``lease_duration``, ``renewable``).

        Raises:
            BackendUnavailableError: there is none to be had now.
        """
        ...


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class AppRole:
    """The login of an application.

    Attributes:
        role_id: of the role.
        secret_id: its password; a path names the file that holds it, which is read at each login.
        mount: where the method is enabled.
    """

    is_ours: ClassVar[bool] = True
    role_id: str
    secret_id: Secret | Path
    mount: str = "approle"

    def problems(self) -> list[str]:
        """See Login."""
        return path_problems("mount of the AppRole", self.mount)

    async def token(self, wire: Wire) -> tuple[Secret, Mapping[str, Any]]:
        """See Login."""
        secret_id = (await _given(self.secret_id)).reveal().decode("ascii")
        body = {"role_id": self.role_id, "secret_id": secret_id}
        answer = await wire.send(f"auth/{self.mount}/login", body, None)
        if not answer.is_good:
            raise BackendUnavailableError(answer.why("its AppRole is wrong, or the secret id is used up or expired"))
        auth = answer.part("auth")
        try:
            return Secret(str(auth.get("client_token", ""))), auth
        except InvalidValueError:
            raise BackendUnavailableError(answer.why("")) from None


@final
@dataclass(frozen=True, slots=True)
class Token:
    """A token that somebody else logs in for: the sink of an agent, or one that was made by hand.

    Attributes:
        value: the token; a path names the file that holds it, which is read again when the token is refused.
    """

    is_ours: ClassVar[bool] = False
    value: Secret | Path

    def problems(self) -> list[str]:
        """See Login."""
        return []

    async def token(self, wire: Wire) -> tuple[Secret, Mapping[str, Any]]:
        """See Login. One that may not look at itself is used for as long as it is good."""
        token = await _given(self.value)
        answer = await wire.send("auth/token/lookup-self", None, token)
        if not answer.is_good and answer.status != FORBIDDEN:
            raise BackendUnavailableError(answer.why("the token cannot be looked up"))
        return token, answer.part("data")


async def _given(value: Secret | Path) -> Secret:
    if isinstance(value, Secret):
        return value
    try:
        return Secret((await asyncio.to_thread(value.read_text, "ascii")).strip())
    except (OSError, ValueError):
        # Out of here without the cause, which may hold what the file holds.
        pass
    msg = f"{value} cannot be read, or holds no token or secret id"
    raise BackendUnavailableError(msg)


def _now() -> float:
    return asyncio.get_running_loop().time()


class Tokens:
    """The token in use in one event loop.

    Args:
        login: how one is had.
        wire: to OpenBao.
    """

    def __init__(self, login: Login, wire: Wire) -> None:
        self._login, self._wire = login, wire
        self._held: Held | None = None
        self._flights: Flights[str, Held] = Flights()
        self._timer: asyncio.TimerHandle | None = None

    async def current(self) -> Held:
        """The token; logs in where there is none that is still good.

        Raises:
            BackendUnavailableError: there is none to be had now.
        """
        held = self._held
        if held is not None and _now() < held.ends:
            return held
        return await self._flights.join("login", self._logged_in, self._keep)

    def refuse(self, held: Held) -> bool:
        """Whether it is worth asking again, with another token, after OpenBao refused this one."""
        if self._held is not held:
            return True
        # What is in a file may be another token by now, and policies may have been added; but no login for each call.
        if not held.is_proven and _now() - held.since < DOUBT_SECONDS:
            return False
        self._held = None
        return True

    async def close(self) -> None:
        """Revoke a token of ours, which would be good for hours; where that fails, it ends by itself."""
        held, self._held = self._held, None
        self._flights.forget("login")
        self._flights.forget("renewal")
        if self._timer is not None:
            self._timer.cancel()
        if held is not None and self._login.is_ours:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LEAVE_SECONDS):
                    await self._wire.send("auth/token/revoke-self", {}, held.token)

    def _keep(self, held: Held) -> None:
        self._held = held
        self._renew_in(held.seconds * random.uniform(*_RENEW_AFTER))  # noqa: S311 - spreads the load, keeps no secret

    def _renew_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        wait = min(max(seconds, _AGAIN_SECONDS), _LONGEST_SECONDS)
        self._timer = asyncio.get_running_loop().call_later(wait, self._renew)

    def _renew(self) -> None:
        if (held := self._held) is not None:
            flight = self._flights.begin("renewal", lambda: self._renewed(held), self._keep)
            flight.add_done_callback(lambda _: self._see_to(held))

    def _see_to(self, held: Held) -> None:
        # Nothing came of it: it is tried again while the token lasts. After that, whoever asks logs in.
        if self._held is held and _now() < held.ends:
            self._renew_in((held.ends - _now()) / 3)

    async def _renewed(self, held: Held) -> Held:
        """This token with more time, else another one.

        Raises:
            BackendUnavailableError: neither is to be had now.
        """
        longer = await self._longer(held) if held.is_renewable else None
        # Near its greatest age it is given less each time.
        if longer is not None and longer.seconds >= held.seconds / 2:
            return longer
        with contextlib.suppress(BackendUnavailableError):
            return await self._logged_in()
        if longer is None:
            raise BackendUnavailableError
        return longer

    async def _longer(self, held: Held) -> Held | None:
        answer = await self._wire.send("auth/token/renew-self", {}, held.token)
        longer = _held(held.token, answer.part("auth"), is_proven=True)
        # Infinite is what was not said, and 0: less than a second is left.
        return longer if answer.is_good and math.isfinite(longer.seconds) else None

    async def _logged_in(self) -> Held:
        token, told = await self._login.token(self._wire)
        return _held(token, told)


def _held(token: Secret, told: Mapping[str, Any], *, is_proven: bool = False) -> Held:
    seconds = told.get("lease_duration", told.get("ttl"))
    # 0 is a token that does not end.
    lasting = float(seconds) if isinstance(seconds, int) and seconds > 0 else math.inf
    now = _now()
    return Held(token, lasting, now + lasting, told.get("renewable") is True, is_proven, now)
