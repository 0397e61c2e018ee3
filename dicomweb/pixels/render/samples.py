"""What a stored sample means: which of its bits hold the value, and in which range values can lie (PS3.5 8.1.1).

Samples of up to 16 bits are looked up in tables that have one entry for each pattern of bits. So whatever lies in
unused high bits (overlays of old files, garbage) costs nothing to ignore: it is ignored when a table is made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dicomweb.pixels.frame import DecodedFrame
from dicomweb.pixels.render.attributes import FrameAttributes

_BLOCK_SAMPLES = 1 << 15


@dataclass(frozen=True, slots=True)
class SampleLayout:
    """Where the value lies in a stored sample."""

    bits_allocated: int
    """8, 16, 32 or 64: of an element of the array."""
    bits_stored: int
    low_bit: int
    """Bits below the value: High Bit + 1 - Bits Stored; 0 in all but ancient files."""
    signed: bool
    floating: bool = False
    """Samples are float32 or float64; the bits have no meaning then."""

    @property
    def tabular(self) -> bool:
        """Whether there are few enough patterns of bits for a table."""
        return self.bits_allocated <= 16 and not self.floating

    @property
    def lowest(self) -> int:
        """The lowest value that can be stored."""
        return -(1 << (self.bits_stored - 1)) if self.signed else 0

    @property
    def highest(self) -> int:
        """The highest value that can be stored."""
        return (1 << (self.bits_stored - 1 if self.signed else self.bits_stored)) - 1

    @property
    def all_bits_used(self) -> bool:
        """Whether an element of the array is the value as it is."""
        return self.floating or self.bits_stored == self.bits_allocated

    def patterns(self) -> npt.NDArray[np.int64]:
        """The value of every pattern of bits: (2**bits_allocated,)."""
        return self.values(np.arange(1 << self.bits_allocated, dtype=np.int64))

    def values(self, samples: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The values in samples of any shape; bits that are not part of them are dropped."""
        shifted = (samples >> self.low_bit) & ((1 << self.bits_stored) - 1)
        if self.signed:
            sign = 1 << (self.bits_stored - 1)
            shifted = (shifted ^ sign) - sign
        return shifted


def read_layout(frame: DecodedFrame, attributes: FrameAttributes) -> SampleLayout:
    """The layout that Bits Stored and High Bit say, as far as it fits the array."""
    kind, allocated = frame.array.dtype.kind, frame.array.dtype.itemsize * 8
    if kind == "f":
        return SampleLayout(allocated, allocated, 0, signed=True, floating=True)
    stored = attributes.integer("00280101", allocated)
    if not 1 <= stored <= allocated:
        stored = allocated
    high = attributes.integer("00280102", stored - 1)
    low = high + 1 - stored if stored <= high + 1 <= allocated else 0
    return SampleLayout(allocated, stored, low, signed=kind == "i")


def with_sign(frame: DecodedFrame) -> DecodedFrame:
    """The frame with samples of the sign they were compressed with: the same bytes, seen as signed where due."""
    if not frame.signed:
        return frame
    return DecodedFrame(frame.array.view(f"i{frame.array.dtype.itemsize}"), frame.photometric_interpretation)


def as_patterns(array: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
    """The samples as unsigned numbers, to look them up: a view of the same bytes."""
    contiguous = np.ascontiguousarray(array)
    return contiguous.view(np.uint8) if contiguous.dtype.itemsize == 1 else contiguous.view(np.uint16)


def look_up(table: npt.NDArray[np.uint8], array: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """The entry of every sample of up to 16 bits: shape of `array`, and 3 more for a table of (patterns, 3).

    NumPy widens indexes to 64 bits: in blocks that stay in the processor's cache this is three times as fast.
    """
    patterns = as_patterns(array).reshape(-1)
    found = np.empty((patterns.size, *table.shape[1:]), np.uint8)
    for start in range(0, patterns.size, _BLOCK_SAMPLES):
        end = start + _BLOCK_SAMPLES
        # "clip" only because NumPy buffers the output otherwise: a table has an entry for every pattern
        np.take(table, patterns[start:end], axis=0, out=found[start:end], mode="clip")
    return found.reshape(*array.shape, *table.shape[1:])
