"""The pixel data element as it is written: fragments with their tables, or frames without gaps."""

from __future__ import annotations

import io
import struct
from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import generate_frames, parse_basic_offsets

from dicomweb.encoding.encapsulate import (
    TooLong,
    encapsulated,
    encapsulated_value,
    native,
    native_length,
    offset_tables,
)
from tests.build.dicom import image_attributes, make_data_set, to_file

FRAMES = (b"one", b"four", b"", b"sixsix")
HEADER = 12
ITEM = 8


async def one_by_one(frames: Sequence[bytes]) -> AsyncIterator[bytes]:
    for frame in frames:
        yield frame


async def joined(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


def value_of(element: bytes) -> bytes:
    return element[HEADER:]


async def test_fragments_are_padded_to_even_length() -> None:
    element = await joined(encapsulated(one_by_one(FRAMES)))

    assert element[:HEADER] == b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff"
    assert list(generate_frames(value_of(element), number_of_frames=4)) == [b"one\0", b"four", b"", b"sixsix"]
    assert element.endswith(b"\xfe\xff\xdd\xe0\0\0\0\0")


async def test_the_stream_is_what_is_made_at_once() -> None:
    tables = offset_tables([len(frame) for frame in FRAMES])

    assert await joined(encapsulated(one_by_one(FRAMES), tables)) == encapsulated_value(FRAMES)


def test_the_basic_offset_table_counts_headers_and_padding() -> None:
    starts = [0, ITEM + 4, 2 * ITEM + 8, 3 * ITEM + 8]

    assert parse_basic_offsets(value_of(encapsulated_value(FRAMES))) == starts


def test_without_a_table_the_first_item_is_empty() -> None:
    assert parse_basic_offsets(value_of(encapsulated_value(FRAMES, with_table=False))) == []


def test_offsets_beyond_32_bits_go_into_the_extended_table() -> None:
    gigabyte = 1 << 30
    lengths = [gigabyte] * 5 + [7]

    tables = offset_tables(lengths)

    assert tables.basic == b""
    offsets, sizes = tables.extended[:HEADER], tables.extended[HEADER + 48 : 2 * HEADER + 48]
    assert offsets == b"\xe0\x7f\x01\x00OV\0\0" + struct.pack("<L", 48)
    assert sizes == b"\xe0\x7f\x02\x00OV\0\0" + struct.pack("<L", 48)
    assert struct.unpack("<6Q", tables.extended[HEADER : HEADER + 48]) == tuple(
        number * (gigabyte + ITEM) for number in range(6)
    )
    assert struct.unpack("<6Q", tables.extended[2 * HEADER + 48 :]) == tuple(lengths)


def test_the_last_offset_that_fits_stays_in_the_basic_table() -> None:
    largest = 0xFFFFFFFF - ITEM - 1

    assert offset_tables([largest, 2]).basic
    assert offset_tables([largest + 2, 2]).extended


@pytest.mark.parametrize("bits", [1, 3, 8, 25, 64])
@pytest.mark.parametrize("count", [1, 2, 7, 8])
async def test_native_frames_follow_one_another_without_gaps(bits: int, count: int) -> None:
    random = np.random.default_rng(bits)
    rows = random.integers(0, 2, (count, bits), dtype=np.uint8)
    frames = [np.packbits(row, bitorder="little").tobytes() for row in rows]

    element = await joined(native(one_by_one(frames), count=count, bits_per_frame=bits, vr="OB"))

    length = struct.unpack_from("<L", element, 8)[0]
    assert length == len(value_of(element)) == native_length(count, bits)
    assert length % 2 == 0
    unpacked = np.unpackbits(np.frombuffer(value_of(element), np.uint8), count=bits * count, bitorder="little")
    assert np.array_equal(unpacked, rows.ravel())


@pytest.mark.parametrize("frames", [[b"12"], [b"12", b"34", b"56"], [b"1", b"23"], []])
async def test_other_bytes_than_promised_are_an_error(frames: list[bytes]) -> None:
    with pytest.raises(ValueError, match="promised"):
        await joined(native(one_by_one(frames), count=2, bits_per_frame=16, vr="OB"))


def test_a_native_value_longer_than_its_length_field_is_refused() -> None:
    with pytest.raises(TooLong):
        native_length(1 << 20, 8 << 12)


async def test_pydicom_reads_a_file_with_the_element() -> None:
    data_set = make_data_set(**image_attributes(2, 3, bits=8, frames=2))
    frames = [bytes(range(6)), bytes(range(6, 12))]
    element = await joined(native(one_by_one(frames), count=2, bits_per_frame=48, vr="OB"))

    read = dcmread(io.BytesIO(to_file(data_set) + element))

    assert read.pixel_array.ravel().tolist() == list(range(12))
