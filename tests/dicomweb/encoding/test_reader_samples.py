"""The reader over real files: equal to pydicom wherever pydicom reads them."""

from __future__ import annotations

import random

import orjson
import pytest

from dicomweb.encoding.head import Head, Unreadable
from dicomweb.encoding.identify import identify
from dicomweb.encoding.reader import HeadReader, read_head
from tests.build.samples import SAMPLES, sample_ids
from tests.dicomweb.encoding.differences import LIMITS, MISREAD, expected_json, left_over, read_with_pydicom

pytestmark = pytest.mark.skipif(SAMPLES is None, reason="the sample data are not beside this checkout")

UNREADABLE = {
    "malformed/orthanc--2026-05-06-Deeply-Nested-Sequence.dcm": "nested thousands deep",
    "malformed/pydicom--DICOMDIR-nooffset": "its last item reaches beyond the file; a DICOMDIR is no instance",
    "malformed/pydicom--MR_truncated.dcm": "truncated in Pixel Data",
}
"""Sample files of DICOM that are refused, and why."""


def sample_bytes(name: str) -> bytes:
    assert SAMPLES is not None
    return (SAMPLES / name).read_bytes()


def dicom_samples() -> list[str]:
    """All but pictures of other formats and the files above."""
    return [n for n in sample_ids() if not n.endswith((".tiff", ".tif", ".svs")) and n not in UNREADABLE]


@pytest.mark.parametrize("name", dicom_samples())
def test_header_of_a_real_file_equals_pydicoms(name: str) -> None:
    data = sample_bytes(name)

    head = read_head(data, LIMITS)

    orjson.dumps(head.data_set)
    assert head.length == len(data) or head.inflated
    if name not in MISREAD:
        assert list(left_over(head.data_set, expected_json(read_with_pydicom(data)))) == []


@pytest.mark.parametrize("name", dicom_samples())
def test_file_meta_information_of_a_real_file_equals_pydicoms(name: str) -> None:
    data = sample_bytes(name)

    head = read_head(data, LIMITS)

    assert list(left_over(head.file_meta, expected_json(read_with_pydicom(data).file_meta))) == []


@pytest.mark.parametrize("name", UNREADABLE)
def test_real_file_that_cannot_be_read_is_refused(name: str) -> None:
    with pytest.raises(Unreadable):
        read_head(sample_bytes(name))


@pytest.mark.parametrize("name", [n for n in sample_ids("wsi") if n.endswith((".tiff", ".tif", ".svs"))])
def test_picture_of_another_format_is_not_dicom(name: str) -> None:
    with pytest.raises(Unreadable):
        read_head(sample_bytes(name))


def in_chunks(data: bytes, seed: int) -> Head:
    choose = random.Random(seed)
    reader = HeadReader(LIMITS)
    at = 0
    while at < len(data):
        size = choose.choice((1, 7, 100, 1000, 65536))
        reader.feed(data[at : at + size])
        at += size
    return reader.finish()


@pytest.mark.parametrize("name", dicom_samples()[::3])
def test_real_file_in_chunks_reads_as_in_one_piece(name: str) -> None:
    data = sample_bytes(name)

    assert in_chunks(data, seed=len(data)) == read_head(data, LIMITS)


def test_value_with_dicm_at_byte_128_is_no_prefix() -> None:
    head = read_head(sample_bytes("malformed/dcm4che--no_preamble_dicm_in_data.dcm"))

    assert head.data_set_offset == 0
    assert head.data_set["00081010"] == {"vr": "SH", "Value": ["DICMA1"]}


def test_encapsulated_pixel_data_may_lack_its_delimiter_at_the_end_of_the_file() -> None:
    head = read_head(sample_bytes("malformed/fo-dicom--GH1339.dcm"))

    assert identify(head).instance == "1.3.12.2.1107.5.2.47.182190.30000023110115420904200000309"
    assert head.pixel is not None
    assert head.warnings == ("Pixel Data ends without a delimiter",)


def test_explicit_item_of_an_implicit_data_set_is_read() -> None:
    head = read_head(sample_bytes("malformed/fo-dicom--GH626.dcm"))

    item = head.data_set["2005140F"]["Value"][0]
    assert item["00189176"]["Value"][0]["00189177"] == {"vr": "CS", "Value": ["STATIC FIELD"]}
