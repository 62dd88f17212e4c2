"""`apikeychain alert test` and `list`."""

import asyncio
import json
from datetime import UTC, datetime

import pytest

from alert_house import ACME, filed
from apikeychain.backends.sql import SQLStore
from apikeychain.testing.servers.ports import free_port
from receiver import SECRET
from terminal import Terminal


@pytest.fixture
def down(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Alerts go to a webhook that nobody serves."""
    terminal.told("tenant", "create", "acme")
    terminal.names_data = False
    monkeypatch.setenv("APIKEYCHAIN_DATA", str(terminal.data))
    monkeypatch.setenv("APIKEYCHAIN_ALERTS_URL", f"http://127.0.0.1:{free_port()}/alerts")
    monkeypatch.setenv("APIKEYCHAIN_ALERTS_SECRETS", SECRET)
    return terminal


def test_the_log_takes_a_test(terminal: Terminal) -> None:
    terminal.told("tenant", "create", "acme")
    code, out, _ = terminal.run("alert", "test")
    assert (code, out) == (0, "log took it\n")
    assert terminal.told("alert", "list") == "no alerts wait: every sink has every one\n"
    code, out, _ = terminal.run("alert", "test", "--json")
    assert (code, json.loads(out)) == (0, {"sinks": {"log": {"taken": True, "why": ""}}})


def test_who_does_not_take_it_is_told_and_what_waits_is_listed(down: Terminal) -> None:
    code, out, _ = down.run("alert", "test")
    assert (code, out) == (1, "webhook did not take it: it does not answer\n")
    (row,) = down.read("alert", "list")
    assert (row["topic"], row["tenant"], row["severity"]) == ("alert.test", "platform", "warning")
    assert (row["attempts"], row["sent"]) == (1, [])
    assert "platform" in down.told("alert", "list")
    code, out, _ = down.run("alert", "test", "--json")
    assert (code, json.loads(out)) == (1, {"sinks": {"webhook": {"taken": False, "why": "it does not answer"}}})


def test_a_command_takes_no_alert_away(terminal: Terminal) -> None:
    terminal.told("tenant", "create", "acme")

    async def file() -> list[str]:
        async with SQLStore.sqlite(terminal.data / "apikeychain.sqlite3") as store:
            return await filed(store, datetime.now(UTC), ACME, each=2)

    ids = asyncio.run(file())
    for _ in range(3):
        assert {row["id"] for row in terminal.read("alert", "list")} == {*ids}
