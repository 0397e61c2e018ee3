"""What goes wrong in a bad moment, one named case each: nobody waits for ever, nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dicomweb.model.keys import InstanceKey, Level, Scope
from dicomweb.model.outcome import Outcome, Reason, Receipt
from dicomweb.model.query import Query
from dicomweb.ports import NotStored, Unavailable
from storage import layout
from storage.archive.archive import LakeArchive
from storage.archive.inspect import Inspector, inspect_whole
from storage.archive.settings import ArchiveSettings
from storage.catalog.database import CatalogBroken
from storage.catalog.settings import CatalogSettings
from storage.log.checkpoint import Checkpoint
from storage.log.errors import FormatMissing, TooNew
from storage.objects.address import Memory
from storage.objects.contract import ObjectStore, StoreFull
from storage.objects.memory import MemoryStore
from storage.upkeep.background import Upkeep, UpkeepSettings
from storage.upkeep.retention import expire
from storage.upkeep.sweep import sweep
from tests.build.dicom import ct_slice, multi_frame, native_frames, uid
from tests.build.lake import chunks, open_lake, read_whole, store_files
from tests.doubles import Delays, DropsAnswers, Fails, creates_in, of_kind

STUDY = uid("study")
SOON = 5.0
"""Seconds within which everything here is over, unless somebody waits for ever."""


def slice_of(number: int = 1, **attributes: Any) -> bytes:
    return ct_slice(seed=number, instance=f"sop {number}", **{"InstanceNumber": number, **attributes})


def key_of(number: int = 1) -> InstanceKey:
    return InstanceKey(STUDY, uid("series"), uid(f"sop {number}"))


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def archive(store: MemoryStore, tmp_path: Path) -> AsyncIterator[LakeArchive]:
    async with open_lake(store, tmp_path / "a") as opened:
        yield opened


async def objects(store: ObjectStore, prefix: str = layout.DICOM) -> list[str]:
    return [info.key async for info in store.list(prefix)]


async def until(condition: Callable[[], Any]) -> None:
    """Wait until it holds, or fail."""
    async with asyncio.timeout(SOON):
        while not condition():  # noqa: ASYNC110  # what is waited for has no event of its own
            await asyncio.sleep(0.01)


async def total(archive: LakeArchive) -> int:
    return (await archive.search(Query(Level.INSTANCE, ()))).total


# intake


async def test_senders_that_each_hold_a_part_do_not_wait_for_one_another_for_ever(
    store: MemoryStore, tmp_path: Path
) -> None:
    """Ten instances of 40 kB come at once, chunk by chunk in turns, where there is room for two."""
    settings = ArchiveSettings(budget_bytes=80_000, poll_seconds=0)
    files = [slice_of(n, rows=200, columns=100) for n in range(1, 11)]

    async def slowly(data: bytes) -> AsyncIterator[bytes]:
        async for chunk in chunks(data, 4000):
            yield chunk
            await asyncio.sleep(0)

    async with open_lake(store, tmp_path, settings=settings) as archive:

        async def send(data: bytes) -> Sequence[Receipt]:
            async with archive.submit(door="stow", peer="", expect=None) as submission:
                await submission.add(slowly(data))
                return await submission.finish()

        async with asyncio.timeout(SOON):
            receipts = await asyncio.gather(*map(send, files))
        assert {one.outcome for (one,) in receipts} == {Outcome.STORED}
        assert archive._intake.budget.used == 0


async def test_the_budget_is_given_back_however_an_instance_ends(archive: LakeArchive) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield slice_of()[:3000]
        raise ConnectionResetError

    async with archive.submit(door="stow", peer="", expect=None) as submission:
        with pytest.raises(ConnectionResetError):
            await submission.add(broken())
        await submission.add(chunks(b"no DICOM" * 100))
        await submission.add(chunks(slice_of()))
        await submission.finish()

    async def give_up() -> None:
        async with archive.submit(door="stow", peer="", expect=None) as submission:
            await submission.add(chunks(slice_of(2)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await give_up()
    assert archive._intake.budget.used == 0


@pytest.mark.parametrize("name", ["InstanceNumber", "AcquisitionNumber", "SeriesNumber"])
@pytest.mark.parametrize("value", ["9223372036854775808", "-9223372036854775809", "99999999999999999999999"])
@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom says that such a value is against the rules
async def test_a_number_too_large_for_its_column_does_not_end_all_searches(
    archive: LakeArchive, name: str, value: str
) -> None:
    data = slice_of(1, **{name: value})
    receipts = await store_files(archive, data, slice_of(2))
    assert {one.outcome for one in receipts} == {Outcome.STORED}
    assert await total(archive) == 2
    assert await read_whole(archive, await archive.find_instance(key_of(1))) == data


async def test_an_instance_that_makes_the_reader_stumble_is_refused_alone(
    archive: LakeArchive, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = inspect_whole

    def stumble(data: bytes, *others: Any) -> object:
        if b"Stumble" in data:
            raise ZeroDivisionError
        return look(data, *others)

    monkeypatch.setattr("storage.archive.intake.inspect_whole", stumble)
    receipts = await store_files(archive, slice_of(1), slice_of(2, PatientName="Stumble"), slice_of(3))
    assert [one.outcome for one in receipts] == [Outcome.STORED, Outcome.REFUSED, Outcome.STORED]
    assert receipts[1].failure is not None
    assert receipts[1].failure.reason == Reason.PROCESSING_FAILURE
    assert len(await objects(store)) == 2


async def test_a_large_instance_that_makes_the_reader_stumble_is_refused_alone(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ArchiveSettings(small_bytes=2000, poll_seconds=0)

    def stumble(*_: object) -> object:
        raise ZeroDivisionError

    async with open_lake(store, tmp_path, settings=settings) as archive:
        with monkeypatch.context() as patch:
            patch.setattr(Inspector, "finish", stumble)
            (refused,) = await store_files(archive, native_frames(40, rows=64, columns=64, bits=16))
        assert refused.outcome is Outcome.REFUSED
        assert await objects(store) == []
        (stored,) = await store_files(archive, slice_of(1))
        assert stored.outcome is Outcome.STORED
        assert archive._intake.budget.used == 0


async def test_what_never_tells_its_uids_is_refused_before_it_fills_the_memory(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.archive.streamed._BLOCK", 1000)
    settings = ArchiveSettings(small_bytes=2000, most_without_uids=20_000, poll_seconds=0)
    # a private element longer than that stands before the UIDs of study and series
    creator, long = b"\x09\x00\x10\x00LO\x04\x00TEST", b"\x09\x00\x01\x10OB\x00\x00"
    name = b"\x10\x00\x10\x00PN"
    data = slice_of(1).replace(name, creator + long + (100_000).to_bytes(4, "little") + bytes(100_000) + name)
    assert len(data) > 100_000
    async with open_lake(store, tmp_path, settings=settings) as archive:
        (refused,) = await store_files(archive, data)
        assert refused.outcome is Outcome.REFUSED
        assert archive._intake.budget.used == 0
        assert await objects(store) == []


# the committer and the follower


async def test_closing_ends_every_wait_for_a_commit(store: MemoryStore, tmp_path: Path) -> None:
    gate = asyncio.Event()
    slow = Delays(store, gate=gate, when=creates_in(layout.LOG))
    async with open_lake(slow, tmp_path) as archive:
        waiting: list[asyncio.Task[Any]] = []
        waiting += [asyncio.create_task(store_files(archive, slice_of(n))) for n in (1, 2, 3)]
        await until(lambda: slow.touched)
        waiting.append(asyncio.create_task(archive.restore(1, door="", peer="")))
        await asyncio.sleep(0.05)
    late = asyncio.create_task(archive.committer.submit([], by=None))
    done, still = await asyncio.wait([*waiting, late], timeout=SOON)
    for task in still:
        task.cancel()
    assert not still
    assert all(isinstance(task.exception(), Unavailable) for task in done)


async def test_closing_ends_the_wait_of_those_whose_batch_waits_for_the_log(
    store: MemoryStore, tmp_path: Path
) -> None:
    async with open_lake(store, tmp_path) as archive:
        async with archive.follower.lock:
            waiting = asyncio.create_task(store_files(archive, slice_of()))
            await asyncio.sleep(0.1)
            closing = asyncio.create_task(archive._closing.aclose())
            await asyncio.sleep(0.05)
        done, _ = await asyncio.wait([waiting], timeout=SOON)
        assert done
        assert isinstance(waiting.exception(), Unavailable)
        await closing


async def test_closing_waits_for_what_is_being_read_and_refuses_what_comes_later(
    store: MemoryStore, tmp_path: Path
) -> None:
    reading = threading.Event()

    def slowly(cursor: Any) -> int:
        reading.set()
        time.sleep(0.3)
        return len(cursor.execute("SELECT 1").fetchall())

    async with open_lake(store, tmp_path) as archive:
        await store_files(archive, slice_of())
        asked = asyncio.create_task(archive.catalog._database.read(slowly))
        await until(reading.is_set)
    assert await asked == 1
    for late in (archive.search(Query(Level.STUDY, ())), store_files(archive, slice_of(2))):
        with pytest.raises(Unavailable):
            await late


async def test_a_duplicate_of_what_another_request_stores_in_the_same_entry_is_told_that_entry(
    store: MemoryStore, tmp_path: Path
) -> None:
    gate = asyncio.Event()
    slow = Delays(store, gate=gate, when=creates_in(layout.LOG), times=1)
    async with open_lake(slow, tmp_path) as archive:
        first = asyncio.create_task(store_files(archive, slice_of(1)))
        await until(lambda: slow.touched)
        both = [asyncio.create_task(store_files(archive, slice_of(2))) for _ in range(2)]
        await asyncio.sleep(0.1)
        gate.set()
        await first
        outcomes = [(await one)[0] for one in both]
        assert {one.outcome for one in outcomes} == {Outcome.STORED, Outcome.DUPLICATE}
        assert {one.revision for one in outcomes} == {2}


async def test_the_follower_goes_on_after_any_error_and_health_tells_of_it(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ArchiveSettings(poll_seconds=0.02)
    async with (
        open_lake(store, tmp_path / "a", settings=settings) as archive,
        open_lake(store, tmp_path / "b", node="b") as other,
    ):
        with monkeypatch.context() as patch:

            async def fail(_: int) -> object:
                raise RuntimeError("something nobody thought of")

            patch.setattr(archive.journal, "read", fail)
            await asyncio.sleep(0.1)
            assert not archive.health().ready
        await store_files(other, slice_of())
        await until(lambda: archive.revision == 1 and archive.health().ready)


async def test_an_entry_of_a_later_program_makes_the_archive_read_only_here(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_lake(store, tmp_path / "a") as archive, open_lake(store, tmp_path / "b", node="b") as other:
        await store_files(archive, slice_of(1))
        await store_files(other, slice_of(2))

        async def too_new(_: int) -> object:
            raise TooNew("made by a later program")

        monkeypatch.setattr(archive.journal, "_fetch", too_new)
        with pytest.raises(Unavailable):
            await archive.catch_up()
        assert not archive.health().ready
        with pytest.raises(Unavailable):
            await store_files(archive, slice_of(3))
        assert (await archive.find_instance(key_of(1))).revision == 1


async def test_a_writer_that_meets_a_damaged_entry_becomes_read_only_and_says_so(
    store: MemoryStore, tmp_path: Path
) -> None:
    async with open_lake(store, tmp_path / "a") as archive, open_lake(store, tmp_path / "b", node="b") as other:
        await store_files(archive, slice_of(1))
        await store_files(other, slice_of(2))
        entry = layout.entry_key(archive.epoch, 2)
        whole = await store.get(entry)
        await store.put(entry, [whole[: len(whole) // 2]])
        with pytest.raises(Unavailable):
            await store_files(archive, slice_of(3))
        assert not archive.health().ready
        assert "2" in archive.health().reason
        assert await total(archive) == 1
        with pytest.raises(Unavailable):
            await archive.remove(key_of(1).scope, door="", peer="")
        await store.put(entry, [whole])
        (receipt,) = await store_files(archive, slice_of(3))
        assert receipt.outcome is Outcome.STORED
        assert archive.health().ready
        assert await total(archive) == 3


async def test_a_catalog_that_cannot_be_written_shows_in_health(
    archive: LakeArchive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await store_files(archive, slice_of(1))

    async def broken(_: object) -> object:
        raise CatalogBroken(tmp_path)

    with monkeypatch.context() as patch:
        patch.setattr(archive.catalog._database, "write", broken)
        with pytest.raises(Unavailable):
            await total(archive)
        assert not archive.health().ready
    assert await total(archive) == 1
    assert archive.health().ready


async def test_a_log_write_whose_answer_is_lost_is_found_again_and_not_doubled(
    store: MemoryStore, tmp_path: Path
) -> None:
    drops = DropsAnswers(store, when=creates_in(layout.LOG), times=2)
    async with open_lake(drops, tmp_path) as archive:
        (receipt,) = await store_files(archive, slice_of())
        assert receipt.outcome is Outcome.STORED
        assert len(await objects(store, layout.LOG)) == 1
        assert len(await objects(store)) == 1
        assert await total(archive) == 1


async def test_a_log_write_of_unknown_outcome_is_settled_before_the_next_one(
    store: MemoryStore, tmp_path: Path
) -> None:
    """The entry was written, then the store was away for longer than anybody waits: 503, and no second version."""

    class Goes(DropsAnswers):
        away = False

        async def after(self, kind: str, key: str) -> None:
            self.away = True
            await super().after(kind, key)

        async def get(self, key: str, span: object = None) -> bytes:
            if self.away:
                await DropsAnswers.after(self, "get", key)
            return await super().get(key, span)  # type: ignore[arg-type]  # handed through

    goes = Goes(store, when=creates_in(layout.LOG), times=1)
    async with open_lake(goes, tmp_path) as archive:
        archive.journal._patience = 0.2
        with pytest.raises(Unavailable):
            await store_files(archive, slice_of(1))
        goes.away = False
        first, second = await asyncio.gather(store_files(archive, slice_of(1)), store_files(archive, slice_of(2)))
        assert first[0].outcome is Outcome.DUPLICATE
        assert second[0].outcome is Outcome.STORED
        assert await total(archive) == 2
        assert len(await archive.catalog.versions(Scope(STUDY))) == 2
        assert await read_whole(archive, await archive.find_instance(key_of(1))) == slice_of(1)


# full and absent stores


async def test_no_room_for_the_log_entry_takes_the_objects_back(store: MemoryStore, tmp_path: Path) -> None:
    full = Fails(store, StoreFull, when=creates_in(layout.LOG), times=1)
    async with open_lake(full, tmp_path) as archive:
        receipts = await store_files(archive, slice_of(1), slice_of(2))
        assert {one.failure.reason for one in receipts if one.failure} == {Reason.OUT_OF_RESOURCES}
        assert await objects(store) == []
        (receipt,) = await store_files(archive, slice_of(1))
        assert receipt.outcome is Outcome.STORED


async def test_no_room_for_a_removal_is_told_as_unavailable(store: MemoryStore, tmp_path: Path) -> None:
    full = Fails(store, StoreFull, when=creates_in(layout.LOG), times=0)
    async with open_lake(full, tmp_path) as archive:
        await store_files(archive, slice_of(1))
        full.left = 1
        with pytest.raises(Unavailable):
            await archive.remove(Scope(STUDY), door="", peer="")
        assert (await archive.remove(Scope(STUDY), door="", peer="")).instances == 1


async def test_one_object_that_cannot_be_written_leaves_none_of_its_request_behind(
    store: MemoryStore, tmp_path: Path
) -> None:
    slow = Delays(store, 0.05, when=lambda kind, key: kind == "put" and uid("sop 1") in key)
    fails = Fails(slow, when=lambda kind, key: kind == "put" and uid("sop 2") in key, times=1)
    async with open_lake(fails, tmp_path) as archive:
        with pytest.raises(Unavailable):
            await store_files(archive, slice_of(1), slice_of(2))
        assert await objects(store) == []
        assert archive._intake.budget.used == 0


async def test_reads_on_a_store_that_is_away_are_told_as_unavailable(store: MemoryStore, tmp_path: Path) -> None:
    away = Fails(store, when=of_kind("get", "stream", "head"), times=0)
    frames = [[b"\xff\xd8one!\xff\xd9"], [b"\xff\xd8tw", b"o-----\xff\xd9"]]
    async with open_lake(away, tmp_path / "a") as archive:
        await store_files(archive, multi_frame(frames, offsets="none"), slice_of(1))
    async with open_lake(away, tmp_path / "a") as archive:
        instances = await archive.find_instances(Scope(STUDY))
        for segment in (archive.node_dir / "catalog").glob("headers-*"):
            segment.unlink()
        away.left = None
        with pytest.raises(Unavailable):
            await anext(aiter(archive.headers(instances)))
        for instance in instances:
            with pytest.raises(Unavailable):
                await anext(aiter(archive.frames(instance, [1])))


# removal, retention, sweep


async def test_a_removal_whose_sender_goes_away_is_noted_all_the_same(store: MemoryStore, tmp_path: Path) -> None:
    gate = asyncio.Event()
    slow = Delays(store, gate=gate, when=lambda kind, key: kind == "create" and key.endswith("2.arrow"))
    async with open_lake(slow, tmp_path) as archive:
        await store_files(archive, slice_of())
        removing = asyncio.create_task(archive.remove(Scope(STUDY), door="stow", peer=""))
        await until(lambda: slow.touched)
        removing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await removing
        gate.set()
        await until(lambda: any(key.startswith(layout.REMOVED) for key in store._objects))
        assert archive.revision == 2


async def test_what_was_brought_back_meanwhile_is_not_taken_by_retention(
    archive: LakeArchive, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store_files(archive, slice_of(1), slice_of(2))
    removal = await archive.remove(key_of(1).scope, door="", peer="")
    await archive.remove(key_of(2).scope, door="", peer="")
    look = archive.catalog.expired
    restored: list[int] = []

    async def then_restore(*asked: object) -> object:
        found = await look(*asked)  # type: ignore[arg-type]  # handed through
        if not restored:
            restored.append((await archive.restore(removal.revision, door="", peer="")).revision)
        return found

    monkeypatch.setattr(archive.catalog, "expired", then_restore)
    assert await expire(archive, timedelta(0)) == 1
    assert restored
    assert await read_whole(archive, await archive.find_instance(key_of(1))) == slice_of(1)
    assert len(await objects(store)) == 1


async def test_a_header_object_that_was_condemned_stops_its_instance_too(
    store: MemoryStore, tmp_path: Path
) -> None:
    """The writer stood still between the header and the instance; a sweep saw the header alone."""

    class Bucket(Delays):
        async def settle(self, keys: object) -> None:
            """Nothing to do, and no look whether they are there."""

    gate = asyncio.Event()
    slow = Bucket(store, gate=gate, when=lambda kind, key: kind == "put" and key.endswith(".dcm"))
    settings = ArchiveSettings(large_header_bytes=100, poll_seconds=0)
    async with open_lake(slow, tmp_path / "a", settings=settings) as archive:
        async with open_lake(store, tmp_path / "b", node="b", settings=settings) as other:
            await store_files(other, ct_slice(study="study", instance="first"))
            storing = asyncio.create_task(store_files(archive, slice_of()))
            await until(lambda: slow.touched)
            assert (await sweep(other, age_seconds=-60, grace_seconds=0)).deleted == 1
        gate.set()
        (receipt,) = await storing
        assert receipt.outcome is Outcome.REFUSED
        assert len(await objects(store)) == 2


async def test_objects_older_than_the_log_are_never_swept(store: MemoryStore, tmp_path: Path) -> None:
    """The log was lost and a new one begun: the objects are all there is of the archive now."""
    async with open_lake(store, tmp_path / "a") as archive:
        await store_files(archive, slice_of(1), slice_of(2))
    before = await objects(store)
    for key in await objects(store, layout.LOG):
        await store.delete(key)
    await asyncio.sleep(0.01)
    async with open_lake(store, tmp_path / "b") as archive:
        await sweep(archive, age_seconds=-60, grace_seconds=0)
        await store_files(archive, slice_of(3))
        await sweep(archive, age_seconds=-60, grace_seconds=0)
        assert set(before) <= set(await objects(store))


async def test_an_archive_without_its_format_is_not_begun_anew(store: MemoryStore, tmp_path: Path) -> None:
    async with open_lake(store, tmp_path / "a") as archive:
        await store_files(archive, slice_of(1))
    await store.delete(layout.FORMAT)
    with pytest.raises(FormatMissing):
        async with open_lake(store, tmp_path / "b"):
            pass
    assert await objects(store, layout.FORMAT) == []


async def test_background_work_goes_on_after_any_error(store: MemoryStore, tmp_path: Path) -> None:
    tried: list[str] = []

    class Stumbles(Checkpoint):
        async def fold(self, *, until: int | None = None) -> object:  # type: ignore[override]  # it never returns
            tried.append("fold")
            raise ZeroDivisionError

    async with open_lake(store, tmp_path) as archive:
        await store_files(archive, slice_of())
        async with Upkeep(archive, Stumbles(store, Memory()), UpkeepSettings(fold_seconds=0.02)):
            await until(lambda: len(tried) >= 3)


async def test_a_missing_instance_is_not_there_and_not_unavailable(archive: LakeArchive) -> None:
    with pytest.raises(NotStored):
        await archive.find_instance(key_of(99))


async def test_a_node_whose_catalog_cannot_be_written_stands_still_before_memory_is_full(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ArchiveSettings(catalog=CatalogSettings(most_rows=2, flush_rows=2, utmost_rows=4), poll_seconds=0)
    monkeypatch.setattr("storage.catalog.flushing._RETRY_SECONDS", 0.05)
    async with open_lake(store, tmp_path, settings=settings) as archive:
        database, broken = archive.catalog._database, [True]
        write = database.write

        async def failing(work: Callable[[Any], Any]) -> Any:
            if broken:
                raise OSError("the disk answers no more")
            return await write(work)

        monkeypatch.setattr(database, "write", failing)
        stored: list[int] = []

        async def fill() -> None:
            for number in range(1, 20):
                await store_files(archive, slice_of(number))
                stored.append(number)

        with pytest.raises(Unavailable, match="stands still"):
            await fill()
        assert 4 <= len(stored) <= 6
        assert "cannot be written" in archive.health().reason

        broken.clear()
        await until(lambda: not archive.catalog.problem)
        await store_files(archive, slice_of(20))

        assert await total(archive) == len(stored) + 1
