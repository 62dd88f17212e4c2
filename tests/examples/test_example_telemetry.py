"""The page on OpenTelemetry: what it sets up, in a process of its own, prints the span and the metrics of a call."""

import re
import sys
from pathlib import Path

from apikeychain.model.telemetry import CALL, METRICS
from command import ROOT, run

_CALL = """
from starlette.testclient import TestClient

with TestClient(app, base_url="https://testserver") as client:
    assert client.get("/api/apikeychain/p_bbbbbbbbbbbbbbbbbbbb/proxy/weather").status_code == 404
"""


def test_what_the_page_sets_up_prints_the_span_and_the_metrics_of_a_call(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "watch-with-opentelemetry.md").read_text()
    [block] = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    told = run(sys.executable, "-c", block + _CALL, cwd=tmp_path)
    assert f'"name": "{CALL}"' in told
    assert '"apikeychain.outcome": "not-found"' in told
    assert {name for name in METRICS if f'"name": "{name}"' in told} >= {
        "apikeychain.calls",
        "apikeychain.call.duration",
    }


def test_each_metric_that_the_page_names_is_one() -> None:
    page = (ROOT / "docs" / "how-to" / "watch-with-opentelemetry.md").read_text()
    alerts = page.partition("## What to alert on")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(apikeychain\.[a-z.]+)`", alerts))
    assert named >= METRICS.keys() - {"apikeychain.ledger.flush.duration"}
