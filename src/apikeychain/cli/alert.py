"""`apikeychain alert`: whether alerts arrive, and which have not."""

from cyclopts import App

from apikeychain.cli import output
from apikeychain.cli.invocation import Call
from apikeychain.model.alert import OutgoingAlert

app = App(name="alert", help="What tenants and operators have to hear of.")
_COLUMNS = ("at", "severity", "topic", "tenant", "what", "attempts", "next")


@app.command
async def test(*, call: Call) -> int:
    """Send a test to every sink that this command knows, and say which took it.

    They are those of the environment, or the log: sinks that a server has in its code are not asked. Who did not take
    it is sent it again by the server, as any alert.
    """
    async with call.keychain() as keychain:
        came = await keychain.test_alert()
    if call.json:
        output.document({"sinks": {name: {"taken": not why, "why": why} for name, why in came.items()}})
    else:
        for name, why in came.items():
            output.say(f"{name} did not take it: {why}" if why else f"{name} took it")
    return 1 if any(came.values()) else 0


@app.command(name="list")
async def list_(*, call: Call) -> None:
    """List the alerts that not every sink has taken."""
    async with call.keychain() as keychain:
        found = await keychain.waiting_alerts()
    rows = [_row(outgoing) for outgoing in sorted(found, key=lambda each: each.alert.at)]
    call.many(rows, _COLUMNS, "no alerts wait: every sink has every one")


def _row(outgoing: OutgoingAlert) -> output.Document:
    alert = outgoing.alert
    told = ("id", "at", "severity", "topic", "tenant", "project", "what", "why", "done", "todo")
    row: dict[str, object] = {name: getattr(alert, name) for name in told}
    return row | {"attempts": outgoing.attempts, "sent": [*outgoing.sent], "next": outgoing.after}
