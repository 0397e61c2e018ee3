"""Promises about the cost of pictures, held against a store that counts and a compute that counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.compute import ThreadCompute
from dicomweb.services.byte_cache import ByteCache
from dicomweb.services.rendered import Rendered
from dicomweb.services.studio import Studio
from dicomweb.services.thumbnails import Thumbnails
from storage.objects.counting import CountingStore
from storage.objects.memory import MemoryStore
from tests.build.compute import DirectCompute
from tests.build.dicom import ct_slice, multi_frame, native_frames, uid
from tests.build.lake import open_lake, store_files
from tests.build.web import Told, ask

STUDY = f"/studies/{uid('study')}"
SERIES = f"{STUDY}/series/{uid('ct')}"
CINE = f"{STUDY}/series/{uid('us')}/instances/{uid('cine')}"
SLICES = 25
FRAMES = 500
MOST_LATENCY = 0.05
"""Seconds that the event loop may be busy at a stretch: more than it is, since other tests run beside this."""


@dataclass
class Watched:
    """Services on an archive that is opened anew, and what they cost."""

    store: CountingStore
    compute: DirectCompute
    studio: Studio

    async def cost(self, path: str, accept: str = "image/jpeg") -> tuple[int, int, int]:
        """Reads of DICOM objects, bytes of them, and turns of Compute for a GET that succeeds."""
        self.store.counts.clear()
        before = self.compute.runs
        told = await self.get(path, accept)
        assert told.status == 200, told
        counts = self.store.counts
        return counts.reads("dicom"), counts.bytes_read, self.compute.runs - before

    async def get(self, path: str, accept: str = "image/jpeg") -> Told:
        """The answer."""
        handlers = {**Rendered(self.studio).handlers(), **Thumbnails(self.studio).handlers()}
        return await ask(handlers, path, accept=accept)


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    store = CountingStore(MemoryStore())
    slices = [
        ct_slice(series="ct", instance=f"ct{n}", InstanceNumber=n, SeriesNumber=1, rows=64, columns=64)
        for n in range(SLICES)
    ]
    cine = native_frames(FRAMES, series="us", instance="cine", SeriesNumber=2, rows=32, columns=32)
    async with open_lake(store, tmp_path / "first") as archive:
        await store_files(archive, *slices, cine)
    async with open_lake(store, tmp_path / "second") as archive:
        compute = DirectCompute()
        yield Watched(store, compute, Studio(archive, compute, ByteCache(1 << 24)))


@pytest.mark.parametrize("path", [STUDY, SERIES, f"{SERIES}/instances/{uid('ct3')}"])
async def test_a_thumbnail_is_one_ranged_read_and_again_none(watched: Watched, path: str) -> None:
    await watched.get(f"{SERIES}/instances/{uid('ct1')}/rendered")
    reads, size, _ = await watched.cost(path + "/thumbnail")
    assert (reads, size) == (1, 64 * 64 * 2)
    assert await watched.cost(path + "/thumbnail") == (0, 0, 0)


async def test_one_frame_of_many_costs_one_frame(watched: Watched) -> None:
    await watched.get(CINE + "/frames/1/rendered")
    assert await watched.cost(CINE + "/frames/321/rendered") == (1, 32 * 32, 1)
    assert await watched.cost(CINE + "/rendered") == (1, 32 * 32, 1), "of all, the middle one"
    assert await watched.cost(CINE + "/frames/321/rendered") == (0, 0, 0)


async def test_an_animation_reads_its_neighbouring_frames_together(watched: Watched) -> None:
    reads, size, _ = await watched.cost(
        CINE + "/frames/" + ",".join(map(str, range(1, 61))) + "/rendered", "image/gif"
    )
    assert (reads, size) == (1, 60 * 32 * 32)


async def test_however_many_ask_at_once_it_is_one_read(watched: Watched) -> None:
    watched.store.counts.clear()
    answers = await asyncio.gather(*(watched.get(SERIES + "/thumbnail") for _ in range(20)))
    assert len({answer.body for answer in answers}) == 1
    assert watched.store.counts.reads("dicom") == 1


async def test_the_event_loop_is_not_held_up_by_drawing(watched: Watched) -> None:
    """A dozen pictures of a size that takes a while, and a clock that ticks beside them."""
    archive = watched.studio.archive
    big = ct_slice(series="big", instance="big", rows=2048, columns=2048)
    async with archive.submit(door="test", peer="", expect=None) as submission:
        await submission.add(_once(big))
        await submission.finish()
    async with ThreadCompute(2) as compute:
        studio = Studio(archive, compute, ByteCache(1 << 24))
        path = f"{STUDY}/series/{uid('big')}/instances/{uid('big')}/rendered?window="
        handlers = Rendered(studio).handlers()
        await ask(handlers, f"{path}1,100", accept="image/jpeg")
        late, ended = [0.0], asyncio.Event()
        clock = asyncio.create_task(_tick(late, ended))
        answers = await asyncio.gather(
            *(ask(handlers, f"{path}{n},30000", accept="image/png") for n in range(2, 14))
        )
        ended.set()
        await clock
    assert {answer.status for answer in answers} == {200}
    late.sort()
    assert late[len(late) // 2] < MOST_LATENCY


async def _tick(late: list[float], ended: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    while not ended.is_set():
        before = loop.time()
        await asyncio.sleep(0.005)
        late.append(loop.time() - before - 0.005)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_a_frame_that_no_one_can_decode_is_not_kept(watched: Watched) -> None:
    archive = watched.studio.archive
    bad = multi_frame([[b"\xff\xd8 no JPEG"]], series="bad", instance="bad")
    async with archive.submit(door="test", peer="", expect=None) as submission:
        await submission.add(_once(bad))
        await submission.finish()
    path = f"{STUDY}/series/{uid('bad')}/instances/{uid('bad')}/rendered"
    assert [(await watched.get(path)).status // 100 for _ in range(2)] == [4, 4]
