"""Memory that the work in hand shares."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from dicomweb.services.room import Room


class Worker:
    """Work that takes room, and holds it until it is told to end."""

    def __init__(self, room: Room, size: int) -> None:
        self.begun = False
        self.end = asyncio.Event()
        self.task = asyncio.ensure_future(self._work(room, size))

    async def _work(self, room: Room, size: int) -> None:
        async with room.take(size):
            self.begun = True
            await self.end.wait()


async def begun(*workers: Worker) -> list[bool]:
    for _ in range(4):
        await asyncio.sleep(0)
    return [worker.begun for worker in workers]


async def test_who_would_pass_the_limit_waits_for_others_to_end_and_is_not_overtaken() -> None:
    room = Room(10)
    first, large, small = workers = Worker(room, 6), Worker(room, 5), Worker(room, 1)
    assert await begun(*workers) == [True, False, False]
    first.end.set()
    assert await begun(*workers) == [True, True, True]
    large.end.set()
    small.end.set()
    await asyncio.gather(*(worker.task for worker in workers))


async def test_work_that_is_larger_than_all_room_has_its_turn_alone() -> None:
    room = Room(10)
    small, large = Worker(room, 1), Worker(room, 1000)
    assert await begun(small, large) == [True, False]
    small.end.set()
    assert await begun(small, large) == [True, True]
    large.end.set()
    await large.task


@pytest.mark.parametrize("turn_has_come", [False, True])
async def test_who_goes_away_while_it_waits_leaves_its_room_to_the_next(turn_has_come: bool) -> None:
    room = Room(10)
    first, gone, last = workers = Worker(room, 10), Worker(room, 9), Worker(room, 10)
    assert await begun(*workers) == [True, False, False]
    if turn_has_come:
        first.end.set()
        await asyncio.sleep(0)
    gone.task.cancel()
    first.end.set()
    assert await begun(*workers) == [True, False, True]
    last.end.set()
    await last.task
    async with AsyncExitStack() as stack:
        for _ in range(10):
            await asyncio.wait_for(stack.enter_async_context(room.take(1)), 1)
