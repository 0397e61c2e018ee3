"""The log: numbers that are given once, outcomes that are told right, followers that miss nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest

from storage.layout import entry_key
from storage.log.events import Entry, Event
from storage.log.journal import Contest, DamagedEntry, Journal, OutcomeUnknown
from storage.objects.contract import ObjectStore, StoreDenied, StoreFull, StoreUnavailable
from storage.objects.memory import MemoryStore
from tests.doubles import Delays, creates_in
from tests.storage.log.make import key, removed, stored
from tests.storage.log.stores import Away, DropsAnswers, Watched, Wrapped


async def opened(store: object, node: str = "a", *, patience: float = 5.0, listing: bool = False) -> Journal:
    return await Journal.open(store, node=node, patience_seconds=patience, listing=listing)  # type: ignore[arg-type]  # a store by its methods


async def fill(journal: Journal, count: int, first: int = 1) -> None:
    for number in range(first, first + count):
        assert (await journal.append(number, [stored(key(instance=number))], f"commit-{number}")).won


async def entries(journal: Journal, after: int = 0) -> list[Entry]:
    return [entry async for entry in journal.follow(after)]


async def gather(journal: Journal, given: list[int]) -> None:
    async for entry in journal.follow(0):
        given.append(entry.number)


async def numbers(journal: Journal, after: int = 0) -> list[int]:
    return [entry.number for entry in await entries(journal, after)]


class Committer:
    """What a committer does: follow to the tail, try the next number, until one is won."""

    def __init__(self, journal: Journal, request_seconds: float = 0.0) -> None:
        self._journal = journal
        self._contest = Contest(request_seconds=request_seconds)
        self._applied = 0

    async def commit(self, events: Sequence[Event], name: str) -> int:
        """Number of the entry that has the events."""
        while True:
            try:
                appended = await self._journal.append(self._applied + 1, events, name, self._contest)
            except OutcomeUnknown as unknown:
                appended = await self._journal.append(unknown.number, events, unknown.commit)
            self._applied = appended.entry.number
            if appended.won:
                return self._applied
            async for entry in self._journal.follow(self._applied):
                self._applied = entry.number


async def test_an_appended_entry_can_be_read(store: ObjectStore) -> None:
    journal = await opened(store)
    events = [stored(key()), removed(key().scope)]

    appended = await journal.append(1, events, "mine")

    assert appended.won
    assert (appended.entry.number, appended.entry.commit, appended.entry.node) == (1, "mine", "a")
    assert appended.entry.events == tuple(events)
    assert await (await opened(store, "b")).read(1) == appended.entry
    assert await journal.read(2) is None


async def test_who_comes_second_is_given_the_winners_entry(store: ObjectStore) -> None:
    first, second = await opened(store, "a"), await opened(store, "b")
    won = await first.append(1, [stored(key(instance=1))], "first")

    lost = await second.append(1, [stored(key(instance=2))], "second")

    assert not lost.won
    assert lost.entry == won.entry


async def test_eight_writers_lose_and_double_nothing(store: ObjectStore) -> None:
    commits = 20
    events = {f"{w}-{c}": [stored(key(series=w, instance=c))] for w in range(8) for c in range(commits)}

    async def write(writer: int) -> list[int]:
        committer = Committer(await opened(store, f"node-{writer}", patience=60))
        return [await committer.commit(events[f"{writer}-{c}"], f"{writer}-{c}") for c in range(commits)]

    won = await asyncio.gather(*map(write, range(8)))

    log = await entries(await opened(store))
    assert [entry.number for entry in log] == list(range(1, 8 * commits + 1))
    assert sorted(number for some in won for number in some) == list(range(1, 8 * commits + 1))
    assert sorted(entry.commit for entry in log) == sorted(events)
    assert all(entry.events == tuple(events[entry.commit]) for entry in log)


@pytest.mark.parametrize("request_seconds", [0.0, 0.002], ids=["plain", "looking-out"])
@pytest.mark.parametrize("kind", ["local", "memory"])
async def test_writers_on_a_store_that_drops_answers_lose_and_double_nothing(
    kind: str, request_seconds: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from storage.objects.local import LocalStore

    inner = MemoryStore() if kind == "memory" else LocalStore(tmp_path_factory.mktemp("lake"))
    chance = random.Random(4)
    store = DropsAnswers(inner, lambda: chance.choice(["told", "told", "written", "lost"]))
    events = {f"{w}-{c}": [stored(key(series=w, instance=c))] for w in range(4) for c in range(10)}

    async def write(writer: int) -> None:
        journal = await opened(store, f"node-{writer}", patience=60)
        committer = Committer(journal, request_seconds)
        for c in range(10):
            await committer.commit(events[f"{writer}-{c}"], f"{writer}-{c}")
        await journal.close()

    async with inner:
        await asyncio.gather(*map(write, range(4)))
        log = await entries(await opened(inner))

    assert store.dropped > 10
    assert [entry.number for entry in log] == list(range(1, 41))
    assert sorted(entry.commit for entry in log) == sorted(events)


async def test_who_looks_out_knows_the_winner_before_the_store_has_answered() -> None:
    inner = MemoryStore()
    await fill(await opened(inner), 1)
    store = Delays(inner, gate=asyncio.Event(), when=creates_in("log/"))
    journal = await opened(store, "b")

    lost = await journal.append(1, [stored(key(instance=2))], "mine", Contest(request_seconds=0.01))

    assert not lost.won
    assert lost.entry.commit == "commit-1"
    await journal.close()


async def test_who_looks_out_and_sees_its_own_entry_waits_for_the_store() -> None:
    class Slow(Delays):
        async def after(self, kind: str, key: str) -> None:
            await asyncio.sleep(0.05)
            finished.append(key)

    finished: list[str] = []
    journal = await opened(Slow(MemoryStore(), when=creates_in("log/")))

    won = await journal.append(1, [stored(key())], "mine", Contest(request_seconds=0.01))

    assert won.won
    assert finished == [entry_key(journal.epoch, 1)]
    await journal.close()


async def test_a_write_without_an_answer_is_known_by_its_commit_id() -> None:
    answers = iter(["told", "written"])
    journal = await opened(DropsAnswers(MemoryStore(), lambda: next(answers)))

    appended = await journal.append(1, [stored(key())], "mine")

    assert appended.won
    assert await numbers(journal) == [1]


async def test_a_write_that_got_lost_is_tried_again() -> None:
    answers = iter(["told", "lost", "lost", "told"])
    journal = await opened(DropsAnswers(MemoryStore(), lambda: next(answers)))

    assert (await journal.append(1, [stored(key())], "mine")).won


async def test_an_outcome_that_cannot_be_told_is_told_later() -> None:
    inner = MemoryStore()
    store = Away(DropsAnswers(inner, lambda: "written"))
    journal = await opened(inner)
    journal.store = store  # type: ignore[assignment]  # a store by its methods
    store.away = True

    with pytest.raises(OutcomeUnknown) as caught:
        await _with_patience(journal, 0.1).append(1, [stored(key())], "mine")
    store.away = False
    events = [stored(key())]
    appended = await journal.append(caught.value.number, events, caught.value.commit)

    assert (caught.value.number, caught.value.commit) == (1, "mine")
    assert appended.won
    assert await numbers(journal) == [1]


def _with_patience(journal: Journal, seconds: float) -> Journal:
    journal._patience = seconds
    return journal


async def test_an_unknown_outcome_may_turn_out_to_be_another_writers() -> None:
    inner = MemoryStore()
    store = Away(inner)
    journal = await opened(store, patience=0.1)
    store.away = True
    with pytest.raises(OutcomeUnknown):
        await journal.append(1, [stored(key())], "mine")
    await (await opened(inner, "b")).append(1, [stored(key(instance=2))], "theirs")
    store.away = False

    appended = await journal.append(1, [stored(key())], "mine")

    assert not appended.won
    assert appended.entry.commit == "theirs"


@pytest.mark.parametrize("refusal", [StoreFull, StoreDenied])
async def test_a_refused_write_is_told_as_such_and_leaves_nothing(refusal: type[Exception]) -> None:
    class Refuses(Wrapped):
        async def put(self, key: str, data: object, *, create: bool = False) -> None:
            raise refusal(key, "no")

    inner = MemoryStore()
    journal = await opened(inner)
    journal.store = Refuses(inner)  # type: ignore[assignment]  # a store by its methods

    with pytest.raises(refusal):
        await journal.append(1, [stored(key())], "mine")

    assert await (await opened(inner)).read(1) is None


async def test_a_refusal_after_an_unanswered_write_does_not_hide_that_it_happened() -> None:
    class WritesThenRefuses(Wrapped):
        tried = 0

        async def put(self, key: str, data: Sequence[bytes], *, create: bool = False) -> None:
            self.tried += 1
            if self.tried > 1:
                raise StoreFull(key, "no room")
            await asyncio.get_running_loop().run_in_executor(None, lambda: None)
            self.late = (key, data)
            raise StoreUnavailable(key, "no answer")

        async def get(self, key: str, span: object = None) -> bytes:
            if self.tried > 1:
                # the first write arrives after it was looked for
                await self.inner.put(*self.late)
            data: bytes = await self.inner.get(key)
            return data

    inner = MemoryStore()
    journal = await opened(inner)
    journal.store = WritesThenRefuses(inner)  # type: ignore[assignment]  # a store by its methods

    assert (await journal.append(1, [stored(key())], "mine")).won


async def test_nothing_is_built_on_an_entry_that_a_power_cut_may_take(store: ObjectStore) -> None:
    await fill(await opened(store, "a"), 1)
    watched = Watched(store)
    second = await opened(watched, "b")
    key_1, key_2 = entry_key(second.epoch, 1), entry_key(second.epoch, 2)
    watched.done.clear()

    await second.append(2, [stored(key(instance=2))], "next")

    assert watched.done == [("settle", key_1), ("put", key_2), ("settle", key_2)]


async def test_what_a_follower_is_given_is_durable() -> None:
    inner = MemoryStore()
    await fill(await opened(inner, "a"), 3)
    watched = Watched(inner)
    follower = await opened(watched, "b")
    watched.done.clear()

    async for entry in follower.follow(0):
        if entry.number == 3:
            break

    assert ("settle", entry_key(follower.epoch, 3)) in watched.done


async def test_a_writer_alone_settles_each_entry_once() -> None:
    watched = Watched(MemoryStore())
    journal = await opened(watched)
    watched.done.clear()

    await fill(journal, 3)

    assert [what for what, _ in watched.done] == ["put", "settle"] * 3


@pytest.mark.parametrize("listing", [False, True])
async def test_followers_near_and_far_are_given_everything_in_order(store: ObjectStore, listing: bool) -> None:
    writer = await opened(store, "a")
    follower = await opened(store, "b", listing=listing)
    assert await numbers(follower) == []

    await fill(writer, 2)
    assert await numbers(follower) == [1, 2]
    await fill(writer, 70, first=3)

    assert await numbers(follower, after=2) == list(range(3, 73))
    assert await numbers(follower, after=72) == []
    assert await follower.tail(0) == 72
    assert await follower.tail(72) == 72


async def test_following_a_log_without_news_is_one_read() -> None:
    inner = MemoryStore()
    await fill(await opened(inner, "a"), 3)
    watched = Watched(inner)
    follower = await opened(watched, "b")
    await numbers(follower)
    watched.done.clear()

    assert await numbers(follower, after=3) == []

    assert watched.done == [("get", entry_key(follower.epoch, 4))]


async def test_a_damaged_entry_is_told_after_what_lies_before_it(store: ObjectStore) -> None:
    journal = await opened(store)
    await fill(journal, 6)
    name = entry_key(journal.epoch, 4)
    data = await store.get(name)
    await store.put(name, [data[: len(data) // 2]])
    given: list[int] = []

    with pytest.raises(DamagedEntry) as caught:
        await gather(await opened(store, "b"), given)

    assert caught.value.number == 4
    assert given == [1, 2, 3]


async def test_a_missing_entry_below_the_tail_is_damage(store: ObjectStore) -> None:
    journal = await opened(store)
    await fill(journal, 6)
    await store.delete(entry_key(journal.epoch, 4))
    given: list[int] = []

    with pytest.raises(DamagedEntry) as caught:
        await gather(await opened(store, "b"), given)
    with pytest.raises(DamagedEntry):
        await (await opened(store, "c")).tail(0)

    assert caught.value.number == 4
    assert given == [1, 2, 3]


async def test_an_entry_that_came_while_the_log_was_listed_is_no_gap() -> None:
    class LeavesOut(Wrapped):
        def list(self, prefix: str = "", *, after: str = "") -> object:
            async def listed() -> object:
                async for info in self.inner.list(prefix, after=after):
                    if not info.key.endswith("3.arrow"):
                        yield info

            return listed()

    inner = MemoryStore()
    await fill(await opened(inner), 5)

    assert await numbers(await opened(LeavesOut(inner))) == [1, 2, 3, 4, 5]


async def test_writing_on_top_of_a_missing_entry_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    from storage.objects.local import LocalStore

    async with LocalStore(tmp_path_factory.mktemp("lake")) as store:
        journal = await opened(store)

        with pytest.raises(DamagedEntry) as caught:
            await journal.append(5, [stored(key())], "mine")

        assert caught.value.number == 4


async def test_an_entry_has_events_and_a_number() -> None:
    journal = await opened(MemoryStore())

    with pytest.raises(ValueError):
        await journal.append(1, [], "mine")
    with pytest.raises(ValueError):
        await journal.append(0, [stored(key())], "mine")


async def test_large_entries_come_back() -> None:
    journal = await opened(MemoryStore())
    events = [stored(key(instance=n), number=n, elements=40) for n in range(3000)]

    await journal.append(1, events, "large")

    assert (await entries(journal))[0].events == tuple(events)


async def test_rows_are_read_up_to_a_bound() -> None:
    journal = await opened(MemoryStore())
    await fill(journal, 80)

    everything = await journal.read_rows(0, until=None, most_bytes=1 << 30)
    some = await journal.read_rows(10, until=15, most_bytes=1 << 30)
    little = await journal.read_rows(0, until=None, most_bytes=1)

    assert [number for number, _ in everything] == list(range(1, 81))
    assert [number for number, _ in some] == [11, 12, 13, 14, 15]
    assert [number for number, _ in little] == [1]
    assert await journal.read_rows(80, until=None, most_bytes=1) == []


async def test_a_log_that_is_listed_in_parts_is_followed_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.log.reader._LISTED_AT_ONCE", 10)
    store = MemoryStore()
    await fill(await opened(store), 30)

    assert await numbers(await opened(store)) == list(range(1, 31))
