"""Lines and polygons cut to a rectangle before they are drawn.

Coordinates of a presentation state are whatever its creator wrote. Drawing takes time in proportion to them, hence
nothing is drawn that lies far outside of the picture.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dicomweb.pixels.presentation.model import Points


def clip_polygon(points: Points, left: float, top: float, right: float, bottom: float) -> Points:
    """The part of a closed polygon inside the rectangle (Sutherland and Hodgman); fewer than 3 points: nothing."""
    for axis, bound, sign in ((0, left, 1.0), (0, right, -1.0), (1, top, 1.0), (1, bottom, -1.0)):
        if len(points) < 3:
            return points[:0]
        points = _clip_side(points, axis, bound, sign)
    return points


def _clip_side(points: Points, axis: int, bound: float, sign: float) -> Points:
    """The part of a polygon on one side of a line parallel to an axis."""
    depth = (points[:, axis] - bound) * sign
    inside = depth >= 0
    if inside.all():
        return points
    following, next_depth = np.roll(points, -1, axis=0), np.roll(depth, -1)
    crosses = inside != np.roll(inside, -1)
    span = np.where(crosses, depth - next_depth, 1.0)
    cut = points + (following - points) * (depth / span)[:, np.newaxis]
    cut[:, axis] = np.where(crosses, bound, cut[:, axis])
    # of each side: its first point if that is inside, then where it crosses the line
    pairs = np.stack((points, cut), axis=1).reshape(-1, 2)
    kept: Points = pairs[np.stack((inside, crosses), axis=1).reshape(-1)]
    return kept


def clip_lines(points: Points, left: float, top: float, right: float, bottom: float) -> list[Points]:
    """The parts of a polyline inside the rectangle (Liang and Barsky), each (n, 2) with at least 2 points."""
    start, step = points[:-1], np.diff(points, axis=0)
    enter, leave = np.zeros(len(start)), np.ones(len(start))
    possible = np.ones(len(start), np.bool_)
    for axis, low, high in ((0, left, right), (1, top, bottom)):
        still = step[:, axis] == 0
        possible &= ~still | ((start[:, axis] >= low) & (start[:, axis] <= high))
        divisor = np.where(still, 1.0, step[:, axis])
        first, second = (low - start[:, axis]) / divisor, (high - start[:, axis]) / divisor
        enter = np.where(still, enter, np.maximum(enter, np.minimum(first, second)))
        leave = np.where(still, leave, np.minimum(leave, np.maximum(first, second)))
    seen = possible & (enter <= leave)
    begins = start + step * enter[:, np.newaxis]
    ends = start + step * leave[:, np.newaxis]
    return _joined(begins, ends, seen, np.roll(leave, 1) >= 1, enter <= 0)


def _joined(
    begins: Points,
    ends: Points,
    seen: npt.NDArray[np.bool_],
    whole: npt.NDArray[np.bool_],
    uncut: npt.NDArray[np.bool_],
) -> list[Points]:
    """Segments put together wherever one ends uncut and the next begins uncut."""
    lines: list[list[npt.NDArray[np.float64]]] = []
    previous = -2
    for index in np.flatnonzero(seen):
        if not (index == previous + 1 and whole[index] and uncut[index] and lines):
            lines.append([begins[index]])
        lines[-1].append(ends[index])
        previous = int(index)
    return [np.array(line) for line in lines]


def dashes(line: Points, dash: float, gap: float, *, most: int = 20_000) -> list[Points]:
    """A line as dashes of those lengths; itself when it would be more than `most` of them."""
    lengths = np.hypot(*np.diff(line, axis=0).T)
    along = np.concatenate(([0.0], np.cumsum(lengths)))
    total = float(along[-1])
    if total <= 0 or total / (dash + gap) > most:
        return [line]
    pieces = []
    for begin in np.arange(0, total, dash + gap):
        end = min(begin + dash, total)
        inner = along[(along > begin) & (along < end)]
        at = np.concatenate(([begin], inner, [end]))
        pieces.append(np.stack([np.interp(at, along, line[:, axis]) for axis in (0, 1)], axis=1))
    return pieces
