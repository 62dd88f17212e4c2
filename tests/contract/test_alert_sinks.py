"""The contract of both sinks: the log through a real handler, the webhook over TLS to a receiver that verifies."""

import logging
from collections.abc import AsyncGenerator, Sequence
from typing import cast

import pytest

from apikeychain.backends.log_alerts import LogAlerts
from apikeychain.backends.webhook_alerts import WebhookAlerts
from apikeychain.ports.alert_sink import AlertSink
from apikeychain.secret import Secret
from apikeychain.testing.alert_sink import AlertSinkContract
from apikeychain.testing.local_provider import LocalProvider
from receiver import SECRET, Receiver


class _Lines(logging.Handler):
    """A handler of a host's own, which may break."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.is_broken = False

    def emit(self, record: logging.LogRecord) -> None:
        if self.is_broken:
            raise OSError
        self.lines.append(self.format(record))


class TestLogAlerts(AlertSinkContract):
    @pytest.fixture
    async def sink(self) -> AsyncGenerator[AlertSink, None]:
        self.handler, logger = _Lines(), logging.getLogger(LogAlerts.logger)
        logger.addHandler(self.handler)
        yield LogAlerts()
        logger.removeHandler(self.handler)

    async def taken(self, sink: AlertSink) -> Sequence[str]:
        return self.handler.lines

    async def pull_plug(self, sink: AlertSink) -> None:
        self.handler.is_broken = True

    async def put_in_plug(self, sink: AlertSink) -> None:
        self.handler.is_broken = False


class TestWebhookAlerts(AlertSinkContract):
    @pytest.fixture
    async def sink(self) -> AsyncGenerator[AlertSink, None]:
        async with LocalProvider("localhost") as provider:
            self.receiver = Receiver(provider)
            async with WebhookAlerts(self.receiver.url, [Secret(SECRET)], ca_file=provider.ca_pem_path) as sink:
                yield sink

    async def taken(self, sink: AlertSink) -> Sequence[str]:
        return [str(cast("object", message)) for message in self.receiver.verified]

    async def pull_plug(self, sink: AlertSink) -> None:
        self.receiver.says(0)

    async def put_in_plug(self, sink: AlertSink) -> None:
        self.receiver.says(204)
