"""One decoded frame, and what can be wrong with one: the words all of `pixels` speak.

    stored bytes ──decode──▶ DecodedFrame ──encode──▶ bytes in another transfer syntax
                                  └──────render──▶ Picture ──write──▶ JPEG, PNG, GIF

Everything in `pixels` is pure and may take milliseconds to seconds: callers run it through `Compute`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dicomweb.model.pixel_errors import PixelError, TooLarge, Undecodable, UnsupportedSyntax

__all__ = ["DecodedFrame", "Picture", "PixelError", "TooLarge", "Undecodable", "UnsupportedSyntax"]


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """The samples of one frame."""

    array: npt.NDArray[Any]
    """(rows, columns) for one sample a pixel, (rows, columns, samples) for more; C-contiguous, native byte order.
    (u)int8, (u)int16, (u)int32, float32 or float64 as Bits Allocated and Pixel Representation say; samples of
    1 bit are uint8 of 0 and 1. Unused high bits are as stored by native syntaxes, sign-extended or zero else."""
    photometric_interpretation: str
    """Of these samples (PS3.3 C.7.6.3.1.2). A colour transform that belongs to the codec is undone: YBR_RCT,
    YBR_ICT and the YCbCr of JPEG become RGB, YBR_FULL_422 is up-sampled. That of native, RLE, JPEG-LS is kept."""
    signed: bool = False
    """The codestream has signed samples where Pixel Representation says unsigned: they are in `array` as two's
    complement. Who looks at values takes them as signed, since the codestream rules (PS3.5 8.2.4); who hands on
    bits leaves them."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Pixels ready to be looked at."""

    array: npt.NDArray[np.uint8]
    """(rows, columns) grey, or (rows, columns, 3) red, green, blue."""
    icc_profile: bytes = b""
    """What the colours mean; empty for sRGB or none."""
