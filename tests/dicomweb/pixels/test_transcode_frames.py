"""Frames converted: bit by bit the same along every lossless way, and damage stays damage of one frame."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import pytest

from dicomweb.pixels.decode import decode_frame
from dicomweb.pixels.encode import ENCODABLE, encode_frame, is_lossy_encoding
from dicomweb.pixels.frame import PixelError, TooLarge, Undecodable, UnsupportedSyntax
from dicomweb.pixels.limits import PixelLimits
from dicomweb.pixels.quality import Quality
from dicomweb.pixels.transcode import convert_frame, plan_conversion
from tests.dicomweb.pixels.images import (
    EXPLICIT_LITTLE,
    JPEG,
    KINDS,
    RLE,
    Kind,
    frame_of,
    native,
    smooth,
)
from tests.dicomweb.pixels.real_frames import real_frame, real_names

EXPLICIT_BIG, ENCAPSULATED, DEFLATED_FRAME = (
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.98",
    "1.2.840.10008.1.2.8.1",
)
LOSSLESS = sorted(uid for uid in ENCODABLE if not is_lossy_encoding(uid))
CT = Kind(12, 16)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("source", LOSSLESS)
def test_every_lossless_pair_keeps_the_uncompressed_frame(source: str, kind: Kind) -> None:
    original = native(smooth(kind), kind)
    try:
        first = plan_conversion(kind.spec, "OW", EXPLICIT_LITTLE, source)
    except UnsupportedSyntax:
        pytest.skip("cannot be held")
    stored = convert_frame(original, first)
    for target in LOSSLESS:
        try:
            second = plan_conversion(first.spec, first.pixel_vr, source, target)
            third = plan_conversion(second.spec, second.pixel_vr, target, EXPLICIT_LITTLE)
        except UnsupportedSyntax:
            continue
        converted = convert_frame(stored, second)
        assert convert_frame(converted, third) == original, target
        assert third.spec.photometric_interpretation == kind.photometric


@pytest.mark.parametrize("name", real_names(2))
def test_real_frames_keep_their_samples(name: str) -> None:
    real = real_frame(name)
    if real is None:
        pytest.skip("no pixel data")
    try:
        before = decode_frame(real.data, real.spec, real.syntax, pixel_vr=real.pixel_vr)
    except PixelError:
        pytest.skip("cannot be decoded")
    if before.array.size > 1 << 20:
        pytest.skip("large")
    for target in (EXPLICIT_LITTLE, RLE, JPEG + "70", JPEG + "80", JPEG + "202", DEFLATED_FRAME):
        try:
            conversion = plan_conversion(real.spec, real.pixel_vr, real.syntax, target)
        except UnsupportedSyntax:
            continue
        data = convert_frame(real.data, conversion)
        after = decode_frame(data, conversion.spec, target, pixel_vr=conversion.pixel_vr)
        assert after.photometric_interpretation == before.photometric_interpretation, target
        assert np.array_equal(after.array, before.array), target


def test_big_endian_frames_are_turned_without_being_decoded() -> None:
    conversion = plan_conversion(CT.spec, "OW", EXPLICIT_BIG, EXPLICIT_LITTLE)

    assert convert_frame(b"\x01\x02\x03\x04", conversion) == b"\x02\x01\x04\x03"


def test_little_endian_frames_are_turned_for_big_endian() -> None:
    conversion = plan_conversion(Kind(32, 32).spec, "OW", EXPLICIT_LITTLE, EXPLICIT_BIG)

    assert convert_frame(b"\x01\x02\x03\x04", conversion) == b"\x04\x03\x02\x01"


def test_big_endian_floats_are_turned_as_well() -> None:
    conversion = plan_conversion(Kind(32, 32).spec, "OF", EXPLICIT_BIG, EXPLICIT_LITTLE)

    assert convert_frame(np.array([1.5], ">f4").tobytes(), conversion) == np.array([1.5], "<f4").tobytes()


def test_a_big_endian_frame_that_ends_within_a_word_is_undecodable() -> None:
    conversion = plan_conversion(Kind(8, 8).spec, "OW", EXPLICIT_BIG, EXPLICIT_LITTLE)

    with pytest.raises(Undecodable):
        convert_frame(b"\x01\x02\x03", conversion)


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "RGB"])
def test_jpeg_is_packed_in_jpeg_xl_and_comes_back_byte_by_byte(photometric: str) -> None:
    kind = Kind(8, 8, photometric=photometric).sized(200, 200)
    baseline = plan_conversion(kind.spec, "OB", EXPLICIT_LITTLE, JPEG + "50")
    jpeg = convert_frame(native(smooth(kind), kind), baseline)
    there = plan_conversion(baseline.spec, "OB", JPEG + "50", JPEG + "111")
    back = plan_conversion(there.spec, "OB", JPEG + "111", JPEG + "50")

    packed = convert_frame(jpeg, there)

    assert len(packed) < len(jpeg)
    assert convert_frame(packed, back) == jpeg
    assert there.lossless
    assert back.lossless


def test_a_padded_jpeg_image_can_be_packed_too() -> None:
    kind = Kind(8, 8)
    jpeg = encode_frame(frame_of(smooth(kind), kind), kind.spec, JPEG + "50") + b"\0"

    packed = convert_frame(jpeg, plan_conversion(kind.spec, "OB", JPEG + "50", JPEG + "111"))

    assert convert_frame(packed, plan_conversion(kind.spec, "OB", JPEG + "111", JPEG + "50")) == jpeg


@pytest.mark.parametrize(("source", "target"), [("50", "111"), ("111", "50")])
@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"nonsense" * 20])
def test_what_is_no_jpeg_image_cannot_be_packed_or_unpacked(source: str, target: str, data: bytes) -> None:
    conversion = plan_conversion(Kind(8, 8).spec, "OB", JPEG + source, JPEG + target)

    with pytest.raises(Undecodable):
        convert_frame(data, conversion)


def test_jpeg_xl_that_never_was_jpeg_cannot_become_it_without_loss() -> None:
    kind = Kind(8, 8)
    data = encode_frame(frame_of(smooth(kind), kind), kind.spec, JPEG + "110")

    with pytest.raises(Undecodable, match="no JPEG image"):
        convert_frame(data, plan_conversion(kind.spec, "OB", JPEG + "111", JPEG + "50"))


@pytest.mark.parametrize("source", [uid for uid in LOSSLESS if uid.startswith(JPEG)] + [RLE, DEFLATED_FRAME])
def test_a_frame_that_is_cut_off_is_undecodable(source: str) -> None:
    data = encode_frame(frame_of(smooth(CT), CT), CT.spec, source)

    with pytest.raises(Undecodable):
        convert_frame(data[: len(data) // 2], plan_conversion(CT.spec, "OB", source, EXPLICIT_LITTLE))


def test_what_expands_absurdly_is_refused_before_it_takes_memory() -> None:
    huge = replace(CT.spec, rows=30000, columns=30000)
    bomb = zlib.compress(bytes(1 << 20))[2:-4]
    limits = PixelLimits(frame_bytes=1 << 24)

    with pytest.raises(TooLarge):
        convert_frame(bomb, plan_conversion(huge, "OB", DEFLATED_FRAME, EXPLICIT_LITTLE), limits=limits)
    with pytest.raises(TooLarge):
        convert_frame(b"\xff\xd8\xff", plan_conversion(huge, "OB", JPEG + "50", JPEG + "111"), limits=limits)


def test_a_deflated_frame_longer_than_its_image_is_undecodable() -> None:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = packer.compress(bytes(CT.rows * CT.columns * 2 + 100)) + packer.flush()

    with pytest.raises(Undecodable):
        convert_frame(data, plan_conversion(CT.spec, "OB", DEFLATED_FRAME, EXPLICIT_LITTLE))


def test_quality_reaches_the_encoder() -> None:
    conversion = plan_conversion(CT.spec, "OW", EXPLICIT_LITTLE, JPEG + "203")
    data = native(smooth(CT), CT)

    sizes = [len(convert_frame(data, conversion, quality=Quality(percent))) for percent in (20, 60, 95)]

    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2] / 2


def test_planes_become_pixels() -> None:
    kind = Kind(8, 8, photometric="RGB")
    array = smooth(kind)
    by_plane = replace(kind.spec, planar_configuration=1)
    planes = np.ascontiguousarray(array.transpose(2, 0, 1)).tobytes()

    there = plan_conversion(by_plane, "OB", EXPLICIT_LITTLE, JPEG + "80")
    back = plan_conversion(there.spec, "OB", JPEG + "80", EXPLICIT_LITTLE)

    assert convert_frame(convert_frame(planes, there), back) == array.tobytes()


def test_a_frame_of_another_colour_than_its_image_is_refused() -> None:
    kind = Kind(8, 8, photometric="YBR_FULL")
    jpeg = encode_frame(frame_of(smooth(kind), kind), kind.spec, JPEG + "50")

    # declared lossless, where YBR_FULL stays as it is, but of a process that decodes to RGB
    with pytest.raises(Undecodable, match="RGB, YBR_FULL expected"):
        convert_frame(jpeg, plan_conversion(kind.spec, "OB", JPEG + "70", EXPLICIT_LITTLE))
