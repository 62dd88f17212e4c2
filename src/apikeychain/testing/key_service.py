"""What every KeyService keeps."""

import asyncio
from abc import ABC, abstractmethod
from datetime import UTC, datetime

import pytest

from apikeychain.errors import BackendUnavailableError, InvalidValueError, SealedValueError
from apikeychain.model.keys import KeyContext
from apikeychain.ports.key_service import KeyService

_KEY = bytes(range(32))
_CONTEXT = KeyContext(tenant="acme", project="p_aaaaaaaaaaaaaaaaaaaa", purpose="derived", version="00" * 16)
_OTHERS = (
    KeyContext(tenant="other", project=_CONTEXT.project, purpose="derived", version="00" * 16),
    KeyContext(tenant="acme", project="p_bbbbbbbbbbbbbbbbbbbb", purpose="derived", version="00" * 16),
    KeyContext(tenant="acme", project=_CONTEXT.project, purpose="master", version="00" * 16),
    KeyContext(tenant="acme", project=_CONTEXT.project, purpose="derived", version="01" * 16),
    KeyContext(tenant="acme", purpose="tenant-secret"),
    KeyContext(tenant="acm", project="e" + _CONTEXT.project, purpose="derived", version="00" * 16),
)


class KeyServiceContract(ABC):
    """One test for each clause of `apikeychain.ports.key_service.KeyService`.

    A subclass has a fixture ``key_service``, which gives a service with a platform key of its own, and says how its
    plug is pulled.
    """

    @abstractmethod
    async def pull_plug(self, key_service: KeyService) -> None:
        """Make `key_service` unreachable."""
        ...

    async def reach(self, moment: datetime) -> None:
        """Let `moment` come. Waits; a service that destroys after days overrides it with a clock that it can move."""
        await asyncio.sleep(max(0.0, (moment - datetime.now(UTC)).total_seconds()))

    async def test_k1_what_was_wrapped_comes_back_under_an_equal_context(self, key_service: KeyService) -> None:
        """K1, for keys and for the metadata of a key."""
        for key in (_KEY, b'{"number":1}'):
            wrapped = await key_service.wrap(key, _CONTEXT)
            assert key not in wrapped
            assert await key_service.unwrap(wrapped, _CONTEXT) == key

    async def test_k2_no_other_context_and_no_changed_byte_unwraps(self, key_service: KeyService) -> None:
        """K2, also for what is cut short or not there at all."""
        wrapped = await key_service.wrap(_KEY, _CONTEXT)
        for context in _OTHERS:
            with pytest.raises(SealedValueError):
                await key_service.unwrap(wrapped, context)
        changed = [wrapped[:at] + bytes([wrapped[at] ^ 1]) + wrapped[at + 1 :] for at in range(len(wrapped))]
        for bad in (*changed, wrapped[:-1], b""):
            with pytest.raises(SealedValueError):
                await key_service.unwrap(bad, _CONTEXT)

    async def test_k3_two_wraps_of_one_key_differ(self, key_service: KeyService) -> None:
        """K3."""
        assert await key_service.wrap(_KEY, _CONTEXT) != await key_service.wrap(_KEY, _CONTEXT)

    async def test_k4_a_new_version_wraps_and_old_ones_still_unwrap(self, key_service: KeyService) -> None:
        """K4: what is wrapped after `rotate` survives the end of the version before."""
        first = await key_service.rotate()
        old = await key_service.wrap(_KEY, _CONTEXT)
        second = await key_service.rotate()
        new = await key_service.wrap(_KEY, _CONTEXT)
        assert second > first
        assert await key_service.unwrap(old, _CONTEXT) == _KEY
        await self.reach(await key_service.retire(first))
        assert await key_service.unwrap(new, _CONTEXT) == _KEY

    async def test_k5_a_rewrap_is_the_same_key_under_the_newest_version(self, key_service: KeyService) -> None:
        """K5: it survives the end of the old version, under its context and no other."""
        first = await key_service.rotate()
        old = await key_service.wrap(_KEY, _CONTEXT)
        await key_service.rotate()
        new = await key_service.rewrap(old, _CONTEXT)
        await self.reach(await key_service.retire(first))
        assert await key_service.unwrap(new, _CONTEXT) == _KEY
        for context in _OTHERS:
            with pytest.raises(SealedValueError):
                await key_service.rewrap(new, context)

    async def test_k6_a_retired_version_opens_nothing_and_the_newest_cannot_be(self, key_service: KeyService) -> None:
        """K6."""
        first = await key_service.rotate()
        old = await key_service.wrap(_KEY, _CONTEXT)
        newest = await key_service.rotate()
        with pytest.raises(InvalidValueError):
            await key_service.retire(newest)
        await self.reach(await key_service.retire(first))
        with pytest.raises(SealedValueError):
            await key_service.unwrap(old, _CONTEXT)
        with pytest.raises(SealedValueError):
            await key_service.rewrap(old, _CONTEXT)

    async def test_k7_a_service_that_is_gone_says_so(self, key_service: KeyService) -> None:
        """K7, for each verb of the running gate."""
        wrapped = await key_service.wrap(_KEY, _CONTEXT)
        await self.pull_plug(key_service)
        with pytest.raises(BackendUnavailableError):
            await key_service.wrap(_KEY, _CONTEXT)
        with pytest.raises(BackendUnavailableError):
            await key_service.unwrap(wrapped, _CONTEXT)
        with pytest.raises(BackendUnavailableError):
            await key_service.rewrap(wrapped, _CONTEXT)
