"""Access tokens of an OAuth 2.0 authorization server, as keys that end by themselves.

What the token endpoint refuses (``invalid_grant``, ``invalid_client`` and the like are 400 or 401) is refused for good.
A token has no id at the server, so it is known by the label of its order, and none is revoked: RFC 7009 takes the token
itself. A token whose answer was lost is in nobody's hands and runs out.

Source: contracts 8; RFC 6749.
"""

from typing import final

from apikeychain.errors import BackendUnavailableError
from apikeychain.model.rotators import OAuth2Rotation
from apikeychain.ports.rotator import NewKey, Order
from apikeychain.rotation.access import Access, Held, tried
from apikeychain.rules import tokens
from apikeychain.secret import Secret


@final
class OAuth2Rotator:
    """See Rotator."""

    def __init__(self, how: OAuth2Rotation, access: Access) -> None:
        self._how, self._access = how, access

    async def create(self, order: Order) -> NewKey:
        """See Rotator.create."""
        how, access = self._how, self._access
        client = await access.held(how.credential, how.provider)
        refresh = await self._refresh(client)
        line = access.line_to(client) if how.client == "provider" else access.bare_line(client)
        moment = access.now()
        answer = await line.ask(tokens.grant(how, client.secret, refresh))
        line.require(answer, "give a token")
        given = tokens.granted(answer.body, moment)
        also: dict[str, Secret] = {}
        # Client credentials give no refresh token (RFC 6749, 4.4.3): one that comes all the same has no place.
        if refresh is not None and given.refresh is not None and not refresh.matches(given.refresh):
            also[how.refresh] = given.refresh
        return NewKey(key=given.token, id=order.label, expires=given.expires, also=also)

    async def _refresh(self, client: Held) -> Secret | None:
        """The refresh token, which goes to where the client's secret goes.

        Raises:
            RotationRefusedError: there is none.
            BackendUnavailableError: it belongs to another address: that of the provider was changed meanwhile.
        """
        if not self._how.refresh:
            return None
        held = await self._access.held(self._how.refresh, self._how.provider)
        if held.provider.base_url != client.provider.base_url:
            msg = f"the address of the provider {self._how.provider!r} was changed meanwhile"
            raise BackendUnavailableError(msg)
        return held.secret

    async def verify(self, key: Secret) -> None:
        """See Rotator.verify."""
        if self._how.verify is not None:
            await tried(self._access, self._how.verify, key)

    async def revoke(self, key_id: str) -> None:
        """Nothing: a token ends by itself."""
