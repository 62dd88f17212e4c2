"""The contract of an AssetStore, for whoever writes one."""

import asyncio
import hashlib
import multiprocessing
import secrets
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Sequence
from functools import partial
from itertools import chain
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Event, Semaphore
from typing import ClassVar

import pytest

from apikeychain.errors import AlreadyExistsError, BackendUnavailableError, DoesNotExistError, InvalidValueError
from apikeychain.model.asset import MIB, AssetPrefix
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.ports.asset_store import AssetStore
from apikeychain.testing.processes import Opening, at_once

_SECONDS = 60.0
_SHOP = AssetPrefix(TenantId("acme"), ProjectId("p_" + "a" * 20))
# Others that begin or end like it: of the same tenant, and of tenants beside it.
_BESIDE = (
    AssetPrefix(TenantId("acme"), ProjectId("p_" + "a" * 19 + "b")),
    AssetPrefix(TenantId("acm"), _SHOP.project),
    AssetPrefix(TenantId("acme2"), _SHOP.project),
    AssetPrefix(TenantId("acme-p_"), _SHOP.project),
    AssetPrefix(TenantId("Acme"), _SHOP.project),
)
_NAME = "0123456789abcdef" * 2
_NO_NAMES = {
    "empty": "",
    "above": "../" + _NAME,
    "above the prefix": f"../../{_BESIDE[0].path}{_NAME}",
    "encoded": "..%2f" + _NAME[:27],
    "encoded twice": "%252e%252e%252f" + _NAME[:17],
    "a dot": ".",
    "two dots": "..",
    "absolute": "/" + _NAME[:31],
    "a slash": _NAME[:16] + "/" + _NAME[:15],
    "a backslash": _NAME[:16] + "\\" + _NAME[:15],
    "NUL": _NAME + "\0",
    "NUL inside": _NAME[:31] + "\0",
    "a line feed": _NAME + "\n",
    "upper case": _NAME.upper(),
    "short": _NAME[:31],
    "long": "0" * 5000,
    "digits of another script": "\N{FULLWIDTH DIGIT ONE}" * 32,
    "a half character": "\ud800" + _NAME[:31],
}
_NO_PREFIXES = {
    "no tenant": ("", _SHOP.project),
    "above": ("..", _SHOP.project),
    "a slash in the tenant": ("acme/x", _SHOP.project),
    "encoded": ("acme%2fx", _SHOP.project),
    "no project": ("acme", ""),
    "a short project": ("acme", "p_1"),
    "a project above": ("acme", "../" + "a" * 19),
    "a project in upper case": ("acme", _SHOP.project.upper()),
    "a project with a line feed": ("acme", _SHOP.project + "\n"),
    "a long tenant": ("a" * 5000, _SHOP.project),
}


class AssetStoreContract(ABC):
    """One test for each clause of `apikeychain.ports.asset_store.AssetStore`.

    A subclass says how a store is opened that holds nothing at first, how its plug is pulled and put in again.

    Attributes:
        lasts: whether what is put outlives its process. A store for which it does not says False: A3 and A8 are then
            held inside the process, and `opening` opens one and the same again.
    """

    lasts: ClassVar[bool] = True

    @pytest.fixture
    @abstractmethod
    def opening(self) -> Opening[AssetStore]:
        """What opens the store, here or in another process: it can be pickled. Override it as a fixture."""

    @pytest.fixture
    async def store(self, opening: Opening[AssetStore]) -> AsyncGenerator[AssetStore, None]:
        """One that is open."""
        async with opening() as store:
            yield store

    @abstractmethod
    async def pull_plug(self, store: AssetStore) -> None:
        """Make what is behind `store` unreachable."""
        ...

    @abstractmethod
    async def put_in_plug(self, store: AssetStore) -> None:
        """Make it reachable again, with what it kept."""
        ...

    @pytest.mark.parametrize("size", [0, 1, 70_000, 16 * MIB], ids=["empty", "a byte", "some", "the most"])
    async def test_a1_what_was_put_comes_back_byte_for_byte(self, store: AssetStore, size: int) -> None:
        """A1: and nothing of what was not put, or was deleted."""
        body, other = secrets.token_bytes(size), _named(1)
        with pytest.raises(DoesNotExistError):
            await store.open(_SHOP, _NAME)
        await store.put(_SHOP, _NAME, body)
        assert await store.open(_SHOP, _NAME) == body
        with pytest.raises(DoesNotExistError):
            await store.open(_SHOP, other)
        await store.delete(_SHOP, _NAME)
        with pytest.raises(DoesNotExistError):
            await store.open(_SHOP, _NAME)

    async def test_a2_what_is_there_is_not_put_again(self, store: AssetStore) -> None:
        """A2: not even the same once more; what is there stays."""
        await store.put(_SHOP, _NAME, b"first")
        for body in (b"second", b"first", b""):
            with pytest.raises(AlreadyExistsError):
                await store.put(_SHOP, _NAME, body)
        assert await store.open(_SHOP, _NAME) == b"first"
        assert list(await store.list(_SHOP, "", 10)) == [_NAME]

    async def test_a3_an_object_is_whole_or_absent(self, opening: Opening[AssetStore]) -> None:
        """A3: for who reads while it is put, and after whoever put it was killed in the middle of it."""
        if not self.lasts:
            async with opening() as store:
                await asyncio.gather(*(_put_all(names, store) for names in _ROUNDS), _watch(store))
                assert list(await store.list(_SHOP, "", 100)) == sorted(chain(*_ROUNDS))
            return
        for last, names in zip((1, 2, -1), _ROUNDS, strict=True):
            async with opening() as store:
                acknowledged = await _put_elsewhere(opening, names, names[last], store)
                there = [name for name in names if await _whole_or_absent(store, name)]
                assert there[:acknowledged] == names[:acknowledged]
                assert len(there) <= acknowledged + 1
                assert {*await store.list(_SHOP, "", 100)} & {*names} == {*there}
                # Whoever comes next is not kept from putting what was not.
                await _put_all(names[len(there) :][:1], store)

    async def test_a4_what_is_not_there_can_be_deleted(self, store: AssetStore) -> None:
        """A4: before anything was put, and twice."""
        await store.delete(_SHOP, _NAME)
        await store.put(_SHOP, _NAME, b"body")
        for _ in range(2):
            await store.delete(_SHOP, _NAME)
        assert list(await store.list(_SHOP, "", 10)) == []

    async def test_a5_names_are_listed_in_order_page_by_page(self, store: AssetStore) -> None:
        """A5: those behind a name, which need not be there, and no more than asked for."""
        assert list(await store.list(_SHOP, "", 10)) == []
        names = [_named(number) for number in range(7)]
        for name in reversed(names):
            await store.put(_SHOP, name, b"")
        names.sort()
        assert list(await store.list(_SHOP, "", 7)) == list(await store.list(_SHOP, "", 1000)) == names
        assert list(await store.list(_SHOP, "", 3)) == names[:3]
        assert list(await store.list(_SHOP, names[2], 3)) == names[3:6]
        assert list(await store.list(_SHOP, names[6], 3)) == []
        await store.delete(_SHOP, names[3])
        assert list(await store.list(_SHOP, names[3], 2)) == names[4:6]
        assert list(await store.list(_SHOP, "f" * 32, 2)) == []

    async def test_a6_no_verb_goes_beyond_its_prefix(self, store: AssetStore) -> None:
        """A6: neither to what is named alike nor to what lies under a prefix that begins alike."""
        await store.put(_SHOP, _NAME, b"ours")
        for beside in _BESIDE:
            assert list(await store.list(beside, "", 10)) == []
            with pytest.raises(DoesNotExistError):
                await store.open(beside, _NAME)
            await store.delete(beside, _NAME)
            await store.put(beside, _NAME, beside.path.encode())
            await store.put(beside, other := _named(hash(beside)), b"theirs")
            assert list(await store.list(beside, "", 10)) == sorted([_NAME, other])
        assert list(await store.list(_SHOP, "", 10)) == [_NAME]
        await store.delete(_SHOP, _NAME)
        for beside in _BESIDE:
            assert await store.open(beside, _NAME) == beside.path.encode()

    async def test_a7_what_is_no_name_and_no_prefix_is_refused(self, store: AssetStore) -> None:
        """A7: by every verb, and nobody is asked: what does not answer is not even missed."""
        await store.put(_SHOP, _NAME, b"ours")
        await self.pull_plug(store)
        for what, name in _NO_NAMES.items():
            await _refuse(store, _SHOP, name, what)
        for what, (tenant, project) in _NO_PREFIXES.items():
            await _refuse(store, AssetPrefix(TenantId(tenant), ProjectId(project)), _NAME, what)
        await self.put_in_plug(store)
        assert list(await store.list(_SHOP, "", 10)) == [_NAME]
        assert await store.open(_SHOP, _NAME) == b"ours"

    async def test_a8_what_was_put_outlives_the_store_and_its_process(self, opening: Opening[AssetStore]) -> None:
        """A8: it is there when the store is opened again, and in another process."""
        async with opening() as store:
            await store.put(_SHOP, _NAME, b"body")
        async with opening() as again, opening() as beside:
            assert await again.open(_SHOP, _NAME) == await beside.open(_SHOP, _NAME) == b"body"
        if self.lasts:
            names = [[_named(number)] for number in range(3)]
            assert await at_once(opening, [partial(_open_and_put, each) for each in names]) == [b"body"] * 3
            async with opening() as again:
                assert {*await again.list(_SHOP, "", 10)} == {_NAME, *chain(*names)}

    async def test_a9_a_store_that_is_gone_says_so(self, store: AssetStore) -> None:
        """A9: each verb; what was put is there again with it, and nothing else."""
        await store.put(_SHOP, _NAME, b"body")
        await self.pull_plug(store)
        for deed in (
            store.open(_SHOP, _NAME),
            store.put(_SHOP, _named(1), b"body"),
            store.delete(_SHOP, _NAME),
            store.list(_SHOP, "", 10),
        ):
            with pytest.raises(BackendUnavailableError):
                await deed
        await self.put_in_plug(store)
        assert await store.open(_SHOP, _NAME) == b"body"


def _named(number: int) -> str:
    """The name of an object, another for each number."""
    return hashlib.sha256(str(number).encode()).hexdigest()[:32]


_ROUNDS = [[_named(1000 * turn + number) for number in range(12)] for turn in range(3)]


def _body(name: str) -> bytes:
    """What is put under a name: some MiB of what nobody else has."""
    return hashlib.shake_256(name.encode()).digest(2 * MIB)


async def _put_all(names: Sequence[str], store: AssetStore) -> None:
    for name in names:
        await store.put(_SHOP, name, _body(name))


async def _open_and_put(names: Sequence[str], store: AssetStore) -> bytes:
    await _put_all(names, store)
    return await store.open(_SHOP, _NAME)


async def _refuse(store: AssetStore, prefix: AssetPrefix, name: str, what: str) -> None:
    """See that no verb takes it."""
    deeds: list[Awaitable[object]] = [store.open(prefix, name), store.put(prefix, name, b"evil")]
    deeds.append(store.delete(prefix, name))
    # Every name comes after the empty one.
    deeds += [store.list(prefix, after, 10) for after in {name, ""} if after or prefix != _SHOP]
    for deed in deeds:
        try:
            await deed
        except InvalidValueError:
            continue
        pytest.fail(f"it was taken: {what}")


async def _whole_or_absent(store: AssetStore, name: str) -> bool:
    """Whether an object is there, which then is whole."""
    try:
        found = await store.open(_SHOP, name)
    except DoesNotExistError:
        return False
    assert found == _body(name), "half of an object was there"
    return True


async def _watch(store: AssetStore) -> None:
    """Read all that is listed."""
    for name in await store.list(_SHOP, "", 100):
        assert await _whole_or_absent(store, name)


async def _put_elsewhere(opening: Opening[AssetStore], names: Sequence[str], last: str, store: AssetStore) -> int:
    """How many puts another process had acknowledged, that was read meanwhile and killed in the middle of the next.

    Args:
        opening: what it opens.
        names: under which it puts, in their order.
        last: once that is there, the process is killed; not where it is the last of all.
        store: by which it is read.
    """
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Semaphore(0)
    process = context.Process(target=_put_counted, args=(opening, names, ready, done), daemon=True)
    process.start()
    assert await asyncio.to_thread(ready.wait, _SECONDS), "the store was not opened in the other process"
    await _seen(last, store, process)
    if last != names[-1]:
        process.kill()
    await asyncio.to_thread(process.join, _SECONDS)
    process.close()
    acknowledged = 0
    while done.acquire(block=False):
        acknowledged += 1
    return acknowledged


async def _seen(name: str, store: AssetStore, process: SpawnProcess) -> None:
    """Ask for an object until it is there."""
    was_alive = True
    while not await _whole_or_absent(store, name):
        assert was_alive, "the other process ended before it had put all"
        was_alive = process.is_alive()


def _put_counted(opening: Opening[AssetStore], names: Sequence[str], ready: Event, done: Semaphore) -> None:
    async def put() -> None:
        async with opening() as store:
            ready.set()
            for name in names:
                await _put_all([name], store)
                done.release()

    asyncio.run(put())
