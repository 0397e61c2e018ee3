from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dicomweb.pixels.frame import DecodedFrame, Undecodable
from dicomweb.pixels.render.pipeline import render_frame
from dicomweb.pixels.render.settings import RenderSettings, Window
from tests.dicomweb.pixels.render.headers import colour, image


def shown(frame: DecodedFrame, stored: int = 8) -> list[list[int]]:
    colours: list[list[int]] = render_frame(frame, image(stored=stored), 1, RenderSettings()).array[0].tolist()
    return colours


@pytest.mark.parametrize("photometric", ["RGB", "YBR_RCT", "YBR_ICT", "XYB", "", "NONSENSE"])
def test_what_is_red_green_and_blue_already_is_left_alone(photometric: str) -> None:
    assert shown(colour([[1, 2, 3], [255, 128, 0]], photometric)) == [[1, 2, 3], [255, 128, 0]]


@pytest.mark.parametrize("photometric", ["YBR_FULL", "YBR_FULL_422"])
def test_the_full_range_is_that_of_jpeg(photometric: str) -> None:
    """PS3.3 C.7.6.3.1.2: Y = .2990 R + .5870 G + .1140 B, and so on."""
    rgb = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [200, 100, 50], [77, 77, 77]], np.float64)
    matrix = np.array([[0.2990, 0.5870, 0.1140], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]])
    ybr = np.clip(np.rint(rgb @ matrix.T + [0, 128, 128]), 0, 255)
    assert np.abs(np.array(shown(colour(ybr, photometric))) - rgb).max() <= 2


@pytest.mark.parametrize("photometric", ["YBR_PARTIAL_422", "YBR_PARTIAL_420"])
def test_the_partial_range_has_black_at_16_and_white_at_235(photometric: str) -> None:
    """ITU-R BT.601: the codes of the colour bars at 100%."""
    bars = [[16, 128, 128], [235, 128, 128], [81, 90, 240], [145, 54, 34], [41, 240, 110]]
    expected = np.array([[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]])
    assert np.abs(np.array(shown(colour(bars, photometric))) - expected).max() <= 2


def test_samples_of_16_bits_are_scaled_by_their_bits_stored() -> None:
    assert shown(colour([[0, 32_768, 65_535]], dtype="u2"), stored=16) == [[0, 128, 255]]
    assert shown(colour([[0, 2048, 4095]], dtype="u2"), stored=12) == [[0, 128, 255]]
    assert shown(colour([[0, 1 << 31, (1 << 32) - 1]], dtype="u4"), stored=32) == [[0, 128, 255]]


def test_ybr_of_16_bits_is_converted_after_it_is_scaled() -> None:
    assert shown(colour([[65_535, 32_768, 32_768]], "YBR_FULL", "u2"), stored=16) == [[255, 255, 255]]


def test_the_window_of_a_client_does_not_touch_colours() -> None:
    settings = RenderSettings(window=Window(10, 2))
    assert render_frame(colour([[1, 2, 3]]), image(stored=8), 1, settings).array.tolist() == [[[1, 2, 3]]]


@pytest.mark.parametrize(
    ("photometric", "pixel", "expected"),
    [("ARGB", [9, 1, 2, 3], [1, 2, 3]), ("RGB", [1, 2, 3, 9], [1, 2, 3]), ("CMYK", [0, 255, 255, 0], [255, 0, 0]),
     ("HSV", [0, 255, 255], [255, 0, 0])],
)  # fmt: skip
def test_retired_colours_are_shown_as_well_as_can_be(
    photometric: str, pixel: list[int], expected: list[int]
) -> None:
    assert shown(colour([pixel], photometric)) == [expected]


@pytest.mark.parametrize("samples", [2, 5])
def test_other_numbers_of_samples_are_no_picture(samples: int) -> None:
    with pytest.raises(Undecodable, match=str(samples)):
        shown(colour([[0] * samples]))


@pytest.mark.parametrize("shape", [(0, 5), (3,), (1, 1, 1, 1)])
def test_other_shapes_are_no_picture(shape: tuple[int, ...]) -> None:
    array: np.ndarray[Any, Any] = np.zeros(shape, np.uint8)
    with pytest.raises(Undecodable):
        render_frame(DecodedFrame(array, "RGB"), image(stored=8), 1, RenderSettings())


def test_one_sample_in_a_third_dimension_is_grey() -> None:
    frame = DecodedFrame(np.array([[[0], [7]]], np.uint8), "MONOCHROME2")
    assert render_frame(frame, image(stored=8), 1, RenderSettings()).array.tolist() == [[0, 7]]
