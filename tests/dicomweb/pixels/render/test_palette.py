from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import Undecodable
from dicomweb.pixels.render.palette import expand_segments
from dicomweb.pixels.render.pipeline import render_frame
from dicomweb.pixels.render.settings import RenderSettings, Window
from tests.dicomweb.pixels.render.headers import entry, grey, image, inline

RED, GREEN, BLUE = [255, 0, 0, 10], [0, 255, 0, 20], [0, 0, 255, 30]


def palette(*, entries: int = 4, first: int = 0, bits: int = 16, data: Any = None) -> JsonAttributes:
    """Four colours: red, green, blue, nearly black."""
    header: JsonAttributes = {}
    for place, values in enumerate((RED, GREEN, BLUE), 1):
        header[f"0028110{place}"] = entry("US", entries, first, bits)
        header[f"0028120{place}"] = data(values) if data else inline((np.array(values, "<u2") << 8).tobytes())
    return header


def shown(samples: list[int], header: JsonAttributes, dtype: str = "u1", stored: int = 8) -> list[list[int]]:
    picture = render_frame(
        grey(samples, dtype, "PALETTE COLOR"), image(stored=stored) | header, 1, RenderSettings()
    )
    assert picture.array.shape == (1, len(samples), 3)
    colours: list[list[int]] = picture.array[0].tolist()
    return colours


ALL = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 20, 30]]


def test_entries_of_16_bits_keep_their_high_byte() -> None:
    assert shown([0, 1, 2, 3, 200], palette()) == [*ALL, ALL[3]]


def test_entries_of_8_bits_are_bytes_one_behind_the_other() -> None:
    assert shown([0, 1, 2, 3], palette(bits=8, data=lambda values: inline(bytes(values)))) == ALL


@pytest.mark.parametrize("bits", [8, 16])
def test_entries_of_8_bits_in_words_are_told_by_their_values(bits: int) -> None:
    header = palette(bits=bits, data=lambda values: inline(np.array(values, "<u2").tobytes()))
    assert shown([0, 1, 2, 3], header) == ALL


def test_values_below_the_first_one_get_the_first_colour() -> None:
    assert shown([0, 100, 101, 103], palette(first=100)) == [ALL[0], ALL[0], ALL[1], ALL[3]]


def test_samples_of_16_bits_have_palettes_too() -> None:
    assert shown([1000, 1002, 60_000], palette(first=1000), "u2", 16) == [ALL[0], ALL[2], ALL[3]]


def test_signed_samples_begin_below_zero() -> None:
    assert shown([-2, -1, 0, 1], palette(first=0xFFFE), "i2", 16) == ALL


def test_zero_entries_are_65536() -> None:
    ramp = np.arange(65_536, dtype="<u2")
    header = palette(entries=0, data=lambda values: inline(ramp.tobytes()))
    assert shown([0, 0x8000, 0xFFFF], header, "u2", 16) == [[0] * 3, [128] * 3, [255] * 3]


def test_without_a_table_the_indexes_are_shown_as_greys() -> None:
    header = image(stored=8) | palette()
    del header["00281203"]
    assert render_frame(grey([0, 9], "u1", "PALETTE COLOR"), header, 1, RenderSettings()).array.tolist() == [
        [0, 9]
    ]


def test_segments_are_discrete_linear_and_indirect() -> None:
    discrete, linear = [0, 3, 10, 20, 30], [1, 4, 70]
    repeat_both = [2, 2, 0, 0]
    assert expand_segments([*discrete, *linear], entries=7, wide=True).tolist() == [10, 20, 30, 40, 50, 60, 70]
    assert expand_segments([*discrete, *linear, *repeat_both], entries=14, wide=True).tolist() == [
        10, 20, 30, 40, 50, 60, 70, 10, 20, 30, 40, 50, 60, 70,
    ]  # fmt: skip


def test_an_indirect_segment_counts_bytes_from_the_beginning() -> None:
    """PS3.3 C.7.9.2.3: the linear segment is 5 words of 16 bits in, or 5 bytes."""
    discrete, linear = [0, 3, 10, 20, 30], [1, 2, 50]
    wide = [*discrete, *linear, 2, 1, 10, 0]
    narrow = [*discrete, *linear, 2, 1, 5, 0, 0, 0]
    expected = [10, 20, 30, 40, 50, 50, 50]
    assert expand_segments(wide, entries=7, wide=True).tolist() == expected
    assert expand_segments(narrow, entries=7, wide=False).tolist() == expected


@pytest.mark.parametrize("words", [[7, 1, 0], [1, 3, 5], [2, 1, 0], [0, 1, 5, 2, 1, 8, 0, 2, 1, 6, 0]])
def test_segments_that_cannot_be_followed_are_refused(words: list[int]) -> None:
    with pytest.raises(Undecodable):
        expand_segments(words, entries=1000, wide=True)


def test_segmented_palettes_are_rendered() -> None:
    header: JsonAttributes = {}
    for place in (1, 2, 3):
        header[f"0028110{place}"] = entry("US", 256, 0, 16)
        header[f"0028122{place}"] = inline(np.array([0, 1, 0, 1, 255, 0xFF00], "<u2").tobytes())
    assert shown([0, 128, 255], header) == [[0] * 3, [128] * 3, [255] * 3]


@pytest.mark.parametrize("said", ["COLOR", "MIXED"])
def test_a_supplemental_palette_colours_high_values_and_leaves_low_ones_grey(said: str) -> None:
    header = image(t00089205=entry("CS", said)) | palette(first=1000)
    settings = RenderSettings(window=Window(500, 1000, "linear-exact"))
    picture = render_frame(grey([0, 500, 999, 1000, 1001]), header, 1, settings).array[0].tolist()
    assert picture == [[0] * 3, [128] * 3, [255] * 3, ALL[0], ALL[1]]


def test_a_supplemental_palette_is_not_used_for_frames_that_are_monochrome() -> None:
    groups = [{"00189226": entry("SQ", {"00089205": entry("CS", said)})} for said in ("MONOCHROME", "COLOR")]
    header = image(t00089205=entry("CS", "MIXED"), t52009230=entry("SQ", *groups)) | palette()
    assert render_frame(grey([0, 1]), header, 1, RenderSettings()).array.ndim == 2
    assert render_frame(grey([0, 1]), header, 2, RenderSettings()).array.ndim == 3
