"""Dividing pixel data into frames: native, and encapsulated with tables that are there, missing or wrong."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from dicomweb.encoding.codestreams import divide
from dicomweb.encoding.frame_index import FrameCountMismatch, frame_index
from dicomweb.encoding.head import Fragments, Head
from dicomweb.encoding.image import image_spec, pixel_vr
from dicomweb.model.fragments import ITEM_HEADER
from dicomweb.model.frames import FrameIndex
from dicomweb.model.ranges import ByteRange
from tests.build.dicom import RLE
from tests.dicomweb.encoding.heads import FIRST, fragments, head, image_json


def index_of(found: Head) -> FrameIndex:
    index = frame_index(found, image_spec(found.data_set))
    assert index is not None
    return index


def native(length: int, **attributes: Any) -> FrameIndex:
    return index_of(head(image_json(**attributes), ByteRange(FIRST, FIRST + length)))


def encapsulated(value: Fragments, frames: Any, **more: Any) -> FrameIndex:
    return index_of(head(image_json(frames=frames), value, **more))


def lengths(index: FrameIndex) -> list[list[int]]:
    """Lengths of the fragments of each frame."""
    return [[span.length for span in index.ranges(number)] for number in range(1, index.count + 1)]


def offsets(*frame_lengths: list[int]) -> list[int]:
    """The offset table of frames given by the lengths of their fragments."""
    table, at = [], 0
    for frame in frame_lengths:
        table.append(at)
        at += sum(length + ITEM_HEADER for length in frame)
    return table


class TestNative:
    def test_frames_follow_one_another(self) -> None:
        index = native(3 * 16, frames=3)
        assert index.count == 3
        assert index.ranges(3) == (ByteRange(FIRST + 32, FIRST + 48),)

    def test_the_padding_of_an_odd_length_belongs_to_no_frame(self) -> None:
        index = native(3 * 25 + 1, rows=5, columns=5, frames=3)
        assert index.count == 3
        assert index.ranges(3) == (ByteRange(FIRST + 50, FIRST + 75),)

    def test_one_bit_frames_are_not_aligned_to_bytes(self) -> None:
        index = native(10, rows=5, columns=5, bits=1, frames=3)
        assert index.count == 3
        assert [index.bit_offset(number) for number in (1, 2, 3)] == [0, 1, 2]
        assert index.ranges(3) == (ByteRange(FIRST + 6, FIRST + 10),)

    def test_samples_and_bits_make_the_size_of_a_frame(self) -> None:
        index = native(2 * 96, bits=16, frames=2, _00280002=3)
        assert index.frame_length(1) == 4 * 4 * 3 * 2

    def test_number_of_frames_absent_is_one_frame(self) -> None:
        assert native(3 * 16).count == 1

    @pytest.mark.parametrize("frames", [0, -2])
    def test_number_of_frames_zero_is_as_many_as_there_are(self, frames: int) -> None:
        assert native(3 * 16, frames=frames).count == 3

    def test_number_of_frames_too_large_is_as_many_as_there_are(self) -> None:
        index = native(2 * 16 + 5, frames=9)
        assert (index.count, index.declared) == (2, 9)

    def test_a_value_shorter_than_one_frame_has_none(self) -> None:
        assert native(15).count == 0

    def test_native_422_has_two_thirds_of_the_samples(self) -> None:
        data_set = image_json(frames=2, _00280002=3)
        data_set["00280004"]["Value"] = ["YBR_FULL_422"]
        assert index_of(head(data_set, ByteRange(FIRST, FIRST + 64))).frame_length(2) == 32
        # some writers store every sample and call it 422
        assert index_of(head(data_set, ByteRange(FIRST, FIRST + 96))).frame_length(2) == 48

    @pytest.mark.parametrize(("tag", "bits"), [("7FE00008", 32), ("7FE00009", 64)])
    def test_float_pixel_data_have_their_own_bits(self, tag: str, bits: int) -> None:
        data_set = image_json(frames=2)
        del data_set["7FE00010"], data_set["00280100"]
        data_set[tag] = {"vr": "OF" if bits == 32 else "OD", "BulkDataURI": tag}
        image = image_spec(data_set)
        assert image is not None
        assert image.bits_allocated == bits
        assert pixel_vr(data_set) == data_set[tag]["vr"]
        assert index_of(head(data_set, ByteRange(FIRST, FIRST + 1000))).frame_length(1) == 16 * bits // 8

    def test_offsets_in_an_inflated_file_are_told_as_such(self) -> None:
        assert index_of(head(image_json(), ByteRange(FIRST, FIRST + 16), inflated=True)).inflated
        assert not native(16).inflated

    @pytest.mark.parametrize("missing", ["00280010", "00280011", "00280100"])
    def test_without_the_size_of_a_frame_there_is_no_index(self, missing: str) -> None:
        data_set = image_json()
        del data_set[missing]
        assert image_spec(data_set) is None
        assert frame_index(head(data_set, ByteRange(FIRST, FIRST + 16)), None) is None


class TestEncapsulated:
    @pytest.mark.parametrize("transfer_syntax", ["1.2.840.10008.1.2.4.50", RLE])
    def test_empty_offset_table_and_as_many_fragments_as_frames_is_one_each(self, transfer_syntax: str) -> None:
        index = encapsulated(fragments(10, 12, 14), 3, transfer_syntax=transfer_syntax)
        assert lengths(index) == [[10], [12], [14]]
        assert index.ranges(2) == (ByteRange(FIRST + 10 + ITEM_HEADER, FIRST + 22 + ITEM_HEADER),)

    def test_one_frame_is_all_fragments(self) -> None:
        assert lengths(encapsulated(fragments(10, 12, 14), 1)) == [[10, 12, 14]]
        assert lengths(encapsulated(fragments(10), None)) == [[10]]

    def test_one_frame_with_a_table_of_its_fragments_is_still_one_frame(self) -> None:
        table = offsets([10], [12], [14])
        assert lengths(encapsulated(fragments(10, 12, 14, basic=table), 1)) == [[10, 12, 14]]

    def test_the_basic_offset_table_divides_fragmented_frames(self) -> None:
        table = offsets([10, 12], [14], [16, 18, 20])
        index = encapsulated(fragments(10, 12, 14, 16, 18, 20, basic=table), 3)
        assert lengths(index) == [[10, 12], [14], [16, 18, 20]]

    def test_the_extended_offset_table_divides_too_and_goes_before_the_basic_one(self) -> None:
        table = offsets([10], [12, 14])
        value = fragments(10, 12, 14, basic=offsets([10, 12], [14]))
        extended = struct.pack("<2Q", *table)
        assert lengths(encapsulated(value, 2, extended_offsets=extended)) == [[10], [12, 14]]

    def test_an_extended_table_that_does_not_fit_leaves_the_word_to_the_basic_one(self) -> None:
        value = fragments(10, 12, 14, basic=offsets([10, 12], [14]))
        extended = struct.pack("<2Q", 0, 7)
        assert lengths(encapsulated(value, 2, extended_offsets=extended)) == [[10, 12], [14]]

    @pytest.mark.parametrize(
        "table",
        [
            pytest.param([8, 26, 46], id="does not begin with the first fragment"),
            pytest.param([0, 19, 38], id="between fragments"),
            pytest.param([0, 38, 18], id="not rising"),
            pytest.param([0, 0, 0], id="all the same"),
            pytest.param([0, 18, 9999], id="beyond the value"),
            pytest.param([0], id="one entry for many frames"),
        ],
    )
    def test_a_wrong_offset_table_is_not_believed(self, table: list[int]) -> None:
        assert lengths(encapsulated(fragments(10, 12, 14, basic=table), 3)) == [[10], [12], [14]]

    def test_a_table_that_fits_is_believed_more_than_number_of_frames(self) -> None:
        value = fragments(10, 12, 14, 16, basic=offsets([10, 12], [14], [16]))
        index = encapsulated(value, 7)
        assert lengths(index) == [[10, 12], [14], [16]]
        assert index.declared == 7

    def test_number_of_frames_zero_is_what_the_table_says_or_one(self) -> None:
        assert encapsulated(fragments(10, 12, basic=offsets([10], [12])), 0).count == 2
        assert lengths(encapsulated(fragments(10, 12), 0)) == [[10, 12]]

    def test_fewer_fragments_than_frames_are_one_frame_each(self) -> None:
        assert lengths(encapsulated(fragments(10, 12), 5)) == [[10], [12]]

    def test_empty_fragments_behind_the_last_frame_belong_to_none(self) -> None:
        index = encapsulated(fragments(10, 12, 0, 0), 2)
        assert lengths(index) == [[10], [12]]
        assert index.fragments is not None
        assert len(index.fragments) == 4

    def test_an_empty_fragment_among_the_frames_is_an_empty_frame(self) -> None:
        assert lengths(encapsulated(fragments(10, 0, 12), 3)) == [[10], [0], [12]]

    def test_more_fragments_than_frames_without_a_table_cannot_be_divided_by_offsets(self) -> None:
        index = encapsulated(fragments(10, 12, 14), 2)
        assert index.undivided
        assert (index.count, index.declared) == (0, 2)
        assert FrameIndex.from_bytes(index.to_bytes()) == index

    def test_a_video_is_one_frame_whatever_number_of_frames_says(self) -> None:
        value = fragments(1000, 1000, 500)
        index = encapsulated(value, 250, transfer_syntax="1.2.840.10008.1.2.4.102")
        assert lengths(index) == [[1000, 1000, 500]]

    def test_two_hundred_thousand_frames_are_indexed(self) -> None:
        value = fragments(*([100] * 200_000), basic=offsets(*([[100]] * 200_000)))
        index = encapsulated(value, 200_000)
        assert index.count == 200_000
        assert index.ranges(200_000) == (ByteRange(FIRST + 199_999 * 108, FIRST + 199_999 * 108 + 100),)

    def test_image_attributes_are_not_needed(self) -> None:
        data_set = image_json(frames=2)
        del data_set["00280010"]
        found = head(data_set, fragments(10, 12))
        index = frame_index(found, None)
        assert index is not None
        assert index.count == 2


class TestCodestreams:
    JPEG, MORE = b"\xff\xd8\xff\xe0", b"\x12\x34\x56\x78"
    JPEG_2000 = b"\xff\x4f\xff\x51"

    @pytest.mark.parametrize("begin", [JPEG, JPEG_2000])
    def test_frames_begin_where_a_codestream_does(self, begin: bytes) -> None:
        index = encapsulated(fragments(10, 12, 14, 16, 18), 2)
        divided = divide(index, [begin, self.MORE, self.MORE, begin, self.MORE])
        assert lengths(divided) == [[10, 12, 14], [16, 18]]
        assert not divided.undivided

    @pytest.mark.parametrize(
        "openings",
        [
            [JPEG, MORE, MORE],
            [JPEG, JPEG, JPEG],
            [MORE, JPEG, JPEG],
            [MORE, MORE, MORE],
            [JPEG, JPEG],
        ],
    )
    def test_another_number_of_beginnings_than_frames_divides_nothing(self, openings: list[bytes]) -> None:
        with pytest.raises(FrameCountMismatch):
            divide(encapsulated(fragments(10, 12, 14), 2), openings)

    def test_a_divided_index_stays_as_it_is(self) -> None:
        index = encapsulated(fragments(10, 12), 2)
        assert divide(index, []) is index


class TestWithoutPixels:
    def test_no_pixel_data_is_no_index(self) -> None:
        data_set = image_json()
        del data_set["7FE00010"]  # JPIP referenced data have attributes of an image and no pixel data, either
        assert image_spec(data_set) is None
        assert pixel_vr(data_set) == ""
        assert frame_index(head(data_set, None), None) is None

    @pytest.mark.parametrize("value", [ByteRange(FIRST, FIRST), fragments()])
    def test_an_empty_value_is_no_index(self, value: ByteRange | Fragments) -> None:
        found = head(image_json(), value)
        assert frame_index(found, image_spec(found.data_set)) is None

    @pytest.mark.parametrize("odd", ["x", None, 1e400, [], "3.5"])
    def test_odd_numbers_count_as_absent(self, odd: Any) -> None:
        data_set = image_json(frames=odd)
        image = image_spec(data_set)
        assert image is not None
        assert image.frames == 1
        data_set["00280010"]["Value"] = [odd]
        assert image_spec(data_set) is None
