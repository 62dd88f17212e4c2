"""All that the doctor looks at, in order.

Source: contracts 3 to 5, 10.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from apikeychain.backends.local_keys import LocalKeyService
from apikeychain.doctor import verdicts
from apikeychain.doctor.files import lies_in, look_at_files
from apikeychain.doctor.finding import Finding, holds, told
from apikeychain.doctor.keys import look_at_keys
from apikeychain.doctor.stored import look_at_stored
from apikeychain.embedded import DATABASE, Plugs
from apikeychain.environment.choices import Choices
from apikeychain.environment.wiring import Environment
from apikeychain.errors import BackendUnavailableError
from apikeychain.model.asset import AssetPrefix
from apikeychain.model.ids import new_project_id
from apikeychain.model.records import DEFAULT_KEY_SERVICE
from apikeychain.ports.asset_store import AssetStore
from apikeychain.ports.key_service import KeyService
from apikeychain.ports.signals import Signals
from apikeychain.ports.witness import Witness
from apikeychain.rules.chain import PLATFORM
from apikeychain.secret import Secret

_SIGNALS_SECONDS = 5.0


async def examine(environment: Environment, *, deep: bool = False) -> list[Finding]:
    """Look at everything. Nothing is made, migrated or changed, but for a claim at Valkey that ends by itself.

    Args:
        environment: what is looked at.
        deep: whether every project key is derived again (0.2 s each), and the pages of a database in a file are read.
    """
    choices, plugs = environment.choices, environment.plugs
    services = {DEFAULT_KEY_SERVICE: plugs.key_service, **plugs.key_services}
    key_files = [service.path for service in services.values() if isinstance(service, LocalKeyService)]
    found = verdicts.of_settings(choices.settings)
    found += verdicts.of_files(await asyncio.to_thread(look_at_files, choices, key_files))
    if choices.data and not choices.database_url:
        inside = [await asyncio.to_thread(lies_in, key_file, choices.data) for key_file in key_files]
        found += [verdicts.of_places(choices.data, holds_key=is_inside) for is_inside in inside]
    async with AsyncExitStack() as stack:
        database = await _database(choices, plugs, deep=deep, stack=stack)
        found += database
        if choices.valkey_url:
            found += await _valkey(choices.valkey_url, choices, plugs)
        working: dict[str, KeyService | None] = {}
        for name, service in services.items():
            keys = await told("key service", _keys(service, stack))
            working[name] = service if holds(keys) else None
            found += keys if name == DEFAULT_KEY_SERVICE else [_of(name, finding) for finding in keys]
        if holds(database):
            found += await told("signals", _signals(plugs.signals, stack))
        can_open = holds(database) and working[DEFAULT_KEY_SERVICE] is not None
        found += await told("tenants", look_at_stored(plugs.store, working, deep=deep)) if can_open else ()
        for witness in plugs.witnesses:
            found += await told("witness", _witness(witness, choices, stack))
        found += await told("assets", _assets(plugs.asset_store, stack))
        found.append(verdicts.of_alerts(has_webhook=choices.alerts is not None))
    return found


def _of(key_service: str, finding: Finding) -> Finding:
    return replace(finding, told=f"{key_service}: {finding.told}")


async def _database(choices: Choices, plugs: Plugs, *, deep: bool, stack: AsyncExitStack) -> Sequence[Finding]:
    from apikeychain.backends.sql.store import SQLStore  # noqa: PLC0415 - it needs the extra `embedded`

    # The store is not entered, which would migrate it; leaving it closes its connections.
    stack.push_async_exit(cast("Any", plugs.store).__aexit__)
    if isinstance(plugs.store, SQLStore):
        from apikeychain.doctor.database import look_at_file  # noqa: PLC0415 - likewise

        return await told("database", look_at_file((choices.data or Path()) / DATABASE, deep=deep))
    from apikeychain.doctor.database import look_at_postgres  # noqa: PLC0415 - it needs the extra `postgres`

    return await look_at_postgres(cast("Any", plugs.store))


async def _valkey(url: Secret, choices: Choices, plugs: Plugs) -> Sequence[Finding]:
    from apikeychain.doctor.valkey import look_at_deeds, look_at_valkey  # noqa: PLC0415 - it needs the extra `valkey`

    found = await told("valkey", look_at_valkey(url, trust=choices.valkey_ca_file))
    return [*found, *(await look_at_deeds(cast("Any", plugs.rate_limiter)) if holds(found) else ())]


async def _keys(keys: KeyService, stack: AsyncExitStack) -> Sequence[Finding]:
    # A key file is not entered, which could make one.
    if not isinstance(keys, LocalKeyService):
        await stack.enter_async_context(cast("Any", keys))
    return await look_at_keys(keys)


async def _witness(witness: Witness, choices: Choices, stack: AsyncExitStack) -> Sequence[Finding]:
    # Those of the environment are all to be entered.
    await stack.enter_async_context(cast("Any", witness))
    await witness.latest(PLATFORM)
    beside = "" if choices.witnesses else ", from beside the ledger: one elsewhere shows more"
    return [Finding("witness", "ok", f"it answers{beside}")]


async def _assets(store: AssetStore | None, stack: AsyncExitStack) -> Sequence[Finding]:
    if store is None:
        return [Finding("assets", "ok", "no store is named for them: tenants publish none")]
    # Those of the environment are all to be entered.
    await stack.enter_async_context(cast("Any", store))
    await store.list(AssetPrefix(PLATFORM, new_project_id()), "", 1)
    return [Finding("assets", "ok", "their store answers")]


async def _signals(signals: Signals, stack: AsyncExitStack) -> Sequence[Finding]:
    if hasattr(signals, "__aenter__"):
        await stack.enter_async_context(cast("Any", signals))
    try:
        async with asyncio.timeout(_SIGNALS_SECONDS), contextlib.aclosing(signals.subscribe()) as changes:
            await anext(changes)
    except TimeoutError:
        msg = "nobody tells of changes: they take effect within 30 s"
        raise BackendUnavailableError(msg) from None
    return [Finding("signals", "ok", "changes are heard")]
