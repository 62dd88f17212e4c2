"""The lifecycle: opened and closed as often as it was asked to, in one loop after another, and nothing left behind."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from apikeychain import APIKeyChain, APIKeyChainMiddleware, APIKeyChainSettings, Network
from apikeychain.backends.serving_lock import ServingLock
from apikeychain.embedded import Instead, memory_plugs
from apikeychain.errors import (
    BackendUnavailableError,
    DataDirectoryError,
    InvalidValueError,
    NotOpenError,
    SettingsError,
)
from apikeychain.ports.upstream import Guard, Upstream
from gate import host, scope_of
from opened_plugs import QUICK, Entered, Opened, Serving, a_keychain
from sample_project import a_call

URL = "/api/apikeychain/p_aaaaaaaaaaaaaaaaaaaa/proxy/weather"
NAMED = (b"host", b"host.example")


async def test_it_closes_when_it_was_closed_as_often_as_opened() -> None:
    plug = Opened()
    keychain = a_keychain(plug)
    async with keychain as entered:
        assert entered is keychain
        async with keychain:
            await keychain.open()
        assert plug.open == 1
        await keychain.close()
        await keychain.list_tenants()
    assert (plug.open, plug.entered) == (0, 1)
    await keychain.close()
    async with keychain:
        assert plug.open == 1
    assert (plug.open, plug.entered) == (0, 2)


async def test_a_closed_keychain_says_how_to_open_it() -> None:
    keychain = a_keychain()
    with pytest.raises(
        NotOpenError, match=r"^the keychain is not open: use it inside `async with keychain:` or behind"
    ):
        await keychain.create_tenant("acme")
    async with keychain:
        acme = await keychain.create_tenant("acme")
    with pytest.raises(NotOpenError):
        await keychain.tenant("acme")
    assert acme.id == "acme"


async def test_those_who_open_at_one_moment_open_once() -> None:
    plug = Opened()
    keychain = a_keychain(plug)
    await asyncio.gather(*[keychain.open() for _ in range(5)])
    assert plug.entered == 1
    await asyncio.gather(*[keychain.close() for _ in range(5)])
    assert plug.open == 0


async def test_a_plug_that_fails_to_open_leaves_nothing_open_and_a_later_opening_works() -> None:
    store, plug = Opened(), Opened(error=BackendUnavailableError("no answer"))
    keychain = APIKeyChain.in_memory(settings=QUICK, rate_limiter=store, signals=Entered(plug))
    for _ in range(2):
        outcomes = await asyncio.gather(keychain.open(), keychain.open(), return_exceptions=True)
        assert [str(outcome) for outcome in outcomes] == ["no answer", "no answer"]
        assert store.open == plug.open == 0
    plug.error = None
    async with keychain:
        assert store.open == plug.open == 1
    assert store.open == plug.open == 0


async def test_one_who_fails_late_does_not_close_what_another_opened_in_the_meantime() -> None:
    plug = Opened(error=BackendUnavailableError("no answer"))
    keychain = a_keychain(plug)

    async def twice() -> None:
        with pytest.raises(BackendUnavailableError):
            await keychain.open()
        plug.error = None
        await keychain.open()

    outcomes = await asyncio.gather(twice(), keychain.open(), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), BackendUnavailableError]
    assert await keychain.list_tenants() == []
    await keychain.close()
    assert plug.open == 0


async def test_one_who_gives_up_opening_takes_nobody_along() -> None:
    plug = Opened()
    plug.gate.clear()
    keychain = a_keychain(plug)
    first, second = (asyncio.create_task(keychain.open()) for _ in range(2))
    await asyncio.sleep(0.01)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    plug.gate.set()
    await second
    assert plug.open == 1
    await keychain.close()
    assert plug.open == 0


async def test_what_is_being_closed_is_opened_again_only_afterwards() -> None:
    plug = Opened()
    keychain = a_keychain(plug)
    await keychain.open()
    closing = asyncio.create_task(keychain.close())
    await asyncio.sleep(0)
    await keychain.open()
    assert (plug.open, plug.entered) == (1, 2)
    await closing
    await keychain.close()
    assert plug.open == 0


async def test_a_plug_that_fails_to_close_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    keychain = a_keychain(Opened(closing=ZeroDivisionError()))
    async with keychain:
        pass
    assert "the keychain could not be closed cleanly" in caplog.messages


def test_a_loop_for_each_call_is_as_good_as_one() -> None:
    """Starlette's TestClient without ``with`` does so."""
    plug, serving, statuses = Opened(), Serving(), list[int]()
    app = APIKeyChainMiddleware(host, a_keychain(plug, serving))

    async def call() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            statuses.append(message.get("status", 0))

        await app(scope_of(URL), receive, send)
        assert serving.held

    for number in range(3):
        asyncio.run(call())
        assert (plug.open, plug.entered, serving.held) == (0, number + 1, False)
    assert statuses == [404, 0] * 3


def test_an_opening_that_its_loop_did_not_survive_is_no_opening() -> None:
    plug = Opened()
    keychain = a_keychain(plug)

    async def leave_halfway() -> None:
        plug.gate.clear()
        opening = asyncio.create_task(keychain.open())
        await asyncio.sleep(0.01)
        opening.cancel()

    async def open_again() -> None:
        plug.gate = asyncio.Event()
        plug.gate.set()
        async with keychain:
            assert plug.open == 1

    plug.gate = asyncio.Event()
    asyncio.run(leave_halfway())
    asyncio.run(open_again())
    assert plug.open == 0


async def test_first_calls_at_one_moment_are_all_answered() -> None:
    serving = Serving()
    keychain = a_keychain(Opened(), serving)
    replies = await asyncio.gather(*[keychain.handle(a_call(NAMED)) for _ in range(10)])
    assert [reply.status for reply in replies] == [404] * 10
    assert serving.held
    await keychain.close()
    assert not serving.held


async def test_nothing_is_served_while_another_process_serves() -> None:
    plug, serving = Opened(), Serving()
    keychain = a_keychain(plug, serving)
    serving.taken = True
    with pytest.raises(DataDirectoryError, match="another process serves"):
        await keychain.serve()
    assert plug.open == 0
    for _ in range(2):
        with pytest.raises(DataDirectoryError, match="another process serves"):
            await keychain.handle(a_call(NAMED))
    async with keychain:
        await keychain.create_tenant("acme")
        with pytest.raises(DataDirectoryError, match="another process serves"):
            await keychain.handle(a_call(NAMED))
        serving.taken = False
        assert (await keychain.handle(a_call(NAMED))).status == 404
        assert serving.held
    assert not serving.held


async def test_a_call_that_meets_a_keychain_that_goes_away_is_told_so() -> None:
    plug = Opened()
    plug.gate.clear()
    keychain = a_keychain(plug)
    first = asyncio.create_task(keychain.serve())
    await asyncio.sleep(0.01)
    call = asyncio.create_task(keychain.handle(a_call(NAMED)))
    await asyncio.sleep(0.01)
    closing = asyncio.create_task(keychain.close())
    await asyncio.sleep(0.01)
    plug.gate.set()
    outcomes = await asyncio.gather(first, call, closing, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} <= {type(None), NotOpenError}
    assert plug.open == 0


async def test_one_close_of_the_lifespan_is_not_two() -> None:
    """Whoever opened it beside the host still has it open after the host's shutdown."""
    plug = Opened()
    keychain = a_keychain(plug)
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def application(scope: Any, receive: Any, send: Any) -> None:
        for kind in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{kind}.complete"})

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(_: Any) -> None:
        assert plug.open == 1

    async with keychain:
        await APIKeyChainMiddleware(application, keychain)({"type": "lifespan"}, receive, send)
        assert await keychain.list_tenants() == []
        assert plug.open == 1
    assert plug.open == 0


async def test_a_failure_is_answered_as_any_refusal_is() -> None:
    reply = a_keychain().failed(a_call(), BackendUnavailableError("the store does not answer"))
    assert reply.status == 503
    assert (b"x-apikeychain-error", b"backend-unavailable") in reply.headers
    assert isinstance(reply.body, bytes)
    assert b"does not answer" in reply.body
    assert b"the store" not in reply.body


async def test_a_project_is_found_by_its_public_id() -> None:
    async with a_keychain() as keychain:
        shop = await (await keychain.create_tenant("acme")).create_project("shop")
        assert (await keychain.project(shop.id)).name == "shop"


def test_what_cannot_be_is_refused_at_once() -> None:
    with pytest.raises(InvalidValueError):
        APIKeyChain.in_memory(network={"weather.localhost": Network(private=True)})
    with pytest.raises(SettingsError):
        APIKeyChainSettings(prefix="/")


def test_development_is_short_for_a_setting() -> None:
    assert APIKeyChain.in_memory().settings.development
    assert not APIKeyChain.in_memory(development=False).settings.development
    assert APIKeyChain.in_memory(settings=QUICK).settings is QUICK
    plain = memory_plugs(Instead())
    keychain = APIKeyChain(
        store=plain.store,
        key_service=plain.key_service,
        rate_limiter=plain.rate_limiter,
        replay_guard=plain.replay_guard,
        signals=plain.signals,
        upstream=plain.upstream,
    )
    assert keychain.settings == APIKeyChainSettings()


async def test_development_is_warned_of_at_the_start(caplog: pytest.LogCaptureFixture) -> None:
    async with APIKeyChain.in_memory():
        assert any("development mode" in line for line in caplog.messages)


async def test_the_upstream_is_made_out_of_the_guard() -> None:
    guards: list[Guard] = []

    def upstream(guard: Guard) -> Upstream:
        guards.append(guard)
        return memory_plugs(Instead()).upstream(guard)

    async with a_keychain(upstream=upstream):
        assert len(guards) == 1


async def test_a_call_after_the_closing_does_not_open_it_again(tmp_path: Path) -> None:
    keychain = APIKeyChain.embedded(tmp_path / "data", development=True)
    async with keychain:
        pass
    with pytest.raises(NotOpenError):
        await keychain.handle(a_call(NAMED))
    ServingLock(tmp_path / "data").acquire()


async def test_a_call_during_the_closing_does_not_open_it_again() -> None:
    plug = Opened()
    keychain = a_keychain(plug)
    await keychain.serve()
    closing = asyncio.create_task(keychain.close())
    await asyncio.sleep(0)
    assert not closing.done()
    with pytest.raises(NotOpenError):
        await keychain.handle(a_call(NAMED))
    await closing
    assert (plug.open, plug.entered) == (0, 1)


async def test_it_may_be_opened_again_by_whoever_closed_it() -> None:
    keychain = a_keychain()
    async with keychain, keychain:
        await keychain.close()
        assert (await keychain.handle(a_call(NAMED))).status == 404
    async with keychain:
        assert (await keychain.handle(a_call(NAMED))).status == 404


def test_a_call_in_another_loop_opens_it_there() -> None:
    keychain = a_keychain()

    async def seed() -> None:
        async with keychain:
            pass

    async def serve() -> int:
        return (await keychain.handle(a_call(NAMED))).status

    asyncio.run(seed())
    assert asyncio.run(serve()) == 404
