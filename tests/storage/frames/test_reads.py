"""Reading frames from a store: the right bytes, by few ranged reads, in bounded memory."""

from __future__ import annotations

import random
from array import array
from collections.abc import AsyncIterator

import pytest

from dicomweb.model.fragments import FragmentSpans
from dicomweb.model.frames import EncapsulatedFrames, FrameIndex, NativeFrames
from dicomweb.model.ranges import ByteRange
from dicomweb.ports import Damaged, NoSuchFrame
from storage.frames.divide import divided
from storage.frames.reads import read_frame, read_frames, read_joined
from tests.storage.frames.stores import NotingStore

KEY = "dicom/ab/1.2/1.2.3/1.2.3.4~v.dcm"
FIRST = 100
BYTES = random.Random(7).randbytes(60_000)


async def stored(data: bytes = BYTES) -> NotingStore:
    store = NotingStore()
    await store.put(KEY, [data])
    return store


def native(count: int, length: int, *, bits: int | None = None) -> FrameIndex:
    return FrameIndex(count, NativeFrames(FIRST, length * 8 if bits is None else bits), False, count)


def encapsulated(*lengths: int, groups: tuple[int, ...] | None = None, gap: int = 8) -> FrameIndex:
    starts, at = array("Q"), FIRST
    for length in lengths:
        starts.append(at)
        at += length + gap
    count = len(lengths) if groups is None else len(groups) - 1
    layout = EncapsulatedFrames(
        FragmentSpans(starts, array("Q", lengths)), None if groups is None else array("Q", groups)
    )
    return FrameIndex(count, layout, False, count)


def expected(index: FrameIndex, number: int) -> bytes:
    return b"".join(BYTES[span.start : span.end] for span in index.ranges(number))


async def all_of(frames: AsyncIterator[bytes]) -> list[bytes]:
    return [frame async for frame in frames]


async def test_one_frame_is_one_ranged_read_of_its_bytes() -> None:
    store, index = await stored(), encapsulated(500, 600, 700)
    assert await read_frame(store, KEY, index, 2) == expected(index, 2)
    assert await all_of(read_frames(store, KEY, index, [2])) == [expected(index, 2)]
    assert store.reads == [*index.ranges(2), *index.ranges(2)]


async def test_a_fragmented_frame_is_one_ranged_read() -> None:
    store, index = await stored(), encapsulated(500, 600, 700, 800, groups=(0, 1, 4))
    assert await read_frame(store, KEY, index, 2) == expected(index, 2)
    assert len(store.reads) == 1


@pytest.mark.parametrize("index", [encapsulated(*[300] * 40), native(40, 300)])
async def test_neighbouring_frames_are_one_ranged_read(index: FrameIndex) -> None:
    store = await stored()
    numbers = range(10, 30)
    assert await all_of(read_frames(store, KEY, index, numbers)) == [expected(index, number) for number in numbers]
    assert store.reads == [ByteRange(index.ranges(10)[0].start, index.ranges(29)[0].end)]


async def test_frames_come_in_the_order_asked_for_and_as_often() -> None:
    store, index = await stored(), encapsulated(*range(100, 140))
    numbers = [7, 3, 7, 40, 1, 3]
    got = await all_of(read_frames(store, KEY, index, numbers, gap=0))
    assert got == [expected(index, number) for number in numbers]
    assert len(store.reads) == 4  # frames 1, 3, 7 and 40, each once


async def test_a_long_list_is_read_in_batches_of_bounded_size() -> None:
    store, index = await stored(), native(100, 500)
    frames = read_frames(store, KEY, index, range(1, 101), limit=5000)
    assert await anext(frames) == expected(index, 1)
    assert store.reads == [ByteRange(FIRST, FIRST + 5000)]
    assert await all_of(frames) == [expected(index, number) for number in range(2, 101)]
    assert len(store.reads) == 10
    assert all(span is not None and span.length <= 5000 for span in store.reads)


async def test_frames_of_single_bits_are_given_from_their_first_bit() -> None:
    store = await stored()
    index = native(9, 0, bits=25)
    whole = int.from_bytes(BYTES[FIRST : FIRST + 40], "little")
    wanted = [(whole >> 25 * at & (1 << 25) - 1).to_bytes(4, "little") for at in range(9)]
    assert await all_of(read_frames(store, KEY, index, range(1, 10))) == wanted
    assert await read_frame(store, KEY, index, 6) == wanted[5]


@pytest.mark.parametrize("numbers", [[0], [4], [1, 2, 4], [1, -1]])
async def test_a_frame_that_is_not_there_is_told_before_anything_is_read(numbers: list[int]) -> None:
    store, index = await stored(), native(3, 100)
    with pytest.raises(NoSuchFrame) as caught:
        await anext(read_frames(store, KEY, index, numbers))
    assert (caught.value.number, caught.value.frames) == (numbers[-1], 3)
    assert store.reads == []
    with pytest.raises(NoSuchFrame):
        await read_frame(store, KEY, index, numbers[-1])


async def test_an_empty_frame_is_no_bytes_and_no_read() -> None:
    store, index = await stored(), encapsulated(10, 0, 10)
    assert await read_frame(store, KEY, index, 2) == b""
    assert await all_of(read_frames(store, KEY, index, [1, 2])) == [expected(index, 1), b""]
    assert len(store.reads) == 1


async def test_an_object_that_is_too_short_is_damage() -> None:
    store = await stored(BYTES[: FIRST + 250])
    with pytest.raises(Damaged):
        await read_frame(store, KEY, native(3, 100), 3)
    with pytest.raises(Damaged):
        await all_of(read_frames(store, KEY, native(3, 100), [1, 2, 3]))


async def test_an_object_that_is_missing_is_damage() -> None:
    store = NotingStore()
    with pytest.raises(Damaged):
        await read_frame(store, KEY, native(3, 100), 1)


async def test_a_value_in_fragments_is_given_joined_in_few_reads() -> None:
    store, index = await stored(), encapsulated(*[400] * 20)
    assert index.fragments is not None
    whole = b"".join(expected(index, number) for number in range(1, 21))
    assert b"".join(await all_of(read_joined(store, KEY, index.fragments.joined(None)))) == whole
    assert len(store.reads) == 1
    part = index.fragments.joined(ByteRange(350, 4444))
    assert b"".join(await all_of(read_joined(store, KEY, part))) == whole[350:4444]


async def test_a_large_value_is_given_in_chunks_of_bounded_size() -> None:
    store = await stored()
    chunks = await all_of(read_joined(store, KEY, [ByteRange(0, 50_000), ByteRange(50_010, 60_000)], limit=8000))
    assert b"".join(chunks) == BYTES[:50_000] + BYTES[50_010:]
    assert max(map(len, chunks)) <= 8000
    assert max(span.length for span in store.reads if span) <= 8010


async def test_frames_are_divided_by_how_fragments_begin() -> None:
    spans = encapsulated(400, 400, 300, 400, 300)
    layout = spans.layout
    index = FrameIndex(0, layout, False, declared=2)
    data = bytearray(BYTES)
    for number in (1, 4):
        start = spans.ranges(number)[0].start
        data[start : start + 4] = b"\xff\xd8\xff\xe0"
    store = await stored(bytes(data))
    found = await divided(store, KEY, index)
    assert [found.frame_length(number) for number in (1, 2)] == [1100, 700]
    assert len(store.reads) == 1


async def test_what_cannot_be_divided_stays_without_frames() -> None:
    index = FrameIndex(0, encapsulated(400, 400, 300).layout, False, declared=2)
    store = await stored(bytes(60_000))
    assert await divided(store, KEY, index) == index
    whole = native(3, 100)
    assert await divided(store, KEY, whole) is whole
