"""What is acknowledged is there: on a memory store, through the whole of the room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from dicomweb.model.keys import InstanceKey, Level, Scope
from dicomweb.model.outcome import Outcome, Reason
from dicomweb.model.query import Match, OneOf, Query
from dicomweb.ports import Gone, NoSuchBulkData, NoSuchFrame, NotStored
from storage.archive.archive import LakeArchive
from storage.archive.settings import ArchiveSettings, Duplicates
from storage.objects.memory import MemoryStore
from tests.build.dicom import DEFLATED, ct_slice, multi_frame, native_frames, uid
from tests.build.lake import chunks, open_lake, read_frames, read_whole, store_files

STUDY = uid("study")


def slice_of(number: int = 1, *, study: str = "study", series: str = "series", **attributes: object) -> bytes:
    return ct_slice(
        seed=number, study=study, series=series, instance=f"sop {number}", InstanceNumber=number, **attributes
    )


def key_of(number: int = 1, *, study: str = "study", series: str = "series") -> InstanceKey:
    return InstanceKey(uid(study), uid(series), uid(f"sop {number}"))


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def archive(store: MemoryStore, tmp_path: Path) -> AsyncIterator[LakeArchive]:
    async with open_lake(store, tmp_path / "a") as opened:
        yield opened


async def objects(store: MemoryStore, prefix: str) -> list[str]:
    return [info.key async for info in store.list(prefix)]


async def test_a_stored_instance_comes_back_bit_for_bit(archive: LakeArchive) -> None:
    data = slice_of()
    (receipt,) = await store_files(archive, data)
    assert receipt.outcome is Outcome.STORED
    assert receipt.key == key_of()
    instance = await archive.find_instance(key_of())
    assert instance.revision == receipt.revision == archive.revision
    assert await read_whole(archive, instance) == data


async def test_a_frame_and_a_bulk_value_are_spans_of_the_object(archive: LakeArchive) -> None:
    await store_files(archive, slice_of())
    instance = await archive.find_instance(key_of())
    (frame,) = await read_frames(archive, instance, 1)
    span = await archive.find_bulk(instance, ("7FE00010",))
    assert span is not None
    assert await read_whole(archive, instance, span) == frame
    assert b"".join([c async for c in archive.bulk(instance, ("7FE00010",))]) == frame
    with pytest.raises(NoSuchFrame):
        await read_frames(archive, instance, 2)
    with pytest.raises(NoSuchBulkData):
        await archive.find_bulk(instance, ("00420011",))


async def test_many_instances_handed_in_together_are_one_entry(archive: LakeArchive, store: MemoryStore) -> None:
    receipts = await store_files(archive, *(slice_of(n) for n in range(1, 21)))
    assert {r.outcome for r in receipts} == {Outcome.STORED}
    assert {r.revision for r in receipts} == {1}
    assert len(await objects(store, "log/")) == 1
    assert len(await objects(store, "dicom/")) == 20
    assert len(await archive.find_instances(Scope(STUDY))) == 20


async def test_the_same_bytes_again_store_nothing(archive: LakeArchive, store: MemoryStore) -> None:
    await store_files(archive, slice_of())
    before = await objects(store, "")
    (receipt,) = await store_files(archive, slice_of())
    assert receipt.outcome is Outcome.DUPLICATE
    assert await objects(store, "") == before


async def test_the_same_instance_twice_in_one_request_leaves_one_object(
    archive: LakeArchive, store: MemoryStore
) -> None:
    receipts = await store_files(archive, slice_of(), slice_of())
    assert sorted(r.outcome for r in receipts) == [Outcome.DUPLICATE, Outcome.STORED]
    assert len(await objects(store, "dicom/")) == 1


async def test_other_bytes_replace_and_the_old_version_stays(archive: LakeArchive, store: MemoryStore) -> None:
    await store_files(archive, slice_of())
    changed = slice_of(PatientName="Other^Name")
    (receipt,) = await store_files(archive, changed)
    assert receipt.outcome is Outcome.REPLACED
    assert await read_whole(archive, await archive.find_instance(key_of())) == changed
    assert len(await objects(store, "dicom/")) == 2


@pytest.mark.parametrize(
    ("policy", "outcome"), [(Duplicates.KEEP, Outcome.KEPT), (Duplicates.REJECT, Outcome.REFUSED)]
)
async def test_other_policies_leave_the_first_bytes_current(
    store: MemoryStore, tmp_path: Path, policy: Duplicates, outcome: Outcome
) -> None:
    async with open_lake(store, tmp_path, settings=ArchiveSettings(duplicates=policy, poll_seconds=0)) as archive:
        data = slice_of()
        await store_files(archive, data)
        (receipt,) = await store_files(archive, slice_of(PatientName="Other^Name"))
        assert receipt.outcome is outcome
        assert await read_whole(archive, await archive.find_instance(key_of())) == data
        assert len(await objects(store, "dicom/")) == (2 if policy is Duplicates.KEEP else 1)


async def test_what_is_no_dicom_is_refused_and_leaves_nothing(archive: LakeArchive, store: MemoryStore) -> None:
    receipts = await store_files(archive, b"not DICOM at all" * 50, slice_of(), b"")
    assert [r.outcome for r in receipts] == [Outcome.REFUSED, Outcome.STORED, Outcome.REFUSED]
    assert receipts[0].failure is not None
    assert receipts[0].failure.reason == Reason.CANNOT_UNDERSTAND
    assert len(await objects(store, "dicom/")) == 1


@pytest.mark.parametrize("bad", ["../../etc", "1.2/3", "", "1..2", "1.2\\3", ".", "1.2.3 4"])
async def test_uids_that_could_leave_their_key_are_refused(
    archive: LakeArchive, store: MemoryStore, bad: str
) -> None:
    data = slice_of().replace(
        uid("sop 1").encode(), bad.encode().ljust(len(uid("sop 1")), b"\0")[: len(uid("sop 1"))]
    )
    if len(bad) > len(uid("sop 1")):
        return
    (receipt,) = await store_files(archive, data)
    assert receipt.outcome is Outcome.REFUSED
    assert await objects(store, "dicom/") == []


async def test_an_instance_of_another_study_than_the_url_names_is_refused(
    archive: LakeArchive, store: MemoryStore
) -> None:
    (receipt,) = await store_files(archive, slice_of(), expect=Scope("1.2.3"))
    assert receipt.outcome is Outcome.REFUSED
    assert receipt.failure is not None
    assert receipt.failure.reason == Reason.DATA_SET_MISMATCH
    assert await objects(store, "dicom/") == []


async def test_a_sender_that_goes_away_midway_leaves_nothing_of_that_instance(
    archive: LakeArchive, store: MemoryStore
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield slice_of(2)[:5000]
        raise ConnectionResetError

    async def send() -> None:
        async with archive.submit(door="stow", peer="", expect=None) as submission:
            await submission.add(chunks(slice_of(1)))
            await submission.add(broken())

    with pytest.raises(ConnectionResetError):
        await send()
    assert await objects(store, "dicom/") == []
    (receipt,) = await store_files(archive, slice_of(1))
    assert receipt.outcome is Outcome.STORED


async def test_a_large_instance_streams_through_an_upload(store: MemoryStore, tmp_path: Path) -> None:
    settings = ArchiveSettings(small_bytes=10_000, poll_seconds=0)
    data = native_frames(40, rows=64, columns=64, bits=16)
    async with open_lake(store, tmp_path, settings=settings) as archive:
        (receipt,) = await store_files(archive, data)
        assert receipt.outcome is Outcome.STORED
        assert receipt.key is not None
        instance = await archive.find_instance(receipt.key)
        assert await read_whole(archive, instance) == data
        assert (await read_frames(archive, instance, 40, 1))[0] == data[-8192:]
        (again,) = await store_files(archive, data)
        assert again.outcome is Outcome.DUPLICATE
        (cut,) = await store_files(archive, data[:-1000])
        assert cut.outcome is Outcome.REFUSED
        assert len(await objects(store, "dicom/")) == 1


async def test_a_large_header_lies_beside_its_instance(store: MemoryStore, tmp_path: Path) -> None:
    settings = ArchiveSettings(large_header_bytes=100, poll_seconds=0)
    async with open_lake(store, tmp_path / "a", settings=settings) as archive:
        await store_files(archive, slice_of(PatientName="Large^Header"))
    async with open_lake(store, tmp_path / "b", settings=settings) as archive:
        instances = await archive.find_instances(Scope(STUDY))
        ((header,),) = [batch async for batch in archive.headers(instances)]
        assert orjson.loads(header.json)["00100010"]["Value"] == [{"Alphabetic": "Large^Header"}]


async def test_removal_hides_and_undelete_brings_back(archive: LakeArchive) -> None:
    data = [slice_of(n) for n in (1, 2)]
    await store_files(archive, *data)
    removal = await archive.remove(Scope(STUDY), door="stow", peer="")
    assert removal.instances == 2
    with pytest.raises(Gone):
        await archive.find_instance(key_of())
    with pytest.raises(Gone):
        await archive.find_instances(Scope(STUDY))
    with pytest.raises(Gone):
        await archive.remove(Scope(STUDY), door="stow", peer="")
    with pytest.raises(NotStored):
        await archive.remove(Scope("1.2.3"), door="stow", peer="")
    restored = await archive.restore(removal.revision, door="stow", peer="")
    assert restored.instances == 2
    assert await read_whole(archive, await archive.find_instance(key_of(2))) == data[1]
    with pytest.raises(NotStored):
        await archive.restore(removal.revision, door="stow", peer="")


async def test_what_is_stored_after_a_removal_is_visible_also_the_same_bytes(archive: LakeArchive) -> None:
    await store_files(archive, slice_of())
    removal = await archive.remove(key_of().scope, door="stow", peer="")
    (receipt,) = await store_files(archive, slice_of())
    assert receipt.outcome is Outcome.STORED
    current = await archive.find_instance(key_of())
    await archive.restore(removal.revision, door="stow", peer="")
    assert (await archive.find_instance(key_of())).version == current.version


async def test_each_removal_leaves_a_note_for_a_rebuild_until_it_is_undone(
    archive: LakeArchive, store: MemoryStore
) -> None:
    await store_files(archive, slice_of())
    version = (await archive.find_instance(key_of())).version
    removal = await archive.remove(key_of().scope, door="stow", peer="")
    (note,) = await objects(store, "removed/")
    assert orjson.loads(await store.get(note))["versions"] == [version]
    await archive.restore(removal.revision, door="stow", peer="")
    assert await objects(store, "removed/") == []


async def test_a_second_node_sees_what_the_first_stored_before_it_says_missing(
    archive: LakeArchive, store: MemoryStore, tmp_path: Path
) -> None:
    async with open_lake(store, tmp_path / "b", node="b") as other:
        data = slice_of()
        await store_files(archive, data)
        assert await read_whole(other, await other.find_instance(key_of())) == data
        query = Query(Level.STUDY, (Match(("0020000D",), "UI", OneOf((STUDY,)), "StudyInstanceUID"),))
        assert (await other.search(query)).total == 1
        await other.remove(Scope(STUDY), door="stow", peer="")
        await archive.catch_up()
        with pytest.raises(Gone):
            await archive.find_instance(key_of())


async def test_two_nodes_storing_the_same_instance_at_once_store_it_once(
    archive: LakeArchive, store: MemoryStore, tmp_path: Path
) -> None:
    async with open_lake(store, tmp_path / "b", node="b") as other:
        results = await asyncio.gather(*(store_files(node, slice_of()) for node in (archive, other)))
        assert sorted(r.outcome for (r,) in results) == [Outcome.DUPLICATE, Outcome.STORED]
        await archive.catch_up()
        await other.catch_up()
        first, second = [await node.find_instance(key_of()) for node in (archive, other)]
        assert first == second
        assert len(await objects(store, "dicom/")) == 1


async def test_a_node_on_an_empty_disk_knows_all(archive: LakeArchive, store: MemoryStore, tmp_path: Path) -> None:
    await store_files(archive, *(slice_of(n) for n in range(1, 6)))
    await archive.remove(key_of(5).scope, door="stow", peer="")
    async with open_lake(store, tmp_path / "empty", node="b") as other:
        assert await other.find_instances(Scope(STUDY)) == await archive.find_instances(Scope(STUDY))
        with pytest.raises(Gone):
            await other.find_instance(key_of(5))


async def test_deflated_data_sets_are_stored_as_they_are_and_frames_come_inflated(archive: LakeArchive) -> None:
    data = native_frames(3, transfer_syntax=DEFLATED)
    (receipt,) = await store_files(archive, data)
    assert receipt.key is not None
    instance = await archive.find_instance(receipt.key)
    assert await read_whole(archive, instance) == data
    plain = native_frames(3)
    frames = await read_frames(archive, instance, 1, 3)
    assert frames == [plain[-48:-32], plain[-16:]]


async def test_encapsulated_frames_are_given_with_their_fragments_joined(archive: LakeArchive) -> None:
    frames = [[b"\xff\xd8one!"], [b"\xff\xd8tw", b"o-----"]]
    (receipt,) = await store_files(archive, multi_frame(frames))
    assert receipt.key is not None
    instance = await archive.find_instance(receipt.key)
    assert await read_frames(archive, instance, 2) == [b"\xff\xd8two-----"]


async def test_the_same_sop_instance_uid_in_another_series_is_another_instance(archive: LakeArchive) -> None:
    await store_files(archive, slice_of())
    (receipt,) = await store_files(archive, slice_of(series="another"))
    assert receipt.outcome is Outcome.STORED
    assert any("another series" in warning for warning in receipt.warnings)
    assert len(await archive.find_instances(Scope(STUDY))) == 2


async def test_a_long_submission_is_committed_in_parts_and_answered_in_order(
    store: MemoryStore, tmp_path: Path
) -> None:
    async with open_lake(store, tmp_path, settings=ArchiveSettings(commit_rows=4, poll_seconds=0)) as archive:
        receipts = await store_files(archive, *(slice_of(n) for n in range(1, 11)))
        assert [r.key for r in receipts] == [key_of(n) for n in range(1, 11)]
        assert archive.revision >= 1


async def test_two_versions_in_one_request_beside_the_second_one_stored_are_both_taken(
    archive: LakeArchive,
) -> None:
    first, second = slice_of(), slice_of(PatientID="other")
    for data in (first, second):
        await store_files(archive, data)
    receipts = await store_files(archive, first, second)
    assert [r.outcome for r in receipts] == [Outcome.REPLACED, Outcome.REPLACED]
    assert await read_whole(archive, await archive.find_instance(key_of())) == second
    assert [r.outcome for r in await store_files(archive, first, second)] == [Outcome.REPLACED, Outcome.REPLACED]
