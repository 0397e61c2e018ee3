"""Display shutters: what each shape hides, and what is seen instead."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dicomweb.pixels.presentation.model import BadPresentation, Colour
from dicomweb.pixels.presentation.shutters import read_shutters, shut
from tests.dicomweb.pixels.presentation.states import add_overlay, make_state, read, state_of

ROWS, COLUMNS = 20, 30
PICTURE = np.full((ROWS, COLUMNS), 100, np.uint8)


def shutters(**attributes: Any) -> Any:
    return read_shutters(read(make_state(**attributes))[0])


def test_a_rectangle_shows_what_lies_between_its_edges() -> None:
    made = shutters(
        ShutterShape="RECTANGULAR",
        ShutterLeftVerticalEdge=3,
        ShutterRightVerticalEdge=10,
        ShutterUpperHorizontalEdge=5,
        ShutterLowerHorizontalEdge=20,
        ShutterPresentationValue=65535,
    )

    shown = shut(PICTURE, made, ())

    assert (shown[4:20, 2:10] == 100).all()
    assert (shown == 100).sum() == 16 * 8
    assert set(np.unique(shown)) == {100, 255}


def test_a_circle_shows_its_inside_and_is_round_on_the_screen() -> None:
    made = shutters(ShutterShape="CIRCULAR", CenterOfCircularShutter=[10, 15], RadiusOfCircularShutter=6)

    round_pixels = shut(PICTURE, made, ()) == 100
    tall_pixels = shut(PICTURE, made, (), aspect=2.0) == 100

    assert round_pixels[9, 14 - 6 : 14 + 7].all()
    assert not round_pixels[9, 14 - 7]
    assert round_pixels[9 - 6 : 9 + 7, 14].all()
    assert not round_pixels[9 - 7, 14]
    assert tall_pixels[9 - 3 : 9 + 4, 14].all()
    assert not tall_pixels[9 - 4, 14]


def test_a_polygon_shows_its_inside_wherever_its_corners_are() -> None:
    # a triangle over the left lower half, one corner far outside
    made = shutters(ShutterShape="POLYGONAL", VerticesOfThePolygonalShutter=[1, 1, 20, 1, 20, 20])

    shown = shut(PICTURE, made, ()) == 100

    expected = np.tri(ROWS, COLUMNS, dtype=bool)
    assert np.array_equal(shown, expected)
    wide = shutters(
        ShutterShape="POLYGONAL",
        VerticesOfThePolygonalShutter=[-1000, -1000, 90000, -1000, 90000, 90000, -5, 90000],
    )
    assert (shut(PICTURE, wide, ()) == 100).mean() > 0.9


def test_a_bitmap_hides_where_its_plane_is_set() -> None:
    bits = np.zeros((ROWS, COLUMNS), bool)
    bits[:, :4] = True
    state = make_state(ShutterShape="BITMAP", ShutterOverlayGroup=0x6004, ShutterPresentationValue=0)
    add_overlay(state, bits, group=0x6004)
    made = state_of(state)

    shown = shut(PICTURE, made.shutters, made.planes)

    assert np.array_equal(shown == 0, bits)


def test_several_shutters_show_what_all_of_them_show() -> None:
    made = shutters(
        ShutterShape=["RECTANGULAR", "CIRCULAR"],
        ShutterLeftVerticalEdge=1,
        ShutterRightVerticalEdge=15,
        ShutterUpperHorizontalEdge=1,
        ShutterLowerHorizontalEdge=20,
        CenterOfCircularShutter=[10, 15],
        RadiusOfCircularShutter=4,
    )

    shown = shut(PICTURE, made, ()) == 100

    assert shown[9, 14]
    assert not shown[9, 15], "outside of the rectangle"
    assert not shown[9, 8], "outside of the circle"


def test_a_coloured_shutter_makes_a_colour_picture() -> None:
    made = shutters(
        ShutterShape="RECTANGULAR",
        ShutterLeftVerticalEdge=5,
        ShutterRightVerticalEdge=6,
        ShutterUpperHorizontalEdge=5,
        ShutterLowerHorizontalEdge=6,
        ShutterPresentationColorCIELabValue=[35582, 53664, 50863],
    )

    shown = shut(PICTURE, made, ())

    assert shown.shape == (ROWS, COLUMNS, 3)
    assert tuple(shown[4, 4]) == (100, 100, 100)
    assert shown[0, 0, 0] > 240
    assert shown[0, 0, 1] < 20


def test_a_picture_without_shutters_is_given_back_as_it_is() -> None:
    assert shut(PICTURE, read_shutters({}), ()) is PICTURE
    assert read_shutters({}).colour == Colour(0, 0, 0)


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"ShutterShape": "RECTANGULAR", "ShutterLeftVerticalEdge": 3}, "0018,1604"),
        ({"ShutterShape": "CIRCULAR", "RadiusOfCircularShutter": 3}, "0018,1610"),
        ({"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [1, 2, 3, 4]}, "0018,1620"),
        ({"ShutterShape": "BITMAP"}, "0018,1623"),
    ],
)
def test_a_shutter_without_what_it_needs_is_refused_and_the_attribute_named(
    attributes: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadPresentation, match=said):
        shutters(**attributes)


def test_a_polygon_of_absurdly_many_vertices_is_refused() -> None:
    header = {
        "00181600": {"vr": "CS", "Value": ["POLYGONAL"]},
        "00181620": {"vr": "IS", "Value": list(range(400_000))},
    }

    with pytest.raises(BadPresentation, match="100000 vertices"):
        read_shutters(header)


def test_numbers_far_out_hide_everything_or_nothing_but_do_not_fail() -> None:
    header = {
        "00181600": {"vr": "CS", "Value": ["CIRCULAR", "RECTANGULAR", "POLYGONAL"]},
        "00181610": {"vr": "IS", "Value": [1e300, -1e300]},
        "00181612": {"vr": "IS", "Value": [1e300]},
        "00181602": {"vr": "IS", "Value": [-1e300]},
        "00181604": {"vr": "IS", "Value": [1e300]},
        "00181606": {"vr": "IS", "Value": [5]},
        "00181608": {"vr": "IS", "Value": [2]},
        "00181620": {"vr": "IS", "Value": [1e300, 0, 0, 1e300, -1e300, -1e300]},
    }

    assert shut(PICTURE, read_shutters(header), ()).shape == PICTURE.shape


def test_a_bitmap_shutter_without_its_plane_is_refused() -> None:
    made = shutters(ShutterShape="BITMAP", ShutterOverlayGroup=0x6004)

    with pytest.raises(BadPresentation, match="6004"):
        shut(PICTURE, made, ())
