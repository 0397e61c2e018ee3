"""Parametric maps (PS3.3 A.75), and whatever else has floating-point pixels: values as greys in a window.

The window is the one asked for, else the one of the frame (Frame VOI LUT), else chosen from the finite values.
What is not a number is black. The object as a whole is shown by its middle frame, with the range and the unit of
the real world values (PS3.3 C.7.6.16.2.11) in a corner.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dicomweb.encoding.image import image_spec
from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import Picture
from dicomweb.pixels.objects.attributes import code_value, item, number, numbers, text, values
from dicomweb.pixels.objects.canvas import Canvas, corner_text
from dicomweb.pixels.objects.contract import Needs, PortraitRequest, Source
from dicomweb.pixels.objects.volumes import check_size, enlarged, finite_range, in_groups, pixel_shape

_SMALLEST = 256
_LEFT_OUT = 0.5
"""Percent of the values at either end that an automatic window leaves out."""


def needs(header: JsonAttributes, wanted: PortraitRequest, media_type: str) -> Needs:
    """One frame."""
    return Needs(frames=(_frame(header, wanted),))


def portray(header: JsonAttributes, source: Source, wanted: PortraitRequest, media_type: str) -> Picture:
    """The values of one frame."""
    frame = _frame(header, wanted)
    stored = source.frame(frame).array.astype(np.float64)
    if stored.ndim == 3:
        stored = stored[..., 0]
    slope, intercept = rescale(header, frame)
    shown = stored * slope + intercept
    low, high = _range(header, wanted, frame, shown)
    parts = np.clip((np.nan_to_num(shown, nan=low, posinf=high, neginf=low) - low) / (high - low), 0, 1)
    grey = np.rint(parts * 255).astype(np.uint8)
    if text(header, "00280004") == "MONOCHROME1":
        grey = 255 - grey
    if wanted.frame is not None:
        return Picture(grey)
    canvas = Canvas.over(enlarged(grey, pixel_shape(header, frame), smallest=_SMALLEST))
    if canvas.width >= 128 and canvas.height >= 96:
        corner_text(canvas, _legend(header, frame, low, high))
    return canvas.picture()


def rescale(header: JsonAttributes, frame: int) -> tuple[float, float]:
    """Slope and intercept of the modality LUT of a frame (PS3.3 C.7.6.16.2.9), (1, 0) where none is told."""
    group = in_groups(header, frame, "00289145") or header
    slope = number(group, "00281053", 1.0)
    return (slope or 1.0), number(group, "00281052")


def _frame(header: JsonAttributes, wanted: PortraitRequest) -> int:
    spec = image_spec(header)
    if spec is None:
        raise ValueError("a parametric map without pixels")
    check_size(spec)
    return wanted.frame or (spec.frames + 1) // 2


def _range(
    header: JsonAttributes, wanted: PortraitRequest, frame: int, shown: npt.NDArray[np.float64]
) -> tuple[float, float]:
    """The values that are black and white."""
    if window := wanted.settings.window:
        return window.center - window.width / 2, window.center + window.width / 2
    group = in_groups(header, frame, "00289132") or header
    center, width = number(group, "00281050"), number(group, "00281051")
    if width > 0 and values(group, "00281050"):
        return center - width / 2, center + width / 2
    low, high = finite_range([shown], _LEFT_OUT)
    if high <= low:
        low, high = finite_range([shown])
    return (low, high) if high > low else (low, low + max(1.0, abs(low)))


def _legend(header: JsonAttributes, frame: int, low: float, high: float) -> list[str]:
    """The quantity, and the range of the window in its unit where a linear mapping tells it."""
    mapping = in_groups(header, frame, "00409096")
    unit = code_value(item(mapping, "004008EA"))
    slope, intercept = number(mapping, "00409225", 1.0), number(mapping, "00409224")
    if not numbers(mapping, "00409225"):
        slope, intercept, unit = 1.0, 0.0, unit if values(mapping, "00409212") else ""
    words = text(mapping, "00409210") or text(mapping, "00283003")
    span = f"{low * slope + intercept:.4g} to {high * slope + intercept:.4g}"
    shown_unit = "" if unit in ("1", "") else f" {unit}"
    return [line for line in (words, span + shown_unit) if line]
