"""Inflated copies: made once, bounded, right to the byte."""

from __future__ import annotations

import asyncio
import random
import zlib
from pathlib import Path

import pytest

from dicomweb.model.frames import FrameIndex, NativeFrames
from dicomweb.model.ranges import ByteRange
from dicomweb.ports import Damaged
from storage.frames.inflated import CopyTooLarge, InflatedCopies
from storage.frames.reads import read_frame
from storage.objects.contract import ObjectMissing
from tests.build.dicom import deflate
from tests.storage.frames.stores import NotingStore

META = bytes(range(200))
"""Stands for preamble and file meta information."""
PLAIN = random.Random(3).randbytes(40_000)
WHOLE = META + PLAIN
CAPACITY = 1 << 20


def size(file: Path) -> int:
    return file.stat().st_size


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def put(store: NotingStore, key: str, plain: bytes = PLAIN) -> None:
    await store.put(key, [META, deflate(plain)])


async def test_spans_count_in_the_inflated_object(tmp_path: Path) -> None:
    store = NotingStore()
    await put(store, "a")
    async with InflatedCopies(store, tmp_path / "copies", capacity_bytes=CAPACITY) as copies:
        view = copies.view(len(META))
        assert await view.get("a", ByteRange(150, 1250)) == WHOLE[150:1250]
        assert await view.get("a", ByteRange(40_000, 50_000)) == WHOLE[40_000:]
        assert await view.get("a") == WHOLE
        chunks = [chunk async for chunk in view.stream("a", ByteRange(10, len(WHOLE)))]
        assert b"".join(chunks) == WHOLE[10:]
        index = FrameIndex(4, NativeFrames(len(META), 8000), inflated=True, declared=4)
        assert await read_frame(view, "a", index, 3) == PLAIN[2000:3000]
    assert len(store.reads) == 1


async def test_however_many_wait_for_a_copy_it_is_made_once(tmp_path: Path) -> None:
    store = NotingStore()
    await put(store, "a")
    async with InflatedCopies(store, tmp_path, capacity_bytes=CAPACITY) as copies:
        view = copies.view(len(META))
        impatient = asyncio.create_task(view.get("a", ByteRange(0, 10)))
        others = [asyncio.create_task(view.get("a", ByteRange(at, at + 10))) for at in range(20)]
        await asyncio.sleep(0)
        impatient.cancel()
        assert await asyncio.gather(*others) == [WHOLE[at : at + 10] for at in range(20)]
    assert len(store.reads) == 1


async def test_the_copy_used_longest_ago_goes_when_there_is_no_room(tmp_path: Path) -> None:
    store = NotingStore()
    for key in ("a", "b", "c"):
        await put(store, key)
    async with InflatedCopies(store, tmp_path, capacity_bytes=2 * len(WHOLE)) as copies:
        view = copies.view(len(META))
        for key in ("a", "b", "a", "c"):
            await view.get(key, ByteRange(0, 1))
        assert sum(map(size, files(tmp_path))) == 2 * len(WHOLE)
        await view.get("a", ByteRange(0, 1))
        assert len(store.reads) == 3
        assert await view.get("b", ByteRange(300, 400)) == WHOLE[300:400]
        assert len(store.reads) == 4


async def test_a_copy_deleted_behind_our_back_is_made_again(tmp_path: Path) -> None:
    store = NotingStore()
    await put(store, "a")
    async with InflatedCopies(store, tmp_path, capacity_bytes=CAPACITY) as copies:
        view = copies.view(len(META))
        await view.get("a", ByteRange(0, 10))
        for file in files(tmp_path):
            file.unlink()
        assert await view.get("a", ByteRange(300, 400)) == WHOLE[300:400]


async def test_what_inflates_beyond_the_room_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    store = NotingStore()
    await put(store, "a")
    async with InflatedCopies(store, tmp_path, capacity_bytes=len(WHOLE) - 1) as copies:
        with pytest.raises(CopyTooLarge):
            await copies.view(len(META)).get("a", ByteRange(0, 10))
        assert files(tmp_path) == []


async def test_a_bomb_is_stopped_by_its_ratio(tmp_path: Path) -> None:
    store = NotingStore()
    await put(store, "bomb", bytes(64 << 20))
    async with InflatedCopies(store, tmp_path, capacity_bytes=1 << 30) as copies:
        with pytest.raises(Damaged):
            await copies.view(len(META)).get("bomb", ByteRange(0, 10))
        assert files(tmp_path) == []


@pytest.mark.parametrize("broken", [deflate(PLAIN)[:-100], b"\xff" * 1000, zlib.compress(PLAIN)])
async def test_bytes_that_cannot_be_inflated_are_damage_each_time(tmp_path: Path, broken: bytes) -> None:
    store = NotingStore()
    await store.put("a", [META, broken])
    async with InflatedCopies(store, tmp_path, capacity_bytes=CAPACITY) as copies:
        for _ in range(2):
            with pytest.raises(Damaged):
                await copies.view(len(META)).get("a", ByteRange(0, 10))


async def test_a_missing_object_is_told_as_the_store_does(tmp_path: Path) -> None:
    async with InflatedCopies(NotingStore(), tmp_path, capacity_bytes=CAPACITY) as copies:
        with pytest.raises(ObjectMissing):
            await copies.view(0).get("nothing", ByteRange(0, 10))


async def test_the_folder_is_empty_before_and_after(tmp_path: Path) -> None:
    (tmp_path / "left behind").write_bytes(b"x")
    store = NotingStore()
    await put(store, "a")
    async with InflatedCopies(store, tmp_path, capacity_bytes=CAPACITY) as copies:
        assert files(tmp_path) == []
        await copies.view(len(META)).get("a", ByteRange(0, 10))
    assert files(tmp_path) == []
