"""What every cache of derived bytes must do (`dicomweb.ports.DerivedCache`), whatever it keeps them in.

Whoever fulfils the contract subclasses `DerivedCacheContract` and gives it the fixture `cache`.
"""

from __future__ import annotations

import asyncio

import pytest

from dicomweb.ports import DerivedCache


class Maker:
    """Makes bytes, counts how often, and can be held up."""

    def __init__(self, *made: bytes | BaseException) -> None:
        self.made = list(made) or [b"made"]
        self.begun = 0
        self.cancelled = 0
        self.called = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self) -> bytes:
        result = self.made[min(self.begun, len(self.made) - 1)]
        self.begun += 1
        self.called.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(result, BaseException):
            raise result
        return result


async def begun(maker: Maker) -> None:
    """Wait until the maker was called."""
    async with asyncio.timeout(5):
        await maker.called.wait()


class DerivedCacheContract:
    """The suite."""

    async def test_what_was_made_is_given_again(self, cache: DerivedCache) -> None:
        make = Maker(b"first", b"second")

        answers = [await cache.get_or_make("key", make) for _ in range(3)]

        assert answers == [b"first"] * 3
        assert make.begun == 1

    async def test_keys_do_not_share(self, cache: DerivedCache) -> None:
        await cache.get_or_make("one", Maker(b"1"))

        assert await cache.get_or_make("two", Maker(b"2")) == b"2"
        assert await cache.get_or_make("one", Maker(b"3")) == b"1"

    async def test_nothing_at_all_is_something_that_was_made(self, cache: DerivedCache) -> None:
        make = Maker(b"")

        assert [await cache.get_or_make("empty", make) for _ in range(2)] == [b"", b""]
        assert make.begun == 1

    async def test_many_who_ask_at_once_wait_for_one_making(self, cache: DerivedCache) -> None:
        make = Maker(b"once", b"twice")
        make.go_on.clear()
        asking = [asyncio.create_task(cache.get_or_make("key", make)) for _ in range(50)]
        await begun(make)

        make.go_on.set()

        assert await asyncio.gather(*asking) == [b"once"] * 50
        assert make.begun == 1

    async def test_the_first_who_asks_goes_away_and_the_others_get_it(self, cache: DerivedCache) -> None:
        make = Maker(b"for the others")
        make.go_on.clear()
        first = asyncio.create_task(cache.get_or_make("key", make))
        await begun(make)
        others = [asyncio.create_task(cache.get_or_make("key", make)) for _ in range(3)]
        await asyncio.sleep(0)

        first.cancel()
        await asyncio.wait([first])
        make.go_on.set()

        assert first.cancelled()
        assert await asyncio.gather(*others) == [b"for the others"] * 3

    async def test_one_who_waits_goes_away_and_the_first_gets_it(self, cache: DerivedCache) -> None:
        make = Maker(b"for the first")
        make.go_on.clear()
        first = asyncio.create_task(cache.get_or_make("key", make))
        await begun(make)
        second = asyncio.create_task(cache.get_or_make("key", make))
        await asyncio.sleep(0)

        second.cancel()
        await asyncio.wait([second])
        make.go_on.set()

        assert await first == b"for the first"
        assert make.begun == 1

    async def test_when_all_have_gone_the_next_who_asks_gets_it_all_the_same(self, cache: DerivedCache) -> None:
        make = Maker(b"given up", b"anew")
        make.go_on.clear()
        asking = [asyncio.create_task(cache.get_or_make("key", make)) for _ in range(3)]
        await begun(make)
        for task in asking:
            task.cancel()
        await asyncio.wait(asking)
        make.go_on.set()

        async with asyncio.timeout(5):
            assert await cache.get_or_make("key", make) in (b"given up", b"anew")

    async def test_what_making_raises_goes_to_all_who_wait(self, cache: DerivedCache) -> None:
        make = Maker(ValueError("corrupted frame"))
        make.go_on.clear()
        asking = [asyncio.create_task(cache.get_or_make("key", make)) for _ in range(5)]
        await begun(make)

        make.go_on.set()

        answers = await asyncio.gather(*asking, return_exceptions=True)
        assert [type(answer) for answer in answers] == [ValueError] * 5
        assert make.begun == 1

    async def test_what_making_raised_is_not_kept(self, cache: DerivedCache) -> None:
        make = Maker(ValueError("for the moment"), b"now it works")
        with pytest.raises(ValueError, match="for the moment"):
            await cache.get_or_make("key", make)

        assert await cache.get_or_make("key", make) == b"now it works"

    async def test_one_key_being_made_holds_up_no_other(self, cache: DerivedCache) -> None:
        slow = Maker(b"slow")
        slow.go_on.clear()
        waiting = asyncio.create_task(cache.get_or_make("slow", slow))
        await begun(slow)

        async with asyncio.timeout(5):
            assert await cache.get_or_make("quick", Maker(b"quick")) == b"quick"

        slow.go_on.set()
        assert await waiting == b"slow"

    async def test_more_than_fits_is_made_again_not_refused(self, cache: DerivedCache) -> None:
        block = bytes(100_000)
        for number in range(200):
            assert await cache.get_or_make(f"block {number}", Maker(block)) == block

        assert await cache.get_or_make("block 0", Maker(block)) == block
