"""The beginning of files that are written here."""

from __future__ import annotations

import struct
from io import BytesIO

import pydicom
import pytest

from dicomweb.encoding.writer import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION,
    UNDEFINED,
    element_header,
    file_prefix,
    padded,
    relabelled_prefix,
)
from tests.build.dicom import CT_IMAGE, EXPLICIT_LITTLE, JPEG_BASELINE, RLE, ct_slice, element


def test_the_beginning_of_a_file_is_read_by_pydicom() -> None:
    file = pydicom.dcmread(BytesIO(file_prefix(CT_IMAGE, "1.2.345", JPEG_BASELINE)))
    meta = file.file_meta
    assert (meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID) == (CT_IMAGE, "1.2.345")
    assert meta.TransferSyntaxUID == JPEG_BASELINE
    assert (meta.ImplementationClassUID, meta.ImplementationVersionName) == (
        IMPLEMENTATION_CLASS_UID,
        IMPLEMENTATION_VERSION,
    )
    assert meta.FileMetaInformationVersion == b"\0\1"
    length = len(file_prefix(CT_IMAGE, "1.2.345", JPEG_BASELINE)) - 144
    assert meta.FileMetaInformationGroupLength == length


def test_our_implementation_is_named_by_a_uid_made_of_a_uuid() -> None:
    assert IMPLEMENTATION_CLASS_UID.startswith("2.25.")
    assert int(IMPLEMENTATION_CLASS_UID[5:]) < 1 << 128
    assert len(IMPLEMENTATION_CLASS_UID) <= 64
    assert len(IMPLEMENTATION_VERSION) <= 16


@pytest.mark.parametrize("vr", ["LO", "SQ", "OB", "US", "UN", "UT"])
def test_the_header_of_an_element_has_the_form_of_its_vr(vr: str) -> None:
    assert element_header(0x00100020, vr, 258) == element(0x00100020, vr, b"", length=258)


def test_a_length_beyond_16_bits_makes_a_un() -> None:
    assert element_header(0x00100020, "LO", 0xFFFF) == element(0x00100020, "LO", b"", length=0xFFFF)
    assert element_header(0x00100020, "LO", 0x10000) == element(0x00100020, "UN", b"", length=0x10000)
    assert element_header(0x00100020, "SQ", UNDEFINED) == element(0x00100020, "SQ", b"", length=UNDEFINED)


def test_values_are_padded_to_even_length_as_their_vr_asks() -> None:
    assert padded(b"1.2", "UI") == b"1.2\0"
    assert padded(b"abc", "OB") == b"abc\0"
    assert padded(b"abc", "LO") == b"abc "
    assert padded(b"ab", "LO") == b"ab"


def prefix_of(file: bytes) -> bytes:
    (length,) = struct.unpack_from("<L", file, 140)
    return file[: 144 + length]


def test_another_transfer_syntax_leaves_the_other_elements_alone() -> None:
    prefix = prefix_of(ct_slice())
    again = relabelled_prefix(prefix, RLE)
    assert again is not None
    before, after = (pydicom.dcmread(BytesIO(data)).file_meta for data in (prefix, again))
    assert after.TransferSyntaxUID == RLE
    assert before.TransferSyntaxUID == EXPLICIT_LITTLE
    del before.TransferSyntaxUID, after.TransferSyntaxUID
    assert after.FileMetaInformationGroupLength == len(again) - 144
    del before.FileMetaInformationGroupLength, after.FileMetaInformationGroupLength
    assert after == before


def test_meta_information_without_preamble_gets_one() -> None:
    prefix = prefix_of(ct_slice())
    assert relabelled_prefix(prefix[132:], EXPLICIT_LITTLE) == relabelled_prefix(prefix, EXPLICIT_LITTLE)


@pytest.mark.parametrize(
    "prefix",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(bytes(128) + b"DICM", id="no elements"),
        pytest.param(prefix_of(ct_slice())[:-3], id="cut off in a value"),
        pytest.param(prefix_of(ct_slice()) + b"\2\0\1\0OB\0\0", id="cut off in a header"),
        pytest.param(bytes(128) + b"DICM" + element(0x00080018, "UI", b"1.2\0"), id="another group"),
        pytest.param(bytes(128) + b"DICM\2\0\x10\0\4\0\0\x001.2\0", id="implicit VR"),
    ],
)
def test_meta_information_that_cannot_be_read_is_none(prefix: bytes) -> None:
    assert relabelled_prefix(prefix, EXPLICIT_LITTLE) is None
