"""Threads for calls that block."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable

import pytest

from storage.objects.hands import Hands


@pytest.fixture
async def hands() -> AsyncIterator[Hands]:
    hands = Hands("test", 4, patience=0.01)
    hands.open()
    yield hands
    await hands.close()


async def test_results_and_errors_come_back(hands: Hands) -> None:
    def divide(one: int, other: int) -> float:
        return one / other

    assert await hands.run(divide, 6, 3) == 2
    with pytest.raises(ZeroDivisionError):
        await hands.run(divide, 6, 0)


async def test_many_calls_all_come_back(hands: Hands) -> None:
    def double(number: int) -> int:
        return 2 * number

    for _ in range(20):
        assert await asyncio.gather(*(hands.run(double, number) for number in range(200))) == list(
            range(0, 400, 2)
        )


async def test_short_calls_are_made_by_one_thread(hands: Hands) -> None:
    threads = await asyncio.gather(*(hands.run(threading.get_ident) for _ in range(100)))

    assert len(set(threads)) < 4
    assert threading.get_ident() not in threads


async def test_calls_behind_a_long_one_get_help(hands: Hands) -> None:
    release = threading.Event()
    long = hands.run(release.wait)

    assert await asyncio.wait_for(hands.run(lambda: "short"), 5) == "short"
    release.set()
    assert await long


async def test_long_calls_come_to_run_side_by_side(hands: Hands) -> None:
    together = threading.Barrier(4)

    await asyncio.wait_for(asyncio.gather(*(hands.run(together.wait, 5) for _ in range(4))), 10)


async def test_without_patience_calls_run_side_by_side_at_once() -> None:
    hands = Hands("test", 4, patience=0.0)
    hands.open()
    together = threading.Barrier(4)

    await asyncio.wait_for(asyncio.gather(*(hands.run(together.wait, 5) for _ in range(4))), 10)
    await hands.close()


async def test_no_more_threads_than_allowed_are_started(hands: Hands) -> None:
    before = threading.active_count()

    await asyncio.gather(*(hands.run(time.sleep, 0.02) for _ in range(12)))

    assert threading.active_count() - before <= 4


async def test_a_call_cancelled_before_it_began_is_not_made(hands: Hands) -> None:
    release = threading.Event()
    made: list[int] = []
    calls: list[Callable[[], object]] = [release.wait] * 4
    blocking = [hands.run(call) for call in calls]
    cancelled = hands.run(made.append, 1)
    cancelled.cancel()
    release.set()
    await asyncio.gather(*blocking)
    await hands.run(made.append, 2)

    assert made == [2]


async def test_closing_makes_the_calls_that_wait_and_ends_the_threads() -> None:
    before = threading.active_count()
    hands = Hands("test", 2, patience=0.01)
    hands.open()
    calls = [hands.run(time.sleep, 0.005) for _ in range(10)]

    await hands.close()

    assert all(call.done() for call in calls)
    # the executor that waits for the threads is the event loop's own
    assert [thread for thread in threading.enumerate() if thread.name == "test"] == []
    assert threading.active_count() <= before + 1
    with pytest.raises(RuntimeError):
        hands.run(time.sleep, 0)
