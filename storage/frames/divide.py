"""Telling apart the frames of an instance whose offsets do not, by looking at how its fragments begin.

Needed once for the rare objects with several fragments a frame and no usable offset table; whoever keeps frame
indexes in memory keeps the result.
"""

from __future__ import annotations

from dicomweb.encoding.codestreams import OPENING, divide
from dicomweb.encoding.frame_index import FrameCountMismatch
from dicomweb.model.frames import FrameIndex
from dicomweb.model.ranges import ByteRange
from storage.frames.plan import GAP, LIMIT, cut, plan_reads
from storage.frames.reads import Spans, read_span


async def divided(source: Spans, key: str, index: FrameIndex) -> FrameIndex:
    """The index with its frames divided, or as it is if that cannot be done or need not. Raises Damaged."""
    fragments = index.fragments
    if fragments is None or not index.undivided:
        return index
    wanted = [
        ByteRange(start, start + min(OPENING, length))
        for start, length in zip(fragments.starts, fragments.lengths, strict=True)
    ]
    found: dict[ByteRange, bytes] = {}
    # one read after the other, and only the beginnings kept: the fragments together may be large
    for read in plan_reads(wanted, gap=GAP, limit=LIMIT):
        found.update(cut(read, await read_span(source, key, read.span)))
    try:
        return divide(index, [found.get(span, b"") for span in wanted])
    except FrameCountMismatch:
        return index
