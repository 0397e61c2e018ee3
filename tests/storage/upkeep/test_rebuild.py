"""A log made anew from the objects alone says what the lost one said, but for what is reported."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from dicomweb.encoding.reader import read_head
from dicomweb.model.keys import InstanceKey, Level, Scope
from dicomweb.model.outcome import Outcome
from dicomweb.model.query import Query
from dicomweb.ports import Gone, NotStored, Unavailable
from storage import layout
from storage.archive.archive import LakeArchive
from storage.archive.identifiers import fresh_id
from storage.archive.settings import ArchiveSettings, Duplicates
from storage.log.checkpoint import Checkpoint
from storage.log.unread import is_unread
from storage.objects.address import Address, Folder, Memory, open_store
from storage.objects.contract import ObjectStore
from storage.objects.memory import MemoryStore
from storage.upkeep.purge import purge
from storage.upkeep.rebuild import RebuildSettings
from storage.upkeep.rebuild_epoch import RebuildTaken, claim, look
from storage.upkeep.rebuild_findings import Findings
from storage.upkeep.rebuild_run import rebuild
from storage.upkeep.retention import expire
from tests.build.dicom import (
    DEFLATED,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    JPEG_BASELINE,
    RLE,
    ct_slice,
    multi_frame,
    native_frames,
    pixels,
    uid,
)
from tests.build.images import frame_in, spec_of
from tests.build.lake import open_lake, read_frames, read_whole, store_files
from tests.build.s3 import s3_settings
from tests.build.samples import SAMPLES, sample_files
from tests.doubles import Around, of_kind
from tests.storage.archive.test_conversion import converting

LARGE = 600
"""Rows and columns of an image that is larger than the first range read of it."""


def slice_of(number: int, *, study: str = "study", series: str = "series", **attributes: Any) -> bytes:
    return ct_slice(
        seed=number, study=study, series=series, instance=f"sop {number}", InstanceNumber=number, **attributes
    )


def key_of(number: int, *, study: str = "study", series: str = "series") -> InstanceKey:
    return InstanceKey(uid(study), uid(series), uid(f"sop {number}"))


async def lose_log(store: ObjectStore) -> None:
    """As when somebody deletes what they take for leftovers."""
    for info in [info async for info in store.list(layout.LOG)]:
        await store.delete(info.key)


async def lose_all_but_objects(store: ObjectStore) -> None:
    for info in [info async for info in store.list()]:
        if not info.key.startswith((layout.DICOM, layout.REMOVED)):
            await store.delete(info.key)


async def remake(store: ObjectStore, address: Address = Memory(), **settings: Any) -> Findings:  # noqa: B008  # a value
    state = await look(store, node="rebuild")
    return await rebuild(
        store,
        Checkpoint(store, address),
        state,
        RebuildSettings(**settings),
        node="rebuild",
        wait_seconds=0,
        tell=lambda findings, share: None,
    )


@dataclass(frozen=True)
class Content:
    """What an archive tells of an instance, the revision apart."""

    instance: Any
    header: Any
    meta: Any
    frames: bytes
    bulk: bytes


async def contents(archive: LakeArchive, *, digests: bool = True) -> dict[InstanceKey, Content]:
    """Everything visible. Without `digests`, those that are open count as right."""
    await archive.catch_up()
    found = {}
    for study in await everything(archive):
        instances = list(await archive.find_instances(Scope(study)))
        headers = [one async for some in archive.headers(instances) for one in some]
        for instance, header in zip(instances, headers, strict=True):
            told = replace(instance, revision=0)
            found[instance.key] = Content(
                told if digests else replace(told, digest=b""),
                orjson.loads(header.json),
                orjson.loads(await archive.catalog.file_meta(instance)),
                await archive.catalog.frame_bytes(instance),
                await archive.catalog.bulk_bytes(instance),
            )
    return found


async def everything(archive: LakeArchive) -> list[str]:
    found = await archive.search(Query(Level.STUDY, ()))
    return [study["0020000D"]["Value"][0] async for batch in found.batches for study in batch]


async def test_replaced_removed_and_restored_instances_come_back_as_they_stood(tmp_path: Path) -> None:
    store = MemoryStore()
    async with open_lake(store, tmp_path / "a") as archive:
        await store_files(archive, *(slice_of(number) for number in range(1, 7)))
        await store_files(archive, *(slice_of(number, series="other") for number in range(7, 9)))
        await store_files(archive, *(slice_of(number, study="gone") for number in range(10, 13)))
        await store_files(archive, slice_of(1, PatientID="changed"))
        await archive.remove(key_of(2).scope, door="", peer="")
        await archive.remove(key_of(3).scope, door="", peer="")
        again = await archive.remove(key_of(4).scope, door="", peer="")
        await archive.restore(again.revision, door="", peer="")
        await archive.remove(Scope(uid("study"), uid("other")), door="", peer="")
        await store_files(archive, slice_of(7, series="other"), slice_of(3, PatientID="after"))
        await archive.remove(Scope(uid("gone")), door="", peer="")
        await store_files(archive, slice_of(12, study="gone"))
        before = await contents(archive)
        epoch = archive.epoch
    await lose_log(store)
    findings = await remake(store)
    assert findings.names == 0
    assert (findings.counts.stored, findings.counts.removals) == (15, 4)
    async with open_lake(store, tmp_path / "b") as archive:
        assert archive.epoch != epoch
        assert await contents(archive) == before
        for key in (key_of(2), key_of(8, series="other"), key_of(10, study="gone")):
            with pytest.raises(Gone):
                await archive.find_instance(key)
        assert await read_whole(archive, await archive.find_instance(key_of(1))) == slice_of(
            1, PatientID="changed"
        )


async def test_what_was_removed_can_be_undeleted_after_a_rebuild_and_stays_so_after_another(
    tmp_path: Path,
) -> None:
    store = MemoryStore()
    async with open_lake(store, tmp_path / "a") as archive:
        await store_files(archive, slice_of(1), slice_of(2))
        await archive.remove(Scope(uid("study"), uid("series")), door="", peer="")
    await lose_log(store)
    await remake(store)
    async with open_lake(store, tmp_path / "b") as archive:
        (removal,) = await archive.catalog.removals()
        await archive.restore(removal.revision, door="", peer="")
        await archive.remove(key_of(2).scope, door="", peer="")
        before = await contents(archive)
    await lose_log(store)
    await remake(store)
    async with open_lake(store, tmp_path / "c") as archive:
        assert await contents(archive) == before
        assert list(before) == [key_of(1)]


async def test_a_removal_within_a_removal_outlives_the_undelete_of_either(tmp_path: Path) -> None:
    store = MemoryStore()
    async with open_lake(store, tmp_path / "a") as archive:
        await store_files(archive, slice_of(1), slice_of(2, series="other"))
        inner = await archive.remove(Scope(uid("study"), uid("series")), door="", peer="")
        await archive.remove(Scope(uid("study")), door="", peer="")
        await archive.restore(inner.revision, door="", peer="")
        assert not await contents(archive)
    await lose_log(store)
    await remake(store)
    async with open_lake(store, tmp_path / "b") as archive:
        assert not await contents(archive)


def odd_files() -> list[bytes]:
    """One of each way in which pixels may lie in a file, some larger than what is read of a header."""
    large = [pixels(2 << 20, seed=number) for number in range(3)]
    jpeg = frame_in(JPEG_BASELINE, 1, spec_of())
    bare = slice_of(4, rows=LARGE, columns=LARGE)
    return [
        slice_of(1, transfer_syntax=IMPLICIT_LITTLE),
        slice_of(2, rows=LARGE, columns=LARGE),
        slice_of(3, rows=LARGE, columns=LARGE, transfer_syntax=DEFLATED),
        native_frames(40, rows=LARGE, columns=LARGE, instance="native"),
        multi_frame([[frame] for frame in large], offsets="extended", instance="few", transfer_syntax=RLE),
        multi_frame([[frame[:300_000], frame[300_000:]] for frame in large], instance="split"),
        multi_frame([[pixels(5000, seed=number)] for number in range(90)], offsets="none", instance="many"),
        multi_frame([[jpeg + bytes(300_000)]], transfer_syntax=EXPLICIT_LITTLE, instance="mislabelled"),
        bare[read_head(bare).data_set_offset :],
    ]


class Reads(Around):
    """Counts the bytes read."""

    total = 0

    async def get(self, key: str, span: Any = None) -> bytes:
        data = await super().get(key, span)
        self.total += len(data) if key.startswith(layout.DICOM) else 0
        return data


@pytest.mark.parametrize("digests", [False, True])
async def test_large_and_odd_objects_come_back_from_their_headers(digests: bool, tmp_path: Path) -> None:
    store = Reads(MemoryStore())
    settings = ArchiveSettings(small_bytes=1 << 20, poll_seconds=0)
    async with open_lake(store, tmp_path / "a", settings=settings) as archive:
        receipts = await store_files(archive, *odd_files())
        stored = [one for one in receipts if one.outcome is Outcome.STORED]
        assert len(stored) == len(receipts), [one.failure for one in receipts]
        before = await contents(archive, digests=digests)
    await lose_log(store)
    store.total = 0
    findings = await remake(store, archive=settings, digests=digests)
    async with open_lake(store, tmp_path / "b", settings=settings) as archive:
        after = await contents(archive, digests=digests)
        assert after == before
        few = InstanceKey(uid("study"), uid("series"), uid("few"))
        assert (await read_frames(archive, await archive.find_instance(few), 3))[0] == pixels(2 << 20, seed=2)
    if digests:
        assert (findings.counts.open_digests, store.total >= findings.counts.bytes) == (0, True)
    else:
        assert findings.counts.open_digests > 3
        assert store.total < findings.counts.bytes / 4


async def test_with_keep_the_version_that_came_first_is_current(tmp_path: Path) -> None:
    store = MemoryStore()
    settings = ArchiveSettings(duplicates=Duplicates.KEEP, poll_seconds=0)
    async with open_lake(store, tmp_path / "a", settings=settings) as archive:
        await store_files(archive, slice_of(1), slice_of(1, PatientID="kept"))
        before = await contents(archive)
    await lose_log(store)
    await remake(store, archive=settings)
    async with open_lake(store, tmp_path / "b", settings=settings) as archive:
        assert await contents(archive) == before
        (again,) = await store_files(archive, slice_of(1, PatientID="kept"))
        assert again.outcome is Outcome.DUPLICATE


async def test_an_order_that_the_times_of_objects_contradict_is_named(tmp_path: Path) -> None:
    """A writer whose clock was ahead was killed before its commit; another version was stored then."""
    store = MemoryStore()
    async with open_lake(store, tmp_path / "before") as archive:
        await store_files(archive, slice_of(1), slice_of(2))
        orphan = layout.object_key(key_of(1), id_at(hours=1))
        await store.put(orphan, [slice_of(1, PatientID="never acknowledged")])
        set_back(store)
        await store_files(archive, slice_of(1, PatientID="last"), slice_of(2, PatientID="last"))
    await lose_log(store)
    findings = await remake(store)
    assert findings.doubtful == [orphan]
    state = await look(store, node="somebody")
    assert state.format is not None
    assert orjson.loads(await store.get(layout.report_key(state.format.epoch)))["doubtful"] == [orphan]
    # a removal that names them leaves nothing to doubt
    async with open_lake(store, tmp_path / "after") as archive:
        await archive.remove(key_of(1).scope, door="", peer="")
    await lose_log(store)
    assert (await remake(store)).doubtful == []


async def test_with_keep_it_is_the_first_version_that_is_doubted(tmp_path: Path) -> None:
    store = MemoryStore()
    settings = ArchiveSettings(duplicates=Duplicates.KEEP, poll_seconds=0)
    async with open_lake(store, tmp_path, settings=settings) as archive:
        await store_files(archive, slice_of(1), slice_of(2))
        set_back(store)
        await store_files(archive, slice_of(2, PatientID="beside"))
    orphan = layout.object_key(key_of(1), id_at(hours=-1))
    await store.put(orphan, [slice_of(1, PatientID="never acknowledged")])
    await lose_log(store)
    assert (await remake(store, archive=settings)).doubtful == [orphan]


def id_at(*, hours: int) -> str:
    """By a clock that is ahead."""
    made = fresh_id()
    return f"{int(made[:12], 16) + 3_600_000 * hours:012x}{made[12:]}"


def set_back(store: MemoryStore) -> None:
    """Let everything have been written some time ago."""
    for key, held in store._objects.items():
        store._objects[key] = replace(held, modified=held.modified - timedelta(minutes=5))


async def test_what_was_converted_is_counted_and_its_original_known_again(tmp_path: Path) -> None:
    """What it was when it came is lost; who sends it once more stores nothing all the same."""
    store, came = MemoryStore(), smooth(1)
    async with open_lake(store, tmp_path / "before", transcoder=converting()) as archive:
        await store_files(archive, came, slice_of(2, Modality="MR"))
        before = await archive.find_instance(key_of(1))
        assert before.original is not None
    await lose_log(store)
    findings = await remake(store)
    assert (findings.counts.stored, findings.counts.converted) == (2, 1)
    async with open_lake(store, tmp_path / "after", transcoder=converting()) as archive:
        after = await archive.find_instance(key_of(1))
        assert replace(before, original=None, revision=0) == replace(after, revision=0)
        (again,) = await store_files(archive, came)
        assert again.outcome is Outcome.DUPLICATE


def smooth(number: int) -> bytes:
    """What can be made smaller."""
    made = ct_slice(rows=32, columns=32, study="study", series="series", instance=f"sop {number}")
    return made.replace(bytes(range(64)), bytes(64))


async def test_what_was_purged_stays_away(tmp_path: Path) -> None:
    store = MemoryStore()
    async with open_lake(store, tmp_path / "a") as archive:
        await store_files(archive, slice_of(1), slice_of(2), slice_of(3))
        await archive.remove(key_of(2).scope, door="", peer="")
        await purge(archive, key_of(1).scope)
        await expire(archive, timedelta(0))
        before = await contents(archive)
    await lose_log(store)
    findings = await remake(store)
    assert (findings.counts.stored, findings.counts.removals) == (1, 0)
    async with open_lake(store, tmp_path / "b") as archive:
        assert await contents(archive) == before
        for number in (1, 2):
            with pytest.raises(NotStored):
                await archive.find_instance(key_of(number))


async def test_what_cannot_come_back_is_named_and_the_rest_comes(tmp_path: Path) -> None:
    store = MemoryStore()
    async with open_lake(store, tmp_path / "a") as archive:
        await store_files(archive, *(slice_of(number) for number in range(1, 6)))
        await store_files(archive, slice_of(9, study="removed"), slice_of(8, study="removed"))
        await archive.remove(key_of(9, study="removed").scope, door="", peer="")
        names = {}
        for number in range(1, 6):
            instance = await archive.find_instance(key_of(number))
            names[number] = layout.object_key(instance.key, instance.version)
    await store.put(names[1], [slice_of(1)[:-7]])
    await store.put(names[2], [b"no DICOM at all"])
    await store.put(names[3], [slice_of(4)])
    await store.put(names[5], [b""])
    await store.put("dicom/readme.txt", [b"who put this here"])
    (note,) = [info.key async for info in store.list(layout.REMOVED)]
    await store.put(note, [b"{"])
    await lose_log(store)
    findings = await remake(store)
    assert set(findings.damaged) == {names[1], names[2], names[3], names[5]}
    assert "another instance" in findings.damaged[names[3]]
    assert set(findings.damaged_notes) == {note}
    assert findings.strange == ["dicom/readme.txt"]
    async with open_lake(store, tmp_path / "b") as archive:
        assert set(await contents(archive)) == {
            key_of(4),
            key_of(8, study="removed"),
            key_of(9, study="removed"),
        }
    told = orjson.loads(await store.get(layout.report_key((await look(store, node="x")).format.epoch)))  # type: ignore[union-attr]  # it is there
    assert set(told["damaged"]) == set(findings.damaged)


@pytest.mark.parametrize("policy", [Duplicates.REPLACE, Duplicates.KEEP])
async def test_an_orphan_that_repeats_what_is_stored_changes_nothing(policy: Duplicates, tmp_path: Path) -> None:
    store = MemoryStore()
    settings = ArchiveSettings(duplicates=policy, poll_seconds=0)
    async with open_lake(store, tmp_path / "a") as archive:
        await store_files(archive, slice_of(1))
    orphan = layout.object_key(key_of(1), fresh_id())
    await store.put(orphan, [slice_of(1)])
    await lose_log(store)
    findings = await remake(store, archive=settings)
    assert findings.repeated == ([orphan] if policy is Duplicates.KEEP else [])
    async with open_lake(store, tmp_path / "b", settings=settings) as archive:
        assert (await archive.search(Query(Level.INSTANCE, ()))).total == 1
        assert await read_whole(archive, await archive.find_instance(key_of(1))) == slice_of(1)


@pytest.mark.parametrize("lose", [lose_log, lose_all_but_objects])
async def test_a_rebuild_killed_again_and_again_ends_as_one_that_was_not(
    lose: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.upkeep.rebuild._ENTRY_ROWS", 3)
    monkeypatch.setattr("storage.upkeep.rebuild._AT_ONCE", 2)
    truth = MemoryStore()
    async with open_lake(truth, tmp_path / "a") as archive:
        await store_files(archive, *(slice_of(number) for number in range(1, 12)))
        for study in ("one", "two", "three"):
            await store_files(archive, *(slice_of(number, study=study) for number in range(1, 4)))
            await store_files(archive, slice_of(1, study=study, PatientID="changed"))
        await archive.remove(key_of(3).scope, door="", peer="")
        await archive.remove(Scope(uid("two")), door="", peer="")
        await store_files(archive, slice_of(3, PatientID="after"), slice_of(2, study="two"))
        damaged = await archive.find_instance(key_of(5))
        before = await contents(archive)
    name = layout.object_key(damaged.key, damaged.version)
    await truth.put(name, [b"damaged"])
    del before[key_of(5)]
    await lose(truth)
    attempts = 0
    while (state := await look(truth, node="x")).problem or state.under_way:
        attempts += 1
        with suppress(Killed):
            await remake(Dies(truth, when=of_kind("put", "create", "delete"), after=3))
    assert attempts > 5
    assert state.format is not None
    told = orjson.loads(await truth.get(layout.report_key(state.format.epoch)))
    counts = told["counts"]
    assert (counts["stored"], counts["objects"], counts["removals"], counts["studies"]) == (24, 25, 2, 4)
    assert set(told["damaged"]) == {name}
    async with open_lake(truth, tmp_path / "b") as archive:
        assert await contents(archive) == before
        entries = [entry async for entry in archive.journal.follow(0)]
        stored = [event.stored.version for entry in entries for event in entry.events if event.stored]
        assert len(stored) == len(set(stored)) == 24


class Killed(Exception):
    """The process is no more."""


class Dies(Around):
    """Lets some operations pass, then the process ends."""

    def __init__(self, store: ObjectStore, *, when: Any, after: int) -> None:
        super().__init__(store, when=when)
        self.passing = after

    async def before(self, kind: str, key: str, size: int) -> None:
        if self.passing == 0:
            raise Killed
        self.passing -= 1


async def test_a_log_that_is_whole_is_told_to_be_so(tmp_path: Path) -> None:
    store = MemoryStore()
    async with open_lake(store, tmp_path / "a") as archive:
        await store_files(archive, slice_of(1))
    state = await look(store, node="x")
    assert (state.problem, state.entries) == ("", 1)
    await store.put(layout.entry_key(archive.epoch, 1), [b"scratched"])
    assert "damaged" in (await look(store, node="x")).problem


async def test_a_node_that_runs_on_becomes_read_only_and_a_new_one_goes_on(tmp_path: Path) -> None:
    store = MemoryStore()
    async with open_lake(store, tmp_path / "a") as old:
        await store_files(old, slice_of(1))
        await remake(store)
        with pytest.raises(Unavailable, match="a rebuild gives the archive a new log"):
            await store_files(old, slice_of(2))
        with pytest.raises(Unavailable):
            await old.remove(key_of(1).scope, door="", peer="")
        assert not old.health().ready
        assert await read_whole(old, await old.find_instance(key_of(1))) == slice_of(1)
        async with open_lake(store, tmp_path / "b") as new:
            (receipt,) = await store_files(new, slice_of(2))
            assert receipt.outcome is Outcome.STORED


async def test_a_node_whose_log_was_lost_under_it_notices_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind the gap no entry can stop it: it has to look at the format before it answers."""
    monkeypatch.setattr("storage.log.journal.EPOCH_SECONDS", 0.0)
    store = MemoryStore()
    async with open_lake(store, tmp_path / "a") as old:
        await store_files(old, slice_of(1))
        await store_files(old, slice_of(3))
        await lose_log(store)
        state = await look(store, node="x")
        claimed = await claim(store, state)
        with pytest.raises(Unavailable, match="a rebuild gives the archive a new log"):
            await store_files(old, slice_of(2))
        with pytest.raises(Unavailable, match="a rebuild gives the archive a new log"):
            await old.catch_up()
        await remake(store)
        assert (await claim(store, await look(store, node="x"))).old == claimed.new


async def test_a_node_that_opens_an_archive_under_rebuild_does_not_write(tmp_path: Path) -> None:
    store = MemoryStore()
    async with open_lake(store, tmp_path / "a") as archive:
        await store_files(archive, slice_of(1))
    await lose_log(store)
    await claim(store, await look(store, node="x"))
    async with open_lake(store, tmp_path / "b") as archive:
        assert not archive.health().ready
        with pytest.raises(Unavailable, match="a rebuild gives the archive a new log"):
            await store_files(archive, slice_of(2))


async def test_of_two_rebuilds_at_once_one_steps_back(tmp_path: Path) -> None:
    store = MemoryStore()
    async with open_lake(store, tmp_path / "a") as archive:
        await store_files(archive, *(slice_of(number) for number in range(1, 40)))
        before = await contents(archive)
    await lose_log(store)
    results = await asyncio.gather(remake(store), remake(store), return_exceptions=True)
    assert any(isinstance(one, Findings) for one in results) or all(
        isinstance(one, RebuildTaken) for one in results
    )
    assert all(isinstance(one, Findings | RebuildTaken) for one in results)
    if not any(isinstance(one, Findings) for one in results):
        await remake(store)
    async with open_lake(store, tmp_path / "b") as archive:
        assert await contents(archive) == before


async def test_what_comes_again_after_a_rebuild_is_a_duplicate_though_its_digest_was_open(tmp_path: Path) -> None:
    store = MemoryStore()
    large = {number: slice_of(number, rows=LARGE, columns=LARGE) for number in (1, 2)}
    other = slice_of(2, rows=LARGE, columns=LARGE, PatientID="OTHER")
    async with open_lake(store, tmp_path / "a") as archive:
        await store_files(archive, *large.values())
    await lose_log(store)
    assert (await remake(store)).counts.open_digests == 2
    async with open_lake(store, tmp_path / "b") as archive:
        (receipt,) = await store_files(archive, large[1])
        assert receipt.outcome is Outcome.DUPLICATE
        (receipt,) = await store_files(archive, other)
        assert receipt.outcome is Outcome.REPLACED
        for number in (1, 2):
            assert not is_unread((await archive.find_instance(key_of(number))).digest)
        objects = [info.key async for info in store.list(layout.DICOM)]
        assert len(objects) == 3
    async with open_lake(store, tmp_path / "c") as fresh:
        assert not is_unread((await fresh.find_instance(key_of(1))).digest)


async def test_a_streamed_instance_is_known_again_too(tmp_path: Path) -> None:
    store = MemoryStore()
    settings = ArchiveSettings(small_bytes=100_000, poll_seconds=0)
    large = slice_of(1, rows=LARGE, columns=LARGE)
    async with open_lake(store, tmp_path / "a", settings=settings) as archive:
        await store_files(archive, large)
    await lose_log(store)
    await remake(store)
    async with open_lake(store, tmp_path / "b", settings=settings) as archive:
        (receipt,) = await store_files(archive, large)
        assert receipt.outcome is Outcome.DUPLICATE


async def everything_everywhere(store: ObjectStore, address: Address, tmp_path: Path) -> None:
    """Log, table and format lost; an empty node then reads the table, and goes on."""
    settings = ArchiveSettings(poll_seconds=0, short_log=1)

    def node(name: str) -> LakeArchive:
        checkpoint = Checkpoint(store, address)
        return LakeArchive(store, node=name, node_dir=tmp_path / name, settings=settings, checkpoint=checkpoint)

    async with node("a") as archive:
        for study in ("one", "two"):
            await store_files(archive, *(slice_of(number, study=study) for number in range(1, 5)))
        await store_files(archive, slice_of(1, study="one", PatientID="changed"))
        await archive.remove(key_of(2, study="one").scope, door="", peer="")
        await archive.remove(Scope(uid("two")), door="", peer="")
        await store_files(archive, slice_of(4, study="two"))
        before = await contents(archive)
        assert archive.checkpoint is not None
        await archive.checkpoint.fold()
    await lose_all_but_objects(store)
    findings = await remake(store, address)
    assert findings.names == 0
    assert await Checkpoint(store, address).last_folded() == 5
    async with node("b") as archive:
        assert await contents(archive) == before
        (removal, *_) = await archive.catalog.removals()
        await archive.restore(removal.revision, door="", peer="")
        (receipt,) = await store_files(archive, slice_of(5, study="one"))
        assert receipt.outcome is Outcome.STORED
        assert archive.checkpoint is not None
        await archive.checkpoint.fold()
    assert not (await look(store, node="x")).problem


async def test_a_bucket_comes_back_with_its_table(s3_endpoint: str, bucket: str, tmp_path: Path) -> None:
    address = s3_settings(s3_endpoint, bucket, prefix="archive")
    async with open_store(address) as store:
        await everything_everywhere(store, address, tmp_path)


async def test_a_folder_comes_back_with_its_table(tmp_path: Path) -> None:
    address = Folder(tmp_path / "store")
    async with open_store(address) as store:
        await everything_everywhere(store, address, tmp_path)


@pytest.mark.skipif(SAMPLES is None, reason="the sample files are not here")
async def test_what_real_files_told_comes_back_from_their_headers(tmp_path: Path) -> None:
    store = MemoryStore()
    files = [path.read_bytes() for path in sample_files()[::4] if path.stat().st_size < 3_000_000]
    async with open_lake(store, tmp_path / "a") as archive:
        for data in files:
            await store_files(archive, data)
        before = await contents(archive, digests=False)
    assert len(before) > 40
    await lose_log(store)
    findings = await remake(store)
    assert not findings.lost
    async with open_lake(store, tmp_path / "b") as archive:
        after = await contents(archive)
        assert {
            key: replace(one, instance=replace(one.instance, digest=b"")) for key, one in after.items()
        } == before
