"""From what one pass over a file told to where each of its frames lies.

An instance is never refused because of this: what does not add up gives an index with as many frames as can be
read, down to one that cannot be divided (`FrameIndex.undivided`).

| what the file has                              | frames                                                      |
|------------------------------------------------|-------------------------------------------------------------|
| native value                                   | as declared, or as many as fit if it is too short           |
| Extended, else Basic Offset Table that fits    | as many as the table names                                  |
| one frame declared, or a video                 | 1, made of all fragments                                    |
| as many fragments as frames, or fewer          | one fragment each                                           |
| anything else                                  | undivided: see `codestreams`                                |

A table fits if its offsets rise, begin with the first fragment, and each names the begin of a fragment. Tables
that do not are common: 32-bit offsets that wrapped, absolute offsets, tables copied from another file. Where
Number of Frames is 0, the table or the length of the value tells.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np

from dicomweb.encoding.head import Fragments, Head
from dicomweb.encoding.image import declared_frames, image_spec, pixel_vr, says_no_frames
from dicomweb.model.fragments import ITEM_HEADER, FragmentSpans
from dicomweb.model.frames import EncapsulatedFrames, FrameIndex, NativeFrames
from dicomweb.model.instance import ImageSpec
from dicomweb.model.packing import Numbers, as_numbers, as_row
from dicomweb.model.ranges import ByteRange

__all__ = ["FrameCountMismatch", "frame_index", "frames_from_items", "image_spec", "pixel_vr"]

_MPEG = "1.2.840.10008.1.2.4.10"
_VIDEO = frozenset(f"{_MPEG}{digit}{suffix}" for digit in range(9) for suffix in ("", ".1"))
"""MPEG2, MPEG-4 AVC and HEVC (PS3.5 A.4.5 to A.4.8), in one or, with the suffix, several fragments."""

_SUBSAMPLED = {"YBR_FULL_422": (2, 3), "YBR_PARTIAL_422": (2, 3), "YBR_PARTIAL_420": (1, 2)}
"""Share of the samples that native pixel data hold of a three-sample image (PS3.3 C.7.6.3.1.2)."""


class FrameCountMismatch(ValueError):
    """Fragments that cannot be divided among the frames."""

    def __init__(self, fragments: int, frames: int) -> None:
        super().__init__(f"{fragments} fragments cannot be divided among {frames} frames")
        self.fragments = fragments
        self.frames = frames


def frame_index(head: Head, image: ImageSpec | None) -> FrameIndex | None:
    """Where the frames of an instance lie.

    None without pixel data, with an empty value, and with a native one whose attributes do not tell the size of a
    frame. The index may be `undivided`; its `count` may differ from Number of Frames.
    """
    if head.pixel is None or not head.pixel.length:
        return None
    declared = declared_frames(head.data_set)
    expected = None if says_no_frames(head.data_set) else declared
    value = head.pixel.value
    if isinstance(value, ByteRange):
        layout = NativeFrames(value.start, _frame_bits(image, value.length * 8, declared)) if image else None
        if layout is None:
            return None
        fitting = value.length * 8 // layout.bits
        return FrameIndex(min(expected or fitting, fitting), layout, head.inflated, declared)
    spans = FragmentSpans(value.starts, value.lengths)
    if head.transfer_syntax in _VIDEO:
        return FrameIndex(1, EncapsulatedFrames(spans, _all_in_one(spans)), head.inflated, declared)
    try:
        count, groups = frames_from_items(spans, _offset_tables(head, value), frames=expected)
    except FrameCountMismatch:
        count, groups = 0, None
    return FrameIndex(count, EncapsulatedFrames(spans, groups), head.inflated, declared)


def _frame_bits(image: ImageSpec, available: int, frames: int) -> int:
    """Bits of a frame; of a subsampled photometric interpretation fewer, unless the value is as long as without.

    Some write YBR_FULL_422 and store every sample all the same.
    """
    bits = image.rows * image.columns * image.samples_per_pixel * image.bits_allocated
    share = _SUBSAMPLED.get(image.photometric_interpretation)
    if share and image.samples_per_pixel == 3 and available < bits * frames:
        return bits * share[0] // share[1]
    return bits


def frames_from_items(
    spans: FragmentSpans, tables: Sequence[Numbers], *, frames: int | None
) -> tuple[int, array[int] | None]:
    """Divide the fragments of an encapsulated Pixel Data element among its frames (PS3.5 A.4).

    The first of `tables` that fits is believed; offsets count from the first byte of the first fragment's item
    tag. Without one, only one frame in all or one fragment a frame can be told apart. `frames` is None if unknown.

    Returns the count and the groups of `EncapsulatedFrames`. Raises FrameCountMismatch if the fragments cannot be
    divided among `frames`.
    """
    if frames == 1:
        # a table of several entries is then one of fragments, which some writers make
        return 1, _all_in_one(spans)
    for offsets in tables:
        groups = _groups(spans, offsets)
        if groups is not None and (frames is None or len(groups) > 2):
            return len(groups) - 1, None if len(groups) - 1 == len(spans) else as_row(groups)
    if frames is None:
        return 1, _all_in_one(spans)
    used = _without_empty_tail(spans, frames)
    if used > frames:
        raise FrameCountMismatch(len(spans), frames)
    # with fewer fragments than frames the value is cut short, or Number of Frames is wrong
    return used, None


def _all_in_one(spans: FragmentSpans) -> array[int] | None:
    return None if len(spans) == 1 else array("Q", (0, len(spans)))


def _groups(spans: FragmentSpans, offsets: Numbers) -> Numbers | None:
    """First fragment of each frame and the end, None if the offsets do not fit the fragments."""
    if not len(offsets) or not len(spans) or offsets[0] != 0:
        return None
    items = as_numbers(spans.starts) - np.uint64(ITEM_HEADER)
    wanted = offsets + items[0]
    first = np.searchsorted(items, wanted)
    if first[-1] >= len(items) or not (items[np.minimum(first, len(items) - 1)] == wanted).all():
        return None
    if not (np.diff(first) > 0).all():
        return None
    return np.append(first, len(items)).astype(np.uint64)


def _without_empty_tail(spans: FragmentSpans, frames: int) -> int:
    """Number of fragments without empty ones behind the last frame, which some writers append."""
    used = len(spans)
    while used > frames and spans.lengths[used - 1] == 0:
        used -= 1
    return used


def _offset_tables(head: Head, value: Fragments) -> list[Numbers]:
    """Extended Offset Table (PS3.3 C.7.6.3.1.8) and Basic Offset Table (PS3.5 A.4), one entry a frame."""
    tables = ((head.extended_offsets, "<u8"), (value.basic_offsets, "<u4"))
    return [
        np.frombuffer(table, dtype=kind).astype(np.uint64)
        for table, kind in tables
        if table and len(table) % np.dtype(kind).itemsize == 0
    ]
