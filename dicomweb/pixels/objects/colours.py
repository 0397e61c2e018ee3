"""Colours of things that are drawn: recommended ones from the data set, else a fixed palette; scales for doses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dicomweb.pixels.objects.canvas import Colour

_PALETTE: tuple[Colour, ...] = (
    (230, 85, 70), (75, 160, 235), (105, 200, 95), (245, 190, 60), (170, 110, 220), (60, 205, 200),
    (240, 130, 180), (165, 205, 60), (240, 145, 60), (120, 140, 245), (205, 165, 130), (130, 190, 160),
)  # fmt: skip
"""Told apart from one another and from black; taken again from the front when there are more things."""

_D50_TO_SRGB = np.array(
    # XYZ of D50 to linear sRGB, the Bradford adaptation to D65 included
    ((3.1338561, -1.6168667, -0.4906146), (-0.9787684, 1.9161415, 0.0334540), (0.0719453, -0.2289914, 1.4052427))
)
_D50 = np.array((0.96422, 1.0, 0.82521))


def palette_colour(place: int) -> Colour:
    """The colour of the thing at that place (0-based) of a list."""
    return _PALETTE[place % len(_PALETTE)]


def from_cielab(encoded: Sequence[float]) -> Colour | None:
    """An encoded CIELab value (PS3.3 C.10.7.1.1) in sRGB; None unless there are three numbers of 16 bits.

    L* of 0 to 100 and a*, b* of -128 to 127 are spread over 0 to 65535, under a white point of D50.
    """
    if len(encoded) != 3 or not all(0 <= one <= 0xFFFF for one in encoded):
        return None
    light = encoded[0] / 0xFFFF * 100
    green_red, blue_yellow = (one / 0xFFFF * 255 - 128 for one in encoded[1:])
    middle = (light + 16) / 116
    cubes = np.array((middle + green_red / 500, middle, middle - blue_yellow / 200))
    xyz = np.where(cubes > 6 / 29, cubes**3, 3 * (6 / 29) ** 2 * (cubes - 4 / 29)) * _D50
    linear = np.clip(_D50_TO_SRGB @ xyz, 0, 1)
    srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = (int(one) for one in np.rint(srgb * 255))
    return red, green, blue


_WASH = np.array(
    # part of the largest dose, red, green, blue: black, blue, cyan, green, yellow, orange, red
    (
        (0.00, 0, 0, 0), (0.05, 10, 10, 90), (0.20, 20, 60, 230), (0.40, 30, 200, 220), (0.55, 60, 200, 70),
        (0.75, 245, 225, 50), (0.90, 245, 130, 30), (1.00, 225, 25, 25),
    )
)  # fmt: skip


def colour_wash(parts: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Numbers of 0 to 1, of any shape, as colours from black over blue, green, yellow to red (last axis)."""
    washed: npt.NDArray[np.uint8] = wash_table()[np.clip(parts * 255, 0, 255).astype(np.uint8)]
    return washed


def wash_table() -> npt.NDArray[np.uint8]:
    """The wash in 256 steps, (256, 3)."""
    steps = np.linspace(0, 1, 256)
    bands = [np.interp(steps, _WASH[:, 0], _WASH[:, band]) for band in (1, 2, 3)]
    table: npt.NDArray[np.uint8] = np.rint(np.stack(bands, axis=-1)).astype(np.uint8)
    return table
