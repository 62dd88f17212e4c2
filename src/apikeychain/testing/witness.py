"""The contract of a Witness, for whoever writes one."""

import asyncio
import multiprocessing
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from functools import partial
from multiprocessing.synchronize import Event

import pytest

from apikeychain.errors import BackendUnavailableError, WitnessRefusedError
from apikeychain.model.ids import TenantId
from apikeychain.ports.witness import Extension, Witness
from apikeychain.proof.checkpoint import Statement
from apikeychain.testing.checkpoints import (
    ACME,
    KEYS,
    NEXT_KEYS,
    OTHER,
    SigningKeys,
    extension,
    key_list,
    path_between,
    signed,
    written,
)
from apikeychain.testing.processes import Deed, Opening, at_once

_CHAIN, _FORK, _BESIDE = written(ACME, 40), written(ACME, 40, "refusals"), written(OTHER, 40)
_RACED = [TenantId(f"t{number:02}") for number in range(24)]
_SECONDS = 60.0


class WitnessContract(ABC):
    """One test for each clause of `apikeychain.ports.witness.Witness`.

    A subclass says how a witness is opened that holds nothing at first, how its plug is pulled and put in again.
    """

    @pytest.fixture
    @abstractmethod
    def opening(self) -> Opening[Witness]:
        """What opens the witness, here or in another process: it can be pickled. Override it as a fixture."""

    @pytest.fixture
    async def witness(self, opening: Opening[Witness]) -> AsyncGenerator[Witness, None]:
        """One that is open."""
        async with opening() as witness:
            yield witness

    @abstractmethod
    async def pull_plug(self, witness: Witness) -> None:
        """Make what is behind `witness` unreachable."""
        ...

    @abstractmethod
    async def put_in_plug(self, witness: Witness) -> None:
        """Make it reachable again, with what it kept."""
        ...

    async def test_w1_the_last_checkpoint_comes_back_as_it_was_published(self, witness: Witness) -> None:
        """W1: of each chain; None where there is none."""
        assert await witness.latest(ACME) is None
        first, beside = extension(_CHAIN[:5]), extension(_BESIDE[:2])
        await witness.publish([first, beside])
        assert await witness.latest(ACME) == first.checkpoint
        await witness.publish([later := extension(_CHAIN[:9], 5, 1)])
        assert await witness.latest(ACME) == later.checkpoint
        assert await witness.latest(OTHER) == beside.checkpoint
        assert await witness.latest(TenantId("acm")) is None

    @pytest.mark.parametrize("wrong", ["fewer", "earlier", "root", "head", "path", "since", "origin", "anew"])
    async def test_w2_what_is_no_extension_is_refused_and_the_rest_kept(self, witness: Witness, wrong: str) -> None:
        """W2: nothing of it is kept."""
        await witness.publish([first := extension(_CHAIN[:8], 0, 1)])
        good = extension(_BESIDE[:3])
        with pytest.raises(WitnessRefusedError) as refused:
            await witness.publish([_wrong(wrong), good])
        assert list(refused.value.reasons) == [ACME]
        assert await witness.latest(ACME) == first.checkpoint
        assert await witness.latest(OTHER) == good.checkpoint
        await witness.publish([last := extension(_CHAIN[:12], 8, 2)])
        assert await witness.latest(ACME) == last.checkpoint

    async def test_w3_what_is_kept_is_not_kept_twice(self, witness: Witness) -> None:
        """W3: nor is it an error, with the path that led there or with another."""
        await witness.publish([extension(_CHAIN[:3])])
        again = extension(_CHAIN[:7], 3, 1)
        for given in (again, again, replace(again, since=0, path=())):
            await witness.publish([given, extension(_BESIDE[:1])])
        assert await witness.latest(ACME) == again.checkpoint

    async def test_w4_key_lists_are_kept_behind_one_another(self, witness: Witness) -> None:
        """W4: in their order; others are refused, and nothing of them kept."""
        assert list(await witness.key_lists()) == []
        first, stranger = key_list(KEYS), key_list(NEXT_KEYS, minutes=1)
        second = key_list(NEXT_KEYS, KEYS, minutes=1)
        await witness.vouch([first])
        for given in ([stranger], [first, stranger], [second], [first, "no list"]):
            with pytest.raises(WitnessRefusedError) as refused:
                await witness.vouch(given)
            assert list(refused.value.reasons) == [""]
        for given in ([first, second], [first], []):
            await witness.vouch(given)
        assert list(await witness.key_lists()) == [first, second]

    @pytest.mark.parametrize("end", ["killed", "left"])
    async def test_w5_what_was_kept_outlives_its_process(self, opening: Opening[Witness], end: str) -> None:
        """W5: however that ended."""
        given, lists = extension(_CHAIN[:6]), [key_list(KEYS)]
        await asyncio.to_thread(_end, opening, partial(_keep, given, lists), is_killed=end == "killed")
        async with opening() as witness:
            assert await witness.latest(ACME) == given.checkpoint
            assert list(await witness.key_lists()) == lists
            await witness.publish([extension(_CHAIN[:9], 6, 1)])

    async def test_w6_of_those_that_publish_at_once_one_chain_comes_out(self, opening: Opening[Witness]) -> None:
        """W6: of three processes, of which one writes each chain anew; what was kept for one is kept for no other."""
        kept = await at_once(opening, [partial(_race, say) for say in ("call", "call", "refusals")])
        ours, anew = {*kept[0], *kept[1]}, {*kept[2]}
        assert not ours & anew
        assert ours | anew == {*_RACED}
        async with opening() as witness:
            for tenant in _RACED:
                last = await witness.latest(tenant)
                assert last is not None
                entries = written(tenant, 5, "call" if tenant in ours else "refusals")
                assert Statement.parse(last.statement).head == entries[-1].hash

    async def test_w7_a_witness_that_is_gone_says_so(self, witness: Witness) -> None:
        """W7: each verb, and half of nothing is kept."""
        await witness.publish([first := extension(_CHAIN[:6])])
        await witness.vouch(lists := [key_list(KEYS)])
        await self.pull_plug(witness)
        with pytest.raises(BackendUnavailableError):
            await witness.publish([extension(_CHAIN[:9], 6, 1), extension(_BESIDE)])
        with pytest.raises(BackendUnavailableError):
            await witness.latest(ACME)
        with pytest.raises(BackendUnavailableError):
            await witness.vouch([*lists, key_list(NEXT_KEYS, KEYS, minutes=1)])
        with pytest.raises(BackendUnavailableError):
            await witness.key_lists()
        await self.put_in_plug(witness)
        assert await witness.latest(ACME) == first.checkpoint
        assert await witness.latest(OTHER) is None
        assert list(await witness.key_lists()) == lists


def _wrong(how: str) -> Extension:
    """What does not go on from 8 entries at a minute past noon."""
    good = extension(_CHAIN[:12], 8, 2)
    statement = Statement.parse(good.checkpoint.statement)
    same = replace(statement, size=8, root=Statement.parse(extension(_CHAIN[:8]).checkpoint.statement).root)
    wrong = {
        "fewer": extension(_CHAIN[:5], 0, 2),
        "earlier": extension(_CHAIN[:12], 8, 0),
        "root": Extension(signed(replace(same, head=_CHAIN[7].hash, root=bytes(32)))[0], 8, ()),
        "head": Extension(signed(replace(same, head=bytes(32)))[0], 8, ()),
        "path": replace(good, path=(bytes(32), *good.path[1:])),
        "since": replace(good, since=4, path=path_between(_CHAIN[:12], 4)),
        "origin": extension(_CHAIN[:12], 8, 2, SigningKeys("elsewhere.example.com")),
        "anew": extension(_FORK[:12], 8, 2),
    }
    return wrong[how]


async def _keep(given: Extension, key_lists: Sequence[str], witness: Witness) -> None:
    await witness.publish([given])
    await witness.vouch(key_lists)


async def _race(say: str, witness: Witness) -> list[TenantId]:
    """Whose chain was kept: its first checkpoint, and the one that goes on from it."""
    chains = {tenant: written(tenant, 5, say) for tenant in _RACED}
    ready = [(tenant, extension(chain[:2]), extension(chain, 2, 1)) for tenant, chain in chains.items()]
    kept: list[TenantId] = []
    for tenant, first, later in ready:
        try:
            await witness.publish([first])
        except WitnessRefusedError:
            continue
        kept.append(tenant)
        await witness.publish([later])
    return kept


def _end(opening: Opening[Witness], deed: Deed[Witness, None], *, is_killed: bool) -> None:
    """Do a deed in a process that is killed as soon as it is done, or let go."""
    context = multiprocessing.get_context("spawn")
    done, leave = context.Event(), context.Event()
    process = context.Process(target=_live, args=(opening, deed, done, leave), daemon=True)
    process.start()
    assert done.wait(_SECONDS), "the deed was not done in the other process"
    if is_killed:
        process.kill()
    else:
        # One that is killed while it waits would be waited for.
        leave.set()
    process.join(_SECONDS)
    process.close()


def _live(opening: Opening[Witness], deed: Deed[Witness, None], done: Event, leave: Event) -> None:
    async def live() -> None:
        async with opening() as witness:
            await deed(witness)
            done.set()
            await asyncio.to_thread(leave.wait, _SECONDS)

    asyncio.run(live())
