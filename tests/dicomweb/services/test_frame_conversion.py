"""Frames converted on demand: only those asked for, each once, a few ahead, and none for who has gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeVar

import pytest

from dicomweb.model.instance import Instance
from dicomweb.model.pixel_errors import Undecodable, UnsupportedSyntax
from dicomweb.ports import NoSuchFrame
from dicomweb.services.conversions import frame_bytes, work_bytes
from dicomweb.services.frame_conversion import FrameConverter
from tests.build.compute import DirectCompute
from tests.build.dicom import EXPLICIT_BIG, EXPLICIT_LITTLE, JPEG_BASELINE, ct_slice, multi_frame, pixels
from tests.build.images import file_in, frame_in, plain_frame, spec_of
from tests.build.memory_archive import MemoryArchive

Result = TypeVar("Result")
J2K, HTJ2K, HTJ2K_LOSSY, RLE = (
    "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.203", "1.2.840.10008.1.2.5",
)  # fmt: skip
MANY = spec_of(bits=16, frames=40)


class CountingArchive(MemoryArchive):
    """Counts the frames that are read."""

    def __init__(self, files: Sequence[bytes]) -> None:
        super().__init__(files)
        self.read_numbers: list[int] = []

    async def frames(self, instance: Instance, numbers: Sequence[int]) -> AsyncIterator[bytes]:
        given = super().frames(instance, numbers)
        for number in numbers:
            frame = await anext(given)
            self.read_numbers.append(number)
            yield frame


class GatedCompute:
    """Work waits until it is let through; counts what waits."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.begun = 0
        self.done = 0

    async def run(self, work: Callable[[], Result]) -> Result:
        self.begun += 1
        await self.gate.wait()
        self.done += 1
        return work()


@pytest.fixture
def archive() -> CountingArchive:
    return CountingArchive([file_in(J2K, MANY)])


def instance_of(archive: MemoryArchive) -> Instance:
    (stored,) = archive._stored.values()
    return stored.instance


async def test_one_frame_of_many_reads_and_decodes_that_frame_alone(archive: CountingArchive) -> None:
    compute = DirectCompute()
    frame = await FrameConverter(archive, compute).one(instance_of(archive), 17, EXPLICIT_LITTLE)
    assert frame == plain_frame(17, MANY)
    assert archive.read_numbers == [17]
    assert compute.runs == 1


async def test_a_frame_is_converted_once_however_many_wait_for_it(archive: CountingArchive) -> None:
    compute = GatedCompute()
    converter = FrameConverter(archive, compute)
    waiting = [asyncio.ensure_future(converter.one(instance_of(archive), 3, EXPLICIT_LITTLE)) for _ in range(12)]
    await asyncio.sleep(0.01)
    compute.gate.set()
    assert set(await asyncio.gather(*waiting)) == {plain_frame(3, MANY)}
    assert (compute.done, archive.read_numbers) == (1, [3])


async def test_what_is_converted_is_kept_by_version_frame_and_target(archive: CountingArchive) -> None:
    compute = DirectCompute()
    converter = FrameConverter(archive, compute)
    for number, target in ((1, EXPLICIT_LITTLE), (2, EXPLICIT_LITTLE), (1, RLE)) * 2:
        await converter.one(instance_of(archive), number, target)
    assert compute.runs == 3
    archive.put(file_in(RLE, MANY))
    await converter.one(instance_of(archive), 1, EXPLICIT_LITTLE)
    assert compute.runs == 4


async def test_many_frames_come_in_the_order_asked_for(archive: CountingArchive) -> None:
    converter = FrameConverter(archive, DirectCompute())
    numbers = [5, 1, 40, 5, 2]
    frames = [frame async for frame in converter.many(instance_of(archive), numbers, EXPLICIT_LITTLE)]
    assert frames == [plain_frame(number, MANY) for number in numbers]


async def test_of_many_frames_only_a_few_are_under_way(archive: CountingArchive) -> None:
    compute = GatedCompute()
    converter = FrameConverter(archive, compute, threads=3)
    frames = converter.many(instance_of(archive), range(1, 41), EXPLICIT_LITTLE)
    first = asyncio.ensure_future(anext(frames))
    await asyncio.sleep(0.01)
    assert compute.begun == 4
    assert len(archive.read_numbers) == 4
    compute.gate.set()
    assert await first == plain_frame(1, MANY)
    assert len(archive.read_numbers) <= 5
    await frames.aclose()


async def test_all_answers_together_work_ahead_within_one_bound(
    archive: CountingArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers that have stopped taking hold what is under way, and there may be many of them."""
    instance = instance_of(archive)
    monkeypatch.setattr("dicomweb.services.frame_conversion._AHEAD_BYTES", 5 * frame_bytes(instance))
    converter = FrameConverter(archive, DirectCompute(), threads=3)
    for _ in range(2):  # room comes back when readers go
        archive.read_numbers.clear()
        readers = [converter.many(instance, range(1, 41), EXPLICIT_LITTLE) for _ in range(10)]
        assert [await anext(reader) for reader in readers] == [plain_frame(1, MANY)] * 10
        assert len(archive.read_numbers) == 10 + 5
        for reader in readers:
            await reader.aclose()


async def test_frames_wait_unread_for_others_to_be_through(
    archive: CountingArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dicomweb.services.frame_conversion._ROOM_BYTES", 2 * work_bytes(instance_of(archive)))
    compute = GatedCompute()
    converter = FrameConverter(archive, compute)
    asking = [asyncio.ensure_future(converter.one(instance_of(archive), n, EXPLICIT_LITTLE)) for n in range(1, 9)]
    await asyncio.sleep(0.01)
    assert archive.read_numbers == [1, 2]
    compute.gate.set()
    assert await asyncio.gather(*asking) == [plain_frame(n, MANY) for n in range(1, 9)]


async def test_who_goes_away_stops_the_work(archive: CountingArchive) -> None:
    compute = GatedCompute()
    frames = FrameConverter(archive, compute, threads=3).many(instance_of(archive), range(1, 41), EXPLICIT_LITTLE)
    asking = asyncio.ensure_future(anext(frames))
    await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    compute.gate.set()
    await asyncio.sleep(0.01)
    assert compute.done == 0
    assert len(archive.read_numbers) == 4
    assert len(asyncio.all_tasks()) == 1


async def test_a_long_list_does_not_drive_everything_else_out_of_the_cache(archive: CountingArchive) -> None:
    compute = DirectCompute()
    converter = FrameConverter(archive, compute)
    for _ in range(2):
        async for _ in converter.many(instance_of(archive), range(1, 41), EXPLICIT_LITTLE):
            pass
    assert compute.runs == 80
    for _ in range(2):
        async for _ in converter.many(instance_of(archive), range(1, 11), EXPLICIT_LITTLE):
            pass
    assert compute.runs == 90


async def test_bytes_that_are_valid_in_the_target_are_passed_through() -> None:
    archive = CountingArchive([file_in(HTJ2K, MANY)])
    compute = DirectCompute()
    frame = await FrameConverter(archive, compute).one(instance_of(archive), 2, HTJ2K_LOSSY)
    assert frame.rstrip(b"\0") == frame_in(HTJ2K, 2, MANY).rstrip(b"\0")
    assert compute.runs == 0


async def test_big_endian_frames_are_turned_round_before_they_are_encoded() -> None:
    archive = CountingArchive([ct_slice(transfer_syntax=EXPLICIT_BIG)])
    converter = FrameConverter(archive, DirectCompute())
    packed = await converter.one(instance_of(archive), 1, RLE)
    again = CountingArchive([multi_frame([[packed]], transfer_syntax=RLE, Rows=4, Columns=4, BitsAllocated=16,
                                         BitsStored=16, HighBit=15)])  # fmt: skip
    assert await FrameConverter(again, DirectCompute()).one(instance_of(again), 1, EXPLICIT_LITTLE) == pixels(32)


async def test_errors_name_the_frame_and_the_others_come(archive: CountingArchive) -> None:
    broken = CountingArchive(
        [
            multi_frame(
                [[frame_in(RLE, 1, spec_of(bits=8))], [b"\1\0no RLE"]], transfer_syntax=RLE, Rows=16, Columns=16
            )
        ]
    )
    converter = FrameConverter(broken, DirectCompute())
    frames = converter.many(instance_of(broken), (1, 2), EXPLICIT_LITTLE)
    assert await anext(frames) == plain_frame(1, spec_of(bits=8))
    with pytest.raises(Undecodable, match=r"^frame 2: "):
        await anext(frames)


async def test_what_cannot_be_had_raises_before_anything_is_read(archive: CountingArchive) -> None:
    converter = FrameConverter(archive, DirectCompute())
    with pytest.raises(UnsupportedSyntax):
        await converter.one(instance_of(archive), 1, JPEG_BASELINE)
    assert archive.read_numbers == []
    with pytest.raises(NoSuchFrame):
        await converter.one(instance_of(archive), 41, EXPLICIT_LITTLE)


async def test_an_error_is_not_kept() -> None:
    class Failing(DirectCompute):
        failing = True

        async def run(self, work: Callable[[], Result]) -> Result:
            if self.failing:
                raise MemoryError
            return await super().run(work)

    archive = CountingArchive([file_in(J2K, MANY)])
    compute = Failing()
    converter = FrameConverter(archive, compute)
    with pytest.raises(MemoryError):
        await converter.one(instance_of(archive), 1, EXPLICIT_LITTLE)
    compute.failing = False
    assert await converter.one(instance_of(archive), 1, EXPLICIT_LITTLE) == plain_frame(1, MANY)
