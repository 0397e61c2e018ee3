"""Reading from chunks: what is known when, and what is kept."""

from __future__ import annotations

import random
import struct
import tracemalloc

import pytest

from dicomweb.encoding.head import NotDicom, OverLimit, Truncated, Unreadable
from dicomweb.encoding.reader import HeadReader, read_head
from tests.build.dicom import (
    DEFLATED,
    EXPLICIT_BIG,
    IMPLICIT_LITTLE,
    JPEG_BASELINE,
    UNDEFINED,
    ct_slice,
    element,
    item,
    make_file,
    multi_frame,
    part10,
    segmentation,
    sequence_end,
    slide_level,
)

FILES = {
    "ct": ct_slice(),
    "implicit": ct_slice(transfer_syntax=IMPLICIT_LITTLE),
    "big endian": ct_slice(transfer_syntax=EXPLICIT_BIG),
    "deflated": ct_slice(transfer_syntax=DEFLATED),
    "segmentation": segmentation(),
    "fragments": multi_frame([[b"ab", b"cdef"], [b"g"]]),
    "extended offsets": multi_frame(
        [[b"ab"], [b"g"]], offsets="extended", trailing=element(0xFFFCFFFC, "OB", b"")
    ),
    "slide": slide_level(offsets="none"),
    "bare": ct_slice()[read_head(ct_slice()).data_set_offset :],
    "small": part10(element(0x00100020, "LO", b"P1"), preamble=b""),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("size", [1, 2, 3, 13, 128, 1000])
def test_chunks_of_any_size_give_the_same_head(name: str, size: int) -> None:
    data = FILES[name]
    reader = HeadReader()

    for at in range(0, len(data), size):
        reader.feed(data[at : at + size])

    assert reader.finish() == read_head(data)


@pytest.mark.parametrize("name", FILES)
def test_file_cut_anywhere_is_refused_or_read_without_its_end(name: str) -> None:
    """Whatever is cut off, no other error than Unreadable, and never the head of the whole file."""
    data = FILES[name]
    whole = read_head(data)

    for length in range(len(data)):
        try:
            head = read_head(data[:length])
        except Unreadable:
            continue
        assert head.data_set != whole.data_set or head.warnings != whole.warnings or head.inflated


@pytest.mark.parametrize("name", FILES)
def test_mutated_file_is_read_or_refused_as_unreadable(name: str) -> None:
    choose = random.Random(name)
    for _ in range(300):
        data = bytearray(FILES[name])
        for _ in range(choose.randint(1, 5)):
            data[choose.randrange(len(data))] = choose.choice((0, 1, 0x41, 0x51, 0x55, 0x7F, 0xE0, 0xFE, 0xFF))
        reader = HeadReader()
        try:
            for at in range(0, len(data), 100):
                reader.feed(bytes(data[at : at + 100]))
            reader.finish()
        except Unreadable:
            continue


def test_offset_of_the_data_set_is_known_as_soon_as_it_is_seen() -> None:
    data = make_file()
    expected = read_head(data).data_set_offset
    reader = HeadReader()

    reader.feed(data[: expected - 1])
    assert reader.data_set_offset is None

    reader.feed(data[expected - 1 : expected + 12])
    assert reader.data_set_offset == expected


def test_bytes_that_are_no_dicom_are_known_at_once() -> None:
    reader = HeadReader()

    with pytest.raises(NotDicom):
        reader.feed(b"\x89PNG\r\n\x1a\n" + b"\0" * 1000)


def test_reader_that_has_failed_gives_no_head() -> None:
    reader = HeadReader()
    with pytest.raises(NotDicom):
        reader.feed(b"x" * 1000)

    with pytest.raises(NotDicom):
        reader.feed(make_file())
    with pytest.raises(NotDicom):
        reader.finish()


def test_value_beyond_the_limit_is_refused_before_it_comes() -> None:
    reader = HeadReader()

    with pytest.raises(OverLimit):
        reader.feed(part10(element(0x00104000, "UT", b"begin", length=0x7FFFFFF0)))


def test_truncation_is_known_at_the_end() -> None:
    reader = HeadReader()
    reader.feed(ct_slice()[:-5])

    with pytest.raises(Truncated):
        reader.finish()


def test_chunks_may_be_overwritten_after_they_are_fed() -> None:
    data = make_file()
    buffer = bytearray(50)
    reader = HeadReader()

    for at in range(0, len(data), 50):
        part = data[at : at + 50]
        buffer[: len(part)] = part
        reader.feed(memoryview(buffer)[: len(part)])

    assert reader.finish() == read_head(data)


def test_gigabytes_of_pixels_take_no_memory() -> None:
    frame = 60 << 20
    begin = part10(element(0x00280008, "IS", b"100 "), JPEG_BASELINE)
    begin += struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, UNDEFINED) + item()
    chunk = bytes(1 << 16)
    reader = HeadReader()
    reader.feed(begin)
    tracemalloc.start()

    for _ in range(100):
        reader.feed(struct.pack("<HHL", 0xFFFE, 0xE000, frame))
        for _ in range(frame // len(chunk)):
            reader.feed(chunk)
    reader.feed(sequence_end())
    head = reader.finish()

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert head.length == len(begin) + 100 * (8 + frame) + 8
    assert head.pixel is not None
    assert head.pixel.length == 100 * frame
    assert peak < 1 << 20


def test_native_pixels_of_gigabytes_in_one_value() -> None:
    length = 0xFFFFFFFE
    reader = HeadReader()
    reader.feed(part10(element(0x7FE00010, "OW", b"", length=length)))
    chunk = bytes(1 << 24)
    for _ in range(length // len(chunk)):
        reader.feed(chunk)
    reader.feed(chunk[: length % len(chunk)])
    reader.feed(element(0xFFFCFFFC, "OB", b"\0\0"))

    head = reader.finish()

    assert head.pixel is not None
    assert head.pixel.length == length
    assert "FFFCFFFC" in head.data_set
