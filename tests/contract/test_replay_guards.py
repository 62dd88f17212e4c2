"""Both guards against replays, under the one contract; what the file's mark adds to it."""

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from apikeychain.backends.file_replay_guard import FileReplayGuard
from apikeychain.backends.memory_replay_guard import MemoryReplayGuard
from apikeychain.errors import BackendUnavailableError
from apikeychain.ports.replay_guard import ReplayGuard
from apikeychain.testing.eventually import until
from apikeychain.testing.replay_guard import NOW, Clock, ReplayGuardContract, token


class TestMemoryReplayGuard(ReplayGuardContract):
    @asynccontextmanager
    async def make(self, clock: Clock, room: int) -> AsyncGenerator[MemoryReplayGuard, None]:
        yield MemoryReplayGuard(max_claims=room, now=clock)

    async def pull_plug(self, guard: ReplayGuard) -> bool:
        del guard
        return False


class TestFileReplayGuard(ReplayGuardContract):
    @pytest.fixture(autouse=True)
    def directory(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "data"
        self.folder.mkdir()

    @asynccontextmanager
    async def make(self, clock: Clock, room: int) -> AsyncGenerator[FileReplayGuard, None]:
        async with FileReplayGuard(self.folder / "claims.mark", max_claims=room, now=clock) as guard:
            yield guard

    async def pull_plug(self, guard: ReplayGuard) -> bool:
        del guard
        self.folder.rmdir()
        return True


def mark_of(path: Path) -> int:
    return int(path.read_text())


async def test_a_restart_between_two_sends_forgets_no_claim(tmp_path: Path) -> None:
    path = tmp_path / "claims.mark"
    async with FileReplayGuard(path, now=Clock()) as guard:
        assert await guard.claim(token(1), NOW) == "claimed"
    async with FileReplayGuard(path, now=Clock()) as guard:
        assert await guard.claim(token(1), NOW) == "forgotten"
        assert await guard.claim(token(2), NOW + 2) == "forgotten"
        assert await guard.claim(token(2), NOW + 3) == "claimed"


@pytest.mark.parametrize("ahead", [1, 2, 3, 29])
async def test_the_mark_is_in_the_file_before_it_is_reached(ahead: int, tmp_path: Path) -> None:
    path = tmp_path / "claims.mark"
    async with FileReplayGuard(path, now=Clock()) as guard:
        for timestamp in (NOW, NOW + ahead):
            assert await guard.claim(token(timestamp), timestamp) == "claimed"
            assert timestamp <= mark_of(path) <= NOW + ahead + 2


async def test_while_time_goes_on_no_claim_waits_for_the_file(tmp_path: Path) -> None:
    path = tmp_path / "claims.mark"
    async with FileReplayGuard(path, now=Clock()) as guard:
        await guard.claim(token(0), NOW)
        assert mark_of(path) == NOW + 2
        await guard.claim(token(1), NOW + 1)
        claim = guard.claim(token(2), NOW + 2)
        with pytest.raises(StopIteration) as done:
            claim.send(None)
        assert done.value.value == "claimed"
        await until(lambda: mark_of(path) == NOW + 4)


async def test_many_who_are_ahead_wait_for_one_writing(tmp_path: Path) -> None:
    path = tmp_path / "claims.mark"
    async with FileReplayGuard(path, now=Clock()) as guard:
        claims = await asyncio.gather(*(guard.claim(token(number), NOW + number) for number in range(20)))
        assert set(claims) == {"claimed"}
        assert mark_of(path) >= NOW + 19


@pytest.mark.parametrize("content", [b"", b"soon", b"\xff\x00"])
async def test_a_mark_that_cannot_be_read_counts_as_the_latest(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "claims.mark"
    path.write_bytes(content)
    async with FileReplayGuard(path, now=Clock()) as guard:
        assert await guard.claim(token(1), NOW + 29) == "forgotten"
        assert await guard.claim(token(1), NOW + 33) == "claimed"
    assert "signed calls are refused for 32 s" in caplog.text


async def test_a_mark_that_another_process_moved_after_the_opening_counts(tmp_path: Path) -> None:
    path = tmp_path / "claims.mark"
    async with FileReplayGuard(path, now=Clock()) as early, FileReplayGuard(path, now=Clock()) as serving:
        assert await serving.claim(token(1), NOW) == "claimed"
        assert await early.claim(token(1), NOW) == "forgotten"


async def test_a_guard_that_is_entered_again_still_has_its_own_claims(tmp_path: Path) -> None:
    guard = FileReplayGuard(tmp_path / "claims.mark", now=Clock())
    async with guard:
        assert await guard.claim(token(1), NOW) == "claimed"
    async with guard:
        assert await guard.claim(token(1), NOW) == "replayed"
        assert await guard.claim(token(2), NOW) == "claimed"


async def test_a_mark_that_was_set_by_a_wrong_clock_is_none_for_long(tmp_path: Path) -> None:
    path = tmp_path / "claims.mark"
    path.write_text(str(NOW + 10**8))
    seconds = Clock()
    async with FileReplayGuard(path, now=Clock(), clock=seconds) as guard:
        assert await guard.claim(token(1), NOW + 32) == "forgotten"
        assert await guard.claim(token(1), NOW + 33) == "claimed"
        assert mark_of(path) == NOW + 10**8
        seconds.seconds += 64
        assert await guard.claim(token(2), NOW + 36) == "claimed"
        assert mark_of(path) == NOW + 38


async def test_a_restart_with_a_clock_that_is_behind_forgets_no_claim_once_it_is_set_right(tmp_path: Path) -> None:
    path, behind = tmp_path / "claims.mark", Clock()
    async with FileReplayGuard(path, now=Clock()) as guard:
        assert await guard.claim(token(1), NOW) == "claimed"
    behind.seconds = NOW - 3600
    for _ in range(2):
        async with FileReplayGuard(path, now=behind) as guard:
            assert await guard.claim(token(2), NOW - 3600) == "forgotten"
    async with FileReplayGuard(path, now=behind) as guard:
        assert await guard.claim(token(3), NOW - 3567) == "claimed"
        behind.seconds = NOW + 10
        assert await guard.claim(token(1), NOW) == "forgotten"
        assert await guard.claim(token(4), NOW + 10) == "claimed"


async def test_a_writing_that_was_begun_ends_before_the_guard_is_left(tmp_path: Path) -> None:
    path = tmp_path / "claims.mark"
    async with FileReplayGuard(path, now=Clock()) as guard:
        await guard.claim(token(1), NOW)
        assert await guard.claim(token(2), NOW + 2) == "claimed"
        await asyncio.sleep(0)
    assert mark_of(path) == NOW + 4


def test_two_loops_move_one_mark(tmp_path: Path) -> None:
    guard = FileReplayGuard(tmp_path / "claims.mark", now=Clock())

    async def claims(first: int) -> set[str]:
        return {await guard.claim(token(first + number), NOW + number) for number in range(60)}

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(lambda first: asyncio.run(claims(first)), (0, 1000))) == [{"claimed"}] * 2


async def test_claims_run_out_again_after_a_clock_that_was_wrong() -> None:
    clock = Clock()
    guard = MemoryReplayGuard(max_claims=2, now=clock)
    clock.seconds = NOW + 1000
    assert await guard.claim(token(1), NOW + 1000) == "claimed"
    clock.seconds = NOW
    assert await guard.claim(token(2), NOW) == "claimed"
    clock.seconds = NOW + 61
    assert await guard.claim(token(3), NOW + 61) == "claimed"


async def test_a_mark_that_cannot_be_written_closes_the_guard(tmp_path: Path) -> None:
    path = tmp_path / "data" / "claims.mark"
    path.parent.mkdir()
    async with FileReplayGuard(path, now=Clock()) as guard:
        assert await guard.claim(token(1), NOW) == "claimed"
        path.unlink()
        path.parent.rmdir()
        assert await guard.claim(token(2), NOW + 2) == "claimed"
        with pytest.raises(BackendUnavailableError, match=r"cannot be written to .*claims\.mark"):
            await guard.claim(token(3), NOW + 3)
