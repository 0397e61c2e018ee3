"""Decoding of made images: each way to store samples, and what data sets and codestreams say wrongly."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import imagecodecs
import numpy as np
import pytest

from dicomweb.model.instance import ImageSpec
from dicomweb.pixels.abilities import SYNTAXES, can_decode, can_encode
from dicomweb.pixels.codecs.codestream import Samples
from dicomweb.pixels.decode import decode_frame
from dicomweb.pixels.frame import Undecodable, UnsupportedSyntax
from dicomweb.wire.transfer_syntaxes import TRANSFER_SYNTAXES

IMPLICIT, LITTLE, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
CAPSULE, RLE, DEFLATED = "1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.8.1"
JPEG = "1.2.840.10008.1.2.4."
ROWS, COLUMNS = 37, 42


def image(bits: int, *, signed: bool = False, samples: int = 1) -> Samples:
    """Noise over a slope, in every value that so many bits can hold."""
    shape = (ROWS, COLUMNS) if samples == 1 else (ROWS, COLUMNS, samples)
    noise = np.random.default_rng(bits).integers(0, 1 << bits, shape, np.int64)
    array = noise - (1 << bits - 1) if signed else noise
    return array.astype(f"{'i' if signed else 'u'}{1 if bits <= 8 else 2 if bits <= 16 else 4}")


def smooth(samples: int = 1, factor: int = 1) -> Samples:
    """A picture that survives lossy compression."""
    rows, columns = np.mgrid[0:ROWS, 0:COLUMNS]
    grey = 128 + 90 * np.sin(rows / 9) * np.cos(columns / 7)
    planes = [grey, 255 - grey, grey[::-1]][:samples]
    array = np.stack(planes, axis=-1) if samples > 1 else grey
    return (array * factor).astype(np.uint8 if factor == 1 else np.uint16)


def spec_of(array: Samples, **attributes: Any) -> ImageSpec:
    """The attributes that describe such samples rightly, but for `attributes`."""
    samples = 1 if array.ndim == 2 else array.shape[2]
    bits = array.itemsize * 8
    spec = ImageSpec(
        rows=array.shape[0],
        columns=array.shape[1],
        samples_per_pixel=samples,
        bits_allocated=bits,
        bits_stored=bits,
        pixel_representation=int(array.dtype.kind == "i"),
        photometric_interpretation="MONOCHROME2" if samples == 1 else "RGB",
        planar_configuration=0,
        frames=1,
    )
    return replace(spec, **attributes)


def planes(array: Samples) -> Samples:
    """Colour by plane."""
    return np.ascontiguousarray(array.transpose(2, 0, 1))


def rle(array: Samples) -> bytes:
    """By PS3.5 G, with literal runs only; each segment of even length."""
    size = array.itemsize
    pixels = array.reshape(array.shape[0] * array.shape[1], -1)
    segments = []
    for sample in range(pixels.shape[1]):
        raw = pixels[:, sample].astype(array.dtype.newbyteorder(">")).tobytes()
        segments += [pack_bits(raw[byte::size]) for byte in range(size)]
    return rle_frame(segments)


def pack_bits(data: bytes) -> bytes:
    """Literal runs of 128 bytes, padded to even length."""
    runs = [data[start : start + 128] for start in range(0, len(data), 128)]
    packed = b"".join(bytes([len(run) - 1]) + run for run in runs)
    return packed + b"\0" * (len(packed) % 2)


def rle_frame(segments: list[bytes]) -> bytes:
    """Header and segments."""
    offsets = [64 + sum(map(len, segments[:number])) for number in range(len(segments))]
    return struct.pack("<16L", len(segments), *offsets, *[0] * (15 - len(segments))) + b"".join(segments)


class TestNative:
    @pytest.mark.parametrize("syntax", [IMPLICIT, LITTLE, CAPSULE, BIG])
    @pytest.mark.parametrize("signed", [False, True])
    @pytest.mark.parametrize(("bits", "vr"), [(8, "OB"), (8, "OW"), (16, "OW"), (32, "OW"), (32, "OL")])
    def test_samples_come_as_they_lie(self, syntax: str, signed: bool, bits: int, vr: str) -> None:
        array = image(bits, signed=signed)
        data = array.astype(array.dtype.newbyteorder(">" if syntax == BIG else "<")).tobytes()
        if syntax == BIG and (bits, vr) == (8, "OW"):
            data = np.frombuffer(data, "u2").byteswap().tobytes()
        decoded = decode_frame(data, spec_of(array), syntax, pixel_vr=vr)
        np.testing.assert_array_equal(decoded.array, array)
        assert decoded.array.dtype == array.dtype

    @pytest.mark.parametrize("syntax", [LITTLE, BIG])
    @pytest.mark.parametrize(("vr", "kind"), [("OF", "f4"), ("OD", "f8")])
    def test_floating_point_samples(self, syntax: str, vr: str, kind: str) -> None:
        array = (image(16) / 7).astype(kind)
        data = array.astype(array.dtype.newbyteorder(">" if syntax == BIG else "<")).tobytes()
        decoded = decode_frame(data, spec_of(array, pixel_representation=0), syntax, pixel_vr=vr)
        np.testing.assert_array_equal(decoded.array, array)
        assert decoded.array.dtype == np.dtype(kind)

    @pytest.mark.parametrize("bits", [8, 16])
    @pytest.mark.parametrize("planar", [0, 1])
    def test_colour_by_pixel_or_by_plane(self, bits: int, planar: int) -> None:
        array = image(bits, samples=3)
        data = (planes(array) if planar else array).tobytes()
        decoded = decode_frame(data, spec_of(array, planar_configuration=planar), LITTLE)
        np.testing.assert_array_equal(decoded.array, array)
        assert decoded.array.flags.c_contiguous

    @pytest.mark.parametrize("syntax", [LITTLE, BIG])
    def test_single_bits_are_zeros_and_ones_from_bit_0_on(self, syntax: str) -> None:
        array = image(1)
        data = np.packbits(array, bitorder="little").tobytes()
        data += b"\0" * (len(data) % 2)
        if syntax == BIG:
            data = np.frombuffer(data, "u2").byteswap().tobytes()
        decoded = decode_frame(data, spec_of(array, bits_allocated=1, bits_stored=1), syntax, pixel_vr="OW")
        np.testing.assert_array_equal(decoded.array, array)

    @pytest.mark.parametrize("signed", [False, True])
    def test_12_bits_allocated_lie_without_gaps(self, signed: bool) -> None:
        array = image(12, signed=signed)
        bits = (array.reshape(-1, 1).astype(np.int64) >> np.arange(12)) & 1
        data = np.packbits(bits.astype(np.uint8), bitorder="little").tobytes()
        decoded = decode_frame(data, spec_of(array, bits_allocated=12, bits_stored=12), LITTLE, pixel_vr="OW")
        np.testing.assert_array_equal(decoded.array, array)

    @pytest.mark.parametrize(
        ("photometric", "becomes"),
        [("YBR_FULL_422", "YBR_FULL"), ("YBR_PARTIAL_422", "YBR_PARTIAL_422")],
    )
    def test_halved_chroma_is_repeated(self, photometric: str, becomes: str) -> None:
        array = image(8, samples=3)
        array[:, 1::2, 1:] = array[:, ::2, 1:]
        luma, chroma = array[:, :, 0], array[:, ::2, 1:]
        halved = np.stack([luma[:, ::2], luma[:, 1::2], chroma[..., 0], chroma[..., 1]], axis=-1)
        decoded = decode_frame(halved.tobytes(), spec_of(array, photometric_interpretation=photometric), LITTLE)
        np.testing.assert_array_equal(decoded.array, array)
        assert decoded.photometric_interpretation == becomes

    def test_chroma_that_is_said_to_be_halved_and_is_not(self) -> None:
        array = image(8, samples=3)
        decoded = decode_frame(array.tobytes(), spec_of(array, photometric_interpretation="YBR_FULL_422"), LITTLE)
        np.testing.assert_array_equal(decoded.array, array)
        assert decoded.photometric_interpretation == "YBR_FULL"

    def test_halved_chroma_of_an_odd_number_of_columns_is_refused(self) -> None:
        array = image(8, samples=3)[:, :-1]
        spec = spec_of(array, photometric_interpretation="YBR_FULL_422")
        with pytest.raises(UnsupportedSyntax):
            decode_frame(array.tobytes()[: array.size * 2 // 3], spec, LITTLE)

    def test_a_byte_of_padding_belongs_to_no_sample(self) -> None:
        array = image(8)[:, :-1]
        np.testing.assert_array_equal(decode_frame(array.tobytes() + b"\0", spec_of(array), LITTLE).array, array)

    @pytest.mark.parametrize("change", [-1, 2])
    def test_as_many_bytes_as_declared_are_wanted(self, change: int) -> None:
        array = image(16)
        data = array.tobytes()
        with pytest.raises(Undecodable):
            decode_frame(data[:change] if change < 0 else data + b"\0" * change, spec_of(array), LITTLE)

    def test_bits_stored_that_cannot_be_true_do_not_matter(self) -> None:
        array = image(16)
        for stored in (0, 1, 12, 99):
            decoded = decode_frame(array.tobytes(), spec_of(array, bits_stored=stored), LITTLE)
            np.testing.assert_array_equal(decoded.array, array)


class TestRle:
    @pytest.mark.parametrize("signed", [False, True])
    @pytest.mark.parametrize("bits", [8, 16, 32])
    def test_bytes_are_put_together_again(self, bits: int, signed: bool) -> None:
        array = image(bits, signed=signed)
        decoded = decode_frame(rle(array), spec_of(array), RLE)
        np.testing.assert_array_equal(decoded.array, array)
        assert decoded.array.dtype == array.dtype

    @pytest.mark.parametrize("planar", [0, 1])
    @pytest.mark.parametrize("bits", [8, 16])
    def test_colour_is_by_plane_whatever_is_declared(self, bits: int, planar: int) -> None:
        array = image(bits, samples=3)
        decoded = decode_frame(rle(array), spec_of(array, planar_configuration=planar), RLE)
        np.testing.assert_array_equal(decoded.array, array)

    def test_single_bits(self) -> None:
        array = image(1)
        data = rle_frame([pack_bits(np.packbits(array, bitorder="little").tobytes())])
        decoded = decode_frame(data, spec_of(array, bits_allocated=1, bits_stored=1), RLE)
        np.testing.assert_array_equal(decoded.array, array)

    def test_runs_of_equal_bytes_and_bytes_without_meaning(self) -> None:
        array = np.full((4, 64), 7, np.uint8)
        data = rle_frame([bytes((0x80, 257 - 128, 7, 0x80, 257 - 128, 7))])
        np.testing.assert_array_equal(decode_frame(data, spec_of(array), RLE).array, array)

    @pytest.mark.parametrize("behind", [b"\0\0", b"\x80\x80", b"\x05\x01", b"\x00\x01\x7f\x02"])
    def test_what_lies_behind_a_complete_segment_is_left_aside(self, behind: bytes) -> None:
        array = image(16)
        data = rle(array)
        first, second = struct.unpack_from("<2L", data, 4)
        frame = rle_frame([data[first:second] + behind, data[second:] + behind])
        np.testing.assert_array_equal(decode_frame(frame, spec_of(array), RLE).array, array)


class TestJpeg:
    def test_grey_by_the_cosine_transform_is_near(self) -> None:
        array = smooth()
        data = imagecodecs.jpeg8_encode(array, 95)
        decoded = decode_frame(data, spec_of(array), JPEG + "50").array
        assert np.abs(decoded.astype(int) - array).max() < 6

    def test_12_bits_by_the_cosine_transform_are_near(self) -> None:
        array = smooth(factor=16)
        data = imagecodecs.jpeg8_encode(array, 95, bitspersample=12)
        decoded = decode_frame(data, spec_of(array, bits_stored=12), JPEG + "51").array
        assert decoded.dtype == np.uint16
        assert np.abs(decoded.astype(int) - array).max() < 90

    @pytest.mark.parametrize("predictor", range(1, 8))
    @pytest.mark.parametrize("bits", [2, 7, 8, 9, 12, 15, 16])
    def test_lossless_of_all_predictors_and_depths(self, bits: int, predictor: int) -> None:
        array = image(bits)
        data = imagecodecs.jpeg8_encode(array, lossless=True, predictor=predictor, bitspersample=bits)
        decoded = decode_frame(data, spec_of(array, bits_stored=bits), JPEG + ("70" if predictor == 1 else "57"))
        np.testing.assert_array_equal(decoded.array, array)

    @pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL", ""])
    def test_lossless_colour_is_not_transformed(self, photometric: str) -> None:
        array = image(8, samples=3)
        data = imagecodecs.jpeg8_encode(array, lossless=True, predictor=1)
        decoded = decode_frame(data, spec_of(array, photometric_interpretation=photometric), JPEG + "70")
        np.testing.assert_array_equal(decoded.array, array)
        assert decoded.photometric_interpretation == (photometric or "RGB")

    def test_a_baseline_image_that_calls_itself_lossless(self) -> None:
        array = smooth()
        data = imagecodecs.jpeg8_encode(array, 95)
        decoded = decode_frame(data, spec_of(array), JPEG + "70").array
        assert np.abs(decoded.astype(int) - array).max() < 6

    @pytest.mark.parametrize("make", [
        lambda array: imagecodecs.jpeg8_encode(array, 90),
        lambda array: imagecodecs.jpeg8_encode(array, lossless=True, predictor=1),
        imagecodecs.jpegls_encode,
    ])  # fmt: skip
    def test_a_missing_end_is_added(self, make: Callable[[Samples], bytes]) -> None:
        array = smooth()
        whole = make(array)
        expected = decode_frame(whole, spec_of(array), JPEG + "50").array
        for data in (whole[:-2], whole[:-1], whole[:-2] + b"\0", whole + b"\0", whole + b"\xff"):
            np.testing.assert_array_equal(decode_frame(data, spec_of(array), JPEG + "50").array, expected)

    def test_process_and_components_that_dicom_does_not_know(self) -> None:
        array = np.dstack([smooth(3), smooth()])
        with pytest.raises(UnsupportedSyntax):
            decode_frame(
                imagecodecs.jpeg8_encode(array, colorspace="CMYK", outcolorspace="CMYK"),
                spec_of(array),
                JPEG + "50",
            )
        arithmetic = imagecodecs.jpeg8_encode(smooth(), 90).replace(b"\xff\xc0", b"\xff\xc9")
        with pytest.raises(UnsupportedSyntax):
            decode_frame(arithmetic, spec_of(smooth()), JPEG + "50")


def without(data: bytes, marker: int) -> bytes:
    """A JPEG image without its segments of that marker."""
    at, kept = 2, [data[:2]]
    while data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] != marker:
            kept.append(data[at:end])
        at = end
    return b"".join((*kept, data[at:]))


def named(data: bytes, names: bytes) -> bytes:
    """A JPEG image of three components with other component identifiers, in frame and scan header."""
    frame, scan = data.index(b"\xff\xc0") + 10, data.index(b"\xff\xda") + 5
    changed = bytearray(data)
    for number, name in enumerate(names):
        changed[frame + 3 * number] = changed[scan + 2 * number] = name
    return bytes(changed)


class TestColourOfJpeg:
    """Which wins: the codestream, before the data set."""

    PICTURE = smooth(3)

    def difference(self, data: bytes, photometric: str) -> int:
        decoded = decode_frame(data, spec_of(self.PICTURE, photometric_interpretation=photometric), JPEG + "50")
        assert decoded.photometric_interpretation == "RGB"
        return int(np.abs(decoded.array.astype(int) - self.PICTURE).max())

    def rgb(self) -> bytes:
        return imagecodecs.jpeg8_encode(self.PICTURE, 97, colorspace="RGB", outcolorspace="RGB")

    def ycbcr(self, subsampling: str = "444") -> bytes:
        return imagecodecs.jpeg8_encode(
            self.PICTURE, 97, colorspace="RGB", outcolorspace="YCBCR", subsampling=subsampling
        )

    @pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL", "YBR_FULL_422", ""])
    def test_adobe_says_that_nothing_was_transformed(self, photometric: str) -> None:
        data = named(self.rgb(), b"\1\2\3")
        assert b"Adobe" in data
        assert self.difference(data, photometric) < 12

    @pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL_422", ""])
    def test_jfif_is_always_ycbcr(self, photometric: str) -> None:
        data = self.ycbcr()
        assert b"JFIF" in data
        assert self.difference(data, photometric) < 12

    @pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL_422"])
    def test_components_named_rgb(self, photometric: str) -> None:
        assert self.difference(without(named(self.rgb(), b"RGB"), 0xEE), photometric) < 12

    @pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL_422"])
    def test_smaller_chroma_is_chroma(self, photometric: str) -> None:
        assert self.difference(without(self.ycbcr("420"), 0xE0), photometric) < 30

    def test_else_the_data_set_decides(self) -> None:
        assert self.difference(without(named(self.rgb(), b"\0\1\2"), 0xEE), "RGB") < 12
        assert self.difference(without(named(self.ycbcr(), b"\0\1\2"), 0xE0), "YBR_FULL") < 12
        assert self.difference(without(named(self.ycbcr(), b"\0\1\2"), 0xE0), "") < 12


class TestCodestreams:
    @pytest.mark.parametrize("bits", [2, 7, 8, 9, 12, 16])
    def test_jpeg_ls(self, bits: int) -> None:
        array = image(bits)
        decoded = decode_frame(imagecodecs.jpegls_encode(array), spec_of(array, bits_stored=bits), JPEG + "80")
        np.testing.assert_array_equal(decoded.array, array)

    def test_jpeg_ls_near_lossless(self) -> None:
        array = image(12)
        decoded = decode_frame(imagecodecs.jpegls_encode(array, level=3), spec_of(array), JPEG + "81").array
        assert np.abs(decoded.astype(int) - array).max() == 3

    @pytest.mark.parametrize("signed", [False, True])
    @pytest.mark.parametrize("bits", [1, 8, 12, 16])
    @pytest.mark.parametrize("end", ["90", "91", "92", "201", "202"])
    def test_jpeg_2000_and_htj2k(self, end: str, bits: int, signed: bool) -> None:
        array = image(bits, signed=signed and bits > 1)
        spec = spec_of(array, bits_stored=bits)
        if end.startswith("2"):
            data = imagecodecs.htj2k_encode(array, reversible=True)
        else:
            data = imagecodecs.jpeg2k_encode(
                array, level=0, reversible=True, codecformat="j2k", bitspersample=bits
            )
        decoded = decode_frame(data, spec, JPEG + end)
        np.testing.assert_array_equal(decoded.array, array)
        assert decoded.array.dtype == array.dtype

    @pytest.mark.parametrize("signed", [False, True])
    def test_htj2k_of_more_bits_than_one_decoder_can(self, signed: bool) -> None:
        array = image(31, signed=signed)
        data = imagecodecs.htj2k_encode(array, reversible=True)
        np.testing.assert_array_equal(decode_frame(data, spec_of(array), JPEG + "201").array, array)

    def test_jpeg_2000_of_more_bits_than_are_exact_is_refused(self) -> None:
        array = image(28)
        data = imagecodecs.jpeg2k_encode(array, level=0, reversible=True, codecformat="j2k", bitspersample=28)
        with pytest.raises(UnsupportedSyntax):
            decode_frame(data, spec_of(array), JPEG + "90")

    @pytest.mark.parametrize(
        ("photometric", "becomes"),
        [("YBR_RCT", "RGB"), ("YBR_ICT", "RGB"), ("RGB", "RGB"), ("", "RGB"), ("YBR_FULL", "YBR_FULL")],
    )
    @pytest.mark.parametrize("end", ["90", "201"])
    def test_the_transform_of_jpeg_2000_is_undone(self, end: str, photometric: str, becomes: str) -> None:
        array = image(8, samples=3)
        encoded = {
            "90": lambda: imagecodecs.jpeg2k_encode(array, level=0, reversible=True, codecformat="j2k"),
            "201": lambda: imagecodecs.htj2k_encode(array, reversible=True),
        }[end]()
        decoded = decode_frame(encoded, spec_of(array, photometric_interpretation=photometric), JPEG + end)
        np.testing.assert_array_equal(decoded.array, array)
        assert decoded.photometric_interpretation == becomes

    def test_the_boxes_of_a_jp2_file_are_left_aside(self) -> None:
        array = image(16)
        data = imagecodecs.jpeg2k_encode(array, level=0, reversible=True, codecformat="jp2")
        assert data[4:8] == b"jP  "
        np.testing.assert_array_equal(decode_frame(data, spec_of(array), JPEG + "90").array, array)

    def test_a_missing_end_of_jpeg_2000_is_added(self) -> None:
        array = image(16)
        data = imagecodecs.jpeg2k_encode(array, level=0, reversible=True, codecformat="j2k")
        for cut in (data[:-2], data[:-1], data + b"\0"):
            np.testing.assert_array_equal(decode_frame(cut, spec_of(array), JPEG + "90").array, array)

    @pytest.mark.parametrize("container", [False, True])
    @pytest.mark.parametrize("bits", [1, 4, 8, 10, 12, 16])
    def test_jpeg_xl(self, bits: int, container: bool) -> None:
        array = image(bits)
        data = imagecodecs.jpegxl_encode(array, lossless=True, bitspersample=bits, usecontainer=container)
        decoded = decode_frame(data, spec_of(array, bits_stored=bits), JPEG + "110")
        np.testing.assert_array_equal(decoded.array, array)

    @pytest.mark.parametrize("shape", [(64, 64), (8, 256), (300, 200), (17, 9000), (96, 128), (50, 75)])
    def test_jpeg_xl_of_sizes_that_are_written_in_different_ways(self, shape: tuple[int, int]) -> None:
        array = np.add.outer(np.arange(shape[0]), np.arange(shape[1])).astype(np.uint8)
        data = imagecodecs.jpegxl_encode(array, lossless=True)
        np.testing.assert_array_equal(decode_frame(data, spec_of(array), JPEG + "110").array, array)

    @pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
    def test_lossless_colour_of_jpeg_xl_is_kept(self, photometric: str) -> None:
        array = image(8, samples=3)
        data = imagecodecs.jpegxl_encode(array, lossless=True)
        decoded = decode_frame(data, spec_of(array, photometric_interpretation=photometric), JPEG + "110")
        np.testing.assert_array_equal(decoded.array, array)
        assert decoded.photometric_interpretation == photometric

    def test_lossy_jpeg_xl_is_near_and_rgb(self) -> None:
        array = smooth(3)
        data = imagecodecs.jpegxl_encode(array, distance=0.5)
        decoded = decode_frame(data, spec_of(array, photometric_interpretation="XYB"), JPEG + "112")
        assert np.abs(decoded.array.astype(int) - array).max() < 16
        assert decoded.photometric_interpretation == "RGB"

    @pytest.mark.parametrize("photometric", ["YBR_FULL_422", "YBR_FULL", "RGB"])
    def test_a_recompressed_jpeg_is_what_the_jpeg_was(self, photometric: str) -> None:
        array = smooth(3)
        jpeg = imagecodecs.jpeg8_encode(array, 90, subsampling="444")
        spec = spec_of(array, photometric_interpretation=photometric)
        first = decode_frame(jpeg, spec, JPEG + "50")
        again = decode_frame(imagecodecs.jpegxl_encode_jpeg(jpeg), spec, JPEG + "111")
        assert np.abs(first.array.astype(int) - again.array).max() <= 5
        assert again.photometric_interpretation == "RGB"

    @pytest.mark.parametrize("padding", [b"", b"\0"])
    @pytest.mark.parametrize("planar", [0, 1])
    def test_a_frame_deflated_by_itself(self, planar: int, padding: bytes) -> None:
        array = image(16, samples=3)
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        data = packer.compress((planes(array) if planar else array).tobytes()) + packer.flush() + padding
        decoded = decode_frame(data, spec_of(array, planar_configuration=planar), DEFLATED)
        np.testing.assert_array_equal(decoded.array, array)


def two_complement(array: Samples, bits: int) -> Samples:
    """Signed samples as unsigned ones of so many bits."""
    wide = array.astype(np.int64) & ((1 << bits) - 1)
    return wide.astype(f"u{array.itemsize}")


class TestSign:
    """A codestream says whether its samples are signed, or cannot; the data set says it again (PS3.5 8.2)."""

    @pytest.mark.parametrize(
        ("family", "bits"),
        [*((family, bits) for family in ("lossless", "jpeg-2000") for bits in (8, 12, 16)), ("jpeg-ls", 16)],
    )
    def test_signed_samples_in_a_codestream_without_sign(self, family: str, bits: int) -> None:
        array = image(bits, signed=True)
        unsigned = two_complement(array, bits)
        data = {
            "lossless": lambda: imagecodecs.jpeg8_encode(unsigned, lossless=True, predictor=1, bitspersample=bits),
            "jpeg-ls": lambda: imagecodecs.jpegls_encode(unsigned),
            "jpeg-2000": lambda: imagecodecs.jpeg2k_encode(
                unsigned, level=0, reversible=True, codecformat="j2k", bitspersample=bits
            ),
        }[family]()
        decoded = decode_frame(data, spec_of(array, bits_stored=bits), JPEG + "70")
        np.testing.assert_array_equal(decoded.array, array)
        assert decoded.array.dtype == array.dtype

    def test_unsigned_samples_in_a_signed_codestream_are_taken_modulo_its_precision(self) -> None:
        array = image(12, signed=True)
        data = imagecodecs.jpeg2k_encode(array, level=0, reversible=True, codecformat="j2k", bitspersample=12)
        spec = spec_of(array, pixel_representation=0, bits_stored=12)
        np.testing.assert_array_equal(decode_frame(data, spec, JPEG + "90").array, two_complement(array, 12))

    def test_samples_of_less_bits_than_allocated_are_widened(self) -> None:
        array = image(8)
        for data in (imagecodecs.jpegls_encode(array), imagecodecs.htj2k_encode(array, reversible=True)):
            decoded = decode_frame(data, spec_of(array, bits_allocated=16, bits_stored=12), JPEG + "80")
            np.testing.assert_array_equal(decoded.array, array)
            assert decoded.array.dtype == np.uint16


class TestAttributes:
    @pytest.mark.parametrize(
        ("samples", "declared", "meant"),
        [
            (1, "", "MONOCHROME2"),
            (1, "RGB", "MONOCHROME2"),
            (1, "MONOCHROME1", "MONOCHROME1"),
            (1, "PALETTE COLOR", "PALETTE COLOR"),
            (3, "", "RGB"),
            (3, "MONOCHROME2", "RGB"),
            (3, "PALETTE COLOR", "RGB"),
            (3, "YBR_FULL", "YBR_FULL"),
            (3, "YBR_RCT", "RGB"),
        ],
    )
    def test_the_photometric_interpretation_fits_the_samples(
        self, samples: int, declared: str, meant: str
    ) -> None:
        array = image(8, samples=samples)
        spec = spec_of(array, photometric_interpretation=declared)
        assert decode_frame(array.tobytes(), spec, LITTLE).photometric_interpretation == meant

    @pytest.mark.parametrize("bits", [0, 17, 24, 128])
    def test_sample_sizes_that_dicom_does_not_have(self, bits: int) -> None:
        array = image(8)
        with pytest.raises(UnsupportedSyntax):
            decode_frame(array.tobytes(), spec_of(array, bits_allocated=bits), LITTLE)

    @pytest.mark.parametrize("syntax", [JPEG + "102", JPEG + "59", JPEG + "94", "1.2.3", ""])
    def test_a_syntax_without_decoder(self, syntax: str) -> None:
        array = image(8)
        with pytest.raises(UnsupportedSyntax):
            decode_frame(array.tobytes(), spec_of(array), syntax)
        assert not can_decode(syntax)

    def test_the_table_of_abilities_has_every_syntax(self) -> None:
        assert SYNTAXES.keys() == TRANSFER_SYNTAXES.keys()
        assert all(can_decode(uid) for uid in SYNTAXES if can_encode(uid))
        assert {uid for uid in SYNTAXES if SYNTAXES[uid].lossy} >= {JPEG + "50", JPEG + "81", JPEG + "203"}
