"""The lines a graphic object is made of, in the picture (PS3.3 C.10.5.1.2)."""

from __future__ import annotations

import numpy as np

from dicomweb.pixels.presentation.model import GraphicObject, GraphicType, Points
from dicomweb.pixels.presentation.spatial import Placement

_AROUND = 180
"""Corners of a circle or an ellipse."""
_BETWEEN = 8
"""Pieces of a curve from one of its points to the next."""


def shape_of(graphic: GraphicObject, placement: Placement) -> Points:
    """The line of a graphic object as columns and rows of the picture, (n, 2); the centres of POINT.

    A closed one ends where it begins. Circles are circles of the picture, whatever the shape of a pixel.
    """
    points = placement.to_picture(graphic.points, graphic.units)
    match graphic.type:
        case GraphicType.CIRCLE:
            radius = float(np.hypot(*(points[1] - points[0])))
            return _around(points[0], np.array([radius, 0.0]), np.array([0.0, radius]))
        case GraphicType.ELLIPSE:
            # the ends of the major axis, then those of the minor one
            major, minor = (points[1] - points[0]) / 2, (points[3] - points[2]) / 2
            return _around(points.mean(axis=0), major, minor)
        case GraphicType.INTERPOLATED:
            return curve(points)
        case _:
            return points


def _around(center: Points, first: Points, second: Points) -> Points:
    angles = np.linspace(0.0, 2 * np.pi, _AROUND + 1)[:, np.newaxis]
    line: Points = center + np.cos(angles) * first + np.sin(angles) * second
    return line


def curve(points: Points) -> Points:
    """A smooth line through all the points (Catmull and Rom); closed if it ends where it begins."""
    if len(points) < 3:
        return points
    if np.array_equal(points[0], points[-1]):
        padded = np.concatenate((points[-2:-1], points, points[1:2]))
    else:
        padded = np.concatenate((points[:1], points, points[-1:]))
    before, start, end, after = (padded[index : len(padded) - 3 + index, np.newaxis] for index in range(4))
    at = np.linspace(0.0, 1.0, _BETWEEN, endpoint=False)[np.newaxis, :, np.newaxis]
    pieces = 0.5 * (
        2 * start
        + (end - before) * at
        + (2 * before - 5 * start + 4 * end - after) * at**2
        + (3 * start - before - 3 * end + after) * at**3
    )
    return np.concatenate((pieces.reshape(-1, 2), points[-1:]))
