from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import DecodedFrame
from dicomweb.pixels.render.pipeline import automatic_window, render_frame
from dicomweb.pixels.render.settings import RenderSettings, Window
from tests.dicomweb.pixels.render.headers import entry, grey, image, inline, table, window


def shown(frame: DecodedFrame, header: JsonAttributes, asked: Window | None = None, number: int = 1) -> list[int]:
    array = render_frame(frame, header, number, RenderSettings(window=asked)).array
    assert array.dtype == np.uint8
    return array.reshape(-1).tolist()


def test_a_window_of_the_client_replaces_that_of_the_image() -> None:
    header = image() | window(50_000, 10)
    assert shown(grey([0, 100, 200]), header, Window(100, 200, "linear-exact")) == [0, 128, 255]


def test_values_are_rescaled_before_they_are_windowed() -> None:
    header = image(t00281052=entry("DS", -1024), t00281053=entry("DS", 2))
    assert shown(grey([512, 562, 612]), header, Window(100, 200, "linear-exact")) == [0, 128, 255]


def test_the_rescale_of_a_frame_comes_before_that_of_the_image() -> None:
    def group(slope: float) -> JsonAttributes:
        return {"00289145": entry("SQ", {"00281052": entry("DS", 0), "00281053": entry("DS", slope)})}

    header = image(t00281052=entry("DS", 0), t00281053=entry("DS", 100), t52009230=entry("SQ", group(1), group(2)))
    asked = Window(100, 200, "linear-exact")
    assert shown(grey([50]), header, asked, number=1) == [64]
    assert shown(grey([50]), header, asked, number=2) == [128]


def test_a_slope_of_zero_is_none() -> None:
    header = image(t00281052=entry("DS", 0), t00281053=entry("DS", 0))
    assert shown(grey([0, 200]), header, Window(100, 200, "linear-exact")) == [0, 255]


def test_a_modality_table_is_looked_up_with_stored_values() -> None:
    header = image(t00283000=entry("SQ", table(10, [0, 1000, 4000], 12)))
    assert shown(grey([9, 10, 11, 12, 13]), header, Window(2000, 4000, "linear-exact")) == [0, 0, 64, 255, 255]


def test_monochrome1_is_dark_where_values_are_high() -> None:
    samples, asked = [0, 100, 200], Window(100, 200, "linear-exact")
    assert shown(grey(samples, photometric="MONOCHROME1"), image(), asked) == [255, 128, 0]


def test_monochrome1_with_the_shape_inverse_is_inverted_once() -> None:
    header = image(t20500020=entry("CS", "INVERSE"))
    asked = Window(100, 200, "linear-exact")
    assert shown(grey([0, 200], photometric="MONOCHROME1"), header, asked) == [255, 0]


def test_unused_high_bits_change_nothing() -> None:
    samples = np.arange(0, 4096, 37, dtype=np.uint16)
    garbage = samples | (np.arange(samples.size, dtype=np.uint16) % 16 << 12)
    header = image(stored=12)
    for asked in (None, Window(1000, 900)):
        assert shown(grey(garbage), header, asked) == shown(grey(samples), header, asked)


def test_unused_high_bits_of_negative_values_change_nothing() -> None:
    values = np.arange(-2048, 2048, 61)
    clean = values.astype(np.int16)
    zeros_above = (values & 0xFFF).astype(np.uint16).view(np.int16)
    for asked in (None, Window(0, 900)):
        assert shown(grey(zeros_above, "i2"), image(stored=12), asked) == shown(
            grey(clean, "i2"), image(stored=12), asked
        )


def test_values_above_unused_low_bits_are_shifted_down() -> None:
    samples = np.array([0, 2048, 4095], np.uint16)
    high = image(stored=12, high=15)
    expected = shown(grey(samples), image(stored=12), Window(2048, 4096))
    assert shown(grey(samples << 4 | 9), high, Window(2048, 4096)) == expected


@pytest.mark.parametrize(("stored", "high"), [(0, 15), (99, 98), (12, 99), (12, 3)])
def test_bits_that_cannot_be_true_are_passed_over(stored: int, high: int) -> None:
    assert shown(grey([0, 2000]), image(stored=stored, high=high)) == [0, 255]


def test_without_a_window_all_values_of_the_frame_are_shown() -> None:
    assert shown(grey([1000, 1500, 2000]), image(stored=12)) == [0, 128, 255]


def test_padding_does_not_count_for_the_automatic_window() -> None:
    header = image(t00280120=entry("SS", -2000))
    assert shown(grey([-2000, 0, 50, 100], "i2"), header) == [0, 0, 128, 255]
    limited = image(t00280120=entry("US", 60_000), t00280121=entry("US", 65_000))
    assert shown(grey([0, 100, 60_000, 62_000, 65_000]), limited) == [0, 255, 255, 255, 255]


def test_padding_that_lossy_compression_has_moved_does_not_count_either() -> None:
    header = image(t00280120=entry("SS", -2000), t00282110=entry("CS", "01"))
    assert shown(grey([-2003, -1998, 0, 50, 100], "i2"), header)[1:] == [0, 0, 128, 255]


def test_a_frame_of_nothing_but_padding_is_one_grey() -> None:
    assert shown(grey([7, 7]), image(t00280120=entry("US", 7))) == [0, 0]


def test_eight_bits_without_a_window_are_as_stored() -> None:
    assert shown(grey([0, 17, 100], "u1"), image(stored=8)) == [0, 17, 100]


def test_one_bit_is_black_and_white() -> None:
    assert shown(grey([0, 1, 0, 0], "u1"), image(stored=1)) == [0, 255, 0, 0]
    assert shown(grey([0, 0], "u1"), image(stored=1)) == [0, 0]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_floats_are_shown_from_the_lowest_to_the_highest(dtype: str) -> None:
    samples = [np.nan, 0.25, 0.5, 0.75, np.inf, -np.inf]
    assert shown(grey(samples, dtype), image()) == [0, 0, 128, 255, 255, 0]


@pytest.mark.parametrize("dtype", ["u4", "i4"])
def test_samples_of_32_bits_are_computed_in_blocks_without_a_seam(dtype: str) -> None:
    ramp = np.arange(700 * 600).reshape(700, 600).astype(dtype) * 1000
    array = render_frame(DecodedFrame(ramp, "MONOCHROME2"), image(stored=32), 1, RenderSettings()).array
    expected: npt.NDArray[Any] = np.floor(ramp.astype(np.float64) / ramp.max() * 255 + 0.5)
    assert np.array_equal(array, expected)


def test_a_voi_table_gives_greys_of_its_bits() -> None:
    header = image(t00283010=entry("SQ", table(100, [0, 2048, 4095], 12)))
    assert shown(grey([0, 100, 101, 102, 999]), header) == [0, 0, 128, 255, 255]


def test_a_voi_table_of_hounsfield_units_begins_below_zero() -> None:
    header = image(
        t00281052=entry("DS", -1024), t00281053=entry("DS", 1), t00283010=entry("SQ", table(0xFC00, [0, 255], 8))
    )
    assert shown(grey([0, 1]), header) == [0, 255]


def test_a_voi_table_in_bulk_data_that_are_not_given_is_done_without() -> None:
    item = table(0, [0, 1], 8) | {"00283006": {"vr": "OW", "BulkDataURI": "00283010/1/00283006"}}
    assert shown(grey([10, 20]), image(t00283010=entry("SQ", item))) == [0, 255]


def test_a_presentation_lut_is_applied_to_all_of_its_entries() -> None:
    header = image(t20500010=entry("SQ", table(0, [0, 0, 255], 8)))
    assert shown(grey([0, 100, 200]), header, Window(100, 200, "linear-exact")) == [0, 0, 255]


def test_the_automatic_window_can_be_had_for_all_frames_of_a_film() -> None:
    frame, header = grey([100, 300]), image()
    found = automatic_window(frame, header, 1)
    assert found == Window(200, 200, "linear-exact")
    assert shown(frame, header, found) == shown(frame, header)
    assert automatic_window(frame, header | window(1, 2), 1) is None
    assert automatic_window(grey([5, 5]), header, 1) is None


@pytest.mark.parametrize("junk", [{}, {"vr": "SQ"}, entry("SQ"), entry("SQ", None), entry("SQ", 5), inline(b"x")])
def test_sequences_that_are_none_are_passed_over(junk: dict[str, Any]) -> None:
    header = image(t00283000=junk, t00283010=junk, t52009229=junk, t52009230=junk, t20500010=junk)
    assert shown(grey([0, 10]), header) == [0, 255]


def test_samples_compressed_as_signed_are_shown_so_whatever_pixel_representation_says() -> None:
    # a CT of Toshiba: its JPEG 2000 codestream is signed, Pixel Representation 0
    header = image(16) | window(0, 4000)
    signed = grey([-2000, 0, 1000], "i2")
    as_decoded = DecodedFrame(signed.array.view(np.uint16), "MONOCHROME2", signed=True)

    picture = render_frame(as_decoded, header, 1, RenderSettings())

    assert np.array_equal(picture.array, render_frame(signed, header, 1, RenderSettings()).array)
    assert automatic_window(as_decoded, image(16), 1) == automatic_window(signed, image(16), 1)


def test_the_automatic_window_knows_tables_that_are_bulk() -> None:
    table_item = {"00283002": entry("US", 2, 0, 16), "00283006": {"vr": "OW", "BulkDataURI": "lut"}}
    header = image(16) | {"00283010": entry("SQ", table_item)}

    assert automatic_window(grey([1, 9]), header, 1, lut_values={"lut": b"\0\0\1\0"}) is None
    assert automatic_window(grey([1, 9]), header, 1) is not None


def test_floats_beyond_all_measure_are_shown_through_a_presentation_lut() -> None:
    header = {"20500010": entry("SQ", table(0, [0, 255], 8))}
    samples = np.array([[-1.7e308, 1e307, 1.7e308, np.nan, np.inf, -np.inf]])

    picture = render_frame(DecodedFrame(samples, "MONOCHROME2"), header, 1, RenderSettings())

    assert picture.array.tolist() == [[0, 255, 255, 0, 255, 0]]
