"""Which values are bulk data, and where they lie."""

from __future__ import annotations

import struct

import pytest

from dicomweb.encoding.head import BulkValue, Fragments, HeadLimits, OverLimit, Truncated, Unreadable
from dicomweb.encoding.reader import HeadReader, read_head
from dicomweb.model.ranges import ByteRange
from tests.build.dicom import (
    EXPLICIT_BIG,
    IMPLICIT_LITTLE,
    JPEG_BASELINE,
    UNDEFINED,
    Coding,
    ct_slice,
    element,
    encapsulated,
    item,
    multi_frame,
    part10,
    segmentation,
    sequence,
    sequence_end,
    slide_level,
)

PIXELS = 0x7FE00010


def values_of(data: bytes, fragments: Fragments) -> list[bytes]:
    return [data[s : s + n] for s, n in zip(fragments.starts, fragments.lengths, strict=True)]


def span_of(value: BulkValue | None) -> ByteRange:
    assert value is not None
    assert isinstance(value.value, ByteRange)
    return value.value


def fragments_of(value: BulkValue | None) -> Fragments:
    assert value is not None
    assert isinstance(value.value, Fragments)
    return value.value


class TestNative:
    @pytest.mark.parametrize("length", [2, 1024, 1026])
    def test_pixel_data_are_bulk_whatever_their_length(self, length: int) -> None:
        pixels = bytes(range(256)) * 5
        data = part10(element(PIXELS, "OW", pixels[:length]))

        head = read_head(data)

        span = span_of(head.pixel)
        assert data[span.start : span.end] == pixels[:length]
        assert head.data_set["7FE00010"] == {"vr": "OW", "BulkDataURI": "7FE00010"}
        assert head.bulk == (head.pixel,)

    @pytest.mark.parametrize(("tag", "vr"), [(0x7FE00008, "OF"), (0x7FE00009, "OD")])
    def test_float_pixel_data_are_pixel_data(self, tag: int, vr: str) -> None:
        head = read_head(part10(element(tag, vr, b"\0" * 8)))

        assert head.pixel is not None
        assert (head.pixel.path, head.pixel.vr, head.pixel.length) == ((f"{tag:08X}",), vr, 8)

    def test_empty_pixel_data_are_an_empty_attribute(self) -> None:
        head = read_head(part10(element(PIXELS, "OW", b"")))

        assert (head.pixel, head.bulk, head.data_set["7FE00010"]) == (None, (), {"vr": "OW"})

    @pytest.mark.parametrize("vr", ["OB", "OD", "OF", "OL", "OV", "OW", "UN"])
    def test_value_of_a_bulk_vr_is_inline_up_to_the_limit_and_bulk_above(self, vr: str) -> None:
        short = element(0x00191001, vr, b"\1" * 1024)
        long = element(0x00191002, vr, b"\2" * 1032)
        data = part10(short + long)

        head = read_head(data)

        assert head.data_set["00191001"].keys() == {"vr", "InlineBinary"}
        assert head.data_set["00191002"] == {"vr": vr, "BulkDataURI": "00191002"}
        (bulk,) = head.bulk
        assert data[span_of(bulk).start : span_of(bulk).end] == b"\2" * 1032

    def test_path_of_a_nested_value_names_tags_and_items(self) -> None:
        inner = sequence(0x00081140, item(), item(element(0x00282000, "OB", b"\3" * 2000)))
        data = part10(sequence(0x00480105, item(inner)))

        (bulk,) = read_head(data).bulk

        assert bulk.path == ("00480105", "1", "00081140", "2", "00282000")
        assert data[span_of(bulk).start : span_of(bulk).end] == b"\3" * 2000

    def test_pixel_data_of_an_icon_are_not_those_of_the_image(self) -> None:
        icon = sequence(0x00880200, item(element(PIXELS, "OB", b"\4" * 2000)))

        head = read_head(part10(icon))

        assert head.pixel is None
        assert head.bulk[0].path == ("00880200", "1", "7FE00010")

    def test_implicit_pixel_data_are_words(self) -> None:
        """PS3.5 A.1."""
        head = read_head(ct_slice(transfer_syntax=IMPLICIT_LITTLE))

        assert head.pixel is not None
        assert head.pixel.vr == "OW"

    @pytest.mark.parametrize(
        ("vr", "base64"),
        [("OB", "AQIDBAUGBwg="), ("OW", "AgEEAwYFCAc="), ("OL", "BAMCAQgHBgU="), ("OV", "CAcGBQQDAgE=")],
    )
    def test_inline_binary_of_a_big_endian_file_is_little_endian(self, vr: str, base64: str) -> None:
        data = element(0x00191001, vr, bytes(range(1, 9)), coding=Coding(big=True))

        assert read_head(part10(data, EXPLICIT_BIG)).data_set["00191001"]["InlineBinary"] == base64

    def test_one_bit_pixel_data_have_the_length_of_their_bytes(self) -> None:
        head = read_head(segmentation(3, rows=5, columns=5))

        assert head.pixel is not None
        assert head.pixel.length == 10  # 75 bits, padded to even length


class TestEncapsulated:
    @pytest.mark.parametrize("offsets", ["basic", "extended", "none"])
    def test_fragments_and_offset_tables(self, offsets: str) -> None:
        data = multi_frame([[b"first!"], [b"second"], [b"3rd."]], offsets=offsets)

        head = read_head(data)

        fragments = fragments_of(head.pixel)
        assert values_of(data, fragments) == [b"first!", b"second", b"3rd."]
        table = (0, 14, 28)
        assert fragments.basic_offsets == (struct.pack("<3L", *table) if offsets == "basic" else b"")
        assert head.extended_offsets == (struct.pack("<3Q", *table) if offsets == "extended" else b"")
        assert head.extended_lengths == (struct.pack("<3Q", 6, 6, 4) if offsets == "extended" else b"")
        assert head.data_set["7FE00010"] == {"vr": "OB", "BulkDataURI": "7FE00010"}

    def test_span_covers_all_items_and_the_delimiter(self) -> None:
        value = encapsulated([b"ab", b"cdef"], table=[0])
        data = part10(value, JPEG_BASELINE)

        span = fragments_of(read_head(data).pixel).span

        assert data[span.start : span.end] == value[12:]
        assert data[span.start : span.start + 4] == b"\xfe\xff\x00\xe0"

    def test_elements_behind_encapsulated_pixel_data_are_read(self) -> None:
        data = multi_frame([[b"ab"]], trailing=element(0xFFFCFFFC, "OB", b"\0" * 4))

        assert read_head(data).data_set["FFFCFFFC"]["vr"] == "OB"

    def test_empty_fragments_are_fragments(self) -> None:
        data = part10(encapsulated([b"", b"ab", b""]), JPEG_BASELINE)

        assert values_of(data, fragments_of(read_head(data).pixel)) == [b"", b"ab", b""]

    def test_value_without_any_item_has_no_fragments(self) -> None:
        data = part10(element(PIXELS, "OB", sequence_end(), length=UNDEFINED), JPEG_BASELINE)

        assert len(fragments_of(read_head(data).pixel).starts) == 0

    def test_encapsulated_pixel_data_in_implicit_vr(self) -> None:
        items = item() + item(b"ab") + sequence_end()
        data = part10(element(PIXELS, "", items, length=UNDEFINED, coding=Coding(implicit=True)), IMPLICIT_LITTLE)

        head = read_head(data)

        assert values_of(data, fragments_of(head.pixel)) == [b"ab"]
        assert head.pixel is not None
        assert head.pixel.vr == "OB"

    def test_encapsulated_icon(self) -> None:
        icon = sequence(0x00880200, item(encapsulated([b"ab"]), undefined=True), undefined=True)
        data = part10(icon + element(0x00880904, "LO", b"X "), JPEG_BASELINE)

        head = read_head(data)

        (bulk,) = head.bulk
        assert bulk.path == ("00880200", "1", "7FE00010")
        assert values_of(data, fragments_of(bulk)) == [b"ab"]
        assert head.pixel is None
        assert "00880904" in head.data_set

    def test_missing_delimiter_at_the_end_of_the_file_is_made_up_for(self) -> None:
        whole = multi_frame([[b"ab"], [b"cd"]])

        head = read_head(whole[:-8])

        assert len(fragments_of(head.pixel).starts) == 2
        assert head.warnings == ("Pixel Data ends without a delimiter",)

    def test_missing_frames_at_the_end_of_the_file_are_not(self) -> None:
        whole = multi_frame([[b"ab"], [b"cd"]])

        for cut in (*range(1, 8), *range(9, 18)):
            with pytest.raises(Truncated):
                read_head(whole[:-cut])

    def test_something_else_in_the_place_of_a_fragment_is_refused(self) -> None:
        broken = item() + item(b"ab") + element(0x00100020, "LO", b"P1")

        with pytest.raises(Unreadable):
            read_head(part10(element(PIXELS, "OB", broken, length=UNDEFINED), JPEG_BASELINE))

    def test_too_many_fragments_are_refused(self) -> None:
        data = multi_frame([[b"ab"]] * 11, offsets="none")

        assert read_head(data, HeadLimits(fragments=11)).pixel is not None
        with pytest.raises(OverLimit):
            read_head(data, HeadLimits(fragments=10))

    @pytest.mark.parametrize("offsets", ["basic", "extended"])
    def test_offset_table_of_too_many_frames_is_refused(self, offsets: str) -> None:
        data = multi_frame([[b"ab"]] * 11, offsets=offsets)

        with pytest.raises(OverLimit):
            read_head(data, HeadLimits(fragments=10))

    @pytest.mark.parametrize("offsets", ["basic", "extended", "none"])
    def test_tiles_of_a_slide(self, offsets: str) -> None:
        data = slide_level(64, tile=8, offsets=offsets)

        assert len(fragments_of(read_head(data).pixel).starts) == 64


def test_200_000_frames_in_chunks_are_all_found() -> None:
    frames = 200_000
    table = struct.pack(f"<{frames}L", *range(0, frames * 12, 12))
    items = item(table) + item(b"jpeg") * frames + sequence_end()
    data = part10(element(PIXELS, "OB", items, length=UNDEFINED), JPEG_BASELINE)
    reader = HeadReader()

    for at in range(0, len(data), 65536):
        reader.feed(memoryview(data)[at : at + 65536])
    head = reader.finish()

    fragments = fragments_of(head.pixel)
    assert (len(fragments.starts), len(fragments.basic_offsets)) == (frames, 4 * frames)
