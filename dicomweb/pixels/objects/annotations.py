"""Microscopy bulk simple annotations (PS3.3 A.87, C.37.1): points and outlines, each group in its colour.

    Point Coordinates Data:           | x y (z) | x y (z) | ...          of all annotations of a group
    Long Primitive Point Index List:  1-based place of the first number of each annotation, in numbers

Coordinates of kind 2D are pixels of the slide, those of kind 3D millimetres on it; with a common z each point has
two numbers. The picture shows the rectangle that holds all annotations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import Picture
from dicomweb.pixels.objects.attributes import (
    bulk_path,
    bulk_value,
    has_value,
    integer,
    items,
    meaning,
    numbers,
    text,
)
from dicomweb.pixels.objects.canvas import WHITE, Canvas, Colour, canvas_size, corner_text
from dicomweb.pixels.objects.colours import from_cielab, palette_colour
from dicomweb.pixels.objects.contract import BulkNeed, Needs, PortraitRequest, Source
from dicomweb.pixels.objects.segmentation import draw_legend

_SIDE = 512
_POINTS, _DOUBLE_POINTS, _FIRSTS = "00660016", "00660022", "00660040"
_MOST_BYTES = 48 << 20
"""Of the coordinates of all groups together."""
_MOST_DRAWN = 50_000
"""Annotations of all groups; of more, every second, third, ... is drawn."""
_FIXED = {"POINT": 1, "RECTANGLE": 4, "ELLIPSE": 4}
"""Points of an annotation, where the graphic type says it."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A group of annotations."""

    label: str
    kind: str
    """POINT, POLYLINE, POLYGON, ELLIPSE, RECTANGLE."""
    colour: Colour
    shapes: tuple[npt.NDArray[np.float64], ...]
    """(points, 2) each: x, y as stored."""
    count: int
    """Annotations in all."""


def needs(header: JsonAttributes, wanted: PortraitRequest, media_type: str) -> Needs:
    """The coordinates of all groups, of very many the first ones."""
    tags = (_POINTS, _DOUBLE_POINTS, _FIRSTS)
    found = [path for group in items(header, "006A0002") for tag in tags if (path := bulk_path(group, tag))]
    return Needs(tuple(BulkNeed(path, _MOST_BYTES // len(found) // 8 * 8) for path in found))


def portray(header: JsonAttributes, source: Source, wanted: PortraitRequest, media_type: str) -> Picture:
    """All groups on white. Raises ValueError if there are no points."""
    flat = text(header, "006A0001") != "3D"
    found = items(header, "006A0002")
    most = max(1, _MOST_DRAWN // max(1, len(found)))
    groups = [
        _group(one, source, wanted.transfer_syntax, place, 2 if flat else 3, most)
        for place, one in enumerate(found)
    ]
    shapes = [shape for group in groups for shape in group.shapes]
    if not shapes:
        raise ValueError("no annotations")
    canvas = Canvas(*canvas_size(wanted.settings, default=(_SIDE, _SIDE)), WHITE)
    every = np.concatenate(shapes)
    low, extent = every.min(axis=0), np.maximum(np.ptp(every, axis=0), 1e-6)
    size = np.array((canvas.width, canvas.height))
    scale = (size * 0.88 / extent).min()
    shift = (size - extent * scale) / 2
    for group in groups:
        for shape in group.shapes:
            _draw(canvas, group, (shape - low) * scale + shift)
    if canvas.width >= 192:
        draw_legend(canvas, [(f"{group.label}: {group.count}", group.colour) for group in groups])
        unit = "pixels" if flat else "mm"
        corner_text(canvas, [f"{extent[0]:.5g} x {extent[1]:.5g} {unit}"])
    return canvas.picture()


def _group(
    group: JsonAttributes, source: Source, transfer_syntax: str, place: int, dimensions: int, most: int
) -> Drawn:
    kind = text(group, "00700023").upper()
    double = has_value(group, _DOUBLE_POINTS)
    data = bulk_value(group, _DOUBLE_POINTS if double else _POINTS, source, transfer_syntax)
    stored = np.frombuffer(data, "<f8" if double else "<f4", len(data) // (8 if double else 4)).astype(np.float64)
    if has_value(group, "006A0010"):  # Common Z Coordinate Value
        dimensions = 2
    points = stored[: len(stored) // dimensions * dimensions].reshape(-1, dimensions)[:, :2]
    if kind in _FIXED:
        edges = np.arange(0, len(points), _FIXED[kind])
    else:
        firsts = bulk_value(group, _FIRSTS, source, transfer_syntax)
        edges = (np.frombuffer(firsts, "<u4", len(firsts) // 4).astype(np.int64) - 1) // dimensions
        edges = edges[(edges >= 0) & (edges < len(points))]
    ends = np.append(edges[1:], len(points))
    step = max(1, -(-len(edges) // most))
    shapes = [points[first:end] for first, end in zip(edges[::step], ends[::step], strict=True) if end > first]
    return Drawn(
        label=text(group, "006A0005") or meaning(group, "006A000A") or f"group {place + 1}",
        kind=kind,
        colour=from_cielab(numbers(group, "0062000D")) or palette_colour(place),
        shapes=tuple(shape for shape in shapes if np.isfinite(shape).all()),
        count=integer(group, "006A000C") or len(edges),
    )


def _draw(canvas: Canvas, group: Drawn, points: npt.NDArray[np.float64]) -> None:
    """One annotation, in pixels of the canvas."""
    if group.kind == "POINT" or len(points) == 1:
        canvas.dot(float(points[0, 0]), float(points[0, 1]), 2.0, group.colour)
        return
    if group.kind == "ELLIPSE" and len(points) == 4:
        # end points of the major, then of the minor axis (PS3.3 C.37.1.2)
        middle = points.mean(axis=0)
        angle = np.linspace(0, 2 * np.pi, 33)[:, None]
        points = middle + np.cos(angle) * (points[0] - middle) + np.sin(angle) * (points[2] - middle)
    placed = [(float(x), float(y)) for x, y in points]
    if group.kind == "POLYLINE":
        canvas.line(placed, group.colour)
    else:
        canvas.polygon(placed, group.colour)
