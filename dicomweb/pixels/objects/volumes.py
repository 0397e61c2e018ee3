"""What objects of numbers on a grid (dose, parametric map) share: which frames to look at, how to enlarge them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from dicomweb.model.instance import ImageSpec
from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import DecodedFrame, TooLarge
from dicomweb.pixels.objects.attributes import item, numbers
from dicomweb.pixels.objects.contract import Source

MOST_SAMPLES = 8_000_000
MOST_FRAMES = 600
"""What is decoded at most to find the frame that says most, and the range of the whole."""
MOST_PIXELS = 32_000_000
"""Of a frame that is drawn."""


def affordable_frames(spec: ImageSpec, frame: int | None) -> tuple[int, ...]:
    """All frames if they are within bounds; else the one asked for, or the middle one."""
    if spec.frames <= MOST_FRAMES and spec.frames * spec.rows * spec.columns <= MOST_SAMPLES:
        return tuple(range(1, spec.frames + 1))
    return (frame or (spec.frames + 1) // 2,)


def check_size(spec: ImageSpec) -> None:
    """Refuse frames whose numbers would take more memory than a picture is worth. Raises TooLarge."""
    if spec.rows * spec.columns > MOST_PIXELS:
        raise TooLarge(f"frames of {spec.columns} x {spec.rows} numbers are not drawn")


def readable_frame(source: Source, number: int) -> DecodedFrame | None:
    """The frame, None if it could not be decoded."""
    try:
        return source.frame(number)
    except KeyError:
        return None


def functional_groups(header: JsonAttributes, frame: int) -> tuple[JsonAttributes, JsonAttributes]:
    """The functional groups of a frame (1-based) and the shared ones (PS3.3 C.7.6.16)."""
    per_frame = header.get("52009230", {}).get("Value") or []
    own = per_frame[frame - 1] if isinstance(per_frame, list) and 0 < frame <= len(per_frame) else {}
    return own if isinstance(own, dict) else {}, item(header, "52009229")


def in_groups(header: JsonAttributes, frame: int, sequence: str) -> JsonAttributes:
    """First item of a functional group's sequence: the frame's own, else the shared one, else the data set's."""
    own, shared = functional_groups(header, frame)
    return item(own, sequence) or item(shared, sequence) or item(header, sequence)


def pixel_shape(header: JsonAttributes, frame: int) -> tuple[float, float]:
    """Height and width of a pixel relative to the smaller of both; (1, 1) where nothing is told."""
    spacing = numbers(in_groups(header, frame, "00289110") or header, "00280030")
    if len(spacing) != 2 or min(spacing) <= 0 or max(spacing) > 20 * min(spacing):
        return 1.0, 1.0
    return spacing[0] / min(spacing), spacing[1] / min(spacing)


def enlarged(
    array: npt.NDArray[np.uint8], shape: tuple[float, float], *, smallest: int, most: int = 2048
) -> npt.NDArray[np.uint8]:
    """A picture with its pixels made square, and smoothly enlarged if its longer side is below `smallest`."""
    height, width = array.shape[0] * shape[0], array.shape[1] * shape[1]
    factor = max(1.0, smallest / max(height, width))
    factor = min(factor, max(1.0, most / max(height, width)))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    if size == (array.shape[1], array.shape[0]) or max(size) > 16 * most:
        return array
    resized = Image.fromarray(np.ascontiguousarray(array)).resize(size, Image.Resampling.BILINEAR)
    return np.array(resized, dtype=np.uint8)


def finite_range(arrays: Sequence[npt.NDArray[np.floating]], percent: float = 0.0) -> tuple[float, float]:
    """Lowest and highest finite value, that many percent left out at either end; (0, 1) if there is none."""
    found = [one[np.isfinite(one)].ravel() for one in arrays]
    values = np.concatenate(found) if found else np.empty(0)
    if not values.size:
        return 0.0, 1.0
    if percent:
        low, high = np.percentile(values, (percent, 100 - percent))
    else:
        low, high = values.min(), values.max()
    return float(low), float(high)
