"""The one-directory default: wires the backends that need no server.

Source: contracts 10 ("The embedded default"); architecture, "What it is".
"""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypedDict, cast

from apikeychain.errors import InvalidValueError, SettingsError
from apikeychain.model.ids import parse_name
from apikeychain.ports.alert_sink import AlertSink
from apikeychain.ports.asset_store import AssetStore
from apikeychain.ports.detector import Detector
from apikeychain.ports.key_service import KeyService
from apikeychain.ports.locator import Locator
from apikeychain.ports.rate_limiter import RateLimiter
from apikeychain.ports.replay_guard import ReplayGuard
from apikeychain.ports.rotator import Account
from apikeychain.ports.signals import Signals
from apikeychain.ports.store import Store
from apikeychain.ports.upstream import Guard, Upstream
from apikeychain.ports.witness import Witness

UpstreamFactory = Callable[[Guard], Upstream]
DATABASE = "apikeychain.sqlite3"
KEY_FILE = "platform.key"
CLAIMS_FILE = "claims.mark"
WITNESS_FILE = "witness.jsonl"
ASSETS = "assets"
KEY_FILE_VARIABLE = "APIKEYCHAIN_KEY_FILE"
_log = logging.getLogger("apikeychain.keychain")


class Serving(Protocol):
    """What a process holds while it serves calls; one that is an async context manager is entered before the plugs."""

    def acquire(self) -> None:
        """Take it, or raise a SetupError. Asked at each call: what is held already is kept."""
        ...

    def release(self) -> None:
        """Let it go."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugs:
    """All plugs of a keychain.

    Attributes:
        upstream: makes the plug out of the guard through which it must dial.
        serving: held while calls are served, where that is for one process.
        key_services: further ones, by the name in the rows of their tenants.
        witnesses: to which the checkpoints of the ledger go.
        alert_sinks: to which alerts go, by name.
        rotators: the host's own with whose they are, by the name in rotations.
        detectors: that look at what calls do; None for that of the house.
        locator: knows in which country callers are; None for nobody.
        asset_store: keeps the scripts and styles that tenants publish; None where they publish none.

    Raises:
        InvalidValueError: a rotator's name is none, or it does not say whose it is.
    """

    store: Store
    key_service: KeyService
    rate_limiter: RateLimiter
    replay_guard: ReplayGuard
    signals: Signals
    upstream: UpstreamFactory
    serving: Serving | None = None
    key_services: Mapping[str, KeyService] = field(default_factory=dict[str, KeyService])
    witnesses: Sequence[Witness] = ()
    alert_sinks: Mapping[str, AlertSink] = field(default_factory=dict[str, AlertSink])
    rotators: Mapping[str, Account] = field(default_factory=dict[str, Account])
    detectors: Sequence[Detector] | None = None
    locator: Locator | None = None
    asset_store: AssetStore | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "rotators", _named_accounts(self.rotators))

    @property
    def entered(self) -> Sequence[object]:
        """Those that are opened before the upstream, in that order; the further key services come after them."""
        return (
            self.serving,
            self.key_service,
            self.store,
            self.rate_limiter,
            self.replay_guard,
            self.signals,
            self.locator,
            self.asset_store,
            *self.witnesses,
            *self.alert_sinks.values(),
            *(account.rotator for account in self.rotators.values()),
        )


class Instead(TypedDict, total=False):
    """Plugs of the host's own, in place of the default's. None stands for the default's."""

    store: Store | None
    key_service: KeyService | None
    rate_limiter: RateLimiter | None
    replay_guard: ReplayGuard | None
    signals: Signals | None
    upstream: UpstreamFactory | None
    key_services: Mapping[str, KeyService] | None
    witnesses: Sequence[Witness] | None
    alert_sinks: Mapping[str, AlertSink] | None
    rotators: Mapping[str, Account] | None
    detectors: Sequence[Detector] | None
    locator: Locator | None
    asset_store: AssetStore | None


def embedded_plugs(directory: str | Path, *, key_file: str | Path | None, instead: Instead) -> Plugs:
    """SQLite, a key file and in-process limits in one directory. Nothing is made or read before the plugs are opened.

    Where store, limits and claims are the host's own, so that several processes may serve, assets are kept nowhere
    unless it says where.

    Args:
        directory: for the database and, where `key_file` says nothing else, the key file.
        key_file: elsewhere; else what APIKEYCHAIN_KEY_FILE names.
        instead: plugs of the host's own.

    Raises:
        MissingExtraError: the packages of the extra ``embedded`` are missing.
        SettingsError: APIKEYCHAIN_KEY_FILE is no absolute path.
    """
    from apikeychain.backends.file_assets import FileAssets  # noqa: PLC0415 - likewise
    from apikeychain.backends.file_replay_guard import FileReplayGuard  # noqa: PLC0415 - likewise
    from apikeychain.backends.file_witness import FileWitness  # noqa: PLC0415 - likewise
    from apikeychain.backends.local_keys import LocalKeyService  # noqa: PLC0415 - a caller of the signer loads no backend
    from apikeychain.backends.memory_limiter import MemoryRateLimiter  # noqa: PLC0415 - likewise
    from apikeychain.backends.serving_lock import ServingLock  # noqa: PLC0415 - likewise
    from apikeychain.backends.sql import SQLiteSignals, SQLStore  # noqa: PLC0415 - likewise

    path = Path(directory)
    database = path / DATABASE
    keys = Path(key_file or _named_key_file() or path / KEY_FILE)
    store = SQLStore.sqlite(database)
    guard, limiter = instead.get("replay_guard"), instead.get("rate_limiter")
    if instead.get("store") and not (guard and limiter):
        _log.warning(
            "store= is yours, but %s of this process only: serve from one process, or give replay_guard= and "
            "rate_limiter= that all share",
            "claims are" if limiter else "limits are" if guard else "claims and limits are",
        )
    return _with(
        Plugs(
            store=store,
            key_service=LocalKeyService(keys, create=True, data=database),
            rate_limiter=MemoryRateLimiter(),
            replay_guard=FileReplayGuard(path / CLAIMS_FILE),
            signals=SQLiteSignals(store),
            upstream=_default_upstream,
            serving=ServingLock(path),
            witnesses=(FileWitness(path / WITNESS_FILE),),
            # What one process writes to its own disk, others may not find on theirs.
            asset_store=None if instead.get("store") and guard and limiter else FileAssets(path / ASSETS),
        ),
        instead,
    )


def memory_plugs(instead: Instead) -> Plugs:
    """Nothing outlives the process: for hosts' own tests."""
    from apikeychain.backends.memory_assets import MemoryAssets  # noqa: PLC0415 - likewise
    from apikeychain.backends.memory_keys import MemoryKeyService  # noqa: PLC0415 - a caller of the signer loads no backend
    from apikeychain.backends.memory_limiter import MemoryRateLimiter  # noqa: PLC0415 - likewise
    from apikeychain.backends.memory_replay_guard import MemoryReplayGuard  # noqa: PLC0415 - likewise
    from apikeychain.backends.memory_signals import MemorySignals  # noqa: PLC0415 - likewise
    from apikeychain.backends.memory_store import MemoryStore  # noqa: PLC0415 - likewise

    return _with(
        Plugs(
            store=MemoryStore(),
            key_service=MemoryKeyService(),
            rate_limiter=MemoryRateLimiter(),
            replay_guard=MemoryReplayGuard(),
            signals=MemorySignals(),
            upstream=_default_upstream,
            asset_store=MemoryAssets(),
        ),
        instead,
    )


def named_sinks(given: Mapping[str, AlertSink] | None) -> dict[str, AlertSink]:
    """Where alerts go, by name: the log, where nothing is given.

    Raises:
        InvalidValueError: a name is none.
    """
    from apikeychain.backends.log_alerts import LogAlerts  # noqa: PLC0415 - a caller of the signer loads no backend

    return {parse_name(name, "alert sink"): sink for name, sink in (given or {"log": LogAlerts()}).items()}


def local_limiter() -> RateLimiter:
    """A limiter of this process, for what is counted beside a shared one."""
    from apikeychain.backends.memory_limiter import MemoryRateLimiter  # noqa: PLC0415 - a caller of the signer loads no backend

    return MemoryRateLimiter()


def _named_accounts(given: Mapping[str, Account]) -> dict[str, Account]:
    for name, account in given.items():
        if not isinstance(cast("object", account), Account):
            msg = f"the rotator {name!r} is given as an Account, which says whose keys it makes"
            raise InvalidValueError(msg)
    return {parse_name(name, "rotator"): account for name, account in given.items()}


def _named_key_file() -> str:
    named = os.environ.get(KEY_FILE_VARIABLE, "")
    if named and not named.startswith("/"):
        raise SettingsError([f"{KEY_FILE_VARIABLE}: write the absolute path of a file"])
    return named


def _default_upstream(guard: Guard) -> Upstream:
    from apikeychain.backends.upstream_aiohttp import AiohttpUpstream  # noqa: PLC0415 - loads on opening

    return AiohttpUpstream(guard)


def _with(plugs: Plugs, instead: Instead) -> Plugs:
    given: dict[str, Any] = {name: plug for name, plug in instead.items() if plug is not None}
    return replace(plugs, **given)
