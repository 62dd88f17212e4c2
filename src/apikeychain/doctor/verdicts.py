"""Facts in, findings out. Nothing here asks anybody.

Source: contracts 2 (trusted proxies), 3 (clocks, noeviction), 4 (undeclared parameters), 5, 10 (key and data).
"""

import ipaddress
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from apikeychain.doctor.finding import Finding, State
from apikeychain.model.records import AddedRoute, SealedSecret
from apikeychain.primitives import plaintext_bytes
from apikeychain.settings import UNIX, APIKeyChainSettings

# A signature is good for 30 s on either side of its timestamp, and the caller's clock may be off too.
_SKEW_WARNED_SECONDS, _SKEW_FAILED_SECONDS = 2.0, 15.0
# Beyond these a network is not one of proxies but of callers.
_WIDE = {4: 8, 6: 32}
_SHORT_BYTES = 16
_NEARLY_FULL = 0.9
_OPEN = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file or directory.

    Attributes:
        what: it is.
        mode: its permissions, or None where it is missing or cannot be looked at.
        is_ours: whether it belongs to this user, or to root.
        must_be_closed: whether its content opens everything, so that others who can read it are a failure.
    """

    what: str
    path: Path
    mode: int | None
    is_ours: bool = True
    must_be_closed: bool = False


def of_settings(settings: APIKeyChainSettings) -> list[Finding]:
    """What a public host should not have chosen."""
    found: list[Finding] = []
    if settings.development:
        found.append(Finding("settings", "warning", "development is on", "never on a public host: leave it out"))
    if settings.outer_cors:
        told = "a CORS middleware of the host may stand outside, and answers preflights first"
        found.append(Finding("settings", "warning", told, "put APIKeyChainMiddleware outermost, and leave it out"))
    for number, text in enumerate(settings.trusted_proxies, 1):
        if text != UNIX and _is_wide(text):
            told = f"trusted_proxies: entry {number} holds more than proxies, and each address in it can say who calls"
            found.append(Finding("settings", "warning", told, "name the addresses of your proxies"))
    return found or [Finding("settings", "ok", "nothing unsafe is chosen")]


def _is_wide(text: str) -> bool:
    network = ipaddress.ip_network(text)
    return network.prefixlen < _WIDE[network.version]


def of_files(files: Iterable[FileFacts]) -> list[Finding]:
    """Whether others can read what is ours alone."""
    return [_of_file(file) for file in files]


def _of_file(file: FileFacts) -> Finding:
    name = f"{file.what} {file.path}"
    if file.mode is None:
        return Finding("files", "failure", f"{name} is missing or cannot be looked at", "give it to this user")
    bad: State = "failure" if file.must_be_closed else "warning"
    if not file.is_ours:
        return Finding("files", bad, f"{name} belongs to another user", "give it to this user")
    if file.mode & _OPEN:
        mode = 700 if stat.S_ISDIR(file.mode) else 600
        return Finding("files", bad, f"{name} is open to others", f"run chmod {mode} {file.path}")
    return Finding("files", "ok", f"{name} is its owner's alone")


def of_places(data: Path, *, holds_key: bool) -> Finding:
    """Whether one copy of a directory takes both the key and what it opens."""
    if holds_key:
        told = f"the key file lies beside the data in {data}: one copy of it opens everything"
        return Finding("key file", "warning", told, "put it elsewhere, and set APIKEYCHAIN_KEY_FILE")
    return Finding("key file", "ok", "the key and the data lie apart")


def of_clock(check: str, ahead_seconds: float) -> Finding:
    """Whether a server's clock and ours agree. `ahead_seconds` is how far the server's is ahead."""
    told = f"its clock is {abs(ahead_seconds):.1f} s {'ahead of' if ahead_seconds > 0 else 'behind'} this machine's"
    if abs(ahead_seconds) < _SKEW_WARNED_SECONDS:
        return Finding(check, "ok", told)
    state: State = "warning" if abs(ahead_seconds) < _SKEW_FAILED_SECONDS else "failure"
    return Finding(check, state, told, "set both by the same time service: signatures are good for 30 s")


def of_way(check: str, tls: str, *, is_local: bool) -> Finding:
    """Whether the way to a server is safe.

    Args:
        check: which server.
        tls: ``"TLSv1.3"``, or "" where nothing is encrypted.
        is_local: whether it leads to this machine.
    """
    if tls == "TLSv1.3":
        return Finding(check, "ok", "the connection is TLS 1.3")
    if is_local:
        return Finding(check, "ok", "the connection does not leave this machine")
    told = f"the connection is {tls}" if tls else "the connection is not encrypted"
    return Finding(check, "warning", told, "use TLS 1.3")


def of_policy(policy: str) -> Finding:
    """Whether Valkey keeps what was claimed."""
    if policy == "noeviction":
        return Finding("valkey", "ok", "it evicts nothing")
    told = f"it may evict claims, and what was claimed would pass again: maxmemory-policy is {policy}"
    return Finding("valkey", "failure", told, "set maxmemory-policy to noeviction")


def of_role(role: str) -> Finding:
    """Whether Valkey is the one that workers share."""
    if role == "master":
        return Finding("valkey", "ok", "it is the primary")
    told = "it is a replica, which refuses claims, or loses them"
    return Finding("valkey", "failure", told, "connect to the primary")


def of_memory(used_bytes: int, most_bytes: int) -> Finding:
    """Whether Valkey can store more. `most_bytes` is 0 where nothing limits it."""
    if not most_bytes or used_bytes < _NEARLY_FULL * most_bytes:
        return Finding("valkey", "ok", "it has room")
    if used_bytes < most_bytes:
        return Finding("valkey", "warning", "its memory is nearly full", "raise maxmemory")
    return Finding("valkey", "failure", "its memory is full, and it refuses claims", "raise maxmemory")


def of_writing(*, is_standby: bool, is_read_only: bool) -> Finding:
    """Whether the database takes what is written."""
    if is_standby:
        return Finding("database", "failure", "it is a standby, which takes nothing", "connect to the primary")
    if is_read_only:
        told, advice = "its transactions are read only", "take default_transaction_read_only from role and database"
        return Finding("database", "failure", told, advice)
    return Finding("database", "ok", "it takes what is written")


def of_walls(problems: Sequence[str]) -> list[Finding]:
    """Whether the database keeps tenants apart."""
    failed = [Finding("database", "failure", problem) for problem in problems]
    return failed or [Finding("database", "ok", "the role and the tables keep tenants apart")]


def of_version(version: str | None, versions: Sequence[str]) -> Finding:
    """Whether the tables are of this version. `versions` are those that are known, in order."""
    if version == versions[-1]:
        return Finding("database", "ok", f"its tables have version {version}")
    if version in versions:
        told = f"its tables have version {version}, the newest is {versions[-1]}"
        return Finding("database", "warning", told, "they are migrated at the next opening; keep a backup from before")
    told = f"its tables have version {version}, this apikeychain knows up to {versions[-1]}"
    return Finding("database", "failure", told, "install a newer apikeychain")


def of_routes(tenant: str, routes: Iterable[AddedRoute]) -> Iterator[Finding]:
    """Routes that let through what they do not declare, in the query or in the body."""
    for added in routes:
        if "forward" in {added.route.undeclared, getattr(added.route.body, "undeclared", "")}:
            told = f"the route {added.route.name} of {tenant}/{added.project} forwards undeclared parameters"
            yield Finding("routes", "warning", told, "declare what callers send, unless an SDK needs it")


def of_secrets(tenant: str, secrets: Iterable[SealedSecret]) -> Iterator[Finding]:
    """Secrets so short that other text equals them by chance. A sealed value tells its length, and nothing else."""
    for secret in secrets:
        if plaintext_bytes(secret.sealed) < _SHORT_BYTES:
            told = f"the secret {secret.name} of {tenant}/{secret.project} has fewer than {_SHORT_BYTES} characters"
            yield Finding("secrets", "warning", told, "ask the provider for a longer one")


def of_loose(tenant: str, objects: int) -> Iterator[Finding]:
    """Objects of assets that belong to no version, and have for 15 minutes."""
    if objects:
        told = f"{objects} object{'s' if objects > 1 else ''} of {tenant} were left behind by uploads that broke off"
        yield Finding("uploads", "warning", told, "run apikeychain asset sweep")


def of_ended(projects: int) -> Iterator[Finding]:
    """Projects that are gone, of which there may be objects."""
    if projects:
        told = f"objects of {projects} project{'s' if projects > 1 else ''} that are gone may be left"
        yield Finding("uploads", "warning", told, "run apikeychain asset sweep")


def of_alerts(*, has_webhook: bool) -> Finding:
    """Where alerts go by what was chosen; a server may have other sinks in its code."""
    where = "a webhook: try it with `apikeychain alert test`" if has_webhook else "the log, unless the server has sinks"
    return Finding("alerts", "ok", f"they go to {where}")
