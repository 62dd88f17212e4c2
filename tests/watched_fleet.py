"""A worker of a fleet whose windows are short, whose detector finds a flood, and whose alerts go to a webhook."""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import uvicorn
from starlette.applications import Starlette

from apikeychain import APIKeyChainMiddleware, Secret
from apikeychain.backends.webhook_alerts import WebhookAlerts
from apikeychain.ledger.notes import TERMS
from apikeychain.model.finding import Finding, Window, finding_id
from apikeychain.model.suspension import Scope
from apikeychain.rules import judgement, watch_policy
from apikeychain.watch import handover, observer, watchman
from fleet import VARIABLE, Shared
from forks import fork_each, on_terms

SECONDS = 2
FLOOD = 40
# The worker that is attacked has more to do than any other, and hands over last.
GRACE = timedelta(seconds=4)
HELD = timedelta(seconds=8)


class Flood:
    """Finds a flood where a window of all workers has more calls than that; see Detector."""

    name = "flood"

    def observe(self, window: Window, state: str) -> tuple[Sequence[Finding], str]:
        """See Detector.observe."""
        calls = sum(tally.calls for tally in window.routes.values())
        if calls < FLOOD:
            return (), ""
        found = [("project", "", "variety"), ("project", "", "rate"), ("route", "weather", "secret")]
        return [self._found(window, calls, scope, value, feature) for scope, value, feature in found], ""  # type: ignore[arg-type]  # literals

    def _found(self, window: Window, calls: int, scope: Scope, value: str, feature: str) -> Finding:
        return Finding(
            project=window.project,
            id=finding_id(window, self.name, feature, scope, value),
            at=window.begin,
            since=window.begin,
            detector=self.name,
            feature=feature,
            scope=scope,
            value=value,
            expected=FLOOD,
            seen=calls,
            sure=99,
            blatant=True,
            admitted=True,
            why=f"{calls} calls where at most {FLOOD} were expected",
        )


def serve(port: int) -> None:
    """One worker, until it is ended."""
    vars(observer).update(WINDOW_SECONDS=SECONDS)
    vars(judgement).update(WINDOW_SECONDS=SECONDS, GRACE=GRACE)
    vars(handover).update(WINDOW_SECONDS=SECONDS, GRACE=GRACE, SPREAD_SECONDS=0.3, LOOK_SECONDS=0.1)
    vars(watchman).update(LOOK_SECONDS=0.2)
    vars(watch_policy).update(COOL=timedelta(seconds=1), LONGEST=HELD)
    keychain = Shared(**json.loads(os.environ[VARIABLE])).keychain()
    hook = WebhookAlerts(os.environ["HOOK"], [Secret(os.environ["HOOK_SECRET"])], ca_file=os.environ["HOOK_CA"])
    keychain._plugs = replace(keychain._plugs, detectors=[Flood()], alert_sinks={"hook": hook})
    app = Starlette()
    app.add_middleware(APIKeyChainMiddleware, keychain=keychain)
    uvicorn.run(on_terms(keychain, app, TERMS), host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    fork_each(serve)
