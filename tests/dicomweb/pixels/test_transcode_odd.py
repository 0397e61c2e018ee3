"""Frames as no modality should send them, along two conversions and back: right samples or a clear refusal.

Bits Allocated of 10 and 12, Bits Stored that cannot be, garbage in unused bits, signs, planes, halved chroma,
Photometric Interpretation that is missing or not true of so many samples, a pixel or a row.
"""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from dicomweb.model.instance import ImageSpec
from dicomweb.pixels.decode import decode_frame
from dicomweb.pixels.encode import ENCODABLE
from dicomweb.pixels.frame import PixelError, UnsupportedSyntax
from dicomweb.pixels.transcode import convert_frame, plan_conversion
from tests.dicomweb.pixels.images import EXPLICIT_LITTLE, JPEG, RLE

COLOURS = (
    ("MONOCHROME2", 1), ("MONOCHROME1", 1), ("", 1), ("PALETTE COLOR", 1), ("RGB", 1), ("RGB", 3), ("YBR_FULL", 3),
    ("YBR_FULL_422", 3), ("YBR_PARTIAL_422", 3), ("YBR_RCT", 3), ("", 3), ("MONOCHROME2", 3), ("CMYK", 4),
)  # fmt: skip
TARGETS = (*sorted(ENCODABLE), JPEG + "111")
PACKED = ImageSpec(5, 7, 1, 12, 12, 0, "MONOCHROME2", 0, 1)


def odd_image(chance: random.Random) -> tuple[ImageSpec, bytes]:
    """Attributes, and native bytes that go with them."""
    allocated = chance.choice((1, 8, 8, 16, 16, 16, 10, 12, 32, 64))
    stored = chance.choice((allocated, chance.randint(1, allocated), 0, allocated + 1))
    colour, samples = chance.choice(COLOURS)
    rows, columns = chance.randint(1, 40), chance.randint(1, 40)
    spec = ImageSpec(
        rows, columns, samples, allocated, stored, chance.randint(0, 1), colour, chance.randint(0, 1), 1
    )
    halved = colour.endswith("422") and columns % 2 == 0
    bits = rows * columns * (2 if halved else samples) * allocated
    garbage = chance.random() < 0.5 or stored in (0, allocated + 1)
    number = chance.getrandbits(bits)
    if not garbage and allocated > 1:
        mask = sum(((1 << stored) - 1) << at for at in range(0, bits, allocated))
        number &= mask
    return spec, number.to_bytes(-(-bits // 8), "little")


@pytest.mark.parametrize("seed", range(6))
def test_odd_frames_come_back_or_are_refused(seed: int) -> None:
    chance = random.Random(seed)
    proved = 0
    for _ in range(150):
        spec, data = odd_image(chance)
        vr = chance.choice(("OB", "OW")) if spec.bits_allocated <= 8 else "OW"
        syntaxes = (chance.choice(TARGETS), chance.choice(TARGETS), EXPLICIT_LITTLE)
        try:
            samples = decode_frame(data, spec, EXPLICIT_LITTLE, pixel_vr=vr)
        except PixelError:
            continue
        source, lossless = EXPLICIT_LITTLE, True
        for target in syntaxes:
            try:
                plan = plan_conversion(spec, vr, source, target)
                data = convert_frame(data, plan)
            except PixelError:
                break
            spec, vr, source, lossless = plan.spec, plan.pixel_vr, target, lossless and plan.lossless
            found = decode_frame(data, spec, target, pixel_vr=vr)
            assert found.array.shape == samples.array.shape
            if lossless:
                np.testing.assert_array_equal(found.array, samples.array, err_msg=f"{spec} {syntaxes}")
                assert found.photometric_interpretation == samples.photometric_interpretation
                proved += 1
    assert proved > 50


@pytest.mark.parametrize("target", [JPEG + "90", JPEG + "80", RLE])
def test_samples_of_twelve_packed_bits_have_whole_bytes_afterwards(target: str) -> None:
    data = bytes(range(53))

    encoded = plan_conversion(PACKED, "OW", EXPLICIT_LITTLE, target)
    back = plan_conversion(encoded.spec, encoded.pixel_vr, target, EXPLICIT_LITTLE)
    plain = convert_frame(convert_frame(data, encoded), back)

    assert (encoded.spec.bits_allocated, back.spec.bits_allocated, back.spec.bits_stored) == (16, 16, 12)
    array = decode_frame(data, PACKED, EXPLICIT_LITTLE).array
    assert plain == array.tobytes()


@pytest.mark.parametrize("target", [RLE, JPEG + "90", JPEG + "50"])
def test_halved_chroma_without_a_name_in_full_resolution_is_refused(target: str) -> None:
    image = replace(
        PACKED,
        columns=6,
        samples_per_pixel=3,
        bits_allocated=8,
        bits_stored=8,
        photometric_interpretation="YBR_PARTIAL_422",
    )
    with pytest.raises(UnsupportedSyntax, match="YBR_PARTIAL_422"):
        plan_conversion(image, "OB", EXPLICIT_LITTLE, target)


def test_colour_of_one_bit_a_sample_is_not_put_into_rle() -> None:
    image = replace(PACKED, samples_per_pixel=3, bits_allocated=1, bits_stored=1, photometric_interpretation="RGB")
    with pytest.raises(UnsupportedSyntax):
        plan_conversion(image, "OB", EXPLICIT_LITTLE, RLE)
