"""RT Structure Sets (PS3.3 A.19, C.8.8.6): contours in their display colours, on the slice that shows most.

Contours are points in the patient's millimetres. Those of one slice share a coordinate, mostly z; the slice with
most regions, then with most contours, is drawn as a viewer would show it: patient's left at the right, head up.
Single points are marked wherever they lie.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import Picture
from dicomweb.pixels.objects.attributes import integer, items, numbers, text
from dicomweb.pixels.objects.canvas import BLACK, Canvas, Colour, canvas_size, corner_text
from dicomweb.pixels.objects.colours import palette_colour
from dicomweb.pixels.objects.contract import Needs, PortraitRequest, Source
from dicomweb.pixels.objects.segmentation import draw_legend

_SIDE = 512
_MOST_POINTS = 2_000_000
_AXES = ("x", "y", "z")
_VIEW = {
    # the axis that is constant: the axis to the right, the axis down, and the sign of it
    0: (1, 2, -1.0),
    1: (0, 2, -1.0),
    2: (0, 1, 1.0),
}


@dataclass(frozen=True, slots=True)
class Contour:
    """One contour of a region."""

    region: int
    """ROI Number."""
    kind: str
    """POINT, OPEN_PLANAR, CLOSED_PLANAR, ..."""
    points: npt.NDArray[np.float64]
    """(points, 3) in mm of the patient's coordinates (PS3.3 C.7.6.2.1.1)."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Contours that are drawn together."""

    axis: int
    """The constant coordinate: 0 x, 1 y, 2 z."""
    place: float
    """Its value, mm."""
    contours: tuple[Contour, ...]


def needs(header: JsonAttributes, wanted: PortraitRequest, media_type: str) -> Needs:
    """Nothing: contours stand in the header."""
    return Needs()


def portray(header: JsonAttributes, source: Source, wanted: PortraitRequest, media_type: str) -> Picture:
    """The fullest slice. Raises ValueError if there are no contours."""
    contours = contours_of(header)
    chosen = fullest_slice(contours)
    names = {integer(one, "30060022"): text(one, "30060026") for one in items(header, "30060020")}
    colours = _colours(header)
    canvas = Canvas(*canvas_size(wanted.settings, default=(_SIDE, _SIDE)), BLACK)
    points = [
        one for one in contours if len(one.points) == 1 and not any(one is other for other in chosen.contours)
    ]
    _draw(canvas, chosen, points, colours)
    if canvas.width >= 192 and canvas.height >= 192:
        shown = list(dict.fromkeys(one.region for one in (*chosen.contours, *points)))
        draw_legend(canvas, [(names.get(one) or f"region {one}", colours[one]) for one in shown])
        corner_text(
            canvas, [f"{_AXES[chosen.axis]} = {chosen.place:.1f} mm", f"{len(shown)} of {len(colours)} regions"]
        )
    return canvas.picture()


def contours_of(header: JsonAttributes) -> list[Contour]:
    """Every contour that has whole points."""
    found: list[Contour] = []
    total = 0
    for region in items(header, "30060039"):
        for one in items(region, "30060040"):
            data = numbers(one, "30060050")
            whole = len(data) - len(data) % 3
            total += whole // 3
            if whole and total <= _MOST_POINTS:
                points = np.array(data[:whole]).reshape(-1, 3)
                found.append(Contour(integer(region, "30060084"), text(one, "30060042"), points))
    return found


def fullest_slice(contours: list[Contour]) -> Slice:
    """The contours of the slice with most regions, of several such with most contours, of those the middle one."""
    if not contours:
        raise ValueError("no contours")
    outlines = [one for one in contours if len(one.points) > 1] or contours
    axis = Counter(int(np.argmin(np.ptp(one.points, axis=0))) if len(one.points) > 2 else 2 for one in outlines)
    constant = axis.most_common(1)[0][0]
    slices: dict[float, list[Contour]] = defaultdict(list)
    for one in outlines:
        slices[round(float(one.points[:, constant].mean()), 1)].append(one)
    worth = {place: (len({one.region for one in found}), len(found)) for place, found in slices.items()}
    best = max(worth.values())
    places = sorted(place for place, value in worth.items() if value == best)
    place = places[len(places) // 2]
    return Slice(constant, place, tuple(slices[place]))


def _colours(header: JsonAttributes) -> dict[int, Colour]:
    """ROI Number to ROI Display Color, or one of the palette."""
    found: dict[int, Colour] = {}
    for place, one in enumerate(items(header, "30060039")):
        shown = [int(part) for part in numbers(one, "3006002A")]
        colour = palette_colour(place)
        if len(shown) == 3 and all(0 <= part <= 255 for part in shown) and sum(shown) > 60:
            colour = (shown[0], shown[1], shown[2])  # darker ones would not be seen on black
        found[integer(one, "30060084")] = colour
    return found


def _draw(canvas: Canvas, chosen: Slice, points: list[Contour], colours: dict[int, Colour]) -> None:
    right, down, sign = _VIEW[chosen.axis]
    flat = [one.points[:, (right, down)] * (1.0, sign) for one in (*chosen.contours, *points)]
    every = np.concatenate(flat)
    low, extent = every.min(axis=0), np.maximum(np.ptp(every, axis=0), 1.0)
    size = np.array((canvas.width, canvas.height))
    scale = float((size * 0.9 / extent).min())
    shift = (size - extent * scale) / 2
    thick = max(1, round(min(canvas.width, canvas.height) / 256))
    for one, places in zip((*chosen.contours, *points), flat, strict=True):
        drawn = [(float(x), float(y)) for x, y in (places - low) * scale + shift]
        colour = colours.get(one.region, palette_colour(one.region))
        if len(drawn) == 1:
            canvas.dot(*drawn[0], 2.0 * thick, colour)
        elif one.kind == "OPEN_PLANAR":
            canvas.line(drawn, colour, thick)
        else:
            canvas.polygon(drawn, colour, thick)
