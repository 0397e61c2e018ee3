"""Frames and other spans of a stored object, by few ranged reads.

One frame that is one span is one read of exactly its bytes. One batch is in memory at a time and nothing is read
ahead, so that a slow client holds no more than about 2 MiB, or one frame if that is longer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Protocol

from dicomweb.model.frames import FrameIndex
from dicomweb.model.ranges import ByteRange
from dicomweb.ports import Damaged, NoSuchFrame
from storage.frames.plan import GAP, LIMIT, PARALLEL, Read, cut, frame_from, plan_batches, plan_groups, plan_reads
from storage.objects.contract import ObjectMissing


class Spans(Protocol):
    """What frames are read from: an `ObjectStore`, or the inflated copies of one."""

    async def get(self, key: str, span: ByteRange | None = None) -> bytes:
        """The object or a span of it. Raises ObjectMissing."""


def check_frames(index: FrameIndex, numbers: Iterable[int]) -> None:
    """Raise NoSuchFrame for the first number that the instance does not have."""
    count = index.count
    for number in numbers:
        if not 1 <= number <= count:
            raise NoSuchFrame(number, count)


async def read_frame(store: Spans, key: str, index: FrameIndex, number: int) -> bytes:
    """One frame (1-based). Raises NoSuchFrame, Damaged."""
    if not 1 <= number <= index.count:
        raise NoSuchFrame(number, index.count)
    spans = index.ranges(number)
    if len(spans) == 1:
        pieces: Sequence[bytes] = (await read_span(store, key, spans[0]),)
    else:
        found = await _read_all(store, key, plan_reads(spans, gap=GAP, limit=LIMIT))
        pieces = [found.get(span, b"") for span in spans]
    return frame_from(pieces, bit_offset=index.bit_offset(number), bits=index.frame_bits(number))


async def read_frames(
    store: Spans, key: str, index: FrameIndex, numbers: Sequence[int], *, gap: int = GAP, limit: int = LIMIT
) -> AsyncIterator[bytes]:
    """Each frame's bytes, fragments joined, in the order asked for.

    `gap` and `limit` bound the reads as in `plan`. Raises NoSuchFrame before anything is read; Damaged.
    """
    check_frames(index, numbers)
    if len(numbers) == 1:
        yield await read_frame(store, key, index, numbers[0])
        return
    for batch in plan_batches(index, numbers, limit=limit):
        wanted = (span for spans in batch.spans for span in spans)
        found = await _read_all(store, key, plan_reads(wanted, gap=gap, limit=limit))
        for number, spans in zip(batch.numbers, batch.spans, strict=True):
            pieces = [found.get(span, b"") for span in spans]
            yield frame_from(pieces, bit_offset=index.bit_offset(number), bits=index.frame_bits(number))


async def read_joined(
    store: Spans, key: str, spans: Iterable[ByteRange], *, gap: int = GAP, limit: int = LIMIT
) -> AsyncIterator[bytes]:
    """The spans one after the other in chunks of at most `limit` bytes: a value in fragments. Raises Damaged."""
    batch: list[ByteRange] = []
    held = 0
    for span in _pieces(spans, limit):
        if held + span.length > limit:
            yield await _joined(store, key, batch, gap=gap, limit=limit)
            batch, held = [], 0
        batch.append(span)
        held += span.length
    if batch:
        yield await _joined(store, key, batch, gap=gap, limit=limit)


async def read_span(store: Spans, key: str, span: ByteRange) -> bytes:
    """The bytes of the span, all of them. Raises Damaged."""
    if not span.length:
        return b""
    try:
        data = await store.get(key, span)
    except ObjectMissing as error:
        raise Damaged(f"{key} is missing") from error
    if len(data) != span.length:
        raise Damaged(f"{key} ends at byte {span.start + len(data)}, {span.end} were expected")
    return data


async def _read_all(store: Spans, key: str, reads: Sequence[Read]) -> dict[ByteRange, bytes]:
    found: dict[ByteRange, bytes] = {}
    for group in plan_groups(reads, limit=LIMIT, most=PARALLEL):
        blocks = await asyncio.gather(*(read_span(store, key, read.span) for read in group))
        for read, block in zip(group, blocks, strict=True):
            found.update(cut(read, block))
    return found


async def _joined(store: Spans, key: str, spans: Sequence[ByteRange], *, gap: int, limit: int) -> bytes:
    found = await _read_all(store, key, plan_reads(spans, gap=gap, limit=limit))
    return b"".join(found.get(span, b"") for span in spans)


def _pieces(spans: Iterable[ByteRange], limit: int) -> Iterable[ByteRange]:
    for span in spans:
        for start in range(span.start, span.end, limit):
            yield ByteRange(start, min(start + limit, span.end))
