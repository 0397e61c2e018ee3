"""Instances stored in another transfer syntax than they came in: on a memory store, with the real converter."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest

from dicomweb.model.instance import Instance
from dicomweb.model.keys import InstanceKey, Scope
from dicomweb.model.outcome import AsItCame, Outcome, Unconverted
from dicomweb.model.query import JsonAttributes
from dicomweb.ports import Transcoded
from dicomweb.services.intake_policy import TARGETS, read_policy
from dicomweb.services.intake_transcoder import PolicyTranscoder
from storage.archive.archive import LakeArchive
from storage.archive.conversion import ConversionCounts
from storage.archive.settings import ArchiveSettings, Duplicates
from storage.objects.memory import MemoryStore
from storage.upkeep.verify import verify_instance
from tests.build.compute import DirectCompute
from tests.build.dicom import ct_slice, multi_frame, native_frames, segmentation, uid
from tests.build.lake import chunks, open_lake, read_whole, store_files

EXPLICIT = "1.2.840.10008.1.2.1"
RLE = TARGETS["rle"]
HTJ2K = TARGETS["htj2k-lossless"]
KEY = InstanceKey(uid("study"), uid("series"), uid("instance"))


def converting(*entries: str) -> PolicyTranscoder:
    return PolicyTranscoder(read_policy(entries or ["CT=rle"]), DirectCompute())


def slice_of(seed: int = 0, **attributes: Any) -> bytes:
    # smooth, so that it becomes smaller
    return ct_slice(rows=32, columns=32, seed=seed, **attributes).replace(bytes(range(64)), bytes(64))


async def stored(archive: LakeArchive, *files: bytes) -> list[Outcome]:
    return [receipt.outcome for receipt in await store_files(archive, *files)]


async def objects(store: MemoryStore) -> list[str]:
    return [info.key async for info in store.list("dicom/")]


def counts(archive: LakeArchive) -> ConversionCounts:
    assert archive.conversions is not None
    return archive.conversions


async def samples(archive: LakeArchive, instance: Instance) -> bytes:
    return pydicom.dcmread(BytesIO(await read_whole(archive, instance))).pixel_array.tobytes()


async def test_an_instance_is_stored_as_the_policy_wants_it_and_the_log_knows_what_came(tmp_path: Path) -> None:
    came = slice_of()
    async with open_lake(MemoryStore(), tmp_path, transcoder=converting()) as archive:
        (receipt,) = await store_files(archive, came)
        instance = await archive.find_instance(KEY)

        made = await read_whole(archive, instance)
        assert (receipt.outcome, receipt.transfer_syntax) == (Outcome.STORED, RLE)
        assert (receipt.size, receipt.original_size) == (len(made), len(came))
        assert instance.transfer_syntax == RLE
        assert instance.original is not None
        assert (instance.original.size, instance.original.transfer_syntax) == (len(came), EXPLICIT)
        assert await samples(archive, instance) == pydicom.dcmread(BytesIO(came)).pixel_array.tobytes()
        assert (await verify_instance(archive.store, instance)).problem == ""
        assert counts(archive) == ConversionCounts(1, len(came), len(made))


@pytest.mark.parametrize("restart", [False, True])
async def test_what_came_is_recognised_when_it_comes_again(tmp_path: Path, restart: bool) -> None:
    store, came = MemoryStore(), slice_of()
    async with open_lake(store, tmp_path, transcoder=converting()) as archive:
        await store_files(archive, came)
        if not restart:
            assert await stored(archive, came) == [Outcome.DUPLICATE]
    async with open_lake(store, tmp_path, transcoder=converting()) as archive:
        assert await stored(archive, came) == [Outcome.DUPLICATE]
        assert archive.revision == 1
    async with open_lake(store, tmp_path / "empty", transcoder=converting()) as archive:
        assert await stored(archive, came) == [Outcome.DUPLICATE]
    assert len(await objects(store)) == 1


async def test_what_is_stored_is_recognised_too_when_it_comes_back(tmp_path: Path) -> None:
    store = MemoryStore()
    async with open_lake(store, tmp_path, transcoder=converting()) as archive:
        await store_files(archive, slice_of())
        made = await read_whole(archive, await archive.find_instance(KEY))

        assert await stored(archive, made, slice_of()) == [Outcome.DUPLICATE, Outcome.DUPLICATE]


async def test_it_is_recognised_also_when_the_policy_has_changed_since(tmp_path: Path) -> None:
    store, came = MemoryStore(), slice_of()
    async with open_lake(store, tmp_path, transcoder=converting("CT=rle")) as archive:
        await store_files(archive, came)
    async with open_lake(store, tmp_path) as archive:
        assert archive.conversions is None
        assert await stored(archive, came) == [Outcome.DUPLICATE]
    async with open_lake(store, tmp_path, transcoder=converting("CT=htj2k-lossless")) as archive:
        assert await stored(archive, came) == [Outcome.DUPLICATE]


async def test_the_same_pixels_in_another_form_are_stored_once(tmp_path: Path) -> None:
    """Both become the same bytes."""
    store, came = MemoryStore(), slice_of()
    other = slice_of(transfer_syntax="1.2.840.10008.1.2")
    async with open_lake(store, tmp_path, transcoder=converting()) as archive:
        assert await stored(archive, came) == [Outcome.STORED]
        first = await archive.find_instance(KEY)
        await store_files(archive, other)
        second = await archive.find_instance(KEY)

        assert await samples(archive, first) == await samples(archive, second)
    assert len(await objects(store)) <= 2


async def test_twice_in_one_request_it_is_stored_once(tmp_path: Path) -> None:
    store = MemoryStore()
    async with open_lake(store, tmp_path, transcoder=converting()) as archive:
        outcomes = await stored(archive, slice_of(), slice_of())

        assert sorted(outcomes) == [Outcome.DUPLICATE, Outcome.STORED]
        assert len(await objects(store)) == 1
        assert counts(archive).converted == 1


async def test_what_has_been_removed_is_converted_and_stored_again(tmp_path: Path) -> None:
    async with open_lake(MemoryStore(), tmp_path, transcoder=converting()) as archive:
        await store_files(archive, slice_of())
        await archive.remove(Scope(KEY.study), door="test", peer="")

        assert await stored(archive, slice_of()) == [Outcome.STORED]
        assert (await archive.find_instance(KEY)).transfer_syntax == RLE


async def test_another_version_replaces_and_each_policy_for_duplicates_holds(tmp_path: Path) -> None:
    expected = {
        Duplicates.REPLACE: [Outcome.STORED, Outcome.REPLACED, Outcome.REPLACED],
        Duplicates.KEEP: [Outcome.STORED, Outcome.KEPT, Outcome.DUPLICATE],
        Duplicates.REJECT: [Outcome.STORED, Outcome.REFUSED, Outcome.DUPLICATE],
    }
    for policy, outcomes in expected.items():
        settings = ArchiveSettings(poll_seconds=0, duplicates=policy)
        where = tmp_path / policy
        async with open_lake(MemoryStore(), where, settings=settings, transcoder=converting()) as archive:
            told = []
            for one in (slice_of(), slice_of(PatientName="Other^Name"), slice_of()):
                told += await stored(archive, one)
            assert told == outcomes, policy


async def test_a_duplicate_that_ceases_to_be_one_is_stored_from_the_converted_bytes(tmp_path: Path) -> None:
    """One request holds two versions of an instance, and the archive the second: the first replaces it, the
    second is stored again from what it repeats, which is not what came."""
    first, second = slice_of(PatientName="First^Version"), slice_of()
    store = MemoryStore()
    async with open_lake(store, tmp_path, transcoder=converting()) as archive:
        await store_files(archive, second)

        assert await stored(archive, first, second) == [Outcome.REPLACED, Outcome.REPLACED]

        instance = await archive.find_instance(KEY)
        assert instance.transfer_syntax == RLE
        assert instance.original is not None
        assert instance.original.transfer_syntax == EXPLICIT
        assert await stored(archive, second) == [Outcome.DUPLICATE]
        assert (await verify_instance(store, instance)).problem == ""


async def test_what_the_policy_does_not_want_is_stored_as_it_came(tmp_path: Path) -> None:
    files = [
        slice_of(Modality="MR", instance="mr"),
        multi_frame([[b"lossy"]], instance="lossy", Modality="CT"),
    ]
    async with open_lake(MemoryStore(), tmp_path, transcoder=converting()) as archive:
        receipts = await store_files(archive, *files)

        for came, receipt in zip(files, receipts, strict=True):
            assert receipt.key is not None
            assert receipt.original_size == 0
            instance = await archive.find_instance(receipt.key)
            assert instance.original is None
            assert await read_whole(archive, instance) == came
        assert counts(archive) == ConversionCounts(as_they_came={Unconverted.LOSSY: 1})


async def test_what_cannot_be_had_without_loss_is_stored_as_it_came_and_counted(tmp_path: Path) -> None:
    came = slice_of(PixelRepresentation=1)
    async with open_lake(MemoryStore(), tmp_path, transcoder=converting("CT=jpeg-xl-lossless")) as archive:
        (receipt,) = await store_files(archive, came)

        assert await read_whole(archive, await archive.find_instance(KEY)) == came
        assert counts(archive) == ConversionCounts(as_they_came={Unconverted.NOT_HELD: 1})
        assert receipt.as_it_came is not None
        assert receipt.as_it_came.why == "JPEG XL Lossless does not hold signed samples of MONOCHROME2 here"


async def test_what_would_not_become_smaller_is_stored_as_it_came(tmp_path: Path) -> None:
    noise = ct_slice(rows=32, columns=32, seed=1)
    noisy = noise[:-2048] + random.Random(1).randbytes(2048)
    async with open_lake(MemoryStore(), tmp_path, transcoder=converting("CT=htj2k-lossless")) as archive:
        (receipt,) = await store_files(archive, noisy)

        assert await read_whole(archive, await archive.find_instance(KEY)) == noisy
        assert receipt.as_it_came == AsItCame(Unconverted.NOT_SMALLER)
        assert counts(archive) == ConversionCounts(as_they_came={Unconverted.NOT_SMALLER: 1})


async def test_what_is_as_wanted_already_is_counted_as_that(tmp_path: Path) -> None:
    async with open_lake(MemoryStore(), tmp_path, transcoder=converting("CT=explicit")) as archive:
        await store_files(archive, slice_of())

        assert counts(archive) == ConversionCounts(as_they_came={Unconverted.AS_WANTED: 1})


class Faulty(PolicyTranscoder):
    """A converter that does not do what it should."""

    fault: Callable[[Transcoded], Transcoded]

    def __init__(self, fault: Callable[[Transcoded], Transcoded]) -> None:
        super().__init__(read_policy(["CT=rle"]), DirectCompute())
        object.__setattr__(self, "fault", fault)

    async def transcode(self, data: bytes, header: JsonAttributes, wanted: str) -> Transcoded | AsItCame:
        made = await super().transcode(data, header, wanted)
        assert isinstance(made, Transcoded)
        return self.fault(made)


def crash(made: Transcoded) -> Transcoded:
    raise MemoryError


def rename(made: Transcoded) -> Transcoded:
    return replace(made, data=made.data.replace(uid("instance").encode(), uid("other one").encode()))


def anonymise(made: Transcoded) -> Transcoded:
    return replace(made, data=made.data.replace(b"Doe^Jane", b"Nobody^X"))


def tear(made: Transcoded) -> Transcoded:
    return replace(made, data=made.data[: len(made.data) // 2])


def mislabel(made: Transcoded) -> Transcoded:
    return replace(made, data=made.data.replace(RLE.encode(), b"1.2.840.10008.1.9"))


def other_object(made: Transcoded) -> Transcoded:
    return replace(made, data=b"no DICOM at all" * 100)


def other_frames(made: Transcoded) -> Transcoded:
    return replace(made, data=native_frames(2))


@pytest.mark.parametrize(
    "fault", [crash, rename, anonymise, tear, mislabel, other_object, other_frames], ids=lambda one: one.__name__
)
async def test_a_converter_that_fails_costs_no_instance(
    tmp_path: Path, fault: Callable[[Transcoded], Transcoded], caplog: pytest.LogCaptureFixture
) -> None:
    came = slice_of(PatientName="Doe^Jane")
    async with open_lake(MemoryStore(), tmp_path, transcoder=Faulty(fault)) as archive:
        assert await stored(archive, came) == [Outcome.STORED]

        instance = await archive.find_instance(KEY)
        assert instance.original is None
        assert await read_whole(archive, instance) == came
        assert counts(archive) == ConversionCounts(as_they_came={Unconverted.FAILED: 1})
    assert "stored" in caplog.text
    assert "Doe" not in caplog.text
    assert KEY.instance not in caplog.text


async def test_a_failure_names_the_instance_where_messages_may(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = ArchiveSettings(poll_seconds=0, name_uids=True)
    for fault in (crash, anonymise):
        where = tmp_path / fault.__name__
        async with open_lake(MemoryStore(), where, settings=settings, transcoder=Faulty(fault)) as archive:
            await store_files(archive, slice_of(PatientName="Doe^Jane"))

        assert f"({KEY.study}/{KEY.series}/{KEY.instance})" in caplog.text
        caplog.clear()


def large_slice(rows: int = 128) -> bytes:
    return ct_slice(rows=rows, columns=128).replace(bytes(range(64)), bytes(64))


async def test_a_large_instance_that_is_to_be_converted_is_held_in_memory(tmp_path: Path) -> None:
    settings = ArchiveSettings(poll_seconds=0, small_bytes=4096, conversion_bytes=1 << 20)
    kept = ct_slice(rows=128, columns=128, Modality="MR", instance="mr")
    async with open_lake(MemoryStore(), tmp_path, settings=settings, transcoder=converting()) as archive:
        receipts = await store_files(archive, large_slice(), kept)

        assert [receipt.transfer_syntax for receipt in receipts] == [RLE, EXPLICIT]
        assert counts(archive).converted == 1


@pytest.mark.parametrize(("small", "most"), [(4096, 20_000), (4096, 1000), (1 << 20, 20_000)])
async def test_one_too_large_to_be_held_is_kept_as_it_came_and_counted(
    tmp_path: Path, small: int, most: int
) -> None:
    settings = ArchiveSettings(poll_seconds=0, small_bytes=small, conversion_bytes=most)
    came = large_slice()
    async with open_lake(MemoryStore(), tmp_path, settings=settings, transcoder=converting()) as archive:
        assert await stored(archive, came) == [Outcome.STORED]

        assert await read_whole(archive, await archive.find_instance(KEY)) == came
        assert counts(archive) == ConversionCounts(as_they_came={Unconverted.TOO_LARGE: 1})


async def test_a_large_file_that_is_none_is_refused_as_ever(tmp_path: Path) -> None:
    settings = ArchiveSettings(poll_seconds=0, small_bytes=4096)
    async with open_lake(MemoryStore(), tmp_path, settings=settings, transcoder=converting()) as archive:
        assert await stored(archive, b"no DICOM" * 10_000) == [Outcome.REFUSED]


async def test_bytes_in_flight_are_given_back_whatever_became_of_an_instance(tmp_path: Path) -> None:
    settings = ArchiveSettings(poll_seconds=0, small_bytes=4096, conversion_bytes=20_000, budget_bytes=8000)
    async with open_lake(MemoryStore(), tmp_path, settings=settings, transcoder=converting()) as archive:
        await store_files(
            archive, slice_of(), large_slice(), large_slice(64), segmentation(), b"no DICOM", slice_of()
        )

        assert archive._intake.budget.used == 0


async def test_a_client_that_leaves_while_its_instance_is_converted_leaves_nothing(tmp_path: Path) -> None:
    class Slow(PolicyTranscoder):
        async def transcode(self, data: bytes, header: JsonAttributes, wanted: str) -> Transcoded | AsItCame:
            begun.set()
            await asyncio.sleep(0.05)
            return await super().transcode(data, header, wanted)

    begun, store = asyncio.Event(), MemoryStore()
    slow = Slow(read_policy(["CT=rle"]), DirectCompute())

    async def send(archive: LakeArchive) -> None:
        async with archive.submit(door="stow", peer="", expect=None) as submission:
            await submission.add(chunks(slice_of()))
            await asyncio.sleep(10)

    async with open_lake(store, tmp_path, transcoder=slow) as archive:
        sending = asyncio.create_task(send(archive))
        await begun.wait()
        sending.cancel()
        await asyncio.wait([sending])

        assert await objects(store) == []
        assert archive.revision == 0
        assert archive._intake.budget.used == 0
