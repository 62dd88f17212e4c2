"""What an alert looks like in the log."""

import logging
from dataclasses import replace

import pytest

from apikeychain.backends.log_alerts import LogAlerts
from apikeychain.errors import BackendUnavailableError
from apikeychain.model.alert import Severity
from apikeychain.testing.alert_sink import ALERT


async def test_it_is_one_line_with_all_that_there_is(caplog: pytest.LogCaptureFixture) -> None:
    await LogAlerts().send(ALERT)
    (line,) = caplog.messages
    assert line == (
        "alert_0123456789abcdef0123 2026-03-01T12:00:05.000Z critical rotation.refused of acme/p_aaaaaaaaaaaaaaaaaaaa: "
        "what: the provider refuses a new key for the secret weather; why: it answered 403; "
        "done: calls go on with the old key; todo: look whether the admin key was taken away"
    )
    assert caplog.records[0].name == "apikeychain.alerts"


async def test_nothing_of_it_begins_a_line_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    await LogAlerts().send(replace(ALERT, what="one\r\ntwo\u2028three\x1b[31mfour\x85five", why="100 %s", todo=""))
    (line,) = caplog.messages
    assert line.splitlines() == [line]
    assert "what: one  two three [31mfour five; why: 100 %s; done: " in line
    assert "todo" not in line


@pytest.mark.parametrize(
    ("severity", "level"), [("info", logging.INFO), ("warning", logging.WARNING), ("critical", logging.CRITICAL)]
)
async def test_its_level_is_its_severity(severity: Severity, level: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await LogAlerts().send(replace(ALERT, severity=severity))
    assert [record.levelno for record in caplog.records] == [level]


async def test_a_handler_that_raises_is_told_without_its_text() -> None:
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError("a-text-of-the-handler")  # noqa: EM101 - what is looked for

    logger, broken = logging.getLogger(LogAlerts.logger), Broken()
    logger.addHandler(broken)
    try:
        with pytest.raises(BackendUnavailableError) as refused:
            await LogAlerts().send(ALERT)
    finally:
        logger.removeHandler(broken)
    assert refused.value.hint == "a handler of the log raises"
    assert (refused.value.__cause__, refused.value.__context__) == (None, None)
