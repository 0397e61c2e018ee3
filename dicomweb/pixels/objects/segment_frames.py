"""Which frames of a segmentation belong to one picture, and where each lies in it (PS3.3 A.51, C.8.20).

A frame shows one segment (binary, fractional) or all of them (label map) at one place: a plane of a volume, or a
tile of a slide. `plan_frame` takes one frame; `plan_whole` those that lie in one plane, or all tiles of a slide.
Everything here is read from the header.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from dicomweb.model.instance import ImageSpec
from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.objects.attributes import integer, item, items, numbers, text

MOST_SAMPLES = 8_000_000
"""Of all frames that are decoded for one picture of the whole object."""
MOST_FRAMES = 2_500
ALL_SEGMENTS = 0
"""The segment number of frames that show every segment."""

Plane = tuple[float, ...]
_SLIDE: Plane = (0.0,)


@dataclass(frozen=True, slots=True)
class Placed:
    """A frame and where it goes."""

    number: int
    """1-based."""
    segment: int
    """Segment Number, ALL_SEGMENTS for label maps."""
    row: int = 0
    """Of its first pixel in the picture, 0-based."""
    column: int = 0
    plane: Plane = ()
    """Frames of one plane may lie over one another."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Frames for one picture."""

    rows: int
    columns: int
    frames: tuple[Placed, ...]
    """Of several planes if only the pixels tell which of them shows most."""


def plan_frame(header: JsonAttributes, spec: ImageSpec, number: int) -> Plan:
    """One frame by itself."""
    placed = _placing(header, spec)(number)
    return Plan(spec.rows, spec.columns, (Placed(number, placed.segment),))


def plan_whole(header: JsonAttributes, spec: ImageSpec) -> Plan:
    """What shows the object best: the slide put together, or the frames among which the fullest plane is."""
    rows, columns = integer(header, "00480007"), integer(header, "00480006")  # Total Pixel Matrix Rows, Columns
    placing = _placing(header, spec)
    if spec.frames <= MOST_FRAMES and spec.frames * spec.rows * spec.columns <= MOST_SAMPLES:
        frames = tuple(map(placing, range(1, spec.frames + 1)))
        slide = rows >= spec.rows and columns >= spec.columns and rows * columns <= MOST_SAMPLES
        return Plan(rows, columns, frames) if slide else Plan(spec.rows, spec.columns, frames)
    # of too many, those around the middle: what is segmented is rarely at the ends
    first = max(1, (spec.frames - MOST_FRAMES) // 2)
    middle = tuple(map(placing, range(first, min(spec.frames, first + MOST_FRAMES - 1) + 1)))
    return Plan(spec.rows, spec.columns, _likely_plane(middle, spec))


def _likely_plane(frames: tuple[Placed, ...], spec: ImageSpec) -> tuple[Placed, ...]:
    """The frames of the plane with most segments, of several such the middle one."""
    planes: dict[Plane, list[Placed]] = defaultdict(list)
    for one in frames:
        planes[one.plane].append(one)
    most = max(map(len, planes.values()))
    fullest = [plane for plane, found in planes.items() if len(found) == most]
    affordable = max(1, MOST_SAMPLES // (spec.rows * spec.columns))
    chosen = planes[fullest[len(fullest) // 2]][:affordable]
    return tuple(Placed(one.number, one.segment) for one in chosen)


def _placing(header: JsonAttributes, spec: ImageSpec) -> Callable[[int], Placed]:
    """Says of a frame number where the frame goes."""
    label_map = text(header, "00620001") == "LABELMAP"
    groups = items(header, "52009230")  # Per-Frame Functional Groups
    if text(header, "00209311") == "TILED_FULL" or (not groups and integer(header, "00480006")):
        return _tiles(header, spec, label_map)
    common = integer(item(item(header, "52009229"), "0062000A"), "0062000B")

    def place(number: int) -> Placed:
        group = groups[number - 1] if number <= len(groups) else {}
        segment = integer(item(group, "0062000A"), "0062000B") or common or 1
        return _in_group(number, ALL_SEGMENTS if label_map else segment, group)

    return place


def _in_group(number: int, segment: int, group: JsonAttributes) -> Placed:
    slide = item(group, "0048021A")  # Plane Position (Slide)
    if slide:
        row, column = integer(slide, "0048021F", 1) - 1, integer(slide, "0048021E", 1) - 1
        return Placed(number, segment, row, column, _SLIDE)
    position = numbers(item(group, "00209113"), "00200032")  # Image Position (Patient)
    return Placed(number, segment, plane=tuple(round(one, 2) for one in position) or (float(number),))


def _tiles(header: JsonAttributes, spec: ImageSpec, label_map: bool) -> Callable[[int], Placed]:
    """TILED_FULL: tiles row by row, then segment by segment (PS3.3 C.7.6.17.3)."""
    across = max(1, -(-integer(header, "00480006") // spec.columns))
    down = max(1, -(-integer(header, "00480007") // spec.rows))
    planes = max(1, integer(header, "00480303", 1))  # Total Pixel Matrix Focal Planes
    segments = [integer(one, "00620004") for one in items(header, "00620002")]

    def place(number: int) -> Placed:
        layer, tile = divmod(number - 1, across * down)
        which = layer // planes
        segment = ALL_SEGMENTS if label_map else segments[which] if which < len(segments) else 1
        row, column = tile // across * spec.rows, tile % across * spec.columns
        return Placed(number, segment, row, column, (float(layer % planes),))

    return place
