"""Derived bytes in memory and on disk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dicomweb.ports import DerivedCache
from storage.derived.cache import TieredCache
from tests.contracts.derived_cache import DerivedCacheContract, Maker, begun

SMALL = 1 << 20


class TestInMemory(DerivedCacheContract):
    @pytest.fixture
    async def cache(self, tmp_path: Path) -> AsyncIterator[DerivedCache]:
        async with TieredCache(tmp_path / "derived", memory_bytes=SMALL, disk_bytes=0) as cache:
            yield cache


class TestInMemoryAndOnDisk(DerivedCacheContract):
    @pytest.fixture
    async def cache(self, tmp_path: Path) -> AsyncIterator[DerivedCache]:
        async with TieredCache(tmp_path / "derived", memory_bytes=SMALL, disk_bytes=8 * SMALL) as cache:
            yield cache


class TestOnDiskAlone(DerivedCacheContract):
    @pytest.fixture
    async def cache(self, tmp_path: Path) -> AsyncIterator[DerivedCache]:
        async with TieredCache(tmp_path / "derived", memory_bytes=0, disk_bytes=8 * SMALL) as cache:
            yield cache


def opened(folder: Path, *, memory: int = SMALL, disk: int = 8 * SMALL) -> TieredCache:
    return TieredCache(folder, memory_bytes=memory, disk_bytes=disk)


async def test_memory_stays_within_its_bound(tmp_path: Path) -> None:
    async with opened(tmp_path, disk=0) as cache:
        for number in range(300):
            await cache.get_or_make(f"key {number}", Maker(bytes(10_000)))

        assert 0.8 * SMALL < cache.memory_bytes <= SMALL


async def test_what_was_used_last_stays_in_memory(tmp_path: Path) -> None:
    async with opened(tmp_path, disk=0) as cache:
        await cache.get_or_make("dear", Maker(b"dear"))
        for number in range(300):
            await cache.get_or_make(f"key {number}", Maker(bytes(10_000)))
            await cache.get_or_make("dear", Maker(b"made again"))

        assert await cache.get_or_make("dear", Maker(b"made again")) == b"dear"


async def test_a_large_entry_drives_nothing_out_of_memory(tmp_path: Path) -> None:
    async with opened(tmp_path) as cache:
        await cache.get_or_make("small", Maker(b"small"))
        await cache.get_or_make("large", Maker(bytes(SMALL // 2)))
        held = cache.memory_bytes

        assert await cache.get_or_make("small", Maker(b"made again")) == b"small"
        assert held < SMALL // 8


async def test_a_large_entry_is_found_on_disk(tmp_path: Path) -> None:
    async with opened(tmp_path) as cache:
        await cache.get_or_make("large", Maker(bytes(SMALL)))
        await cache.settled()

        again = await cache.get_or_make("large", Maker(b"made again"))

        assert again == bytes(SMALL)
        assert (cache.counts.made, cache.counts.disk_hits) == (1, 1)


async def test_a_hit_in_memory_costs_microseconds_and_no_turn_of_the_loop(tmp_path: Path) -> None:
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with opened(tmp_path) as cache:
        make = Maker(b"picture")
        await cache.get_or_make("key", make)
        await cache.settled()
        counting = asyncio.create_task(count_turns())
        before = time.process_time()
        for _ in range(1000):
            await cache.get_or_make("key", make)
        spent = time.process_time() - before
        seen = turns
        counting.cancel()

    assert seen == 0
    assert spent < 1000 * 20e-6
    assert make.begun == 1


async def test_counts_tell_what_the_cache_was_good_for(tmp_path: Path) -> None:
    async with opened(tmp_path) as cache:
        make = Maker(b"picture")
        make.go_on.clear()
        both = [asyncio.create_task(cache.get_or_make("key", make)) for _ in range(2)]
        await begun(make)
        make.go_on.set()
        await asyncio.gather(*both)
        await cache.get_or_make("key", make)
        with pytest.raises(ValueError, match="odd"):
            await cache.get_or_make("other", Maker(ValueError("odd")))

        counts = cache.counts

    assert (counts.made, counts.joined, counts.memory_hits, counts.failed) == (1, 1, 1, 1)


async def test_work_that_nobody_waits_for_is_given_up(tmp_path: Path) -> None:
    async with opened(tmp_path) as cache:
        make = Maker(b"for nobody")
        make.go_on.clear()
        asking = [asyncio.create_task(cache.get_or_make("key", make)) for _ in range(2)]
        await begun(make)
        for task in asking:
            task.cancel()
        await asyncio.wait(asking)
        await asyncio.sleep(0)

        assert make.cancelled == 1


async def test_closing_ends_what_is_under_way(tmp_path: Path) -> None:
    make = Maker(b"never")
    make.go_on.clear()
    async with opened(tmp_path) as cache:
        asking = asyncio.create_task(cache.get_or_make("key", make))
        await begun(make)

    await asyncio.wait([asking], timeout=5)
    assert asking.cancelled()
