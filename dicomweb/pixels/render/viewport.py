"""Cropping, scaling and flipping (PS3.18 8.3.5.1.3, 9.1.2.2.3): first planned with numbers, then done.

Pixels that are not square are made so when a picture is scaled: a viewport is a part of a screen. Without a
viewport the pixels of the image go out as they are, so that coordinates in the picture are those in the image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dicomweb.pixels.frame import Picture, TooLarge
from dicomweb.pixels.render.attributes import FrameAttributes, numbers_of
from dicomweb.pixels.render.settings import BadRenderRequest, Region, Viewport

PIXEL_MEASURES = "00289110"
PIXEL_ASPECT_RATIO = "00280034"
_SPACINGS = ("00280030", "00181164", "00182010")
"""Pixel Spacing, Imager Pixel Spacing, Nominal Scanned Pixel Spacing: between rows, between columns."""

_MOST_ASPECT = 20.0
_SQUARE_ENOUGH = 0.01
"""Spacings that are this much apart, as a part, are those of square pixels, rounded."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Which part of an image is shown, and how large."""

    left: float
    """Pixels of the image, sub-pixel; `right` and `bottom` are the first that are not shown."""
    top: float
    right: float
    bottom: float
    columns: int
    """Of the picture, in pixels; at least 1."""
    rows: int
    region: Region
    """Where these numbers come from, and whether the picture is to be flipped."""


def pixel_aspect(attributes: FrameAttributes) -> float:
    """Height of a pixel by its width; 1 when nothing sensible is said."""
    for source in attributes.sources(PIXEL_MEASURES):
        for tag in (PIXEL_ASPECT_RATIO, *_SPACINGS):
            pair = numbers_of(source, tag)
            if len(pair) >= 2 and pair[0] > 0 and pair[1] > 0:
                return _sensible(pair[0] / pair[1])
    return 1.0


def plan_placement(
    rows: int, columns: int, viewport: Viewport | None, *, aspect: float, most_pixels: int
) -> Placement:
    """Where the part of a (rows, columns) image that the viewport asks for goes.

    `aspect`: height of a pixel by its width. Raises BadRenderRequest if the region lies outside of the image, and
    TooLarge for pictures of more than `most_pixels`.
    """
    if viewport is None:
        placement = Placement(0.0, 0.0, columns, rows, columns, rows, Region())
    else:
        placement = _placed(rows, columns, viewport, aspect)
    if placement.rows * placement.columns > most_pixels:
        raise TooLarge(
            f"a picture of {placement.columns} x {placement.rows} pixels, at most {most_pixels} are made at once"
        )
    return placement


def place(picture: npt.NDArray[np.uint8], placement: Placement) -> npt.NDArray[np.uint8]:
    """The picture cropped, scaled and flipped: (placement.rows, placement.columns) or the same with 3 samples."""
    rows, columns = picture.shape[:2]
    box = (placement.left, placement.top, placement.right, placement.bottom)
    size = (placement.columns, placement.rows)
    if box != (0.0, 0.0, float(columns), float(rows)) or size != (columns, rows):
        picture = _cut(picture, placement) if _is_plain_cut(placement) else _scaled(picture, box, size)
    if placement.region.flips_across:
        picture = picture[:, ::-1]
    if placement.region.flips_down:
        picture = picture[::-1]
    return np.ascontiguousarray(picture)


def resized(picture: npt.NDArray[np.uint8], rows: int, columns: int) -> npt.NDArray[np.uint8]:
    """The whole picture in another size: (rows, columns) or the same with 3 samples."""
    return _scaled(picture, (0.0, 0.0, float(picture.shape[1]), float(picture.shape[0])), (columns, rows))


def fit_picture(picture: Picture, viewport: Viewport | None, *, most_pixels: int = 100_000_000) -> Picture:
    """A finished picture in the viewport, its pixels being square. Raises BadRenderRequest, TooLarge."""
    rows, columns = picture.array.shape[:2]
    placement = plan_placement(rows, columns, viewport, aspect=1.0, most_pixels=most_pixels)
    return replace(picture, array=place(picture.array, placement))


def whole_pixels(region: Region, rows: int, columns: int) -> tuple[int, int, int, int]:
    """The pixels of the image that the region touches: left, top, right, bottom, half-open.

    Raises BadRenderRequest if the region lies outside of the image.
    """
    left, top, right, bottom = _edges(region, rows, columns)
    return math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom)


def _placed(rows: int, columns: int, viewport: Viewport, aspect: float) -> Placement:
    left, top, right, bottom = _edges(viewport.region, rows, columns)
    # Size on a screen of square pixels: the longer side of a pixel is stretched, so that nothing is lost
    across, down = (right - left) * max(1.0, 1.0 / aspect), (bottom - top) * max(1.0, aspect)
    scale = min(
        math.inf if viewport.width is None else viewport.width / across,
        math.inf if viewport.height is None else viewport.height / down,
    )
    scale = 1.0 if math.isinf(scale) or (scale > 1.0 and not viewport.enlarge) else scale
    return Placement(
        left,
        top,
        right,
        bottom,
        max(1, round(across * scale)),
        max(1, round(down * scale)),
        viewport.region,
    )


def _edges(region: Region, rows: int, columns: int) -> tuple[float, float, float, float]:
    left, right = _span(region.left, region.width, columns, relative=region.relative)
    top, bottom = _span(region.top, region.height, rows, relative=region.relative)
    if right <= left or bottom <= top:
        raise BadRenderRequest(f"the region lies outside of the image, which has {columns} x {rows} pixels")
    return left, top, right, bottom


def _span(start: float, length: float | None, size: int, *, relative: bool) -> tuple[float, float]:
    unit = size if relative else 1
    begin = float(start * unit)
    end = size if length is None else begin + abs(length) * unit
    return begin, min(float(end), float(size))


def _is_plain_cut(placement: Placement) -> bool:
    """Whether every pixel of the picture is a pixel of the image."""
    return (
        placement.left.is_integer()
        and placement.top.is_integer()
        and placement.right - placement.left == placement.columns
        and placement.bottom - placement.top == placement.rows
    )


def _cut(picture: npt.NDArray[np.uint8], placement: Placement) -> npt.NDArray[np.uint8]:
    top, left = int(placement.top), int(placement.left)
    return picture[top : top + placement.rows, left : left + placement.columns]


def _scaled(
    picture: npt.NDArray[np.uint8], box: tuple[float, float, float, float], size: tuple[int, int]
) -> npt.NDArray[np.uint8]:
    """Resampled. Smaller: averaged, in two passes when much smaller; larger: interpolated without overshoot."""
    from PIL import Image

    image = Image.fromarray(picture)
    across, down = (box[2] - box[0]) / size[0], (box[3] - box[1]) / size[1]
    if across.is_integer() and down.is_integer() and all(edge.is_integer() for edge in box):
        # The mean of so many pixels each, which is exact and costs a tenth
        return np.asarray(
            image.reduce((int(across), int(down)), (int(box[0]), int(box[1]), int(box[2]), int(box[3])))
        )
    smaller = across > 1 and down > 1
    kind = Image.Resampling.HAMMING if smaller else Image.Resampling.BILINEAR
    return np.asarray(image.resize(size, kind, box=box, reducing_gap=2.0 if smaller else None))


def _sensible(ratio: float) -> float:
    if abs(ratio - 1.0) < _SQUARE_ENOUGH or not 1.0 / _MOST_ASPECT <= ratio <= _MOST_ASPECT:
        return 1.0
    return ratio
