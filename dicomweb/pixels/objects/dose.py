"""RT Dose (PS3.3 A.18, C.8.8.3): the dose grid as a colour wash, scaled by Dose Grid Scaling.

Colours run over the whole grid from nothing to the largest dose, so that frames can be compared; a window of the
request sets another range, in the dose's unit. The object as a whole is shown by the frame with the largest dose,
with lines of equal dose and a scale.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dicomweb.encoding.image import image_spec
from dicomweb.model.instance import ImageSpec
from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import Picture
from dicomweb.pixels.objects.attributes import number, text
from dicomweb.pixels.objects.canvas import INK, Canvas, corner_text
from dicomweb.pixels.objects.colours import colour_wash, wash_table
from dicomweb.pixels.objects.contract import Needs, PortraitRequest, Source
from dicomweb.pixels.objects.volumes import (
    affordable_frames,
    check_size,
    enlarged,
    finite_range,
    pixel_shape,
    readable_frame,
)

_ISODOSES = (0.2, 0.5, 0.8, 0.95)
"""Parts of the largest dose at which lines are drawn."""
_SMALLEST = 320
_UNITS = {"GY": "Gy", "RELATIVE": "relative"}


def needs(header: JsonAttributes, wanted: PortraitRequest, media_type: str) -> Needs:
    """All frames, for the largest dose; only one if they are too many."""
    return Needs(frames=affordable_frames(_spec(header), wanted.frame))


def portray(header: JsonAttributes, source: Source, wanted: PortraitRequest, media_type: str) -> Picture:
    """The dose of one frame."""
    frames = affordable_frames(_spec(header), wanted.frame)
    scaling = number(header, "3004000E", 1.0) or 1.0
    decoded = {one: readable_frame(source, one) for one in frames}
    doses = {one: found.array * np.float32(scaling) for one, found in decoded.items() if found}
    frame = wanted.frame or max(doses, key=lambda one: float(doses[one].max()))
    low, high = _range(wanted, [*doses.values()])
    parts = np.clip((doses[frame] - low) / (high - low), 0, 1)
    if wanted.frame is not None:
        return Picture(colour_wash(parts))
    shape = pixel_shape(header, frame)
    smooth = enlarged(np.rint(parts * 255).astype(np.uint8), shape, smallest=_SMALLEST)
    canvas = Canvas.over(_with_lines(smooth))
    unit = _UNITS.get(text(header, "30040002").upper(), text(header, "30040002").lower())
    if canvas.width >= 128 and canvas.height >= 96:
        _draw_scale(canvas)
        place = f", frame {frame} of {_spec(header).frames}" if _spec(header).frames > 1 else ""
        corner_text(canvas, [f"max {high:.4g} {unit}{place}"])
    return canvas.picture()


def _spec(header: JsonAttributes) -> ImageSpec:
    spec = image_spec(header)
    if spec is None:
        raise ValueError("a dose without a grid")
    check_size(spec)
    return spec


def _range(wanted: PortraitRequest, doses: list[npt.NDArray[np.floating]]) -> tuple[float, float]:
    """Where the colours begin and end, in the dose's unit."""
    if window := wanted.settings.window:
        return window.center - window.width / 2, window.center + window.width / 2
    high = finite_range(doses)[1]
    return 0.0, high if high > 0 else 1.0


def _with_lines(parts: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The wash of parts of 255, with a light line where a part of _ISODOSES is passed."""
    washed = colour_wash(parts / 255.0)
    bands = np.searchsorted(np.array(_ISODOSES) * 255, parts)
    edge = np.zeros(parts.shape, bool)
    edge[:, 1:] |= bands[:, 1:] != bands[:, :-1]
    edge[1:] |= bands[1:] != bands[:-1]
    washed[edge] = (washed[edge].astype(np.uint16) + 2 * 255) // 3
    return washed


def _draw_scale(canvas: Canvas) -> None:
    """A bar of the colours at the right edge, with the isodoses in percent."""
    height, left = canvas.height // 2, canvas.width - 14
    table = wash_table()
    for y in range(height):
        red, green, blue = (int(one) for one in table[255 - y * 255 // height])
        canvas.box(left, 8 + y, left + 8, 8 + y, (red, green, blue))
    for part in _ISODOSES:
        canvas.text(left - 4, 8 + (1 - part) * height, f"{part:.0%}", 10, INK, anchor="rm")
