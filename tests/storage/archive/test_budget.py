"""Bytes in flight are bounded, and nobody waits for ever."""

from __future__ import annotations

import asyncio

import pytest

from storage.archive.budget import ByteBudget, Share


async def test_who_fits_does_not_wait() -> None:
    budget = ByteBudget(10)
    await budget.take(4)
    await budget.take(6)
    assert budget.used == 10


async def test_who_does_not_fit_waits_until_enough_is_given_back() -> None:
    budget = ByteBudget(10)
    await budget.take(8)
    waiting = asyncio.create_task(budget.take(5))
    await asyncio.sleep(0)
    assert not waiting.done()
    budget.give(2)
    await asyncio.sleep(0)
    assert not waiting.done()
    budget.give(3)
    await waiting
    assert budget.used == 8


async def test_a_large_one_is_let_in_alone_rather_than_never() -> None:
    budget = ByteBudget(10)
    await budget.take(50)
    assert budget.used == 50
    waiting = asyncio.create_task(budget.take(1))
    await asyncio.sleep(0)
    assert not waiting.done()
    budget.give(50)
    await waiting


async def test_turns_are_taken_in_order_of_arrival() -> None:
    budget = ByteBudget(10)
    await budget.take(10)
    order: list[int] = []

    async def want(size: int) -> None:
        await budget.take(size)
        order.append(size)

    tasks = [asyncio.create_task(want(size)) for size in (9, 1, 2)]
    await asyncio.sleep(0)
    budget.give(10)
    await asyncio.sleep(0.01)
    assert order == [9, 1]
    budget.give(9)
    await asyncio.gather(*tasks)
    assert order == [9, 1, 2]


async def test_giving_up_the_wait_leaves_the_budget_as_it_was() -> None:
    budget = ByteBudget(10)
    await budget.take(10)
    waiting = asyncio.create_task(budget.take(5))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    budget.give(10)
    assert budget.used == 0
    await budget.take(10)


async def test_several_that_give_up_at_once_leave_the_others_waiting() -> None:
    budget = ByteBudget(10)
    await budget.take(10)
    tasks = [asyncio.create_task(budget.take(5)) for _ in range(4)]
    await asyncio.sleep(0)
    for task in tasks[:3]:
        task.cancel()
    await asyncio.gather(*tasks[:3], return_exceptions=True)
    budget.give(10)
    await tasks[3]
    assert budget.used == 5


async def test_when_all_hold_a_part_one_at_a_time_goes_over_the_limit() -> None:
    budget = ByteBudget(10)
    shares = [Share(budget) for _ in range(3)]
    for share in shares[:2]:
        await share.grow(5)
    tasks = [asyncio.create_task(share.grow(5)) for share in shares]
    await asyncio.sleep(0)
    assert [task.done() for task in tasks] == [True, False, False]
    assert budget.used == 15
    await shares[0].grow(1)
    shares[0].enough()
    await asyncio.sleep(0)
    assert [task.done() for task in tasks] == [True, True, False]
    shares[0].give()
    await asyncio.sleep(0)
    assert not tasks[2].done()
    shares[1].give()
    await tasks[2]
    shares[2].give()
    assert budget.used == 0


async def test_a_share_that_gives_up_the_wait_keeps_what_it_had() -> None:
    budget = ByteBudget(10)
    first, second = Share(budget), Share(budget)
    await first.grow(6)
    await second.grow(4)
    waiting = [asyncio.create_task(share.grow(4)) for share in (first, second)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    first.give()
    second.give()
    assert budget.used == 0
