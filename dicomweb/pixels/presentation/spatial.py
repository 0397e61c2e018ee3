"""Where the pixels of an image go: displayed area, turning, flipping, scaling (PS3.3 C.10.4, C.10.6).

    image ── crop (what lies outside of it is background) ── rotate ── flip ── scale ──▶ picture

A `Placement` is planned from numbers alone, so that size and memory are known before any pixel is touched; it
moves both the pixels and the points of graphics. Physical sizes mean nothing as long as the screen is not known:
TRUE SIZE is shown like SCALE TO FIT, which without a box is one picture pixel for one of the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dicomweb.pixels.frame import TooLarge
from dicomweb.pixels.presentation.model import DisplayedArea, Orientation, Points, SizeMode, Units

Resize = Callable[[npt.NDArray[np.uint8], int, int], npt.NDArray[np.uint8]]
"""Scales a picture (rows, columns) or (rows, columns, 3) to that many rows and columns."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A rectangle of pixels of the image: 0-based, half-open, may reach outside of it."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top


@dataclass(frozen=True, slots=True)
class Placement:
    """What of an image is shown, which way up, and how large."""

    crop: Crop
    orientation: Orientation
    rows: int
    """Of the picture."""
    columns: int

    def to_picture(self, points: Points, units: Units = Units.PIXEL) -> Points:
        """Points of the image, or parts of the displayed area, as columns and rows of the picture: (n, 2)."""
        if units is Units.DISPLAY:
            across, down = points[:, 0], points[:, 1]
        else:
            across = (points[:, 0] - self.crop.left) / self.crop.width
            down = (points[:, 1] - self.crop.top) / self.crop.height
            match self.orientation.rotation:
                case 90:
                    across, down = 1 - down, across
                case 180:
                    across, down = 1 - across, 1 - down
                case 270:
                    across, down = down, 1 - across
            if self.orientation.flip:
                across = 1 - across
        return np.stack((across * self.columns, down * self.rows), axis=1)


def area_aspect(area: DisplayedArea) -> float:
    """Height of a pixel by its width as the displayed area tells it."""
    return _bounded(area.spacing[0] / area.spacing[1] if area.spacing else area.aspect)


def _bounded(aspect: float) -> float:
    """An aspect that leaves something to be seen."""
    return min(max(aspect, 0.01), 100.0)


def crop_of(area: DisplayedArea | None, rows: int, columns: int) -> Crop:
    """The pixels of an area (1-based, both ends shown) in an image of that size.

    A widespread slip, corners counted from 0 to the number of columns and rows, is read as the whole image.
    """
    if area is None or (area.left, area.top, area.right, area.bottom) == (0, 0, columns, rows):
        return Crop(0, 0, columns, rows)
    return Crop(area.left - 1, area.top - 1, area.right, area.bottom)


def plan_placement(
    crop: Crop, orientation: Orientation, *, aspect: float, magnification: float, width: int | None,
    height: int | None, enlarge: bool, most_pixels: int,
) -> Placement:  # fmt: skip
    """The picture of the crop: in a box of `width` and `height` as large as fits, else magnified.

    `aspect` is the height of an image pixel by its width; pixels of the picture are square. `enlarge`: whether
    more pixels than the image has may be made to fill the box.

    Raises TooLarge if the crop or the picture has more than `most_pixels`.
    """
    shown_width, shown_height = crop.width * max(1.0, 1 / aspect), crop.height * max(1.0, aspect)
    if orientation.rotation in (90, 270):
        shown_width, shown_height = shown_height, shown_width
    scale = magnification
    if width is not None or height is not None:
        scale = min(
            width / shown_width if width is not None else math.inf,
            height / shown_height if height is not None else math.inf,
        )
        scale = scale if enlarge else min(scale, 1.0)
    rows, columns = max(1, round(shown_height * scale)), max(1, round(shown_width * scale))
    if max(crop.width * crop.height, rows * columns) > most_pixels:
        raise TooLarge(
            f"a displayed area of {crop.width} x {crop.height} pixels shown as {columns} x {rows}; "
            f"at most {most_pixels} pixels are let into memory"
        )
    return Placement(crop, orientation, rows, columns)


def magnification_of(area: DisplayedArea | None) -> float:
    """Pixels of the picture for one of the image where no box is given."""
    return area.magnification if area is not None and area.mode is SizeMode.MAGNIFY else 1.0


def place(picture: npt.NDArray[np.uint8], placement: Placement, resize: Resize) -> npt.NDArray[np.uint8]:
    """The picture of the image, (rows, columns[, 3]), put where the placement says; outside of it is 0."""
    turned = turn(_cut(picture, placement.crop), placement.orientation)
    if turned.shape[:2] == (placement.rows, placement.columns):
        return turned
    return resize(np.ascontiguousarray(turned), placement.rows, placement.columns)


def turn(picture: npt.NDArray[np.uint8], orientation: Orientation) -> npt.NDArray[np.uint8]:
    """The picture rotated clockwise, then flipped."""
    turned = np.rot90(picture, -(orientation.rotation // 90)) if orientation.rotation else picture
    return turned[:, ::-1] if orientation.flip else turned


def _cut(picture: npt.NDArray[np.uint8], crop: Crop) -> npt.NDArray[np.uint8]:
    rows, columns = picture.shape[:2]
    if (crop.left, crop.top, crop.right, crop.bottom) == (0, 0, columns, rows):
        return picture
    cut = np.zeros((crop.height, crop.width, *picture.shape[2:]), np.uint8)
    left, top = max(crop.left, 0), max(crop.top, 0)
    right, bottom = min(crop.right, columns), min(crop.bottom, rows)
    if left < right and top < bottom:
        inside = picture[top:bottom, left:right]
        cut[top - crop.top : bottom - crop.top, left - crop.left : right - crop.left] = inside
    return cut
