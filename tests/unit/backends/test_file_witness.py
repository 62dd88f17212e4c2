"""The file of a witness: what stands in it, what is cut off, what is told, and who else may write."""

import asyncio
import fcntl
import json
import os
import re
import stat
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from apikeychain.backends import file_witness
from apikeychain.backends.file_witness import FileWitness
from apikeychain.errors import BackendUnavailableError, DamagedDataError, WitnessRefusedError
from apikeychain.model.ids import TenantId
from apikeychain.ports.witness import Extension
from apikeychain.proof.reading import canonical_json
from apikeychain.testing.checkpoints import (
    ACME,
    KEYS,
    NEXT_KEYS,
    OTHER,
    extension,
    key_list,
    said,
    signed,
    written,
)

CHAIN, BESIDE = written(ACME, 40), written(OTHER, 40)
FIRST = key_list(KEYS)
SECOND = key_list(NEXT_KEYS, KEYS, minutes=1)


def content(path: Path) -> bytes:
    return path.read_bytes()


def put(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def is_there(path: Path) -> bool:
    return path.exists()


def remove(path: Path) -> None:
    path.unlink()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "witness.jsonl"


@pytest.fixture
async def witness(path: Path) -> AsyncGenerator[FileWitness, None]:
    async with FileWitness(path) as opened:
        yield opened


async def test_a_moment_is_a_line_with_its_note_once(witness: FileWitness, path: Path) -> None:
    both = [Extension(each, 0, ()) for each in signed(said(CHAIN[:3]), said(BESIDE[:5]))]
    await witness.publish(both)
    await witness.publish([both[0]])
    await witness.vouch([FIRST])
    first, second = map(json.loads, content(path).splitlines())
    assert first.keys() == {"checkpoints", "note", "v"}
    assert [json.loads(each["statement"])["tenant"] for each in first["checkpoints"]] == [ACME, OTHER]
    assert second == {"key_lists": [FIRST], "v": 1}
    assert content(path) == b"".join(canonical_json(line) + b"\n" for line in (first, second))
    assert mode(path) == 0o600
    assert await witness.latest(OTHER) == both[1].checkpoint


async def test_nothing_is_made_before_something_is_kept(witness: FileWitness, path: Path) -> None:
    assert await witness.latest(ACME) is None
    assert await witness.key_lists() == ()
    await witness.publish([])
    assert not is_there(path)


async def test_a_last_line_that_was_not_finished_is_cut_off(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with FileWitness(path) as witness:
        await witness.publish([first := extension(CHAIN[:3])])
        whole = content(path)
        await witness.publish([later := extension(CHAIN[:6], 3, 1)])
    longer = content(path)
    # At every tenth byte, the last one alone missing too.
    for size in (*range(len(whole) + 1, len(longer), len(longer) // 10), len(longer) - 1):
        put(path, longer[:size])
        async with FileWitness(path) as witness:
            assert await witness.latest(ACME) == first.checkpoint
            assert len(content(path)) == size
            await witness.publish([later])
            assert content(path) == longer
    assert "ended in the middle of a line" in caplog.text


async def test_lines_before_it_stay_byte_by_byte(witness: FileWitness, path: Path) -> None:
    await witness.publish([extension(CHAIN[:3])])
    before = content(path)
    with path.open("ab") as file:
        file.write(b'{"checkpoints":')
    await witness.publish([extension(CHAIN[:6], 3, 1)])
    assert content(path).startswith(before)
    assert content(path).count(b"\n") == 2


def line(*checkpoints: object, note: object = "n", v: object = 1) -> bytes:
    return canonical_json({"checkpoints": [*checkpoints], "note": note, "v": v}) + b"\n"


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"\n", "is not JSON with one reading"),
        (b"\xff\n", "is no text"),
        (b"[]\n", "is no JSON object"),
        (b'{"v":1} \n', "is not canonical JSON"),
        (line(v=2), "the version of a line is unknown"),
        (line(note=1), "has other members than"),
        (line(1), "is no JSON object"),
        (line({"index": 0, "path": [], "statement": "{}"}), "the statement has other members"),
        (b'{"key_lists":[1],"v":1}\n', "a key list is no text"),
        (b'{"key_lists":{},"v":1}\n', "has other members than"),
    ],
    ids=[
        *("empty", "bytes", "a list", "a space", "a version", "a note", "a number", "a statement", "key lists"),
        "no key lists",
    ],
)
async def test_a_line_that_nobody_wrote_is_told(witness: FileWitness, path: Path, raw: bytes, why: str) -> None:
    await witness.publish([extension(CHAIN[:3])])
    good = content(path)
    put(path, good + raw + good)
    for reader in (witness, FileWitness(path)):
        for deed in (reader.latest(ACME), reader.publish([extension(CHAIN[:6], 3, 1)]), reader.key_lists()):
            with pytest.raises(DamagedDataError, match=re.escape(f"at byte {len(good)}: ") + ".*" + re.escape(why)):
                await deed
    assert content(path) == good + raw + good


async def test_a_chain_that_goes_back_in_the_file_is_told(path: Path) -> None:
    async with FileWitness(path) as witness:
        await witness.publish([extension(CHAIN[:3])])
        await witness.publish([extension(CHAIN[:6], 3, 1)])
    lines = content(path).splitlines(keepends=True)
    put(path, lines[1] + lines[0])
    with pytest.raises(DamagedDataError, match="the chain goes back") as caught:
        await FileWitness(path).latest(ACME)
    assert caught.value.tenant == ACME


@pytest.mark.parametrize("deed", ["cut", "replaced"])
async def test_a_file_that_is_not_the_one_it_was_is_told(witness: FileWitness, path: Path, deed: str) -> None:
    await witness.publish([extension(CHAIN[:3])])
    raw = content(path)
    if deed == "cut":
        os.truncate(path, len(raw) - 1)
    else:
        put(path.with_suffix(".new"), raw)
        path.with_suffix(".new").replace(path)
    with pytest.raises(DamagedDataError, match="it was cut, or another one took its place"):
        await witness.latest(ACME)
    with pytest.raises(DamagedDataError, match="it was cut, or another one took its place"):
        await witness.publish([extension(CHAIN[:6], 3, 1)])


async def test_what_changed_under_a_place_that_was_read_is_told(witness: FileWitness, path: Path) -> None:
    await witness.publish([first := extension(CHAIN[:3])])
    raw = content(path)
    for old, new in (
        (b"acme", b"\xff\xff\xff\xff"),
        (b'{"index":0', b'{"index":a'),
        (b'"note":"gate', b'"note":{gate'),
    ):
        put(path, raw.replace(old, new))
        with pytest.raises(DamagedDataError, match=r"witness\.jsonl .* of the tenant 'acme'"):
            await witness.latest(ACME)
    number = raw.index(b'"note":"') + len(b'"note":')
    put(path, raw[:number] + b"1" * (len(raw) - number - len(b',"v":1}\n')) + b',"v":1}\n')
    with pytest.raises(DamagedDataError):
        await witness.latest(ACME)
    put(path, raw)
    assert await witness.latest(ACME) == first.checkpoint


async def test_a_chain_that_cannot_be_read_is_refused_and_others_are_kept(witness: FileWitness, path: Path) -> None:
    await witness.publish([extension(CHAIN[:3])])
    put(path, content(path).replace(b'{"index":0', b'{"index":a'))
    good = extension(BESIDE[:2])
    with pytest.raises(WitnessRefusedError) as refused:
        await witness.publish([extension(CHAIN[:5], 3, 1), good])
    assert [*refused.value.reasons] == [ACME]
    assert "of the tenant 'acme' cannot be read" in refused.value.reasons[ACME]
    assert await witness.latest(OTHER) == good.checkpoint


async def test_what_another_process_wrote_is_read_before_it_is_decided(witness: FileWitness, path: Path) -> None:
    await witness.publish([extension(CHAIN[:3])])
    async with FileWitness(path) as other:
        await other.publish([later := extension(CHAIN[:9], 3, 1)])
        await other.vouch([FIRST])
    with pytest.raises(WitnessRefusedError, match="it goes on from 3 entries, and 9 are witnessed"):
        await witness.publish([extension(CHAIN[:12], 3, 1)])
    assert await witness.latest(ACME) == later.checkpoint
    assert list(await witness.key_lists()) == [FIRST]
    await witness.vouch([FIRST, SECOND])
    with pytest.raises(WitnessRefusedError, match="key lists: the key lists are not those that are witnessed"):
        await witness.vouch([SECOND])


async def test_who_cannot_get_the_lock_says_so(
    witness: FileWitness, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await witness.publish([extension(CHAIN[:3])])
    monkeypatch.setattr(file_witness, "_LOCK_SECONDS", 0.05)
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for deed in (witness.latest(ACME), witness.publish([extension(CHAIN[:6], 3, 1)])):
            with pytest.raises(BackendUnavailableError, match=r"another process has written for 0\.05 s"):
                await deed
    await witness.publish([extension(CHAIN[:6], 3, 1)])


async def test_others_can_write_while_a_long_file_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with FileWitness(path) as witness:
        for size in (3, 6, 9):
            await witness.publish([last := extension(CHAIN[:size], size - 3, int(size > 3))])
    whole, free, has_lock = content(path), list[bool](), file_witness._has_lock

    def first_another(file: int, kind: int) -> bool:
        with path.open() as beside:
            free.append(has_lock(beside.fileno(), fcntl.LOCK_EX))
        return has_lock(file, kind)

    monkeypatch.setattr(file_witness, "_PART_BYTES", 1)
    monkeypatch.setattr(file_witness, "_has_lock", first_another)
    assert await FileWitness(path).latest(ACME) == last.checkpoint
    # Before each of the three lines, and before the end.
    assert free == [True] * 4
    put(path, whole + whole[:100])
    with_half_a_line = FileWitness(path)
    assert await with_half_a_line.latest(ACME) == last.checkpoint
    await with_half_a_line.publish([last])
    assert content(path) == whole


async def test_a_disk_that_is_full_keeps_nothing_of_a_line(
    witness: FileWitness, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await witness.publish([extension(CHAIN[:3])])
    before, write = content(path), os.write

    def half(file: int, raw: memoryview) -> int:
        if len(raw) < 1000:
            raise OSError(28, "No space left on device")
        return write(file, raw[: len(raw) // 2])

    with monkeypatch.context() as full:
        full.setattr(os, "write", half)
        with pytest.raises(BackendUnavailableError, match="No space left on device"):
            await witness.publish([extension(CHAIN[:6], 3, 1)])
    assert content(path) == before
    await witness.publish([extension(CHAIN[:6], 3, 1)])


async def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BackendUnavailableError, match="it is no regular file"):
        await FileWitness(tmp_path / "pipe").latest(ACME)
    with pytest.raises(BackendUnavailableError, match="No such file or directory"):
        await FileWitness(tmp_path / "nowhere" / "file").latest(ACME)
    with pytest.raises(BackendUnavailableError, match="Is a directory"):
        await FileWitness(tmp_path).publish([extension(CHAIN[:3])])


async def test_a_file_that_is_gone_while_it_is_used_is_not_made_anew(witness: FileWitness, path: Path) -> None:
    await witness.publish([extension(CHAIN[:3])])
    remove(path)
    for deed in (witness.latest(ACME), witness.publish([extension(CHAIN[:6], 3, 1)])):
        with pytest.raises(BackendUnavailableError, match="No such file or directory"):
            await deed
    assert not is_there(path)


async def test_what_cannot_be_a_checkpoint_is_refused_beside_what_is_kept(witness: FileWitness) -> None:
    first = extension(CHAIN[:3])
    odd = replace(first, checkpoint=replace(first.checkpoint, statement="{}"))
    strange = extension(written(TenantId("../x"), 2))
    twice = [extension(BESIDE[:2]), extension(BESIDE[:3])]
    with pytest.raises(WitnessRefusedError) as refused:
        await witness.publish([first, odd, strange, *twice])
    assert refused.value.reasons.keys() == {"?", OTHER}
    assert await witness.latest(ACME) == first.checkpoint
    assert await witness.latest(OTHER) is None


async def test_it_is_left_when_its_writing_has_ended(path: Path) -> None:
    witness = FileWitness(path)
    async with witness:
        writing = asyncio.ensure_future(witness.publish([extension(CHAIN[:3])]))
        await asyncio.sleep(0)
        while not witness._one.locked() and not writing.done():  # noqa: ASYNC110 - a thread has no event
            await asyncio.sleep(0)
        writing.cancel()
    assert content(path).endswith(b"\n")


async def test_memory_holds_places_and_not_what_stands_there(witness: FileWitness) -> None:
    tenants = [TenantId(f"t{number}") for number in range(50)]
    given = [Extension(each, 0, ()) for each in signed(*(said(written(tenant, 2)) for tenant in tenants))]
    await witness.publish(given)
    assert len(witness._places) == 50
    assert len({place.note for place in witness._places.values()}) == 1
    for tenant, extension_ in zip(sorted(tenants), given, strict=True):
        assert await witness.latest(tenant) == extension_.checkpoint
