"""The lines graphic objects are made of."""

from __future__ import annotations

import numpy as np
import pytest

from dicomweb.pixels.presentation.model import GraphicObject, GraphicType, Orientation, Points, Units
from dicomweb.pixels.presentation.shapes import curve, shape_of
from dicomweb.pixels.presentation.spatial import Crop, Placement

PLAIN = Placement(Crop(0, 0, 100, 100), Orientation(), 100, 100)
WIDE = Placement(Crop(0, 0, 100, 100), Orientation(), 100, 300)


def shape(kind: GraphicType, points: list[list[float]], placement: Placement = PLAIN) -> Points:
    return shape_of(GraphicObject(kind, Units.PIXEL, np.array(points, np.float64)), placement)


@pytest.mark.parametrize("placement", [PLAIN, WIDE], ids=["square pixels", "wide pixels"])
def test_a_circle_is_round_in_the_picture(placement: Placement) -> None:
    line = shape(GraphicType.CIRCLE, [[50, 50], [50, 60]], placement)

    center = placement.to_picture(np.array([[50.0, 50]]))[0]
    assert np.allclose(np.hypot(*(line - center).T), 10)
    assert np.allclose(line[0], line[-1])


def test_an_ellipse_goes_through_the_ends_of_its_axes() -> None:
    ends = [[10.0, 50.0], [90.0, 50.0], [50.0, 30.0], [50.0, 70.0]]

    line = shape(GraphicType.ELLIPSE, ends)

    for end in ends:
        assert np.hypot(*(line - end).T).min() < 0.01
    assert line[:, 0].min() >= 9.99
    assert line[:, 1].max() <= 70.01


def test_a_tilted_ellipse_keeps_its_axes() -> None:
    line = shape(GraphicType.ELLIPSE, [[20, 20], [80, 80], [60, 40], [40, 60]])

    along, across = (line - 50) @ np.array([1, 1]) / np.sqrt(2), (line - 50) @ np.array([1, -1]) / np.sqrt(2)
    assert np.isclose(along.max(), 30 * np.sqrt(2))
    assert np.isclose(across.max(), 10 * np.sqrt(2), atol=0.01)


def test_a_curve_goes_through_all_its_points_and_closes_smoothly() -> None:
    points = np.array([[10.0, 10], [50, 10], [50, 50], [10, 50], [10, 10]])

    line = curve(points)

    for point in points:
        assert np.hypot(*(line - point).T).min() < 1e-9
    assert np.array_equal(line[0], line[-1])
    assert line[:, 1].min() < 9, "rounder than the polygon"
    first, last = line[1] - line[0], line[-1] - line[-2]
    assert first @ last / np.hypot(*first) / np.hypot(*last) > 0.8, "no corner where it closes"


def test_two_points_of_a_curve_are_a_straight_line() -> None:
    assert shape(GraphicType.INTERPOLATED, [[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]


def test_polylines_and_points_stay_as_they_are() -> None:
    assert shape(GraphicType.POLYLINE, [[1, 2], [3, 4]], WIDE).tolist() == [[3, 2], [9, 4]]
    assert shape(GraphicType.POINT, [[1, 2]]).tolist() == [[1, 2]]
