"""PS3.3 C.11.2.1.2 and C.11.2.1.3, by their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.render.attributes import FrameAttributes
from dicomweb.pixels.render.lookup import LookupTable
from dicomweb.pixels.render.settings import Window
from dicomweb.pixels.render.voi import Extent, apply_voi, read_voi
from tests.dicomweb.pixels.render.headers import entry, table, window

ANY = Extent(-32_768, 65_535)


def light(voi: Window | Extent, *values: float) -> list[float]:
    return [float(each) for each in apply_voi(voi, np.array(values, np.float64))]


def read(header: JsonAttributes, number: int = 1, reach: Extent = ANY) -> Window | LookupTable | None:
    return read_voi(FrameAttributes(header, number), reach)


def test_linear_is_the_formula_of_the_standard() -> None:
    center, width = 40.0, 400.0
    low, high = center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2
    assert light(Window(center, width), low, low - 1, high, high + 1) == [0, 0, 1, 1]
    inner = [-100.0, 0.0, 39.0, 40.0, 200.0]
    expected = [(x - (center - 0.5)) / (width - 1) + 0.5 for x in inner]
    assert light(Window(center, width), *inner) == pytest.approx(expected, abs=1e-12)


def test_the_example_of_the_standard_for_eight_bits() -> None:
    """PS3.3 C.11.2.1.2.1: center 2048, width 4096 is y = x / 4095 x 255."""
    assert light(Window(2048, 4096), 0, 819, 4095) == pytest.approx([0, 819 / 4095, 1])


def test_a_linear_window_of_width_one_is_a_threshold() -> None:
    """PS3.3 C.11.2.1.2.1: center 0, width 1 is 0 for x <= -0.5, else full."""
    assert light(Window(0, 1), -1, -0.5, -0.4, 0) == [0, 0, 1, 1]


def test_linear_exact_is_the_formula_of_the_standard() -> None:
    assert light(Window(0.5, 1.0, "linear-exact"), -1, 0, 0.25, 1, 2) == [0, 0, 0.25, 1, 1]


def test_sigmoid_is_the_formula_of_the_standard() -> None:
    expected = [1 / (1 + math.exp(-4 * (x - 100) / 50)) for x in (60, 100, 130)]
    assert light(Window(100, 50, "sigmoid"), 60, 100, 130) == pytest.approx(expected)
    assert light(Window(0, 1e-9, "sigmoid"), -1e9, 1e9) == pytest.approx([0, 1])


def test_a_frame_of_one_value_is_black_without_a_window() -> None:
    assert light(Extent(7, 7), 7) == [0]


def test_the_first_of_several_windows_is_taken() -> None:
    header = {"00281050": entry("DS", 40, 400), "00281051": entry("DS", 80, 2000)}
    assert read(header) == Window(40, 80)


@pytest.mark.parametrize(
    ("function", "meant"),
    [("SIGMOID", "sigmoid"), ("LINEAR_EXACT", "linear-exact"), ("LINEAR", "linear"), ("?", "linear")],
)
def test_the_voi_lut_function_of_the_image_is_obeyed(function: str, meant: str) -> None:
    found = read(window(10, 20, function))
    assert isinstance(found, Window)
    assert found.function == meant


@pytest.mark.parametrize("width", [0, -400])
def test_a_window_of_the_image_that_is_not_wide_is_passed_over(width: float) -> None:
    assert read(window(40, width)) is None


@pytest.mark.parametrize("wrong", ["", "abc", None, "nan", "inf"])
def test_a_window_of_the_image_that_is_no_number_is_passed_over(wrong: object) -> None:
    assert read({"00281050": entry("DS", wrong), "00281051": entry("DS", 400)}) is None


def test_a_window_that_no_sample_could_lie_in_is_passed_over() -> None:
    assert read(window(100_000, 10), reach=Extent(0, 4095)) is None
    assert read(window(4100, 20), reach=Extent(0, 4095)) == Window(4100, 20)


def test_a_linear_window_narrower_than_one_is_meant_exactly() -> None:
    assert read(window(0.5, 0.25)) == Window(0.5, 0.25, "linear-exact")


def test_a_window_comes_before_a_table_and_a_table_before_nothing() -> None:
    header = {"00283010": entry("SQ", table(0, [0, 255], 8))}
    assert isinstance(read(header), LookupTable)
    assert isinstance(read(header | window(40, 400)), Window)
    assert isinstance(read(header | window(40, 0)), LookupTable)


def test_the_window_of_a_frame_comes_before_the_shared_one_and_that_of_the_image() -> None:
    def group(center: float) -> JsonAttributes:
        return {"00289132": entry("SQ", window(center, 100))}

    header = {
        **window(1, 100),
        "52009229": entry("SQ", group(2)),
        "52009230": entry("SQ", group(3), {}),
    }
    assert read(header, 1) == Window(3, 100)
    assert read(header, 2) == Window(2, 100)
    assert read(header, 99) == Window(2, 100)
    assert read(window(1, 100)) == Window(1, 100)
