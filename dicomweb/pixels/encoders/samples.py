"""What an encoder is given: samples, and how many of their bits mean something.

    Bits Allocated 16   | . . . . s s s s s s s s s s s s |   Bits Stored 12
                          unused    the value

The unused bits are zero, or repeat the sign (PS3.5 8.1.1). Then a codestream needs the precision of Bits Stored
only. But old devices kept overlays there, and some write values that Bits Stored does not allow: such a frame is
encoded with all its allocated bits, and comes back with all of them. So a lossless encoding never loses a bit of
what is stored; a lossy one refuses such a frame, because it would blur what is not a picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from dicomweb.model.instance import ImageSpec
from dicomweb.pixels.frame import DecodedFrame, UnsupportedSyntax

Samples: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Source:
    """The samples of one frame, ready to be encoded."""

    array: Samples
    """(rows, columns) or (rows, columns, samples), C-contiguous, native byte order."""
    bits: int
    """Precision that a codestream needs so that nothing is lost."""
    signed: bool
    clean: bool
    """Whether the bits above Bits Stored say nothing."""
    colour: str
    """Photometric Interpretation of the samples."""

    @property
    def width(self) -> int:
        """Bits of a sample in memory: 8, 16, 32 or 64."""
        return self.array.dtype.itemsize * 8

    @property
    def is_rgb(self) -> bool:
        """Whether a transform of RGB to luminance and colour differences would help."""
        return self.array.ndim == 3 and self.array.shape[2] == 3 and self.colour == "RGB"

    @property
    def span(self) -> int:
        """How many values lie between the least and the greatest that occur, both of them included."""
        return int(self.array.max()) - int(self.array.min()) + 1

    @property
    def extent(self) -> float:
        """The range of the values that occur as a part of the one `bits` allows; more than 0, at most 1."""
        return min(1.0, self.span / (1 << self.bits))

    def narrowed(self) -> Source:
        """The same in samples of 8 or 16 bits where 16 or 32 were taken for no more than that."""
        width = 8 if self.bits <= 8 else 16
        if self.width <= width or self.bits > width:
            return self
        return replace(self, array=self.array.astype(f"{'i' if self.signed else 'u'}{width // 8}"))

    def pattern(self) -> Samples:
        """The samples for a codec without signs: two's complement over all bits of a sample in memory."""
        return self.array.view(f"u{self.array.dtype.itemsize}")


def source_of(frame: DecodedFrame, spec: ImageSpec) -> Source:
    """The samples of a frame and what they need. Raises UnsupportedSyntax for samples that are no integers."""
    array = np.ascontiguousarray(frame.array)
    if array.dtype.kind not in "iu":
        raise UnsupportedSyntax(f"samples of {array.dtype} cannot be encoded, only stored as they are")
    signed = array.dtype.kind == "i"
    allocated = 1 if spec.bits_allocated == 1 else array.dtype.itemsize * 8
    stored = spec.bits_stored if 1 <= spec.bits_stored <= allocated else allocated
    clean = (stored == allocated and allocated > 1) or _within(array, stored, signed=signed)
    bits = stored if clean else array.dtype.itemsize * 8
    return Source(array, bits, signed, clean, frame.photometric_interpretation)


def refuse_unclean(source: Source) -> None:
    """Raises UnsupportedSyntax if bits above Bits Stored say something that a lossy encoding would lose."""
    if not source.clean:
        raise UnsupportedSyntax("bits above Bits Stored (an overlay, say) are kept by lossless encodings only")


def _within(array: Samples, bits: int, *, signed: bool) -> bool:
    if array.size == 0:
        return True
    if not signed:
        return int(array.max()) >> bits == 0
    limit = 1 << (bits - 1)
    return -limit <= int(array.min()) and int(array.max()) < limit
