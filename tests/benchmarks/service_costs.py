"""What the language alone costs: each step of the hot paths, without archive, server or network.

    python -m tests.benchmarks.service_costs

Prints milliseconds of CPU, the median of several runs, beside what the step may take for the whole server to reach
its figures. The archives are those of the tests, so a figure says what the services do, not what storage does.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from array import array
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from dicomweb.encoding.reader import HeadReader
from dicomweb.model.fragments import ITEM_HEADER, FragmentSpans
from dicomweb.model.frames import EncapsulatedFrames, FrameIndex
from dicomweb.model.query import JsonAttributes
from dicomweb.services.frames import Frames
from dicomweb.services.limits import Limits
from dicomweb.services.metadata import Metadata
from dicomweb.services.qido import Search
from dicomweb.wire.multipart import MultipartReader, closing, new_boundary, part_head
from tests.build.asking import ask, whole_body
from tests.build.compute import DirectCompute
from tests.build.dicom import ct_slice, multi_frame, uid
from tests.build.memory_archive import MemoryArchive
from tests.build.recording_archive import RecordingArchive

_CHUNK = 65536
_SERIES = f"/studies/{uid('study')}/series/{uid('series')}"
_STUDY_LIST = (
    "/studies?limit=101&offset=0&fuzzymatching=false&includefield=00081030%2C00080060%2C00080090%2C00100030"
    "&PatientName=*x*&StudyDate=20240101-20241231"
)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to measure."""

    name: str
    aim: float
    """Milliseconds of CPU it may take."""
    times: int
    """How often it is done in one call of `work`."""
    work: Callable[[], Awaitable[object]]


def at_once(work: Callable[[], object]) -> Callable[[], Awaitable[object]]:
    """A computation as a step."""

    async def run() -> object:
        return work()

    return run


def encoding_steps() -> Iterator[Step]:
    """Header reader and frame index."""
    lengths = [2 * (1000 + number * 7919 % 14_000) for number in range(4096)]
    starts = accumulate((length + ITEM_HEADER for length in lengths[:-1]), initial=1000)
    spans = FragmentSpans(array("Q", starts), array("Q", lengths))
    packed = FrameIndex(4096, EncapsulatedFrames(spans, None), inflated=False, declared=4096).to_bytes()
    yield Step("index of 4 096 frames unpacked", 0.2, 1, at_once(lambda: FrameIndex.from_bytes(packed)))
    for name, data, aim in (
        ("header of a CT slice read", ct_slice(rows=512, columns=512), 0.5),
        ("header of 20 000 frames read", multi_frame([[b"jpeg"]] * 20_000), 20.0),
    ):
        yield Step(name, aim, 1, at_once(lambda data=data: _read_head(data)))  # type: ignore[misc]  # binds the loop's value


def _read_head(data: bytes) -> None:
    reader = HeadReader()
    for start in range(0, len(data), _CHUNK):
        reader.feed(memoryview(data)[start : start + _CHUNK])
    reader.finish()


def multipart_step() -> Step:
    """The body of a store request."""
    boundary, payload = new_boundary(), bytes(range(256)) * 2062
    pieces = [part_head(boundary, "application/dicom", first=number == 0) + payload for number in range(20)]
    body = b"".join([*pieces, closing(boundary)])

    def read() -> None:
        reader = MultipartReader(boundary)
        for start in range(0, len(body), _CHUNK):
            reader.feed(body[start : start + _CHUNK])
        reader.finish()

    return Step("part of 528 kB found", 0.1, 20, at_once(read))


def frame_step() -> Step:
    """A frame as viewers ask for it."""
    handlers = Frames(MemoryArchive([ct_slice(rows=512, columns=512)]), DirectCompute()).handlers()
    accept = {"accept": "multipart/related; type=application/octet-stream; transfer-syntax=*"}

    async def retrieve() -> None:
        for _ in range(100):
            await ask(handlers, "GET", f"{_SERIES}/instances/{uid('instance')}/frames/1", headers=accept)

    return Step("CT frame answered", 0.1, 100, retrieve)


def metadata_steps() -> Iterator[Step]:
    """Metadata of a series of 300 slices."""
    archive = MemoryArchive(
        ct_slice(instance=f"i{n}", InstanceNumber=n, ImageComments="x" * 1500) for n in range(300)
    )
    kept = Metadata(archive, DirectCompute())

    def retrieve(service: Metadata | None, coding: str) -> Callable[[], Awaitable[object]]:
        headers = {"accept": "application/dicom+json", "accept-encoding": coding}

        async def run() -> bytes:
            handlers = (service or Metadata(archive, DirectCompute())).handlers()
            return await whole_body(await ask(handlers, "GET", _SERIES + "/metadata", headers=headers))

        return run

    yield Step("metadata of 300 slices, first", 20, 1, retrieve(None, "identity"))
    yield Step("metadata of 300 slices, first, gzip", 50, 1, retrieve(None, "gzip"))
    yield Step("metadata of 300 slices, again", 2, 1, retrieve(kept, "identity"))


def search_step() -> Step:
    """The study list of a viewer: parsing, URLs, JSON."""
    study: JsonAttributes = {
        "00080020": {"vr": "DA", "Value": ["20240101"]},
        "00080061": {"vr": "CS", "Value": ["CT", "SR"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^Änne", "Ideographic": "山田"}]},
        "00100020": {"vr": "LO", "Value": ["P"]},
    }
    matches: list[JsonAttributes] = [
        study | {"0020000D": {"vr": "UI", "Value": [f"1.2.{number}"]}} for number in range(500)
    ]
    handlers = Search(RecordingArchive(matches, batch=512), Limits()).handlers()

    async def find() -> bytes:
        return await whole_body(await ask(handlers, "GET", _STUDY_LIST))

    return Step("page of 101 studies answered", 5, 1, find)


async def measure(step: Step, runs: int) -> float:
    """Median milliseconds of CPU for doing it once, after a run that fills tables and caches."""
    await step.work()
    taken = []
    for _ in range(runs):
        begin = time.process_time()
        await step.work()
        taken.append((time.process_time() - begin) * 1000 / step.times)
    return statistics.median(taken)


async def main() -> None:
    """Measure every step and print the table."""
    parser = argparse.ArgumentParser(description="CPU time of the steps of the hot paths.")
    parser.add_argument("--runs", type=int, default=9, help="runs of which the median is told")
    runs = parser.parse_args().runs
    print(f"{'step':40} {'ms':>9} {'aim':>7}")
    for step in (*encoding_steps(), multipart_step(), frame_step(), *metadata_steps(), search_step()):
        print(f"{step.name:40} {await measure(step, runs):9.3f} {step.aim:7.1f}")


if __name__ == "__main__":
    asyncio.run(main())
