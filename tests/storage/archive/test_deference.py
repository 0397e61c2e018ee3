"""A writer that gets no number asks for a pause; whoever hears of it lets it go first, once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from storage.archive.deference import Deference
from storage.layout import waiting_key
from storage.log.events import Entry
from storage.log.waiting import Notes, Wait, parse_wait
from storage.objects.memory import MemoryStore
from tests.build.virtual_time import run_virtually

KEY = waiting_key("epoch")


def entry(number: int, node: str, waits: str = "") -> Entry:
    return Entry(number, "epoch", f"commit {number}", node, datetime.now(UTC), waits=waits)


def one(store: MemoryStore, node: str) -> Deference:
    return Deference(Notes(store, "epoch"), node)


async def note(store: MemoryStore) -> str:
    return (await store.get(KEY)).decode() if [info async for info in store.list(KEY)] else ""


def test_who_lost_much_more_than_usual_leaves_a_note_and_is_let_go_first() -> None:
    async def story() -> None:
        store = MemoryStore()
        slow, quick, third = one(store, "slow"), one(store, "quick"), one(store, "third")
        slow.consider(3, 2.0, 0.3)
        await asyncio.sleep(0)
        assert not await note(store)
        slow.consider(20, 2.0, 0.3)
        await asyncio.sleep(0.1)
        quick.consider(1, 2.0, 0.05)
        await asyncio.sleep(0.1)
        told = entry(7, "quick", quick.telling())
        assert told.waits
        for each in (slow, quick, third):
            each.meet(told)
        assert slow.invited
        assert not slow.wait_seconds()
        assert 0.9 < quick.wait_seconds() == third.wait_seconds() < 1.2
        await asyncio.sleep(0.1)
        assert not await note(store)
        quick.meet(entry(8, "slow"))
        assert quick.wait_seconds() == 0.0

    run_virtually(story())


def test_a_note_that_nobody_stands_behind_costs_one_pause() -> None:
    async def story() -> None:
        store = MemoryStore()
        await store.put(KEY, [Wait("note", "dead", 1.0).text().encode()])
        node = one(store, "a")
        pauses = 0
        for number in range(1, 30):
            node.consider(1, 1.0, 0.05)
            await asyncio.sleep(0.6)
            node.meet(entry(number, "a", node.telling()))
            pauses += node.wait_seconds() > 0.5
            await asyncio.sleep(node.wait_seconds())
        assert pauses == 1
        assert not await note(store)

    run_virtually(story())


def test_there_is_time_between_two_pauses() -> None:
    async def story() -> None:
        store = MemoryStore()
        node = one(store, "a")
        pauses = 0
        for number in range(1, 31):
            await store.put(KEY, [Wait(f"note {number}", "b", 0.5).text().encode()])
            node.consider(1, 1.0, 0.05)
            await asyncio.sleep(0.6)
            waits = node.telling()
            node.meet(entry(number, "a", waits))
            pauses += bool(waits)
        assert 2 <= pauses <= 7

    run_virtually(story())


@pytest.mark.parametrize("text", ["", "[]", '["a","b","c"]', '["a","b",-1]', "{}", "\x00", '["a","b",null]'])
def test_a_note_that_says_nothing_is_none(text: str) -> None:
    assert parse_wait(text) is None


def test_nobody_gets_a_pause_without_end() -> None:
    wait = parse_wait('["a", "b", 1e9]')
    assert wait is not None
    assert wait.seconds <= 2.0
