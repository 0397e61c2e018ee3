"""Which reads bring the frames that were asked for: plain computing, no store.

The spans wanted are put in their order in the object; what lies closer together than `gap` is read at once, up to
`limit` bytes a read. Every span is then cut out of the read it fell into. Frames come in the order asked for, in
batches that keep memory bounded, whatever was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from dicomweb.model.frames import FrameIndex
from dicomweb.model.ranges import ByteRange

GAP = 64 << 10
"""Bytes between two spans that are rather read than skipped by another request."""
LIMIT = 2 << 20
"""Bytes of one read, and of the spans of one batch, unless a single span is longer. Every client that reads slowly
holds as much."""

PARALLEL = 8
"""Reads of one answer that are under way together."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames that are read together."""

    numbers: tuple[int, ...]
    """Frame numbers (1-based) in the order asked for."""
    spans: tuple[tuple[ByteRange, ...], ...]
    """For each of them, the spans that joined are the frame."""


@dataclass(frozen=True, slots=True)
class Read:
    """One ranged read."""

    span: ByteRange
    parts: tuple[ByteRange, ...]
    """The wanted spans within it, each once."""


def plan_batches(index: FrameIndex, numbers: Iterable[int], *, limit: int) -> Iterator[Batch]:
    """Divide frames into runs of at most `limit` bytes, or of a single longer frame. The numbers must exist."""
    taken: list[int] = []
    spans: list[tuple[ByteRange, ...]] = []
    held = 0
    for number in numbers:
        wanted = index.ranges(number)
        length = sum(span.length for span in wanted)
        if taken and held + length > limit:
            yield Batch(tuple(taken), tuple(spans))
            taken, spans, held = [], [], 0
        taken.append(number)
        spans.append(wanted)
        held += length
    if taken:
        yield Batch(tuple(taken), tuple(spans))


def plan_reads(spans: Iterable[ByteRange], *, gap: int, limit: int) -> list[Read]:
    """Few reads that cover all spans. A span of no bytes needs no read; a span is never divided."""
    reads: list[Read] = []
    parts: list[ByteRange] = []
    start = end = 0
    for span in sorted({span for span in spans if span.length}):
        if parts and (span.start > end + gap or max(end, span.end) - start > limit):
            reads.append(Read(ByteRange(start, end), tuple(parts)))
            parts = []
        if not parts:
            start = end = span.start
        parts.append(span)
        end = max(end, span.end)
    if parts:
        reads.append(Read(ByteRange(start, end), tuple(parts)))
    return reads


def plan_groups(reads: Sequence[Read], *, limit: int, most: int) -> Iterator[Sequence[Read]]:
    """Runs of reads that may be under way together: at most `most`, of at most `limit` bytes or a single one."""
    first = held = 0
    for position, read in enumerate(reads):
        if position > first and (position - first == most or held + read.span.length > limit):
            yield reads[first:position]
            first, held = position, 0
        held += read.span.length
    if reads:
        yield reads[first:]


def cut(read: Read, data: bytes) -> dict[ByteRange, bytes]:
    """The parts of a read, by their spans. Shares the bytes where the read is one part."""
    if len(read.parts) == 1:
        return {read.parts[0]: data}
    base = read.span.start
    return {part: data[part.start - base : part.end - base] for part in read.parts}


def frame_from(pieces: Sequence[bytes], *, bit_offset: int, bits: int) -> bytes:
    """A frame from the bytes of its spans.

    A native frame that begins inside a byte, or ends there, is moved to begin with a byte, the rest of its last
    one zero (PS3.5 8.1.1: the first pixel is the least significant bit).
    """
    data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    if not bit_offset and bits == 8 * len(data):
        return data
    number = int.from_bytes(data, "little") >> bit_offset
    return (number & ((1 << bits) - 1)).to_bytes((bits + 7) // 8, "little")
