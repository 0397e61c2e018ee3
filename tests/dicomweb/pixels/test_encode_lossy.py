"""Lossy encodings lose as little as they are asked to; what they cannot hold they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from dicomweb.pixels.decode import decode_frame
from dicomweb.pixels.encode import encode_frame
from dicomweb.pixels.frame import UnsupportedSyntax
from dicomweb.pixels.holdings import held_as
from dicomweb.pixels.quality import Quality
from tests.dicomweb.pixels.images import JPEG, Kind, decibels, frame_of, noise, smooth

BYTE, TWELVE, SIXTEEN = Kind(8, 8).sized(120, 130), Kind(12, 16).sized(120, 130), Kind(16, 16).sized(120, 130)
SIGNED, RGB = Kind(16, 16, signed=True).sized(120, 130), Kind(8, 8, photometric="RGB").sized(120, 130)
FEW = Kind(6, 16).sized(120, 130)
YBR = Kind(8, 8, photometric="YBR_FULL").sized(120, 130)
FLOORS = [
    # syntax, samples, decibels at quality 90 and at 50
    ("50", BYTE, 44, 38), ("50", RGB, 38, 36),
    ("51", TWELVE, 55, 44),
    ("81", BYTE, 44, 30), ("81", TWELVE, 66, 53), ("81", SIXTEEN, 90, 76), ("81", SIGNED, 90, 76),
    ("81", RGB, 44, 30),
    ("91", BYTE, 48, 40), ("91", TWELVE, 51, 40), ("91", SIXTEEN, 51, 40), ("91", SIGNED, 51, 40),
    ("91", RGB, 45, 39),
    ("203", BYTE, 48, 40), ("203", TWELVE, 51, 40), ("203", SIXTEEN, 51, 40), ("203", SIGNED, 51, 40),
    ("203", RGB, 44, 39),
    ("91", FEW, 42, 38), ("203", FEW, 42, 38), ("112", FEW, 35, 30),
    ("112", BYTE, 41, 35), ("112", TWELVE, 41, 35), ("112", RGB, 38, 33),
]  # fmt: skip


@pytest.mark.parametrize(("end", "kind", "at_90", "at_50"), FLOORS, ids=[f"{f[0]}-{f[1]}" for f in FLOORS])
def test_the_signal_to_noise_ratio_has_a_floor(end: str, kind: Kind, at_90: float, at_50: float) -> None:
    array, syntax = smooth(kind), JPEG + end
    low, high = kind.bounds
    sizes = []
    for percent, floor in ((90, at_90), (50, at_50)):
        data = encode_frame(frame_of(array, kind), kind.spec, syntax, quality=Quality(percent))
        decoded = decode_frame(data, held_as(kind.spec, syntax), syntax).array
        assert decibels(decoded, array, high - low) >= floor
        sizes.append(len(data))
    assert sizes[1] < sizes[0] < array.nbytes


@pytest.mark.parametrize("end", ["91", "203"])
def test_values_over_a_small_part_of_the_range_keep_their_contrast(end: str) -> None:
    array = (smooth(TWELVE).astype(np.int16) - 1024).astype(np.int16)
    data = encode_frame(frame_of(array, SIGNED), SIGNED.spec, JPEG + end)

    decoded = decode_frame(data, held_as(SIGNED.spec, JPEG + end), JPEG + end).array

    assert decibels(decoded, array, 4095) >= 50


@pytest.mark.parametrize("percent", [95, 90, 60, 1])
@pytest.mark.parametrize("kind", [TWELVE, RGB, Kind(12, 16, signed=True)], ids=str)
def test_near_lossless_keeps_every_sample_within_near(kind: Kind, percent: int) -> None:
    array = smooth(kind)
    data = encode_frame(frame_of(array, kind), kind.spec, JPEG + "81", quality=Quality(percent))

    decoded = decode_frame(data, kind.spec, JPEG + "81").array

    assert np.abs(decoded.astype(int) - array.astype(int)).max() <= Quality(percent).near


def test_near_lossless_refuses_signed_samples_that_could_change_their_sign() -> None:
    with pytest.raises(UnsupportedSyntax, match="end of their range"):
        encode_frame(frame_of(noise(SIGNED), SIGNED), SIGNED.spec, JPEG + "81")


def test_the_precision_of_lossy_htj2k_is_bits_stored() -> None:
    assert encode_frame(frame_of(smooth(TWELVE), TWELVE), TWELVE.spec, JPEG + "203")[42] == 11


@pytest.mark.parametrize("end", ["50", "81", "91", "203", "112"])
@pytest.mark.parametrize("value", [0, 128, 255])
@pytest.mark.parametrize("photometric", ["MONOCHROME2", "RGB"])
def test_a_blank_image_stays_blank(end: str, value: int, photometric: str) -> None:
    kind = Kind(8, 8, photometric=photometric).sized(10, 10)
    array = np.full(smooth(kind).shape, value, np.uint8)

    data = encode_frame(frame_of(array, kind), kind.spec, JPEG + end)

    decoded = decode_frame(data, held_as(kind.spec, JPEG + end), JPEG + end).array
    assert np.abs(decoded.astype(int) - value).max() <= 1


@pytest.mark.parametrize("end", ["81", "91", "203"])
@pytest.mark.parametrize("value", [0, 1000, 65535])
def test_a_blank_image_of_16_bits_stays_blank_but_for_one_pixel(end: str, value: int) -> None:
    kind = SIXTEEN.sized(64, 64)
    array = np.full((64, 64), value, np.uint16)
    array[3, 40] = 500

    data = encode_frame(frame_of(array, kind), kind.spec, JPEG + end)

    decoded = decode_frame(data, held_as(kind.spec, JPEG + end), JPEG + end).array
    span = abs(value - 500)
    assert np.abs(decoded.astype(int) - array.astype(int)).mean() <= max(1.0, span / 200)


def test_colour_that_is_ybr_already_is_not_transformed_again() -> None:
    array = smooth(YBR)
    as_ybr = encode_frame(frame_of(array, YBR), YBR.spec, JPEG + "50")

    import imagecodecs

    stored = imagecodecs.jpeg8_decode(as_ybr, colorspace="YCBCR", outcolorspace="YCBCR")
    assert decibels(stored, array, 255) > 38


@pytest.mark.parametrize("end", ["51", "81", "91", "203", "112"])
def test_bits_above_bits_stored_are_not_blurred(end: str) -> None:
    array = smooth(TWELVE) | np.uint16(0x8000)

    with pytest.raises(UnsupportedSyntax, match="above Bits Stored"):
        encode_frame(frame_of(array, TWELVE), TWELVE.spec, JPEG + end)


@pytest.mark.parametrize(
    ("end", "kind"),
    [("50", TWELVE), ("50", SIGNED), ("51", SIXTEEN), ("51", RGB), ("112", SIGNED), ("110", SIGNED)],
)
def test_samples_that_a_syntax_cannot_hold_are_refused(end: str, kind: Kind) -> None:
    with pytest.raises(UnsupportedSyntax):
        encode_frame(frame_of(smooth(kind), kind), kind.spec, JPEG + end)


@pytest.mark.parametrize("end", ["70", "80", "90", "201", "110", "91", "50"])
def test_floating_point_samples_are_refused(end: str) -> None:
    frame = frame_of(np.zeros((4, 4), np.float32), Kind(32, 32))

    with pytest.raises(UnsupportedSyntax, match="float"):
        encode_frame(frame, Kind(32, 32).spec, JPEG + end)


@pytest.mark.parametrize("percent", [0, 101])
def test_a_quality_is_1_to_100(percent: int) -> None:
    with pytest.raises(ValueError, match="1 to 100"):
        Quality(percent)
