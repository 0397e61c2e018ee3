"""Displayed areas: which part of an image, which way up, how large; pixels and points go the same way."""

from __future__ import annotations

import numpy as np
import pytest

from dicomweb.pixels.frame import TooLarge
from dicomweb.pixels.presentation.model import DisplayedArea, Orientation, SizeMode, Units
from dicomweb.pixels.presentation.spatial import (
    Crop,
    Placement,
    area_aspect,
    crop_of,
    magnification_of,
    place,
    plan_placement,
)
from tests.dicomweb.pixels.presentation.states import Picture, resize

ROWS, COLUMNS = 6, 9
PICTURE = np.arange(ROWS * COLUMNS, dtype=np.uint8).reshape(ROWS, COLUMNS)
UPRIGHT = Orientation()
WHOLE = Crop(0, 0, COLUMNS, ROWS)
ORIENTATIONS = [Orientation(rotation, flip) for rotation in (0, 90, 180, 270) for flip in (False, True)]


def planned(
    crop: Crop = WHOLE, orientation: Orientation = UPRIGHT, *, aspect: float = 1.0, magnification: float = 1.0,
    width: int | None = None, height: int | None = None, enlarge: bool = True, most_pixels: int = 1_000_000,
) -> Placement:  # fmt: skip
    return plan_placement(
        crop, orientation, aspect=aspect, magnification=magnification, width=width, height=height,
        enlarge=enlarge, most_pixels=most_pixels,
    )  # fmt: skip


def refuse(picture: Picture, rows: int, columns: int) -> Picture:
    raise AssertionError(f"no scaling to {rows} x {columns} was wanted")


def test_a_quarter_turn_is_clockwise_and_the_flip_comes_after_it() -> None:
    turned = place(PICTURE, planned(orientation=Orientation(90)), refuse)
    flipped = place(PICTURE, planned(orientation=Orientation(90, flip=True)), refuse)

    assert turned.shape == (COLUMNS, ROWS)
    assert turned[0, -1] == PICTURE[0, 0], "the top left corner goes to the top right"
    assert flipped[0, 0] == PICTURE[0, 0]
    assert np.array_equal(flipped, PICTURE.T)


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=str)
@pytest.mark.parametrize("crop", [WHOLE, Crop(2, 1, 7, 5), Crop(-2, -3, 5, 9)], ids=["whole", "part", "beyond"])
def test_points_go_where_their_pixels_go(orientation: Orientation, crop: Crop) -> None:
    placement = planned(crop, orientation)
    shown = place(PICTURE, placement, refuse)

    for row in range(max(0, crop.top), min(ROWS, crop.bottom)):
        for column in range(max(0, crop.left), min(COLUMNS, crop.right)):
            ((x, y),) = placement.to_picture(np.array([[column + 0.5, row + 0.5]]))
            assert shown[int(y), int(x)] == PICTURE[row, column]


def test_parts_of_the_displayed_area_are_counted_after_it_is_turned() -> None:
    placement = planned(orientation=Orientation(90, flip=True), width=60, height=90)

    found = placement.to_picture(np.array([[0.0, 0.0], [1.0, 0.5]]), Units.DISPLAY)

    assert found.tolist() == [[0, 0], [60, 45]]


def test_what_lies_outside_of_the_image_is_black() -> None:
    shown = place(PICTURE + np.uint8(1), planned(Crop(-2, -1, COLUMNS + 1, ROWS)), refuse)

    assert shown.shape == (ROWS + 1, COLUMNS + 3)
    assert np.array_equal(shown[1:, 2:-1], PICTURE + 1)
    assert not shown[0].any()
    assert not shown[:, :2].any()
    assert not shown[:, -1].any()
    assert not place(PICTURE, planned(Crop(100, 100, 110, 105)), refuse).any()


def test_a_box_is_filled_as_far_as_the_shape_of_the_area_lets_it() -> None:
    assert (planned(width=90, height=90).columns, planned(width=90, height=90).rows) == (90, 60)
    assert (planned(width=18).columns, planned(width=18).rows) == (18, 12)
    turned = planned(orientation=Orientation(270), width=90, height=90)
    assert (turned.columns, turned.rows) == (60, 90)
    assert (planned(width=90, enlarge=False).columns, planned(width=3, enlarge=False).columns) == (9, 3)


def test_pixels_that_are_not_square_become_square() -> None:
    assert (planned(aspect=2.0).columns, planned(aspect=2.0).rows) == (9, 12)
    assert (planned(aspect=0.5).columns, planned(aspect=0.5).rows) == (18, 6)
    assert place(PICTURE, planned(aspect=2.0), resize).shape == (12, 9)


def test_magnification_counts_only_without_a_box() -> None:
    area = DisplayedArea((), 1, 1, 9, 6, SizeMode.MAGNIFY, magnification=3.0)

    assert magnification_of(area) == 3.0
    assert planned(magnification=3.0).columns == 27
    assert planned(magnification=3.0, width=18).columns == 18
    assert magnification_of(DisplayedArea((), 1, 1, 9, 6, SizeMode.TRUE_SIZE, magnification=3.0)) == 1.0
    assert magnification_of(None) == 1.0


@pytest.mark.parametrize(
    "wanted",
    [
        {"crop": Crop(0, 0, 10**9, 10**9)},
        {"magnification": 1e9},
        {"width": 60_000, "height": 60_000},
        {"aspect": 100.0, "crop": Crop(0, 0, 10, 10**4)},
    ],
    ids=["area", "magnification", "box", "aspect"],
)
def test_a_picture_of_too_many_pixels_is_refused_before_it_is_made(wanted: dict[str, object]) -> None:
    with pytest.raises(TooLarge, match="1000000 pixels"):
        planned(**wanted)  # type: ignore[arg-type]  # a table of differing arguments


def test_a_sliver_keeps_at_least_a_pixel() -> None:
    placement = planned(Crop(0, 0, 10_000, 1), width=10)

    assert (placement.rows, placement.columns) == (1, 10)


def test_an_area_is_told_from_1_and_both_ends_belong_to_it() -> None:
    assert crop_of(DisplayedArea((), 2, 3, 4, 5), ROWS, COLUMNS) == Crop(1, 2, 4, 5)
    assert crop_of(None, ROWS, COLUMNS) == WHOLE
    assert crop_of(DisplayedArea((), 0, 0, COLUMNS, ROWS), ROWS, COLUMNS) == WHOLE, "counted from 0 by mistake"


def test_the_shape_of_pixels_is_told_by_ratio_or_spacing_of_the_area() -> None:
    assert area_aspect(DisplayedArea((), 1, 1, 2, 2, spacing=(3.0, 1.5), aspect=7.0)) == 2.0
    assert area_aspect(DisplayedArea((), 1, 1, 2, 2, aspect=0.5)) == 0.5
    assert area_aspect(DisplayedArea((), 1, 1, 2, 2, aspect=1e9)) == 100.0
