"""Reading ahead: in order, no further than said, and nothing goes on when the reader has gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from storage.log.reading_ahead import read_ahead


async def counted(until: int) -> AsyncIterator[int]:
    for number in range(until):
        yield number


async def test_results_come_in_order_whichever_is_ready_first() -> None:
    async def read(number: int) -> int:
        await asyncio.sleep(0.002 * (5 - number % 5))
        return number * 10

    async with aclosing(read_ahead(counted(12), read, ahead=4)) as results:
        assert [one async for one in results] == [number * 10 for number in range(12)]


@pytest.mark.parametrize("ahead", [0, 1, 3])
async def test_no_more_than_said_is_read_ahead(ahead: int) -> None:
    begun, looked_at = 0, 0

    async def read(number: int) -> int:
        nonlocal begun
        begun += 1
        assert begun - looked_at <= ahead + 1
        return number

    async with aclosing(read_ahead(counted(10), read, ahead=ahead)) as results:
        async for _ in results:
            await asyncio.sleep(0)
            looked_at += 1

    assert looked_at == begun == 10


async def test_what_is_under_way_ends_with_its_reader() -> None:
    running = 0

    async def read(number: int) -> int:
        nonlocal running
        running += 1
        try:
            if number:
                await asyncio.sleep(3600)
            return number
        finally:
            running -= 1

    async with aclosing(read_ahead(counted(3), read, ahead=2)) as results:
        assert await anext(results) == 0
        assert running == 2

    assert running == 0


async def test_what_cannot_be_read_is_told_in_its_turn() -> None:
    async def read(number: int) -> int:
        if number == 1:
            raise ConnectionError
        return number

    async with aclosing(read_ahead(counted(3), read, ahead=2)) as results:
        assert await anext(results) == 0
        with pytest.raises(ConnectionError):
            await anext(results)
