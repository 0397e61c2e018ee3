"""The cache of bytes."""

from __future__ import annotations

import asyncio

import pytest

from dicomweb.ports import Unavailable
from dicomweb.services.byte_cache import ByteCache

KILO = b"x" * 1000


class Maker:
    """Makes bytes after `release` is set, and counts how often."""

    def __init__(self) -> None:
        self.made = 0
        self.release = asyncio.Event()

    async def __call__(self) -> bytes:
        self.made += 1
        await self.release.wait()
        return KILO


async def test_a_key_is_made_once_however_many_wait() -> None:
    cache, maker = ByteCache(100_000), Maker()
    waiting = [asyncio.create_task(cache.get_or_make("key", maker)) for _ in range(5)]
    await asyncio.sleep(0)
    maker.release.set()
    assert await asyncio.gather(*waiting) == [KILO] * 5
    assert await cache.get_or_make("key", maker) == KILO
    assert maker.made == 1


async def test_a_client_going_away_spoils_nothing_for_the_next() -> None:
    cache, maker = ByteCache(100_000), Maker()
    first = asyncio.create_task(cache.get_or_make("key", maker))
    await asyncio.sleep(0)
    second = asyncio.create_task(cache.get_or_make("key", maker))
    await asyncio.sleep(0)
    first.cancel()
    maker.release.set()
    assert await second == KILO
    assert maker.made == 2
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_failure_is_not_kept() -> None:
    cache = ByteCache(100_000)

    async def fail() -> bytes:
        raise Unavailable("no store")

    with pytest.raises(Unavailable):
        await cache.get_or_make("key", fail)
    maker = Maker()
    maker.release.set()
    assert await cache.get_or_make("key", maker) == KILO


def test_what_was_used_last_is_kept_within_the_bound() -> None:
    cache = ByteCache(6000)
    for key in "abcd":
        cache.put(key, KILO)
    assert cache.get("a") == KILO
    cache.put("e", KILO)
    assert [key for key in "abcde" if cache.get(key)] == ["a", "c", "d", "e"]
    assert cache.held_bytes <= 6000


def test_what_would_fill_it_alone_is_not_kept() -> None:
    cache = ByteCache(3000)
    cache.put("a", KILO)
    assert cache.get("a") is None
    assert cache.held_bytes == 0


def test_putting_a_key_again_replaces_it() -> None:
    cache = ByteCache(100_000)
    cache.put("a", KILO)
    held = cache.held_bytes
    cache.put("a", KILO)
    assert cache.held_bytes == held
    cache.drop("a")
    cache.drop("a")
    assert cache.held_bytes == 0


async def test_empty_bytes_are_a_value() -> None:
    cache, made = ByteCache(1000), []

    async def make() -> bytes:
        made.append(1)
        return b""

    assert [await cache.get_or_make("key", make) for _ in range(2)] == [b"", b""]
    assert made == [1]
