"""Damaged and hostile frames: a clear refusal, no crash, no hang, no memory taken, no half picture."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from dicomweb.model.instance import ImageSpec
from dicomweb.pixels.decode import decode_frame
from dicomweb.pixels.encoders.jpeg_xl import pack_jpeg
from dicomweb.pixels.frame import PixelError, TooLarge, Undecodable
from dicomweb.pixels.limits import PixelLimits
from dicomweb.pixels.transcode import convert_frame, plan_conversion
from tests.dicomweb.pixels.mutations import COLOUR, GREY8, GREY16, JPEG, KINDS
from tests.dicomweb.pixels.test_decode import rle, spec_of

LITTLE, RLE, DEFLATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.8.1"


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_that_is_cut_off_is_refused_or_whole(kind: str) -> None:
    syntax, array, encode = KINDS[kind]
    data, spec = encode(), spec_of(array)
    whole = decode_frame(data, spec, syntax).array
    refused = 0
    lengths = {*range(0, len(data), max(1, len(data) // 150)), *range(len(data) - 12, len(data))}
    for length in lengths:
        try:
            array = decode_frame(data[:length], spec, syntax).array
        except PixelError:
            refused += 1
        else:
            np.testing.assert_array_equal(array, whole, err_msg=f"cut at {length} of {len(data)}")
    assert refused >= len(lengths) - 12


def test_no_damage_crashes_hangs_or_escapes() -> None:
    command = [sys.executable, "-m", "tests.dicomweb.pixels.mutations", "20261122", "120"]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, cwd=root, check=False, capture_output=True, timeout=100)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["outcomes"].keys() <= {"decoded", "Undecodable", "UnsupportedSyntax", "TooLarge"}
    assert found["outcomes"]["Undecodable"] > 500
    assert found["longest"] < 1
    assert found["memory"] < 400 << 20


@pytest.mark.parametrize("data", [b"", b"\0", b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\xff\x0a", b"not an image"])
@pytest.mark.parametrize("syntax", [JPEG + "50", JPEG + "90", JPEG + "110", RLE, DEFLATED, LITTLE])
def test_next_to_nothing_is_refused(data: bytes, syntax: str) -> None:
    with pytest.raises(Undecodable):
        decode_frame(data, spec_of(GREY8), syntax)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "change",
    [{"rows": 63}, {"rows": 65}, {"columns": 160, "rows": 32}, {"samples_per_pixel": 2}, {"samples_per_pixel": 4}],
)
def test_a_codestream_of_another_image_is_refused(kind: str, change: dict[str, int]) -> None:
    syntax, array, encode = KINDS[kind]
    spec = replace(spec_of(array), **change)
    if syntax == RLE and "samples_per_pixel" not in change and spec.rows * spec.columns <= array.size:
        pytest.skip("RLE does not tell the size of its image")
    with pytest.raises(Undecodable):
        decode_frame(encode(), spec, syntax)


@pytest.mark.parametrize("kind", ["jpeg 12 bits", "lossless", "jpeg-ls", "jpeg 2000", "htj2k", "jpeg xl"])
def test_a_codestream_of_more_bits_than_allocated_is_refused(kind: str) -> None:
    syntax, array, encode = KINDS[kind]
    with pytest.raises(Undecodable):
        decode_frame(encode(), replace(spec_of(array), bits_allocated=8), syntax)


def test_samples_of_more_than_one_bit_where_one_is_allocated_are_refused() -> None:
    data = imagecodecs.jpegls_encode(GREY8)
    with pytest.raises(Undecodable):
        decode_frame(data, replace(spec_of(GREY8), bits_allocated=1), JPEG + "80")


@pytest.mark.parametrize("change", [{"rows": 0}, {"columns": -1}, {"samples_per_pixel": 0}])
def test_an_image_without_size_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(Undecodable):
        decode_frame(GREY8.tobytes(), replace(spec_of(GREY8), **change), LITTLE)


class TestRleSegments:
    def refused(self, data: bytes) -> None:
        with pytest.raises(Undecodable):
            decode_frame(data, spec_of(GREY16), RLE)

    def test_segments_that_are_cut_off_between_runs(self) -> None:
        data = rle(GREY16)
        # a literal run of 128 bytes takes 129: nothing but the count of bytes tells that one is missing
        self.refused(data[:-129])

    def test_a_first_segment_that_is_too_short_while_the_second_is_too_long(self) -> None:
        data = bytearray(rle(GREY16))
        struct.pack_into("<L", data, 8, struct.unpack_from("<L", data, 8)[0] - 129)
        self.refused(bytes(data))

    @pytest.mark.parametrize("count", [0, 1, 3, 16, 0xFFFFFFFF])
    def test_a_wrong_number_of_segments(self, count: int) -> None:
        self.refused(struct.pack("<L", count) + rle(GREY16)[4:])

    @pytest.mark.parametrize("offset", [0, 63, 64, 0xFFFFFFFF])
    def test_offsets_that_lead_elsewhere(self, offset: int) -> None:
        data = rle(GREY16)
        self.refused(data[:8] + struct.pack("<L", offset) + data[12:])


def at_most(data: bytes, spec: ImageSpec, syntax: str, allowed: int) -> type[PixelError]:
    """What decoding raises, having taken no more than so many bytes."""
    tracemalloc.start()
    try:
        decode_frame(data, spec, syntax)
    except PixelError as error:
        assert tracemalloc.get_traced_memory()[1] < allowed
        return type(error)
    finally:
        tracemalloc.stop()
    raise AssertionError("it was decoded")


class TestBombs:
    """A few bytes that declare very much."""

    SIDE = 30000

    def vast(self, spec: ImageSpec) -> ImageSpec:
        return replace(spec, rows=self.SIDE, columns=self.SIDE)

    def test_every_syntax_refuses_what_is_declared_before_it_takes_memory(self) -> None:
        for syntax, array, encode in KINDS.values():
            assert at_most(encode(), self.vast(spec_of(array)), syntax, 1 << 20) is TooLarge

    def test_headers_that_agree_with_a_vast_declaration_help_nothing(self) -> None:
        size = struct.pack(">HH", self.SIDE, self.SIDE)
        jpeg = imagecodecs.jpeg8_encode(GREY8, 90).replace(struct.pack(">HH", *GREY8.shape), size, 1)
        assert at_most(jpeg, self.vast(spec_of(GREY8)), JPEG + "50", 1 << 20) is TooLarge

    def test_a_small_declaration_over_a_vast_codestream(self) -> None:
        shape = struct.pack(">LL", GREY16.shape[1], GREY16.shape[0])
        data = KINDS["jpeg 2000"][2]().replace(shape, struct.pack(">LL", 60000, 60000))
        assert at_most(data, spec_of(GREY16), JPEG + "90", 1 << 20) is Undecodable

    def test_a_deflated_frame_is_inflated_no_further_than_declared(self) -> None:
        packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
        data = packer.compress(bytes(64 << 20)) + packer.flush()
        assert at_most(data, spec_of(GREY8), DEFLATED, 1 << 20) is Undecodable

    def test_rle_that_cannot_hold_what_is_declared(self) -> None:
        spec = replace(spec_of(GREY8), rows=4000, columns=4000)
        assert at_most(rle(GREY8), spec, RLE, 1 << 20) is Undecodable

    def test_a_jpeg_2000_image_of_more_tiles_than_bytes(self) -> None:
        data = bytearray(KINDS["jpeg 2000"][2]())
        struct.pack_into(">LL", data, 24, 1, 1)
        with pytest.raises(Undecodable, match="tiles"):
            decode_frame(bytes(data), spec_of(GREY16), JPEG + "90")

    def test_a_jpeg_image_of_very_many_scans(self) -> None:
        data = KINDS["jpeg colour"][2]()
        scan = data[data.index(b"\xff\xda") : -2]
        with pytest.raises(Undecodable, match="scans"):
            decode_frame(data[:-2] + scan * 500 + data[-2:], spec_of(COLOUR), JPEG + "50")

    def test_limits_are_those_that_are_given(self) -> None:
        array = np.zeros((500, 500), np.uint8)
        data, spec = imagecodecs.jpeg2k_encode(array, level=0, reversible=True, codecformat="j2k"), spec_of(array)
        decode_frame(data, spec, JPEG + "90", limits=PixelLimits(unquestioned_bytes=array.nbytes))
        for limits in (PixelLimits(frame_bytes=array.nbytes - 1), PixelLimits(unquestioned_bytes=0, expansion=10)):
            with pytest.raises(TooLarge):
                decode_frame(data, spec, JPEG + "90", limits=limits)

    def test_an_honest_large_image_of_one_colour_is_let_in(self) -> None:
        array = np.zeros((4000, 4000), np.uint8)
        data = imagecodecs.jpegls_encode(array)
        assert not decode_frame(data, spec_of(array), JPEG + "80").array.any()


# OpenJPH's errors pass through a binding that can only print them
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_damaged_deep_htj2k_frame_never_shows_memory_it_did_not_write() -> None:
    syntax, array, encode = KINDS["htj2k 32 bits"]
    data = bytearray(encode())
    spec = spec_of(array)
    for at in range(300, len(data) - 40, 97):
        damaged = bytes(data[:at]) + b"\xff\x00\xff\x7f" * 8 + bytes(data[at + 32 :])
        try:
            first = decode_frame(damaged, spec, syntax).array
        except PixelError:
            continue
        np.testing.assert_array_equal(first, decode_frame(damaged, spec, syntax).array)


def with_tiny_precincts(data: bytes, side: int, *, in_tile: bool = False, of_component: bool = False) -> bytes:
    """A JPEG 2000 codestream of one decomposition that declares `side` x `side` pixels, four to a precinct."""
    stream = bytearray(data)
    struct.pack_into(">LL", stream, 8, side, side)
    struct.pack_into(">LL", stream, 24, side, side)
    at = stream.find(b"\xff\x52")
    (length,) = struct.unpack_from(">H", stream, at + 2)
    coding = bytearray(stream[at + 4 : at + 2 + length])
    coding[0] |= 1
    sizes = bytes([0x11] * (coding[5] + 1))
    if of_component:
        segment = b"\xff\x53" + struct.pack(">HBB", 9 + len(sizes), 0, 1) + coding[5:] + sizes
    else:
        segment = b"\xff\x52" + struct.pack(">H", 2 + len(coding) + len(sizes)) + coding + sizes
    if in_tile:
        start = stream.find(b"\xff\x90")
        (tile_part,) = struct.unpack_from(">L", stream, start + 6)
        struct.pack_into(">L", stream, start + 6, tile_part + len(segment))
        stream[start + 12 : start + 12] = segment
    else:
        stream[at + 2 + length : at + 2 + length] = segment
        if not of_component:
            del stream[at : at + 2 + length]
    return bytes(stream)


@pytest.mark.parametrize("place", [{}, {"in_tile": True}, {"of_component": True}])
def test_precincts_of_a_few_pixels_are_refused_before_memory_is_taken_for_them(place: dict[str, bool]) -> None:
    # 2.3 GB for 2048 x 2048 pixels out of 150 bytes
    black = imagecodecs.jpeg2k_encode(
        np.zeros((64, 64), np.uint8), codecformat="j2k", resolutions=2, reversible=True, level=0
    )
    data = with_tiny_precincts(black, 512, **place)

    assert at_most(data, spec_of(np.zeros((512, 512), np.uint8)), JPEG + "90", 1 << 20) is TooLarge


def test_precincts_of_the_usual_size_are_decoded() -> None:
    # the sizes of all resolutions are said, 2 ** 15, which is what the codestream meant before
    data = bytearray(imagecodecs.jpeg2k_encode(GREY8, codecformat="j2k", resolutions=2, reversible=True, level=0))
    at = data.find(b"\xff\x52")
    (length,) = struct.unpack_from(">H", data, at + 2)
    sizes = bytes([0xFF] * (data[at + 9] + 1))
    data[at + 2 + length : at + 2 + length] = sizes
    struct.pack_into(">HB", data, at + 2, length + len(sizes), 1)

    np.testing.assert_array_equal(decode_frame(bytes(data), spec_of(GREY8), JPEG + "90").array, GREY8)


def test_runs_behind_the_samples_of_an_rle_segment_are_not_taken_apart() -> None:
    segment = bytes([129, 7]) * (1 << 20)
    data = struct.pack("<16L", 1, 64, *[0] * 14) + segment
    tracemalloc.start()
    array = decode_frame(data, spec_of(np.zeros((4, 4), np.uint8)), RLE).array
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert (array == 7).all()
    assert peak < 8 << 20


class TestPacking:
    """JPEG images that are packed as JPEG XL and unpacked again without being decoded."""

    JPEG_DATA = imagecodecs.jpeg8_encode(GREY8, 90)
    VAST = JPEG_DATA.replace(struct.pack(">HH", *GREY8.shape), struct.pack(">HH", 30000, 30000), 1)

    def convert(self, data: bytes, source: str, target: str) -> bytes:
        return convert_frame(data, plan_conversion(spec_of(GREY8), "OB", JPEG + source, JPEG + target))

    def test_a_jpeg_image_comes_back_byte_by_byte(self) -> None:
        assert self.convert(self.convert(self.JPEG_DATA, "50", "111"), "111", "50") == self.JPEG_DATA

    def test_a_jpeg_image_of_another_size_than_declared_is_not_packed(self) -> None:
        with pytest.raises(Undecodable, match="30000"):
            self.convert(self.VAST, "50", "111")

    def test_a_jpeg_xl_image_of_another_size_than_declared_is_not_unpacked(self) -> None:
        large = pack_jpeg(imagecodecs.jpeg8_encode(np.zeros((2000, 2000), np.uint8), 90))
        with pytest.raises(Undecodable, match="2000"):
            self.convert(large, "111", "50")

    @pytest.mark.parametrize(("source", "target"), [("50", "111"), ("111", "50")])
    def test_what_is_neither_is_refused(self, source: str, target: str) -> None:
        with pytest.raises(Undecodable):
            self.convert(b"nothing of the sort", source, target)
