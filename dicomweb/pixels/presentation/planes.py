"""One overlay plane: a picture of one bit a pixel that lies over an image (PS3.3 C.9.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class OverlayPlane:
    """The overlay of one group for one frame."""

    group: int
    """0x6000 to 0x60FE."""
    bits: npt.NDArray[np.bool_]
    """(rows, columns)."""
    top: int
    """Where its first pixel lies: 0-based row of the image, negative above it."""
    left: int
    """0-based column, negative left of it."""
    region_of_interest: bool = False
    """An ROI (Overlay Type R), else graphics."""
