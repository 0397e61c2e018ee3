"""Where the fragments of an encapsulated value lie (PS3.5 A.4), as many as there may be.

item tag, length (8 bytes) | fragment 0 | item tag, length | fragment 1 | ...
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from dicomweb.model.packing import DamagedIndex, as_numbers, as_row, pack_numbers, unpack_numbers
from dicomweb.model.ranges import ByteRange

ITEM_HEADER = 8
"""Bytes of an item's tag and length, which lie before each fragment (PS3.5 7.5)."""

_HEAD = struct.Struct("<QB")
_GAPS = 1


@dataclass(frozen=True, slots=True)
class FragmentSpans:
    """The values of fragments in stored order; joined they are the value."""

    starts: array[int]
    """Absolute offset of each fragment's first byte, type code Q."""
    lengths: array[int]
    """Bytes of each fragment, type code Q."""

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def total(self) -> int:
        """Bytes of all fragments joined."""
        return int(as_numbers(self.lengths).sum())

    def span(self, fragment: int) -> ByteRange:
        """Where a fragment lies, counted from 0."""
        start = self.starts[fragment]
        return ByteRange(start, start + self.lengths[fragment])

    def spans(self, first: int, last: int) -> tuple[ByteRange, ...]:
        """Where the fragments `first` to before `last` lie."""
        return tuple(map(self.span, range(first, last)))

    def joined(self, span: ByteRange | None) -> Iterator[ByteRange]:
        """Where a span of the fragments joined lies, None for all; the span is cut to what there is."""
        if not len(self):
            return
        ends = np.cumsum(as_numbers(self.lengths))
        begin, end = (span.start, min(span.end, int(ends[-1]))) if span else (0, int(ends[-1]))
        number = int(np.searchsorted(ends, begin, side="right"))
        while begin < end:
            until = int(ends[number])
            here = self.starts[number] + self.lengths[number] - until
            stop = min(until, end)
            if begin < stop:
                yield ByteRange(here + begin, here + stop)
            begin, number = stop, number + 1

    def to_bytes(self) -> bytes:
        """Compact form: mostly the lengths, since fragments follow one another."""
        starts, lengths = as_numbers(self.starts), as_numbers(self.lengths)
        gaps = starts[1:] - starts[:-1] - lengths[:-1]
        regular = bool((gaps == ITEM_HEADER).all())
        head = _HEAD.pack(self.starts[0] if len(self) else 0, 0 if regular else _GAPS)
        return head + pack_numbers(lengths) + (b"" if regular else pack_numbers(gaps))

    @classmethod
    def from_bytes(cls, data: bytes, offset: int = 0) -> tuple[Self, int]:
        """The spans stored at `offset`, and the offset behind them. Raises DamagedIndex."""
        try:
            first, flags = _HEAD.unpack_from(data, offset)
        except struct.error as error:
            raise DamagedIndex(f"the fragments of an index are cut off: {error}") from error
        lengths, offset = unpack_numbers(data, offset + _HEAD.size)
        gaps: np.uint64 | np.ndarray[tuple[int, ...], np.dtype[np.uint64]] = np.uint64(ITEM_HEADER)
        if flags & _GAPS:
            gaps, offset = unpack_numbers(data, offset)
        starts = np.full(len(lengths), first, dtype=np.uint64)
        starts[1:] += np.cumsum(lengths[:-1] + gaps, dtype=np.uint64)
        return cls(as_row(starts), as_row(lengths)), offset
