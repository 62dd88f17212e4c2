"""The table of backends says of every plug what it holds, and each claim has its test."""

import importlib
import inspect
import pkgutil
from dataclasses import dataclass

import pytest

import apikeychain.backends
from command import ROOT

# What a class of the backends has that is a plug of that port.
_VERBS = {
    "Store": {"tenant_of", "append_many"},
    "KeyService": {"wrap", "unwrap", "rewrap", "retire"},
    "RateLimiter": {"spend"},
    "ReplayGuard": {"claim"},
    "ClaimAndSpend": {"claim_and_spend"},
    "Signals": {"publish", "subscribe"},
    "Upstream": {"send", "__aenter__"},
    "Witness": {"latest", "publish", "vouch", "key_lists"},
    "AssetStore": {"put", "open", "delete", "list"},
    "AlertSink": {"send"},
    "Detector": {"observe", "name"},
    "Locator": {"country"},
}
# Of two that have a verb of one name: what it takes.
_TAKES = {"Upstream": ("send", "request"), "AlertSink": ("send", "alert")}
_CONTRACTS = ROOT / "tests" / "contract"
_ACROSS = (_CONTRACTS / "test_across_processes.py").read_text()


@dataclass(frozen=True)
class Plug:
    """One row.

    Attributes:
        shared: who shares it: "", "machine" or "network".
        lasts: what of it outlives the process.
        test: the file that runs its contract.
        opened: how test_across_processes opens it, where that is asked for.
    """

    port: str
    name: str
    extra: str
    shared: str
    lasts: str
    tls: str
    holds: str
    test: str
    opened: str = ""

    @property
    def row(self) -> str:
        extra = f"`{self.extra}`" if self.extra else ""
        shared = {"": "no", "machine": "processes of one machine", "network": "yes"}[self.shared]
        return f"| {self.port} | `{self.name}` | {extra} | {shared} | {self.lasts} | {self.tls} | {self.holds} |"


_ALL = "all"
PLUGS = (
    Plug("Store", "MemoryStore", "", "", "no", "", _ALL, "test_store_memory.py"),
    Plug("Store", "SQLStore", "embedded", "machine", "yes", "", _ALL, "test_store_sqlite.py", "SQLStore.sqlite"),
    Plug(
        "Store",
        "PostgresStore",
        "postgres",
        "network",
        "yes",
        "yes",
        _ALL,
        "test_store_postgres.py",
        "SQLStore.postgres",
    ),
    Plug("KeyService", "MemoryKeyService", "", "", "no", "", _ALL, "test_key_service.py"),
    Plug("KeyService", "LocalKeyService", "", "machine", "yes", "", _ALL, "test_key_service.py"),
    Plug("KeyService", "OpenBaoKeyService", "", "network", "yes", "yes", _ALL, "test_key_service_openbao.py"),
    Plug("KeyService", "AWSKeyService", "aws", "network", "yes", "yes", _ALL, "test_key_service_aws.py"),
    Plug("RateLimiter", "MemoryRateLimiter", "", "", "no", "", _ALL, "test_rate_limiter_memory.py"),
    Plug(
        "RateLimiter",
        "ValkeyGuard",
        "valkey",
        "network",
        "as its server",
        "yes",
        _ALL,
        "test_rate_limiter_valkey.py",
        "ValkeyGuard",
    ),
    Plug(
        "RateLimiter",
        "LimitsRateLimiter",
        "limits",
        "network",
        "as its storage",
        "as its storage",
        "all but R4 among calls that come at once: who is refused may have taken one from narrower buckets; R10 by the "
        "clocks of the workers, and not on Memcached",
        "test_rate_limiter_limits.py",
        "LimitsRateLimiter",
    ),
    Plug("ReplayGuard", "MemoryReplayGuard", "", "", "no", "", _ALL, "test_replay_guards.py"),
    Plug(
        "ReplayGuard",
        "FileReplayGuard",
        "",
        "",
        "a mark: what was signed before it is forgotten",
        "",
        _ALL,
        "test_replay_guards.py",
    ),
    Plug(
        "ReplayGuard",
        "ValkeyGuard",
        "valkey",
        "network",
        "as its server; what is lost is forgotten, not new",
        "yes",
        _ALL,
        "test_replay_guard_valkey.py",
        "ValkeyGuard",
    ),
    Plug(
        "ClaimAndSpend",
        "ValkeyGuard",
        "valkey",
        "network",
        "as its server",
        "yes",
        _ALL,
        "test_claim_and_spend.py",
        "ValkeyGuard",
    ),
    Plug("Signals", "MemorySignals", "", "", "no", "", "all, at once", "test_signals_memory.py"),
    Plug("Signals", "SQLiteSignals", "embedded", "machine", "no", "", "all, within a second", "test_signals_sqlite.py"),
    Plug("Signals", "PostgresSignals", "postgres", "network", "no", "yes", "all, at once", "test_signals_postgres.py"),
    Plug("Signals", "ValkeySignals", "valkey", "network", "no", "yes", "all, at once", "test_signals_valkey.py"),
    Plug("Upstream", "AiohttpUpstream", "", "", "no", "yes", _ALL, "test_upstream_aiohttp.py"),
    Plug("Upstream", "HttpxUpstream", "", "", "no", "yes", _ALL, "test_upstream_httpx.py"),
    # What they hold between processes is in the contract itself.
    Plug("Witness", "FileWitness", "", "machine", "yes", "", _ALL, "test_witness_file.py"),
    Plug("Witness", "S3Witness", "aws", "network", "yes", "yes", _ALL, "test_witness_s3.py"),
    Plug("Witness", "WebhookWitness", "", "network", "as its receiver", "yes", _ALL, "test_witness_webhook.py"),
    Plug(
        "AssetStore",
        "MemoryAssets",
        "",
        "",
        "no",
        "",
        "all but A3 and A8 beyond its process",
        "test_asset_stores.py",
    ),
    Plug("AssetStore", "FileAssets", "", "machine", "yes", "", _ALL, "test_asset_stores.py"),
    Plug("AssetStore", "S3Assets", "aws", "network", "yes", "yes", _ALL, "test_asset_stores_s3.py"),
    Plug(
        "AlertSink",
        "LogAlerts",
        "",
        "",
        "as the log",
        "",
        "all; A3 as far as the log's handlers raise",
        "test_alert_sinks.py",
    ),
    Plug("AlertSink", "WebhookAlerts", "", "network", "as its receiver", "yes", _ALL, "test_alert_sinks.py"),
    Plug("Detector", "ForestDetector", "ai", "", "as the state that it returns", "", _ALL, "test_detectors.py"),
    Plug("Locator", "RegistryCountries", "geo", "", "as its package", "", _ALL, "test_locators.py"),
    Plug("Locator", "MMDBCountries", "geo", "", "as its file", "", _ALL, "test_locators.py"),
)
_HEAD = "| port | plug | extra | shared between processes | outlives the process | TLS | clauses that it holds |"
# Its verbs are those that the client of AWS asks for.
_NO_PLUGS = {"Session"}
_ATOMIC = {"Store", "RateLimiter", "ReplayGuard", "ClaimAndSpend"}


def _found() -> set[tuple[str, str]]:
    """Each class of the backends that has the verbs of a port."""
    package = apikeychain.backends
    found: set[tuple[str, str]] = set()
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if "migrations" in module.name:
            continue
        for name, cls in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if cls.__module__.startswith(package.__name__) and not name.startswith("_") and name not in _NO_PLUGS:
                found |= {(port, name) for port in _VERBS if _is_plug(cls, port)}
    return found


def _is_plug(cls: type, port: str) -> bool:
    if not all(hasattr(cls, verb) for verb in _VERBS[port]):
        return False
    verb, taken = _TAKES.get(port, ("", ""))
    return not verb or taken in inspect.signature(getattr(cls, verb)).parameters


def test_every_plug_has_its_row_and_every_row_its_plug() -> None:
    assert _found() == {(plug.port, plug.name) for plug in PLUGS}


@pytest.mark.parametrize("plug", PLUGS, ids=lambda plug: f"{plug.port}-{plug.name}")
def test_a_plug_runs_the_contract_of_its_port(plug: Plug) -> None:
    text = (_CONTRACTS / plug.test).read_text() + (ROOT / "tests" / "served_postgres.py").read_text()
    assert plug.name in text
    assert f"({plug.port}Contract)" in text


@pytest.mark.parametrize(
    "plug",
    [plug for plug in PLUGS if plug.shared and plug.port in _ATOMIC],
    ids=lambda plug: f"{plug.port}-{plug.name}",
)
def test_what_is_shared_is_tested_between_processes(plug: Plug) -> None:
    assert f"({plug.port}AcrossProcesses)" in _ACROSS
    assert plug.opened
    assert f"partial({plug.opened}, " in _ACROSS


def test_the_page_holds_the_table() -> None:
    table = "\n".join([_HEAD, f"|{' --- |' * 7}", *(plug.row for plug in PLUGS)])
    assert table in (ROOT / "docs" / "reference" / "backends.md").read_text(), f"backends.md must hold:\n\n{table}\n"
