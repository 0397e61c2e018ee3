"""Which bytes of a stored object are which frame.

`FrameIndex` holds the one conversion from frame numbers, which are 1-based everywhere, to positions. It is made
once, when an instance is stored (`dicomweb.encoding.frame_index`), kept with its row in a few bytes a frame, and
answers in constant time.

Native frames follow one another bit by bit: a frame of 1-bit pixels may begin inside a byte (PS3.5 8.1.1).
Encapsulated frames are one fragment each, or several.
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass
from typing import Self

import numpy as np

from dicomweb.model.fragments import FragmentSpans
from dicomweb.model.packing import DamagedIndex, as_numbers, as_row, pack_numbers, unpack_numbers
from dicomweb.model.ranges import ByteRange

_FORMAT = 1
_HEAD = struct.Struct("<BBII")
_NATIVE = struct.Struct("<QQ")
_INFLATED, _ENCAPSULATED, _GROUPED = 1, 2, 4


@dataclass(frozen=True, slots=True)
class NativeFrames:
    """Frames of equal size, one behind the other (PS3.5 8.1.1, 8.2)."""

    start: int
    """Offset of the first byte of the value."""
    bits: int
    """Bits of one frame."""


@dataclass(frozen=True, slots=True)
class EncapsulatedFrames:
    """Frames made of fragments (PS3.5 A.4)."""

    fragments: FragmentSpans
    """All fragments of the value, also such as belong to no frame."""
    groups: array[int] | None
    """First fragment of each frame counted from 0, and the fragment behind the last frame; None where each frame
    is one fragment, in order."""


@dataclass(frozen=True, slots=True)
class FrameIndex:
    """Where each frame of an instance lies."""

    count: int
    """Frames that can be read; Number of Frames may say something else."""
    layout: NativeFrames | EncapsulatedFrames
    inflated: bool
    """Offsets count in the object with its data set inflated."""
    declared: int
    """Number of Frames as the data set says, 1 when absent."""

    @property
    def undivided(self) -> bool:
        """There are fragments, and which of them make a frame cannot be told from offsets: `count` is 0 until
        `dicomweb.encoding.codestreams` has looked at how they begin."""
        return self.count == 0 and isinstance(self.layout, EncapsulatedFrames) and len(self.layout.fragments) > 0

    @property
    def fragments(self) -> FragmentSpans | None:
        """All fragments of the value, None if it is native."""
        return self.layout.fragments if isinstance(self.layout, EncapsulatedFrames) else None

    @property
    def memory_bytes(self) -> int:
        """About how much memory the index takes, for caches that are bounded."""
        if isinstance(self.layout, NativeFrames):
            return 200
        fragments, groups = self.layout.fragments, self.layout.groups
        return 500 + 16 * len(fragments) + (8 * len(groups) if groups else 0)

    def ranges(self, number: int) -> tuple[ByteRange, ...]:
        """The spans that joined are the frame (1-based). A native frame has one, with bits of its neighbours
        in the first and last byte where `bit_offset` is not 0 or frames end inside a byte.

        Raises IndexError if there is no such frame.
        """
        position = self._position(number)
        layout = self.layout
        if isinstance(layout, NativeFrames):
            begin = position * layout.bits
            return (ByteRange(layout.start + begin // 8, layout.start + (begin + layout.bits + 7) // 8),)
        if layout.groups is None:
            return (layout.fragments.span(position),)
        return layout.fragments.spans(layout.groups[position], layout.groups[position + 1])

    def bit_offset(self, number: int) -> int:
        """Bits of the frame's first byte that belong to the frame before, counted from the least significant
        (PS3.5 8.1.1). Raises IndexError if there is no such frame."""
        position = self._position(number)
        return position * self.layout.bits % 8 if isinstance(self.layout, NativeFrames) else 0

    def frame_bits(self, number: int) -> int:
        """Bits of the frame: for native ones not always whole bytes. Raises IndexError."""
        position = self._position(number)
        if isinstance(self.layout, NativeFrames):
            return self.layout.bits
        if self.layout.groups is None:
            return 8 * self.layout.fragments.lengths[position]
        return 8 * sum(span.length for span in self.ranges(number))

    def frame_length(self, number: int) -> int:
        """Bytes of the frame as it is given out, from its first bit to whole bytes. Raises IndexError."""
        return (self.frame_bits(number) + 7) // 8

    def _position(self, number: int) -> int:
        if not 1 <= number <= self.count:
            raise IndexError(f"frame {number} of {self.count}")
        return number - 1

    def to_bytes(self) -> bytes:
        """Compact form, about two bytes a compressed frame and 26 bytes for any number of native ones."""
        flags = _INFLATED if self.inflated else 0
        layout = self.layout
        if isinstance(layout, NativeFrames):
            return _HEAD.pack(_FORMAT, flags, self.count, self.declared) + _NATIVE.pack(layout.start, layout.bits)
        flags |= _ENCAPSULATED | (0 if layout.groups is None else _GROUPED)
        head = _HEAD.pack(_FORMAT, flags, self.count, self.declared) + layout.fragments.to_bytes()
        if layout.groups is None:
            return head
        return head + pack_numbers(np.diff(as_numbers(layout.groups), prepend=np.uint64(0)))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` wrote. Raises DamagedIndex."""
        try:
            form, flags, count, declared = _HEAD.unpack_from(data)
            if form != _FORMAT:
                raise DamagedIndex(f"a frame index of format {form}, this software knows {_FORMAT}")
            inflated = bool(flags & _INFLATED)
            if not flags & _ENCAPSULATED:
                return cls(count, NativeFrames(*_NATIVE.unpack_from(data, _HEAD.size)), inflated, declared)
        except struct.error as error:
            raise DamagedIndex(f"a frame index is cut off: {error}") from error
        fragments, offset = FragmentSpans.from_bytes(data, _HEAD.size)
        groups: array[int] | None = None
        if flags & _GROUPED:
            counts, _ = unpack_numbers(data, offset)
            groups = as_row(np.cumsum(counts, dtype=np.uint64))
        return cls(count, EncapsulatedFrames(fragments, groups), inflated, declared)
