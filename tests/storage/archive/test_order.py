"""Ids of an instance's versions come in the order of the log, whatever clocks say: a rebuild has nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.model.keys import InstanceKey, Scope
from dicomweb.model.outcome import Outcome, Reason
from storage import layout
from storage.archive import intake, streamed
from storage.archive.archive import LakeArchive
from storage.archive.identifiers import converted_id, fresh_id, id_time, is_converted, later_id
from storage.archive.settings import ArchiveSettings
from storage.objects.memory import MemoryStore
from tests.build.dicom import ct_slice, uid
from tests.build.lake import open_lake, read_whole, store_files
from tests.doubles import Around, of_kind, writes_in
from tests.storage.archive.test_conversion import converting

HOUR = 3600.0
KEY = InstanceKey(uid("study"), uid("series"), uid("instance"))
SMALL = ArchiveSettings(poll_seconds=0)
STREAMED = ArchiveSettings(poll_seconds=0, small_bytes=64)


def version(seed: int) -> bytes:
    # smooth, so that it can be made smaller
    return ct_slice(rows=32, columns=32, seed=seed).replace(bytes(range(64)), bytes(64))


class Clock:
    """The clock of whoever takes in the next instance."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def fresh_id(self) -> str:
        made = fresh_id()
        return f"{int(made[:12], 16) + int(1000 * self.ahead):012x}{made[12:]}"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in (intake, streamed):
        monkeypatch.setattr(module, "fresh_id", made.fresh_id)
    return made


class Interrupted(Around):
    """Something happens when the first so many objects have been written."""

    def __init__(self, store: MemoryStore, *, times: int) -> None:
        super().__init__(store, when=writes_in(layout.DICOM), times=times)
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    async def after(self, kind: str, key: str) -> None:
        if self.meanwhile is not None:
            await self.meanwhile()


async def names(archive: LakeArchive) -> list[str]:
    """Versions in log order."""
    return [one.instance.version for one in await archive.catalog.versions(Scope(KEY.study))]


async def objects(store: MemoryStore) -> set[str]:
    return {info.key async for info in store.list(layout.DICOM)}


@given(st.integers(0, 1 << 111), st.integers(0, 1 << 111), st.sampled_from([0.0, 0.25, 4.0]))
def test_a_later_id_comes_after_what_is_known_and_is_another_one_only_if_it_must(
    made: int, known: int, leap: float
) -> None:
    one, latest = f"{made:028x}", f"{known:028x}"
    later = later_id(one, latest, leap=leap)
    assert later > latest
    assert len(later) == len(one)
    assert (later == one) == (one > latest and not leap)
    assert not leap or id_time(later) >= max(id_time(one), id_time(latest)) + leap


@given(st.integers(0, 1 << 111))
def test_the_id_of_what_was_converted_comes_after_that_it_was_given(made: int) -> None:
    one = f"{made:028x}"
    marked = converted_id(one)
    assert is_converted(marked)
    assert marked >= one
    assert marked[:12] == one[:12]
    assert not is_converted(fresh_id())
    assert not is_converted(later_id(fresh_id(), marked))


def test_the_first_version_has_the_id_that_the_clock_gives() -> None:
    assert later_id(one := fresh_id(), "") == one


@pytest.mark.parametrize("settings", [SMALL, STREAMED], ids=["in memory", "streamed"])
async def test_whoever_is_behind_replaces_under_a_later_id_and_writes_no_more_than_ever(
    settings: ArchiveSettings, clock: Clock, tmp_path: Path
) -> None:
    store = Around(MemoryStore(), when=of_kind("put", "create", "upload", "delete", "list"))
    async with open_lake(store, tmp_path, settings=settings) as archive:
        for seed, clock.ahead in enumerate((HOUR, 0.0, -HOUR)):
            store.touched.clear()
            (receipt,) = await store_files(archive, version(seed))
            assert receipt.outcome is (Outcome.REPLACED if seed else Outcome.STORED)
            assert [kind for kind, _ in store.touched] == ["put" if settings is SMALL else "upload", "create"]
            assert await read_whole(archive, await archive.find_instance(KEY)) == version(seed)
        assert await names(archive) == sorted(await names(archive))


async def test_a_version_that_is_hidden_counts_too(clock: Clock, tmp_path: Path) -> None:
    async with open_lake(MemoryStore(), tmp_path) as archive:
        clock.ahead = HOUR
        await store_files(archive, version(1))
        await archive.remove(KEY.scope, door="", peer="")
        clock.ahead = 0.0
        await store_files(archive, version(2))
        assert await names(archive) == sorted(await names(archive))


async def test_one_wrong_clock_does_not_put_on_the_ids_of_other_instances(clock: Clock, tmp_path: Path) -> None:
    async with open_lake(MemoryStore(), tmp_path) as archive:
        clock.ahead = 24 * HOUR
        await store_files(archive, version(1))
        clock.ahead = 0.0
        await store_files(archive, version(2), ct_slice(instance="another"))
        other = await archive.find_instance(InstanceKey(KEY.study, KEY.series, uid("another")))
        assert id_time(other.version) < id_time((await archive.find_instance(KEY)).version) - HOUR


@pytest.mark.parametrize("settings", [SMALL, STREAMED], ids=["in memory", "streamed"])
async def test_what_was_overtaken_while_it_was_written_is_written_again_under_a_later_id(
    settings: ArchiveSettings, clock: Clock, tmp_path: Path
) -> None:
    truth = MemoryStore()
    store = Interrupted(truth, times=1)
    async with (
        open_lake(store, tmp_path / "a", settings=settings) as slow,
        open_lake(truth, tmp_path / "b", node="b") as fast,
    ):

        async def overtake() -> None:
            clock.ahead = HOUR
            await store_files(fast, version(1))
            clock.ahead = 0.0

        store.meanwhile = overtake
        (receipt,) = await store_files(slow, version(2))

        assert receipt.outcome is Outcome.REPLACED
        for node in (slow, fast):
            await node.catch_up()
            assert await read_whole(node, await node.find_instance(KEY)) == version(2)
        found = await names(slow)
        assert (len(found), found) == (2, sorted(found))
        assert await objects(truth) == {layout.object_key(KEY, one) for one in found}


async def test_what_was_overtaken_after_it_was_converted_keeps_what_it_was_when_it_came(
    clock: Clock, tmp_path: Path
) -> None:
    truth = MemoryStore()
    store = Interrupted(truth, times=1)
    # larger than an instance that is taken in memory because it is small
    settings = ArchiveSettings(poll_seconds=0, small_bytes=64)
    async with AsyncExitStack() as stack:
        opened = open_lake(store, tmp_path / "a", settings=settings, transcoder=converting())
        slow = await stack.enter_async_context(opened)
        fast = await stack.enter_async_context(open_lake(truth, tmp_path / "b", node="b"))

        async def overtake() -> None:
            clock.ahead = HOUR
            await store_files(fast, version(1))

        store.meanwhile = overtake
        (receipt,) = await store_files(slow, version(2))

        assert receipt.outcome is Outcome.REPLACED
        assert receipt.original_size == len(version(2))
        instance = await slow.find_instance(KEY)
        assert instance.original is not None
        assert is_converted(instance.version)
        assert slow.conversions is not None
        assert slow.conversions.converted == 1
        assert (await store_files(slow, version(2)))[0].outcome is Outcome.DUPLICATE


async def test_whoever_is_overtaken_without_end_is_told_to_send_again_and_leaves_nothing(
    clock: Clock, tmp_path: Path
) -> None:
    truth = MemoryStore()
    store = Interrupted(truth, times=100)
    async with open_lake(store, tmp_path / "a") as slow, open_lake(truth, tmp_path / "b", node="b") as fast:
        ahead = 0.0

        async def overtake() -> None:
            nonlocal ahead
            clock.ahead = ahead = ahead + HOUR
            await store_files(fast, version(int(ahead)))
            clock.ahead = 0.0

        store.meanwhile = overtake
        (receipt,) = await store_files(slow, version(2))

        assert receipt.outcome is Outcome.REFUSED
        assert receipt.failure is not None
        assert receipt.failure.reason is Reason.PROCESSING_FAILURE
        assert "send it again" in receipt.failure.message
        assert await objects(truth) == {layout.object_key(KEY, one) for one in await names(slow)}


async def test_two_versions_in_one_request_at_a_node_that_is_behind_come_in_their_order(
    clock: Clock, tmp_path: Path
) -> None:
    async with open_lake(MemoryStore(), tmp_path) as archive:
        clock.ahead = HOUR
        await store_files(archive, version(0))
        clock.ahead = 0.0
        for seed in range(1, 9, 2):
            receipts = await store_files(archive, version(seed), version(seed + 1))
            assert [one.outcome for one in receipts] == [Outcome.REPLACED] * 2
            assert await read_whole(archive, await archive.find_instance(KEY)) == version(seed + 1)
        assert await names(archive) == sorted(await names(archive))


def test_ids_of_one_process_ascend_also_when_its_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fresh_id()
    monkeypatch.setattr("time.time_ns", lambda: 0)
    assert fresh_id() > before
