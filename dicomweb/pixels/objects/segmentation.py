"""Segmentations (PS3.3 A.51): segments in their recommended colours on black, with a small legend.

A frame that is asked for is shown by itself in its own size. The object as a whole is shown by the plane on which
most is segmented, all its segments together, or by the whole slide; small ones are enlarged so that their
pixels can be told apart.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dicomweb.encoding.image import image_spec
from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import Picture
from dicomweb.pixels.objects.attributes import integer, items, numbers, text
from dicomweb.pixels.objects.canvas import BLACK, INK, Canvas, Colour, shortened, text_width
from dicomweb.pixels.objects.colours import from_cielab, palette_colour
from dicomweb.pixels.objects.contract import Needs, PortraitRequest, Source
from dicomweb.pixels.objects.palette import palette_needs, palette_of
from dicomweb.pixels.objects.segment_frames import (
    ALL_SEGMENTS,
    MOST_SAMPLES,
    Placed,
    Plan,
    Plane,
    plan_frame,
    plan_whole,
)
from dicomweb.pixels.objects.volumes import check_size, readable_frame

_LEGEND_FROM = 192
"""Pixels of width below which a legend would hide the picture."""
_LARGEST_NUMBER = 0xFFFF
"""Segment numbers are 16 bits (PS3.3 C.8.20.2); what says otherwise must not decide on the size of a table."""
_SMALLEST = 256
"""Pixels: pictures of the whole object are enlarged by whole numbers up to about this."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One thing that is segmented."""

    number: int
    label: str
    colour: Colour


def needs(header: JsonAttributes, wanted: PortraitRequest, media_type: str) -> Needs:
    """The frames of the picture; the palette of a label map in colours."""
    plan = _plan(header, wanted)
    return Needs(palette_needs(header), tuple(one.number for one in plan.frames))


def portray(header: JsonAttributes, source: Source, wanted: PortraitRequest, media_type: str) -> Picture:
    """The segments on black."""
    plan = _plan(header, wanted)
    segments = {one.number: one for one in segments_of(header)}
    colours = _colour_table(header, segments, source, wanted.transfer_syntax)
    arrays = {one: frame.array for one in plan.frames if (frame := readable_frame(source, one.number))}
    if plan.rows * plan.columns > MOST_SAMPLES:  # of the largest frames, every second, third, ... pixel
        step = math.isqrt(plan.rows * plan.columns // MOST_SAMPLES) + 1
        arrays = {one: array[::step, ::step] for one, array in arrays.items()}
        plan = replace(plan, rows=-(-plan.rows // step), columns=-(-plan.columns // step))
    shown = _fullest(arrays)
    full = _full_value(header)
    array, seen = _painted(plan, {one: arrays[one] for one in shown}, colours, full)
    if wanted.frame is None:
        factor = max(1, _SMALLEST // max(array.shape[:2]))
        array = array.repeat(factor, axis=0).repeat(factor, axis=1)
    canvas = Canvas.over(array)
    if wanted.frame is None and canvas.width >= _LEGEND_FROM:
        named = [segments.get(one, Segment(one, f"segment {one}", _colour(colours, one))) for one in sorted(seen)]
        draw_legend(canvas, [(one.label, _colour(colours, one.number)) for one in named])
    return canvas.picture()


def segments_of(header: JsonAttributes) -> list[Segment]:
    """The segments as the Segment Sequence describes them, the background of label maps left out."""
    found = []
    for place, one in enumerate(items(header, "00620002")):
        number = integer(one, "00620004", place + 1)
        colour = from_cielab(numbers(one, "0062000D")) or palette_colour(number - 1)
        if 0 < number <= _LARGEST_NUMBER:
            found.append(Segment(number, text(one, "00620005", f"segment {number}"), colour))
    return found


def draw_legend(canvas: Canvas, entries: list[tuple[str, Colour]]) -> None:
    """Names with their colours, one below the other in the upper left corner, as many as fit in a third of it."""
    size = 11 if canvas.height < 400 else 13
    line = size + 5
    room = max(1, (canvas.height // 3) // line)
    shown = entries if len(entries) <= room else entries[: room - 1]
    names = [shortened(name, size, canvas.width * 0.45) for name, _ in shown]
    if len(shown) < len(entries):
        names.append(f"and {len(entries) - len(shown)} more")
    if not names:
        return
    canvas.box(0, 0, max(text_width(name, size) for name in names) + size + 16, len(names) * line + 6, BLACK)
    for place, name in enumerate(names):
        top = 4 + place * line
        if place < len(shown):
            canvas.box(6, top + 1, 6 + size - 3, top + size - 2, shown[place][1])
        canvas.text(size + 10, top, name, size, INK)


def _plan(header: JsonAttributes, wanted: PortraitRequest) -> Plan:
    spec = image_spec(header)
    if spec is None:
        raise ValueError("a segmentation without pixels")
    if wanted.frame is not None:
        check_size(spec)
    return plan_whole(header, spec) if wanted.frame is None else plan_frame(header, spec, wanted.frame)


def _full_value(header: JsonAttributes) -> int:
    """The stored value of what belongs wholly to a segment: 1, or Maximum Fractional Value."""
    return max(1, integer(header, "0062000E", 255)) if text(header, "00620001") == "FRACTIONAL" else 1


def _fullest(arrays: dict[Placed, npt.NDArray[np.generic]]) -> list[Placed]:
    """The frames of the plane on which most pixels belong to segments. Raises ValueError if there are none."""
    planes: dict[Plane, list[Placed]] = defaultdict(list)
    for one in arrays:
        planes[one.plane].append(one)
    if len(planes) == 1:
        return list(arrays)
    filled = {plane: sum(int(np.count_nonzero(arrays[one])) for one in found) for plane, found in planes.items()}
    return planes[max(filled, key=lambda plane: filled[plane])]


def _painted(
    plan: Plan, arrays: dict[Placed, npt.NDArray[np.generic]], colours: npt.NDArray[np.uint8], full: int
) -> tuple[npt.NDArray[np.uint8], set[int]]:
    """The picture, and the numbers of the segments in it. Where segments overlap their colours are mixed."""
    total = np.zeros((plan.rows, plan.columns, 3), np.float32)
    weight = np.zeros((plan.rows, plan.columns, 1), np.float32)
    seen: set[int] = set()
    for one, stored in arrays.items():
        values = stored[: plan.rows - one.row, : plan.columns - one.column]
        if one.row < 0 or one.column < 0 or not values.size or not values.any():
            continue
        where = np.s_[one.row : one.row + values.shape[0], one.column : one.column + values.shape[1]]
        if one.segment == ALL_SEGMENTS:
            numbers_in = np.clip(values.astype(np.int64), 0, len(colours) - 1)
            seen.update(int(number) for number in np.unique(numbers_in) if number)
            amount = (numbers_in > 0).astype(np.float32)[..., None]
            total[where] += colours[numbers_in] * amount
        else:
            seen.add(one.segment)
            amount = np.clip(values.astype(np.float64) / full, 0, 1).astype(np.float32)[..., None]
            total[where] += np.array(_colour(colours, one.segment), np.float32) * amount
        weight[where] += amount
    return np.rint(total / np.maximum(weight, 1)).astype(np.uint8), seen


def _colour(colours: npt.NDArray[np.uint8], number: int) -> Colour:
    if number >= len(colours):
        return palette_colour(number - 1)
    red, green, blue = (int(one) for one in colours[number])
    return red, green, blue


def _colour_table(
    header: JsonAttributes, segments: dict[int, Segment], source: Source, transfer_syntax: str
) -> npt.NDArray[np.uint8]:
    """Segment number to colour, (numbers, 3): the image's own palette, else that of the segments."""
    table = np.zeros((max(segments, default=0) + 256, 3), np.uint8)
    for number in range(1, len(table)):
        table[number] = segments[number].colour if number in segments else palette_colour(number - 1)
    if text(header, "00280004") != "PALETTE COLOR":
        return table
    first, colours = palette_of(header, source, transfer_syntax)
    count = max(0, min(len(colours), len(table) - first))
    table[first : first + count] = colours[:count]
    return table
