from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import DecodedFrame, Picture, TooLarge
from dicomweb.pixels.render.attributes import FrameAttributes
from dicomweb.pixels.render.pipeline import render_frame
from dicomweb.pixels.render.settings import BadRenderRequest, Region, RenderSettings, Viewport
from dicomweb.pixels.render.viewport import fit_picture, pixel_aspect, plan_placement, whole_pixels
from tests.dicomweb.pixels.render.headers import entry, image

MOST = 10_000_000
GRID = (np.arange(60 * 80) % 251).astype(np.uint8).reshape(60, 80)


def size(rows: int, columns: int, viewport: Viewport | None, aspect: float = 1.0) -> tuple[int, int]:
    placement = plan_placement(rows, columns, viewport, aspect=aspect, most_pixels=MOST)
    return placement.rows, placement.columns


def shown(viewport: Viewport, array: npt.NDArray[np.uint8] = GRID) -> npt.NDArray[np.uint8]:
    photometric = "RGB" if array.ndim == 3 else "MONOCHROME2"
    settings = RenderSettings(viewport=viewport)
    return render_frame(DecodedFrame(array, photometric), image(stored=8), 1, settings).array


@pytest.mark.parametrize(
    ("box", "expected"),
    [((256, 256), (128, 256)), ((100, 1000), (50, 100)), ((1000, 100), (100, 200)), ((None, 50), (50, 100)),
     ((50, None), (25, 50)), ((None, None), (512, 1024)), ((1, 1), (1, 1)), ((2048, 2048), (1024, 2048))],
)  # fmt: skip
def test_the_picture_is_as_large_as_fits_without_distortion(
    box: tuple[int | None, int | None], expected: tuple[int, int]
) -> None:
    assert size(512, 1024, Viewport(*box)) == expected


def test_a_thumbnail_is_never_larger_than_the_image() -> None:
    assert size(100, 50, Viewport(256, 256, enlarge=False)) == (100, 50)
    assert size(1000, 500, Viewport(256, 256, enlarge=False)) == (256, 128)


@pytest.mark.parametrize(("aspect", "expected"), [(2.0, (256, 128)), (0.5, (128, 256))])
def test_pixels_that_are_not_square_are_made_so(aspect: float, expected: tuple[int, int]) -> None:
    assert size(100, 100, Viewport(256, 256), aspect) == expected


def test_without_a_viewport_pixels_stay_as_they_are() -> None:
    header = image(stored=8, t00280030=entry("DS", 2, 1))
    picture = render_frame(DecodedFrame(GRID, "MONOCHROME2"), header, 1, RenderSettings()).array
    assert np.array_equal(picture, GRID)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [({"00280030": entry("DS", 2, 1)}, 2.0), ({"00181164": entry("DS", 1, 4)}, 0.25),
     ({"00280034": entry("IS", 1, 2), "00280030": entry("DS", 1, 1)}, 0.5),
     ({"00280030": entry("DS", 0.5, 0.501)}, 1.0),
     ({"00280030": entry("DS", 0, 1)}, 1.0), ({"00280030": entry("DS", 1000, 1)}, 1.0),
     ({"00280030": entry("DS", "x", "y")}, 1.0), ({"00280030": entry("DS", 3)}, 1.0), ({}, 1.0),
     ({"52009229": entry("SQ", {"00289110": entry("SQ", {"00280030": entry("DS", 3, 1)})})}, 3.0)],
)  # fmt: skip
def test_the_shape_of_a_pixel_is_what_the_image_says_as_far_as_it_can_be(
    attributes: JsonAttributes, expected: float
) -> None:
    assert pixel_aspect(FrameAttributes(attributes, 1)) == expected


def test_a_region_in_its_own_size_is_cut_out_exactly() -> None:
    assert np.array_equal(shown(Viewport(20, 10, Region(30, 5, 20, 10))), GRID[5:15, 30:50])


def test_negative_sides_flip_the_picture() -> None:
    cut = GRID[5:15, 30:50]
    assert np.array_equal(shown(Viewport(20, 10, Region(30, 5, -20, 10))), cut[:, ::-1])
    assert np.array_equal(shown(Viewport(20, 10, Region(30, 5, 20, -10))), cut[::-1])
    assert np.array_equal(shown(Viewport(20, 10, Region(30, 5, -20, -10))), cut[::-1, ::-1])


def test_a_region_that_reaches_outside_is_cut_at_the_edge() -> None:
    assert np.array_equal(shown(Viewport(10, 60, Region(70, 0, 500, 500))), GRID[:, 70:])


@pytest.mark.parametrize("region", [Region(80, 0), Region(0, 60), Region(1, 0, relative=True)])
def test_a_region_outside_of_the_image_is_refused(region: Region) -> None:
    with pytest.raises(BadRenderRequest, match="80 x 60"):
        shown(Viewport(10, 10, region))


def test_a_region_may_be_told_in_parts_of_the_image() -> None:
    assert np.array_equal(shown(Viewport(40, 30, Region(0.5, 0.5, 0.5, 0.5, relative=True))), GRID[30:, 40:])


def test_whole_pixels_of_a_region_are_all_it_touches() -> None:
    assert whole_pixels(Region(1.5, 2, 3, 4.5), 60, 80) == (1, 2, 5, 7)
    assert whole_pixels(Region(), 60, 80) == (0, 0, 80, 60)


def test_a_half_is_the_mean_of_four() -> None:
    means = GRID.astype(np.float64).reshape(30, 2, 40, 2).mean(axis=(1, 3))
    assert np.abs(shown(Viewport(40, 30)) - means).max() <= 0.5


@pytest.mark.parametrize("box", [(33, 33), (7, 7), (200, 200)])
def test_an_even_grey_stays_even_in_every_size(box: tuple[int, int]) -> None:
    assert np.unique(shown(Viewport(*box), np.full((64, 64), 99, np.uint8))).tolist() == [99]


def test_enlarging_makes_no_values_that_were_not_between_neighbours() -> None:
    edge = np.repeat(np.array([[50, 200]], np.uint8), 2, axis=0)
    enlarged = shown(Viewport(40, 40), edge)
    assert (enlarged.min(), enlarged.max()) == (50, 200)
    assert (np.diff(enlarged.astype(int), axis=1) >= 0).all()


def test_colours_are_scaled_too() -> None:
    array = np.zeros((20, 20, 3), np.uint8)
    array[:, :, 1] = 200
    assert shown(Viewport(7, 7), array).tolist() == [[[0, 200, 0]] * 7] * 7


def test_too_many_pixels_are_refused_before_they_are_made() -> None:
    with pytest.raises(TooLarge, match="65500 x 65500"):
        plan_placement(10, 10, Viewport(65_500, 65_500), aspect=1.0, most_pixels=MOST)
    with pytest.raises(TooLarge):
        render_frame(DecodedFrame(GRID, "MONOCHROME2"), image(stored=8), 1, RenderSettings(most_pixels=100))
    with pytest.raises(TooLarge):
        shown(Viewport(65_000, 65_000))


def test_a_finished_picture_is_fitted_and_keeps_its_profile() -> None:
    fitted = fit_picture(Picture(GRID, b"icc"), Viewport(40, 40))
    assert (fitted.array.shape, fitted.icc_profile) == ((30, 40), b"icc")
    assert fit_picture(Picture(GRID), None).array is not None
