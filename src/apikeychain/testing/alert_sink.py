"""The contract of an AlertSink, for whoever writes one."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from apikeychain.errors import BackendUnavailableError
from apikeychain.model.alert import Alert
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import timestamp
from apikeychain.ports.alert_sink import AlertSink

ALERT = Alert(
    id="alert_0123456789abcdef0123",
    at=datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC),
    tenant=TenantId("acme"),
    project=ProjectId("p_aaaaaaaaaaaaaaaaaaaa"),
    topic="rotation.refused",
    severity="critical",
    what="the provider refuses a new key for the secret weather",
    why="it answered 403",
    done="calls go on with the old key",
    todo="look whether the admin key was taken away",
)
_SECONDS = 30.0


class AlertSinkContract(ABC):
    """One test for each clause of `apikeychain.ports.alert_sink.AlertSink`.

    A subclass says how a sink is opened that took nothing yet, how what it took is read where it went, how its plug is
    pulled and put in again.
    """

    @pytest.fixture
    @abstractmethod
    def sink(self) -> AsyncGenerator[AlertSink, None]:
        """One that is open. Override it as a fixture."""

    @abstractmethod
    async def taken(self, sink: AlertSink) -> Sequence[str]:
        """What it took, in its order: the whole text of each, as whoever reads it finds it."""
        ...

    @abstractmethod
    async def pull_plug(self, sink: AlertSink) -> None:
        """Make what is behind `sink` unreachable, or refuse."""
        ...

    @abstractmethod
    async def put_in_plug(self, sink: AlertSink) -> None:
        """Make it take alerts again, with what it took."""
        ...

    async def test_a1_what_was_taken_is_found_with_all_its_parts(self, sink: AlertSink) -> None:
        """A1: as soon as `send` has returned; a part that is not there is no error."""
        await sink.send(ALERT)
        await sink.send(bare := replace(ALERT, id="alert_of_all", project=None, severity="warning", todo=""))
        whole, rest = await self.taken(sink)
        for part in (ALERT.id, ALERT.tenant, str(ALERT.project), ALERT.topic, ALERT.severity, timestamp(ALERT.at)):
            assert part in whole
        for part in (ALERT.what, ALERT.why, ALERT.done, ALERT.todo):
            assert part in whole
        assert bare.id in rest
        assert bare.what in rest

    async def test_a2_who_has_it_twice_can_tell(self, sink: AlertSink) -> None:
        """A2: by the id, which another alert with the same words does not have."""
        other = replace(ALERT, id="alert_another_one")
        for alert in (ALERT, other, ALERT):
            await sink.send(alert)
        assert [ALERT.id in text for text in await self.taken(sink)] == [True, False, True]

    async def test_a3_a_sink_that_takes_nothing_says_so(self, sink: AlertSink) -> None:
        """A3: in time; and it takes the same alert as soon as it can."""
        await self.pull_plug(sink)
        async with asyncio.timeout(_SECONDS):
            with pytest.raises(BackendUnavailableError):
                await sink.send(ALERT)
        await self.put_in_plug(sink)
        await sink.send(ALERT)
        assert ALERT.id in (await self.taken(sink))[-1]
