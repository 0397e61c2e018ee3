"""Re-encoding to Explicit VR Little Endian: nothing lost, whatever the chunks, in bounded memory."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given, settings
from pydicom.dataset import Dataset
from pydicom.uid import UID as UID_OF

from dicomweb.encoding.head import BulkValue, Fragments, Head, Truncated, Unreadable
from dicomweb.encoding.json_input import data_set_to_part10
from dicomweb.encoding.reader import read_head
from dicomweb.encoding.reencode import REENCODED, explicit_little, reencoder
from dicomweb.encoding.words import byte_swap, pixel_word_bytes, word_bytes
from dicomweb.model.query import JsonAttributes
from tests.build.dicom import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    Coding,
    ct_slice,
    element,
    image_attributes,
    item,
    make_data_set,
    native_frames,
    part10,
    pixels,
    segmentation,
    sequence,
    to_file,
)
from tests.build.samples import SAMPLES, manifest
from tests.dicomweb.encoding.attribute_strategies import data_sets

_NAMES = ("Implicit VR Little Endian", "Explicit VR Big Endian", "Deflated Explicit VR Little Endian", "")
NATIVE_SAMPLES = [row["path"] for row in manifest() if row["transfer_syntax"] in _NAMES]
"""Samples in a native transfer syntax, or in one that the manifest does not know."""
SOURCES = [IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED]


def pieces(data: bytes, seed: int) -> Iterator[bytes]:
    """The data in chunks of sizes that hit every border."""
    chooser, at = random.Random(seed), 0
    while at < len(data):
        size = chooser.choice([1, 2, 3, 5, 8, 13, 100, 5000])
        yield data[at : at + size]
        at += size


def reencoded(data: bytes, seed: int | None = None) -> bytes:
    head = read_head(data)
    work = reencoder(head.data_set, transfer_syntax=head.transfer_syntax, data_set_offset=head.data_set_offset)
    out = [piece for chunk in ([data] if seed is None else pieces(data, seed)) for piece in work.feed(chunk)]
    return b"".join([*out, *work.finish()])


def bulk_bytes(head: Head, data: bytes, bulk: BulkValue) -> bytes:
    if head.inflated:
        data = inflated(data, head)
    if isinstance(bulk.value, Fragments):
        spans = zip(bulk.value.starts, bulk.value.lengths, strict=True)
        return b"".join(data[start : start + length] for start, length in spans)
    value = data[bulk.value.start : bulk.value.end]
    if not head.big_endian:
        return value
    bits = head.data_set.get("00280100", {}).get("Value", [0])[0]
    return byte_swap(value, pixel_word_bytes(bulk.vr, bits) if bulk == head.pixel else word_bytes(bulk.vr))


def inflated(data: bytes, head: Head) -> bytes:
    import zlib

    return data[: head.data_set_offset] + zlib.decompressobj(-15).decompress(data[head.data_set_offset :])


def assert_same(original: bytes, copy: bytes) -> None:
    """Both files say the same: attributes, and the bytes of bulk values in little endian."""
    before, after = read_head(original), read_head(copy)
    differing = {tag for tag in after.data_set if after.data_set[tag] != before.data_set.get(tag)}
    assert not differing
    assert after.data_set.keys() == before.data_set.keys()
    assert (after.transfer_syntax, after.implicit, after.big_endian) == (EXPLICIT_LITTLE, False, False)
    assert after.file_meta["00020010"]["Value"] == [EXPLICIT_LITTLE]
    assert [bulk.path for bulk in after.bulk] == [bulk.path for bulk in before.bulk]
    for was, now in zip(before.bulk, after.bulk, strict=True):
        assert bulk_bytes(after, copy, now) == bulk_bytes(before, original, was)


def odd_data_set() -> Dataset:
    """Values of every word size, nested, private, empty, with pixel data."""
    inner = make_data_set(instance="inner")
    inner.add_new(0x00189817, "US", [1, 2, 3])
    data_set = make_data_set(ReferencedImageSequence=[inner, Dataset(), inner], **image_attributes(3, 5))
    data_set.SpecificCharacterSet = "ISO_IR 192"
    data_set.PatientName = "Müller^Jörg=山田^太郎"
    data_set.SmallestImagePixelValue = 258
    data_set.RequestAttributesSequence = []
    data_set.add_new(0x00080301, "US", 7)
    data_set.add_new(0x00090010, "LO", "MAKER")
    for number, (vr, value) in enumerate(
        [
            ("SL", -70000),
            ("FL", 1.5),
            ("FD", -2.25),
            ("AT", 0x00100020),
            ("OB", b"\1\2\3\4"),
            ("OW", b"\1\2\3\4"),
            ("OL", b"\1\2\3\4\5\6\7\x08"),
            ("OD", b"\1\2\3\4\5\6\7\x08"),
            ("OF", b"\1\2\3\4"),
            ("UV", 2**60 + 1),
            ("SV", -5),
            ("OV", b"\1\2\3\4\5\6\7\x08"),
            ("UN", b"\1\2\3\4\5\6"),
            ("UT", "long" * 40_000),
            ("UC", ["a", "b"]),
            ("UR", "http://a/b"),
        ]
    ):
        data_set.add_new(0x00091000 + number, vr, value)
    data_set.add_new(0x7FE00010, "OW", pixels(30))
    return data_set


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
@pytest.mark.parametrize("transfer_syntax", SOURCES)
def test_every_vr_nesting_and_private_attribute_comes_out_as_it_went_in(
    transfer_syntax: str, seed: int | None
) -> None:
    data = to_file(odd_data_set(), transfer_syntax)
    assert_same(data, reencoded(data, seed))


@pytest.mark.parametrize("transfer_syntax", SOURCES)
@pytest.mark.parametrize(
    "make", [ct_slice, lambda **more: segmentation(5, **more), lambda **more: native_frames(3, **more)]
)
def test_images_come_out_as_they_went_in(make: Any, transfer_syntax: str) -> None:
    data = make(transfer_syntax=transfer_syntax)
    assert_same(data, reencoded(data, 4))


@pytest.mark.parametrize("transfer_syntax", SOURCES)
def test_pydicom_reads_the_same_data_set(transfer_syntax: str) -> None:
    original = ct_slice(transfer_syntax=transfer_syntax)
    before, after = pydicom.dcmread(BytesIO(original)), pydicom.dcmread(BytesIO(reencoded(original)))
    if transfer_syntax == EXPLICIT_BIG:  # pydicom leaves the words of OW as they are
        before.PixelData = byte_swap(before.PixelData, 2)
    assert after == before
    assert after.file_meta.TransferSyntaxUID == EXPLICIT_LITTLE


@pytest.mark.skipif(SAMPLES is None, reason="no sample data")
@pytest.mark.parametrize("name", NATIVE_SAMPLES)
def test_every_native_sample_comes_out_as_it_went_in(name: str) -> None:
    assert SAMPLES is not None
    data = Path(SAMPLES / name).read_bytes()
    try:
        head = read_head(data)
    except Unreadable:
        return  # such a file is not stored, so never re-encoded
    if head.transfer_syntax not in REENCODED:
        return
    assert_same(data, reencoded(data))


IMPLICIT = Coding(implicit=True)
BIG = Coding(big=True)
UID = element(0x00080018, "UI", b"1.2.3\0", coding=IMPLICIT)
UID_BIG = element(0x00080018, "UI", b"1.2.3\0", coding=BIG)


def implicit(*elements: bytes) -> bytes:
    return part10(b"".join((UID, *elements)), IMPLICIT_LITTLE)


def big(*elements: bytes) -> bytes:
    return part10(b"".join((UID_BIG, *elements)), EXPLICIT_BIG)


def attributes(data: bytes) -> JsonAttributes:
    return read_head(reencoded(data)).data_set


def test_group_lengths_are_left_out() -> None:
    length = element(0x00100000, "UL", struct.pack("<L", 99), coding=IMPLICIT)
    copy = reencoded(implicit(length, element(0x00100020, "LO", b"ID", coding=IMPLICIT)))
    assert b"\x10\0\0\0UL" not in copy
    assert_same(implicit(length), reencoded(implicit(length)))


def test_a_value_too_long_for_its_vr_is_written_as_un() -> None:
    value = b"1.5\\" * 20_000 + b"2 "
    copy = reencoded(implicit(element(0x0018A002, "DT", value, coding=IMPLICIT)))
    written = pydicom.dcmread(BytesIO(copy))
    raw = written.get_item(0x0018A002)
    assert raw is not None
    assert raw.VR == "UN"
    assert raw.value == value


@pytest.mark.parametrize("undefined", [False, True])
def test_sequences_are_taken_whether_their_length_is_defined_or_not(undefined: bool) -> None:
    for coding, file in ((IMPLICIT, implicit), (BIG, big)):
        inner = element(0x00080100, "SH", b"CODE", coding=coding)
        deep = sequence(
            0x0040A168, item(inner, coding=coding, undefined=undefined), coding=coding, undefined=undefined
        )
        data = file(
            sequence(
                0x0040A730,
                item(deep, coding=coding, undefined=undefined),
                item(coding=coding),
                coding=coding,
                undefined=undefined,
            )
        )
        assert attributes(data)["0040A730"]["Value"] == [
            {"0040A168": {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["CODE"]}}]}},
            {},
        ]
        assert_same(data, reencoded(data, 5))


def test_a_un_of_undefined_length_in_big_endian_holds_implicit_little_endian() -> None:
    inner = element(0x00280010, "US", struct.pack("<H", 258), coding=IMPLICIT)
    un = element(
        0x00091001,
        "UN",
        item(inner, coding=IMPLICIT) + bytes.fromhex("feffdde000000000"),
        coding=BIG,
        length=0xFFFFFFFF,
    )
    data = big(un)
    assert_same(data, reencoded(data, 6))
    assert attributes(data)["00091001"]["Value"] == [{"00280010": {"vr": "US", "Value": [258]}}]


def test_a_un_of_defined_length_is_copied() -> None:
    data = big(element(0x00091001, "UN", b"\1\2\3\4", coding=BIG))
    assert element(0x00091001, "UN", b"\1\2\3\4") in reencoded(data)


@pytest.mark.parametrize("coding", [EXPLICIT_BIG, EXPLICIT_LITTLE])
def test_a_un_whose_vr_a_private_dictionary_tells_means_the_same_in_either_byte_order(coding: str) -> None:
    order = BIG if coding == EXPLICIT_BIG else Coding()
    value = (978683914).to_bytes(4, "little")
    data = part10(
        element(0x00090010, "LO", b"GEMS_IDEN_01", coding=order) + element(0x00091027, "UN", value, coding=order),
        coding,
    )

    assert attributes(data)["00091027"] == {"vr": "SL", "Value": [978683914]}
    if coding == EXPLICIT_BIG:
        assert_same(data, reencoded(data))


def test_what_follows_the_data_set_is_left_out() -> None:
    clean = implicit(element(0x00100020, "LO", b"ID", coding=IMPLICIT))
    for rest in (bytes(5), bytes(8), bytes(1000)):
        assert reencoded(clean + rest, 7) == reencoded(clean)


def test_garbage_behind_the_pixel_data_is_left_out() -> None:
    clean = to_file(odd_data_set(), IMPLICIT_LITTLE)
    garbage = b"\x01\x00\x23\x45\x10\x00\x00\x00" + bytes(range(40))
    assert reencoded(clean + garbage, 7) == reencoded(clean)
    assert reencoded(clean + b"   ", 7) == reencoded(clean)


def test_an_item_longer_than_its_elements_ends_where_it_says() -> None:
    inner = element(0x00080100, "SH", b"CODE", coding=IMPLICIT)
    after = element(0x00400400, "LT", b"after ", coding=IMPLICIT)
    data = implicit(sequence(0x0040A730, item(inner + bytes(4), coding=IMPLICIT), coding=IMPLICIT), after)
    assert_same(data, reencoded(data, 3))
    assert attributes(data)["0040A730"]["Value"] == [{"00080100": {"vr": "SH", "Value": ["CODE"]}}]


def test_a_sequence_longer_than_its_length_ends_with_its_last_item() -> None:
    inner = element(0x00080100, "SH", b"CODE", coding=IMPLICIT)
    items = item(inner, coding=IMPLICIT, undefined=True)
    after = element(0x0040E001, "ST", b"after ", coding=IMPLICIT)
    data = implicit(element(0x0040A730, "SQ", items, coding=IMPLICIT, length=len(items) - 8), after)
    assert_same(data, reencoded(data, 3))
    assert attributes(data)["0040E001"]["Value"] == ["after"]


@given(data_sets)
@settings(max_examples=60)
def test_any_data_set_comes_out_as_it_went_in(attributes: JsonAttributes) -> None:
    identity = {
        "00080016": {"vr": "UI", "Value": ["1.2"]},
        "00080018": {"vr": "UI", "Value": ["1.2.3"]},
    }
    file = b"".join(data_set_to_part10({**identity, **attributes}, {}.get))
    for transfer_syntax in (IMPLICIT_LITTLE, EXPLICIT_BIG):
        data_set = pydicom.dcmread(BytesIO(file))
        data_set.file_meta.TransferSyntaxUID = UID_OF(transfer_syntax)
        buffer = BytesIO()
        pydicom.dcmwrite(
            buffer,
            data_set,
            implicit_vr=transfer_syntax == IMPLICIT_LITTLE,
            little_endian=transfer_syntax == IMPLICIT_LITTLE,
            force_encoding=True,
        )
        assert_same(buffer.getvalue(), reencoded(buffer.getvalue(), 1))


def test_elements_behind_the_pixel_data_come_out_too() -> None:
    data = to_file(odd_data_set(), IMPLICIT_LITTLE) + element(0xFFFCFFFC, "OB", bytes(2000), coding=IMPLICIT)
    assert_same(data, reencoded(data, 8))


def test_a_declared_syntax_that_the_data_set_is_not_in_is_seen_through() -> None:
    data = part10(
        b"".join((element(0x00080018, "UI", b"1.2.3\0"), element(0x00280010, "US", b"\1\2"))), IMPLICIT_LITTLE
    )
    assert attributes(data)["00280010"]["Value"] == [513]


def test_a_bare_data_set_gets_file_meta_information() -> None:
    body = b"".join(
        (
            element(0x00080016, "UI", b"1.2\0", coding=IMPLICIT),
            UID,
            element(0x0020000D, "UI", b"1.9\0", coding=IMPLICIT),
        )
    )
    copy = read_head(reencoded(body))
    assert copy.file_meta["00020002"]["Value"] == ["1.2"]
    assert copy.file_meta["00020003"]["Value"] == ["1.2.3"]
    assert copy.data_set == read_head(body).data_set


def test_other_file_meta_information_is_kept_and_the_preamble_is_not() -> None:
    data = implicit()
    tagged = b"II*\0".ljust(128, b"x") + data[128:]
    head, copy = read_head(tagged), reencoded(tagged)
    kept = {tag: entry for tag, entry in head.file_meta.items() if tag not in ("00020000", "00020010")}
    assert {tag: entry for tag, entry in read_head(copy).file_meta.items() if tag in kept} == kept
    assert copy[:132] == bytes(128) + b"DICM"


@pytest.mark.parametrize("cut", [1, 20, 37])
@pytest.mark.parametrize("transfer_syntax", [IMPLICIT_LITTLE, EXPLICIT_BIG])
def test_an_object_that_breaks_off_is_told(transfer_syntax: str, cut: int) -> None:
    data = to_file(odd_data_set(), transfer_syntax)
    head = read_head(data)
    work = reencoder(head.data_set, transfer_syntax=transfer_syntax, data_set_offset=head.data_set_offset)
    with pytest.raises(Truncated):
        [*work.feed(data[:-cut]), *work.finish()]


def test_memory_does_not_grow_with_the_size_of_a_value() -> None:
    data_set = make_data_set(**image_attributes(100, 100))
    data_set.add_new(0x7FE00010, "OW", b"")
    start = to_file(data_set, EXPLICIT_BIG)[:-12]
    head = read_head(start)
    work = reencoder(head.data_set, transfer_syntax=EXPLICIT_BIG, data_set_offset=head.data_set_offset)
    list(work.feed(start + element(0x7FE00010, "OW", b"", coding=BIG, length=0xFFFFFFF0)))
    chunk = bytes(range(256)) * 257
    for _ in range(20):
        assert b"".join(work.feed(chunk)) == byte_swap(chunk, 2)
        assert b"".join(work.feed(b"\1")) == b""
        assert b"".join(work.feed(b"\2")) == b"\2\1"


async def test_chunks_that_come_asynchronously_are_re_encoded_as_they_come() -> None:
    data = ct_slice(transfer_syntax=EXPLICIT_BIG)
    head = read_head(data)

    async def chunks() -> Any:
        for piece in pieces(data, 9):
            yield piece

    stream = explicit_little(
        chunks(), head.data_set, transfer_syntax=EXPLICIT_BIG, data_set_offset=head.data_set_offset
    )
    assert b"".join([piece async for piece in stream]) == reencoded(data)
