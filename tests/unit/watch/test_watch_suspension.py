import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apikeychain.backends.memory_store import MemoryStore
from apikeychain.errors import ConflictError, DoesNotExistError, InvalidValueError
from apikeychain.ledger.verify import verify
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import LedgerEntry
from apikeychain.model.records import Project
from apikeychain.model.suspension import Scope, Suspension
from apikeychain.testing.records import tenant
from apikeychain.watch.suspension import lift, suspend

ACME = TenantId("acme")
PROJECT = ProjectId("p_" + "a" * 20)
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
async def store() -> MemoryStore:
    store = MemoryStore()
    async with store.tenant(ACME) as rows:
        await rows.insert(tenant(ACME))
        await rows.insert(Project(id=PROJECT, name="shop", created=NOON))
    return store


async def suspended(
    store: MemoryStore,
    scope: Scope = "project",
    value: str = "",
    *,
    reason: str = "too many",
    until: datetime | None = None,
    pseudonym: str | None = None,
    cut: bool = False,
) -> Suspension:
    more: dict[str, Any] = {"until": until, "at": NOON, "actor": "watch", "pseudonym": pseudonym, "cut": cut}
    async with store.tenant(ACME) as rows:
        return await suspend(rows, PROJECT, scope, value, reason=reason, **more)


async def stored(store: MemoryStore, scope: Scope = "project", value: str = "") -> tuple[Suspension | None, int]:
    """The suspension, and the generation of its project."""
    async with store.tenant(ACME) as rows:
        project = await rows.get(Project, (PROJECT,))
        assert project is not None
        return await rows.get(Suspension, (PROJECT, scope, value)), project.generation


async def entries(store: MemoryStore) -> Sequence[LedgerEntry]:
    await verify(store, ACME)
    async with store.tenant(ACME) as rows:
        return await rows.entries(0, 100)


@pytest.mark.parametrize(
    ("scope", "value"),
    [
        ("project", ""),
        ("route", "chat"),
        ("origin", "https://app.example.com"),
        ("origin", "http://localhost:3000"),
        ("caller", "203.0.113.9"),
    ],
)
async def test_a_suspension_is_a_record_a_generation_and_an_entry(store: MemoryStore, scope: Scope, value: str) -> None:
    suspension = await suspended(store, scope, value, until=NOON + HOUR, pseudonym="0f" * 16)
    assert suspension == Suspension(
        project=PROJECT, scope=scope, value=value, reason="too many", created=NOON, until=NOON + HOUR
    )
    assert await stored(store, scope, value) == (suspension, 2)
    (entry,) = await entries(store)
    assert (entry.kind, entry.actor, entry.project, entry.at) == ("suspension.created", "watch", PROJECT, NOON)
    assert json.loads(entry.payload)["data"] == {
        "scope": scope,
        "value": "0f" * 16 if scope == "caller" else value,
        "reason": "too many",
        "until": "2026-01-02T13:00:00.000Z",
    }


async def test_one_that_cuts_says_so_in_the_record_and_in_the_ledger(store: MemoryStore) -> None:
    assert (await suspended(store, cut=True)).cut
    assert not (await suspended(store)).cut
    told = [json.loads(entry.payload)["data"].get("cut") for entry in await entries(store)]
    assert told == [True, None]


async def test_a_second_suspension_replaces_the_first(store: MemoryStore) -> None:
    await suspended(store, until=NOON + HOUR)
    again = await suspended(store, reason="still too many")
    assert (again.generation, again.until, again.reason) == (2, None, "still too many")
    assert await stored(store) == (again, 3)
    assert [entry.kind for entry in await entries(store)] == ["suspension.created", "suspension.changed"]
    assert json.loads((await entries(store))[1].payload)["data"]["until"] is None


async def test_a_lifted_suspension_is_gone_and_written_down(store: MemoryStore) -> None:
    suspension = await suspended(store, "route", "chat")
    async with store.tenant(ACME) as rows:
        assert await lift(rows, PROJECT, "route", "chat", at=NOON + HOUR, actor="ops") == suspension
    assert await stored(store, "route", "chat") == (None, 3)
    entry = (await entries(store))[1]
    assert (entry.kind, entry.actor, entry.at) == ("suspension.removed", "ops", NOON + HOUR)
    assert json.loads(entry.payload)["data"] == {"scope": "route", "value": "chat"}


async def test_a_caller_is_one_however_the_address_is_written(store: MemoryStore) -> None:
    for address in ("2001:db8::1", "2001:DB8:0::2", "2001:db8::/64"):
        assert (await suspended(store, "caller", address)).value == "2001:db8::/64"
    async with store.tenant(ACME) as rows:
        await lift(rows, PROJECT, "caller", "2001:db8::3", at=NOON, actor="ops")
    assert (await stored(store, "caller", "2001:db8::/64"))[0] is None


async def test_a_caller_is_named_by_its_pseudonym_as_well(store: MemoryStore) -> None:
    for until in (None, NOON + HOUR):
        assert (await suspended(store, "caller", "0f" * 16, until=until)).value == "0f" * 16
    async with store.tenant(ACME) as rows:
        await lift(rows, PROJECT, "caller", "0f" * 16, at=NOON, actor="ops")
    assert (await stored(store, "caller", "0f" * 16))[0] is None
    told = [(entry.kind, json.loads(entry.payload)["data"]["value"]) for entry in await entries(store)]
    verbs = ("created", "changed", "removed")
    assert told == [(f"suspension.{verb}", "0f" * 16) for verb in verbs]


async def test_a_caller_that_is_suspended_by_several_names_is_lifted_by_one(store: MemoryStore) -> None:
    for value in ("203.0.113.9", "0f" * 16):
        await suspended(store, "caller", value, pseudonym="0f" * 16)
    async with store.tenant(ACME) as rows:
        lifted = await lift(
            rows, PROJECT, "caller", "203.0.113.9", at=NOON, actor="ops", pseudonym="0f" * 16, also=["0f" * 16]
        )
    assert lifted.value == "203.0.113.9"
    assert [(await stored(store, "caller", value))[0] for value in ("203.0.113.9", "0f" * 16)] == [None, None]
    kinds = [entry.kind for entry in await entries(store)]
    assert kinds == ["suspension.created"] * 2 + ["suspension.removed"] * 2


async def test_no_address_gets_into_the_ledger(store: MemoryStore) -> None:
    await suspended(store, "caller", "203.0.113.9")
    async with store.tenant(ACME) as rows:
        await lift(rows, PROJECT, "caller", "203.0.113.9", at=NOON, actor="ops")
    assert [b"203.0.113" in entry.payload for entry in await entries(store)] == [False, False]


@pytest.mark.parametrize(
    ("scope", "value", "text"),
    [
        ("project", "x", "has no value: 'x'"),
        ("route", "", "not a route name"),
        ("route", "A", "not a route name"),
        ("origin", "", "not an origin"),
        ("origin", "https://*.example.com", "not an origin"),
        ("caller", "", "not an address"),
        ("caller", "ann", "not an address"),
        ("caller", "10.0.0.0/8", "not an address"),
        ("caller", "192.0.2.1/64", "not an address"),
        ("caller", "::ffff:192.0.2.1/64", "not an address"),
        ("caller", "2001:db8::1/64/64", "not an address"),
        ("caller", "0F" * 16, "not an address, and not the 32 hex digits of a pseudonym"),
        ("caller", "0f" * 15, "not an address"),
        ("caller", "0f" * 16 + "\n", "not an address"),
    ],
)
async def test_a_value_that_is_none_of_its_scope_changes_nothing(
    store: MemoryStore, scope: Scope, value: str, text: str
) -> None:
    with pytest.raises(InvalidValueError, match=text):
        await suspended(store, scope, value)
    async with store.tenant(ACME) as rows:
        with pytest.raises(InvalidValueError, match=text):
            await lift(rows, PROJECT, scope, value, at=NOON, actor="ops")
    assert await stored(store) == (None, 1)
    assert await entries(store) == []


@pytest.mark.parametrize("until", [NOON, NOON - HOUR])
async def test_an_end_that_is_over_is_refused(store: MemoryStore, until: datetime) -> None:
    with pytest.raises(InvalidValueError, match="ends after it began"):
        await suspended(store, until=until)


async def test_a_reason_is_short(store: MemoryStore) -> None:
    await suspended(store, reason="r" * 200)
    with pytest.raises(InvalidValueError, match="at most 200 characters"):
        await suspended(store, reason="r" * 201)


async def test_a_project_that_is_gone_cannot_be_suspended(store: MemoryStore) -> None:
    gone = ProjectId("p_" + "b" * 20)
    async with store.tenant(ACME) as rows:
        with pytest.raises(DoesNotExistError, match="there is no project p_bbb"):
            await suspend(rows, gone, "project", "", reason="", until=None, at=NOON, actor="ops")
        with pytest.raises(DoesNotExistError, match="there is no project p_bbb"):
            await lift(rows, gone, "project", "", at=NOON, actor="ops")


async def test_what_is_not_suspended_cannot_be_lifted(store: MemoryStore) -> None:
    with pytest.raises(DoesNotExistError, match=f"this route of {PROJECT} is not suspended"):
        async with store.tenant(ACME) as rows:
            await lift(rows, PROJECT, "route", "chat", at=NOON, actor="ops")


async def test_a_suspension_that_cannot_be_whole_is_not_at_all(store: MemoryStore) -> None:
    async def suspend_while_the_project_changes() -> None:
        async with store.tenant(ACME) as rows:
            whole = rows.append

            async def append_late(payloads: Sequence[object]) -> object:
                project = await rows.get(Project, (PROJECT,))
                assert project is not None
                await rows.remove(Project, (PROJECT,), project.generation)
                return await whole(payloads)  # type: ignore[arg-type]  # passed on as it came

            rows.append = append_late  # type: ignore[assignment,method-assign]  # somebody else is faster
            await suspend(rows, PROJECT, "project", "", reason="", until=None, at=NOON, actor="ops")

    with pytest.raises(ConflictError):
        await suspend_while_the_project_changes()
    assert await stored(store) == (None, 1)
    assert await entries(store) == []
