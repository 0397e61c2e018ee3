"""Lossless encodings give every bit back, whatever the samples; also through decoders of other people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from dicomweb.pixels.decode import decode_frame
from dicomweb.pixels.encode import encode_frame
from dicomweb.pixels.frame import UnsupportedSyntax
from dicomweb.pixels.holdings import held_as
from tests.dicomweb.pixels.images import (
    BIT,
    COLOUR,
    EXPLICIT_LITTLE,
    GREY,
    JPEG,
    KINDS,
    PALETTE,
    RLE,
    WIDE,
    Kind,
    frame_of,
    native,
    noise,
    smooth,
)

BYTEWISE = (
    EXPLICIT_LITTLE,
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.98",
    "1.2.840.10008.1.2.8.1",
)
CODESTREAMS = tuple(JPEG + end for end in ("57", "70", "80", "90", "201", "202", "110"))
LOSSLESS = (*BYTEWISE, RLE, *CODESTREAMS)


def pairs() -> list[Any]:
    """Every lossless syntax with every kind of samples that it holds."""
    found = []
    for syntax in LOSSLESS:
        for kind in (*KINDS, *WIDE):
            try:
                held_as(kind.spec, syntax)
            except UnsupportedSyntax:
                continue
            found.append(pytest.param(syntax, kind, id=f"{syntax[18:]}-{kind}"))
    return found


@pytest.mark.parametrize(("syntax", "kind"), pairs())
@pytest.mark.parametrize("made", [noise, smooth])
def test_every_sample_comes_back(syntax: str, kind: Kind, made: Callable[[Kind], npt.NDArray[Any]]) -> None:
    array = made(kind)
    data = encode_frame(frame_of(array, kind), kind.spec, syntax)
    described = held_as(kind.spec, syntax)

    decoded = decode_frame(data, described, syntax, pixel_vr="OB" if kind.allocated == 8 else "OW")

    assert decoded.array.dtype == array.dtype
    assert np.array_equal(decoded.array, array)
    assert decoded.photometric_interpretation == kind.photometric


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (9, 1), (2, 300)])
@pytest.mark.parametrize("syntax", [RLE, *CODESTREAMS])
@pytest.mark.parametrize("kind", [Kind(12, 16), Kind(8, 8, photometric="RGB")], ids=str)
def test_images_of_odd_sizes_come_back(syntax: str, kind: Kind, size: tuple[int, int]) -> None:
    kind = kind.sized(*size)
    array = noise(kind)

    data = encode_frame(frame_of(array, kind), kind.spec, syntax)

    assert np.array_equal(decode_frame(data, held_as(kind.spec, syntax), syntax).array, array)


@pytest.mark.parametrize("syntax", [*BYTEWISE, JPEG + "90", JPEG + "201", JPEG + "202", JPEG + "110"])
def test_samples_of_one_bit_come_back(syntax: str) -> None:
    array = noise(BIT)

    data = encode_frame(frame_of(array, BIT), BIT.spec, syntax)

    assert np.array_equal(decode_frame(data, BIT.spec, syntax, pixel_vr="OB").array, array)


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, "1.2.840.10008.1.2.1.98"])
def test_samples_of_one_bit_are_packed_from_the_lowest_bit_on(syntax: str) -> None:
    kind = BIT.sized(1, 10)
    array = np.array([[1, 0, 0, 0, 0, 0, 0, 1, 1, 0]], np.uint8)

    assert encode_frame(frame_of(array, kind), kind.spec, syntax) == b"\x81\x01"


def test_big_endian_frames_have_the_high_byte_first() -> None:
    kind = Kind(16, 16).sized(1, 2)

    data = encode_frame(frame_of(np.array([[0x0102, 3]], np.uint16), kind), kind.spec, "1.2.840.10008.1.2.2")

    assert data == b"\x01\x02\x00\x03"


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
def test_bits_above_bits_stored_are_kept(syntax: str, signed: bool) -> None:
    kind = Kind(12, 16, signed=signed)
    try:
        held_as(kind.spec, syntax)
    except UnsupportedSyntax:
        pytest.skip("no signed samples")
    overlay = (np.arange(kind.rows * kind.columns).reshape(kind.rows, kind.columns) % 5 == 0).astype(
        np.uint16
    ) << 15
    array = (noise(kind).view(np.uint16) & 0x0FFF | overlay).view(kind.sample_type)

    data = encode_frame(frame_of(array, kind), kind.spec, syntax)

    assert np.array_equal(decode_frame(data, kind.spec, syntax, pixel_vr="OW").array, array)


@pytest.mark.parametrize("syntax", [JPEG + "90", JPEG + "201", JPEG + "202"])
@pytest.mark.parametrize("kind", [kind for kind in GREY if kind.stored < kind.allocated], ids=str)
def test_the_precision_of_jpeg_2000_is_bits_stored(syntax: str, kind: Kind) -> None:
    data = encode_frame(frame_of(noise(kind), kind), kind.spec, syntax)

    siz_depth = data[42]

    assert siz_depth == (kind.stored - 1) | (0x80 if kind.signed else 0)


@pytest.mark.parametrize("end", ["90", "201", "202"])
@pytest.mark.parametrize("kind", [*GREY, *COLOUR[:3:2], PALETTE], ids=str)
def test_openjpeg_reads_jpeg_2000_and_htj2k(end: str, kind: Kind) -> None:
    import openjpeg

    array = noise(kind)

    decoded = openjpeg.decode(encode_frame(frame_of(array, kind), kind.spec, JPEG + end))

    assert np.array_equal(decoded, array)


@pytest.mark.parametrize("end", ["70", "80"])
@pytest.mark.parametrize("kind", [kind for kind in (*GREY, *COLOUR) if not kind.signed], ids=str)
def test_libjpeg_reads_jpeg_lossless_and_jpeg_ls(end: str, kind: Kind) -> None:
    import libjpeg

    array = smooth(kind)

    decoded = libjpeg.decode(encode_frame(frame_of(array, kind), kind.spec, JPEG + end), colour_transform=0)

    assert np.array_equal(decoded, array)


@pytest.mark.parametrize("kind", [*KINDS, *WIDE, BIT], ids=str)
def test_pylibjpeg_reads_rle(kind: Kind) -> None:
    from rle import decode_pixel_data
    from rle.utils import Version

    array = noise(kind)
    data = encode_frame(frame_of(array, kind), kind.spec, RLE)

    planes = decode_pixel_data(
        data, version=Version.v2, rows=kind.rows, columns=kind.columns, bits_allocated=kind.allocated
    )

    by_plane = array[None] if kind.samples == 1 else array.transpose(2, 0, 1)
    assert bytes(planes) == np.ascontiguousarray(by_plane).tobytes()


@pytest.mark.parametrize("columns", [8, 13, 100])
def test_samples_of_one_bit_in_rle_are_a_byte_each_or_packed(columns: int) -> None:
    kind = BIT.sized(9, columns)
    array = noise(kind)
    native = encode_frame(frame_of(array, kind), kind.spec, EXPLICIT_LITTLE)
    header = np.array([1, 64, *[0] * 14], "<u4").tobytes()

    padded = encode_frame(frame_of(array, kind), kind.spec, RLE)
    packed = header + bytes(byte for value in native for byte in (0, value))

    for data in (padded, packed):
        assert np.array_equal(decode_frame(data, kind.spec, RLE).array, array)


def test_no_run_of_rle_goes_on_in_the_next_row() -> None:
    kind = Kind(8, 8).sized(6, 100)

    data = encode_frame(frame_of(np.full((6, 100), 7, np.uint8), kind), kind.spec, RLE)

    assert data[64:76] == bytes([257 - 100, 7]) * 6


def test_segments_of_rle_have_even_length() -> None:
    kind = Kind(8, 8, photometric="RGB").sized(1, 4)
    array = np.arange(12, dtype=np.uint8).reshape(1, 4, 3)

    data = encode_frame(frame_of(array, kind), kind.spec, RLE)
    count, *offsets = np.frombuffer(data[:64], "<u4").tolist()

    assert count == 3
    assert offsets[:4] == [64, 70, 76, 0]
    assert len(data) == 82


def test_deflated_frames_are_raw_deflate() -> None:
    import zlib

    kind = Kind(16, 16)
    array = smooth(kind)

    data = encode_frame(frame_of(array, kind), kind.spec, "1.2.840.10008.1.2.8.1")

    assert zlib.decompress(data, -zlib.MAX_WBITS) == native(array, kind)
    assert len(data) < array.nbytes
