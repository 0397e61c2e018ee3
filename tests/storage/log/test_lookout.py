"""Waiting for what others write: nothing is missed, nothing asked for twice at once, no store asked to death."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime

import pytest

from storage.log.errors import DamagedEntry
from storage.log.events import Entry
from storage.log.lookout import Lookout
from storage.objects.contract import StoreUnavailable
from tests.build.virtual_time import run_virtually

REQUEST = 0.1


class Log:
    """Entries that are there from some moment on; asking for one takes a tenth of a second."""

    def __init__(self, **since: float) -> None:
        self.since = {int(name[1:]): when for name, when in since.items()}
        self.asked: Counter[int] = Counter()
        self.decoded: Counter[int] = Counter()
        self.under_way = self.most_under_way = 0
        self.away_until = 0.0
        self.damaged: set[int] = set()

    async def fetch(self, number: int) -> bytes | None:
        self.asked[number] += 1
        self.under_way += 1
        self.most_under_way = max(self.under_way, self.most_under_way)
        try:
            await asyncio.sleep(REQUEST)
        finally:
            self.under_way -= 1
        now = asyncio.get_running_loop().time()
        if now < self.away_until:
            raise StoreUnavailable("log", "no answer")
        if self.since.get(number, now + 1) > now:
            return None
        return b"entry"

    async def decode(self, number: int, data: bytes) -> Entry:
        self.decoded[number] += 1
        if number in self.damaged:
            raise DamagedEntry(number, "as told")
        return Entry(number, "epoch", f"commit {number}", "other", datetime.now(UTC))


async def wait_for(log: Log, after: int, **far: bool) -> tuple[list[int], float]:
    """Numbers that are told, and when."""
    lookout = Lookout(log.fetch, log.decode)
    told = await lookout.news(after, request_seconds=REQUEST, **far)
    when = asyncio.get_running_loop().time()
    await lookout.close()
    return [entry.number for entry in told], when


def test_an_entry_is_known_soon_after_it_came() -> None:
    told, when = run_virtually(wait_for(Log(n5=1.0), 4))
    assert told == [5]
    assert when < 1.0 + REQUEST / 2


def test_a_store_that_does_not_answer_is_no_news_and_is_asked_again() -> None:
    log = Log(n1=0.0)
    log.away_until = 2.0
    told, when = run_virtually(wait_for(log, 0))
    assert told == [1]
    assert 2.0 <= when < 2.0 + REQUEST


def test_a_damaged_entry_is_told_once_what_lies_before_it_was() -> None:
    log = Log(n1=0.0, n2=0.0, n3=0.0)
    log.damaged = {2}

    async def look() -> list[int]:
        lookout = Lookout(log.fetch, log.decode)
        await asyncio.wait_for(lookout.news(0, request_seconds=REQUEST, far=True), 1)
        await asyncio.sleep(1)
        first = [entry.number for entry in lookout.seen(0)]
        with pytest.raises(DamagedEntry):
            lookout.seen(1)
        await lookout.close()
        return first

    assert run_virtually(look()) == [1]


def test_who_is_far_behind_reads_many_at_a_time() -> None:
    log = Log(**{f"n{number}": 0.0 for number in range(1, 101)})

    async def read() -> float:
        lookout, after = Lookout(log.fetch, log.decode), 0
        while after < 100:
            after = (await lookout.news(after, request_seconds=REQUEST, far=True))[-1].number
        await lookout.close()
        return asyncio.get_running_loop().time()

    assert run_virtually(read()) < 100 * REQUEST / 4


def test_what_was_asked_for_just_now_is_not_asked_for_again() -> None:
    log = Log(n1=3.0)
    run_virtually(wait_for(log, 0))
    assert log.asked[1] <= 3 * 3.0 / REQUEST + 3
    assert log.most_under_way <= 16


def test_an_entry_that_was_read_twice_is_unpacked_once() -> None:
    log = Log(n1=1.0)

    async def look() -> None:
        lookout = Lookout(log.fetch, log.decode)
        await lookout.news(0, request_seconds=REQUEST)
        await asyncio.sleep(1)
        await lookout.close()

    run_virtually(look())
    assert log.decoded[1] == 1


def test_an_answer_that_nobody_waits_for_any_more_is_known_the_next_time() -> None:
    log = Log(n1=0.0)

    async def look() -> tuple[list[int], int]:
        lookout = Lookout(log.fetch, log.decode)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(lookout.news(0, request_seconds=REQUEST), REQUEST / 4)
        told = await lookout.news(0, request_seconds=REQUEST)
        asked = log.asked[1]
        await lookout.close()
        return [entry.number for entry in told], asked

    told, asked = run_virtually(look())
    assert told == [1]
    assert asked <= 4
