"""Whole instances in another transfer syntax, of which nothing may be lost."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from dicomweb.encoding.head import HeadLimits
from dicomweb.encoding.reader import read_head
from dicomweb.services.intake_conversion import NotConvertible, converted_whole
from dicomweb.services.intake_policy import TARGETS
from tests.build.dicom import (
    DEFLATED,
    EXPLICIT_LITTLE,
    ct_slice,
    deflate,
    image_attributes,
    make_data_set,
    native_frames,
    part10,
    pixels,
    segmentation,
    to_file,
)
from tests.build.samples import SAMPLES, sample_files

HTJ2K = TARGETS["htj2k-lossless"]
EXPLICIT = TARGETS["explicit"]
COMPRESSED = [name for name in TARGETS if name != "explicit"]
MOST = 64 << 20


def convert(data: bytes, target: str = HTJ2K, most_bytes: int = MOST) -> bytes:
    return converted_whole(data, target, HeadLimits(), most_bytes=most_bytes)


def data_set_of(data: bytes) -> bytes:
    return data[read_head(data).data_set_offset :]


def samples_of(data: bytes) -> np.ndarray[Any, Any]:
    """As pydicom has them, our own decoders being what is on trial."""
    return pydicom.dcmread(BytesIO(data)).pixel_array


def slice_with(transfer_syntax: str = EXPLICIT_LITTLE, **attributes: Any) -> bytes:
    return ct_slice(rows=24, columns=20, transfer_syntax=transfer_syntax, seed=7, **attributes)


@pytest.mark.parametrize("name", COMPRESSED)
def test_uncompressed_again_the_data_set_is_what_came_byte_by_byte(name: str) -> None:
    came = slice_with(PatientName="Äöü^Name", SpecificCharacterSet="ISO_IR 100")

    made = convert(came, TARGETS[name])

    assert read_head(made).transfer_syntax == TARGETS[name]
    assert data_set_of(convert(made, EXPLICIT)) == data_set_of(came)


@pytest.mark.parametrize("signed", [0, 1])
def test_the_samples_are_what_others_read_too(signed: int) -> None:
    came = slice_with(PixelRepresentation=signed)

    made = convert(came, TARGETS["jpeg2000-lossless"])

    assert np.array_equal(samples_of(made), samples_of(came))
    assert samples_of(made).dtype == samples_of(came).dtype


@pytest.mark.parametrize("transfer_syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DEFLATED])
def test_whatever_the_coding_of_the_elements_they_say_the_same(transfer_syntax: str) -> None:
    came = slice_with(str(transfer_syntax), StudyDescription="odd", OtherPatientIDsSequence=[make_data_set()])

    made = convert(came, TARGETS["rle"])

    before, after = read_head(came).data_set, read_head(made).data_set
    assert {tag: before[tag] for tag in before if tag != "7FE00010"} == {
        tag: after[tag] for tag in after if tag != "7FE00010"
    }
    assert np.array_equal(samples_of(made), samples_of(came))


def test_frames_are_converted_one_by_one_and_lie_where_the_table_says() -> None:
    came = native_frames(5, rows=16, columns=12, bits=16)

    made = convert(came)

    head = read_head(made)
    assert head.pixel is not None
    assert len(head.pixel.value.starts) == 5  # type: ignore[union-attr]  # fragments, or the test fails
    assert len(head.pixel.value.basic_offsets) == 20  # type: ignore[union-attr]
    assert data_set_of(convert(made, EXPLICIT)) == data_set_of(came)


@pytest.mark.parametrize("name", ["rle", "jpeg2000-lossless", "htj2k-lossless", "jpeg-xl-lossless"])
def test_frames_of_single_bits_that_begin_inside_a_byte_come_back(name: str) -> None:
    came = segmentation(5, rows=9, columns=7)
    try:
        made = convert(came, TARGETS[name])
    except NotConvertible as error:
        pytest.skip(str(error))

    assert read_head(made).data_set["00280100"]["Value"] == [1]
    back = convert(made, EXPLICIT)
    assert read_head(back).data_set == read_head(came).data_set
    # in RLE, pydicom knows them
    assert np.array_equal(samples_of(back), samples_of(came))


def test_what_stands_behind_the_pixel_data_stays() -> None:
    data_set = pydicom.dcmread(BytesIO(slice_with()))
    data_set.add_new(0xFFFCFFFC, "OB", b"\0" * 6)
    came = to_file(data_set, EXPLICIT_LITTLE)

    made = convert(came)

    assert made.endswith(b"\xfc\xff\xfc\xffOB\0\0\6\0\0\0" + b"\0" * 6)
    assert data_set_of(convert(made, EXPLICIT)) == data_set_of(came)


def test_colour_is_described_as_it_is_stored_and_comes_back() -> None:
    colour = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    data_set = make_data_set(**{**image_attributes(16, 16, bits=8), **colour})
    data_set.add_new(0x7FE00010, "OB", pixels(16 * 16 * 3))
    came = to_file(data_set, EXPLICIT_LITTLE)

    made = convert(came)

    assert read_head(made).data_set["00280004"]["Value"] == ["YBR_RCT"]
    assert data_set_of(convert(made, EXPLICIT)) == data_set_of(came)


def of_length(extra: int) -> bytes:
    data_set = make_data_set(**image_attributes(8, 8))
    data_set.add_new(0x7FE00010, "OW", pixels(8 * 8 * 2 + extra))
    return to_file(data_set, EXPLICIT_LITTLE)


def floating() -> bytes:
    data_set = make_data_set(**image_attributes(4, 4, bits=32))
    data_set.add_new(0x7FE00008, "OF", pixels(64))
    return to_file(data_set, EXPLICIT_LITTLE)


def signed_by_somebody() -> bytes:
    data_set = pydicom.dcmread(BytesIO(slice_with()))
    data_set.add_new(0xFFFAFFFA, "SQ", [make_data_set()])
    return to_file(data_set, EXPLICIT_LITTLE)


def packed_by_twelve() -> bytes:
    data_set = make_data_set(**{**image_attributes(8, 8), "BitsAllocated": 12, "BitsStored": 12, "HighBit": 11})
    data_set.add_new(0x7FE00010, "OW", pixels(8 * 8 * 12 // 8))
    return to_file(data_set, EXPLICIT_LITTLE)


def halved() -> bytes:
    colour = {"SamplesPerPixel": 3, "PhotometricInterpretation": "YBR_FULL_422", "PlanarConfiguration": 0}
    data_set = make_data_set(**{**image_attributes(8, 8, bits=8), **colour})
    data_set.add_new(0x7FE00010, "OB", pixels(8 * 8 * 2))
    return to_file(data_set, EXPLICIT_LITTLE)


@pytest.mark.parametrize(
    ("came", "why"),
    [
        (of_length(2), "longer than their frames"),
        (of_length(-2), "as many frames"),
        (native_frames(3, bits=16, NumberOfFrames=4), "as many frames"),
        (floating(), "no integer pixel data"),
        (packed_by_twelve(), "packed samples"),
        (signed_by_somebody(), "signed"),
        (halved(), "halved resolution"),
        (to_file(make_data_set(), EXPLICIT_LITTLE), "no integer pixel data"),
        (part10(deflate(b"")[:3], EXPLICIT_LITTLE), "at byte"),
    ],
    ids=["longer", "shorter", "frames missing", "float", "bits", "signed", "halved", "no pixels", "no data set"],
)
def test_what_could_not_be_had_again_is_not_converted(came: bytes, why: str) -> None:
    with pytest.raises(NotConvertible, match=why):
        convert(came)


def test_a_frame_that_does_not_decode_is_not_converted() -> None:
    made = bytearray(convert(slice_with()))
    pixel = read_head(bytes(made)).pixel
    assert pixel is not None
    start = pixel.value.starts[0]  # type: ignore[union-attr]  # fragments
    made[start + 4 : start + 40] = b"\xff" * 36

    with pytest.raises(NotConvertible):
        convert(bytes(made), EXPLICIT)


def test_a_few_bytes_that_would_become_many_are_not_converted() -> None:
    with pytest.raises(NotConvertible, match="too large"):
        convert(slice_with(), most_bytes=24 * 20 * 2 - 1)


def test_an_encoder_that_errs_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof is in decoding: whatever a codec makes of a frame is compared with it."""
    from dicomweb.services import intake_conversion

    other = intake_conversion.convert_frame

    def wrong(frame: bytes, conversion: Any) -> bytes:
        return other(frame[:-1] + bytes([frame[-1] ^ 1]), conversion)

    monkeypatch.setattr(intake_conversion, "convert_frame", wrong)

    with pytest.raises(NotConvertible, match="other samples"):
        convert(slice_with())


def small_samples() -> list[Path]:
    """Some of every folder of real files."""
    found: list[Path] = []
    for folder in ("transfer-syntaxes", "modalities", "multiframe", "malformed", "charsets"):
        files = [path for path in sample_files(folder) if path.stat().st_size < 600_000]
        found.extend(files[:: max(1, len(files) // 12)])
    return found


@pytest.mark.skipif(SAMPLES is None, reason="no sample data beside the checkout")
def test_of_real_files_whatever_is_converted_says_the_same_and_decodes_to_the_same() -> None:
    converted = 0
    for path in small_samples():
        came = path.read_bytes()
        try:
            made = convert(came, TARGETS["jpeg-ls-lossless"])
        except NotConvertible:
            continue
        converted += 1
        before, after = read_head(came), read_head(made)
        described = {"00280004", "00280006", "7FE00001", "7FE00002", "7FE00010"}
        assert before.data_set.keys() - described == after.data_set.keys() - described, path
        for tag in before.data_set.keys() - described:
            assert before.data_set[tag] == after.data_set[tag], (path, tag)
        back = convert(made, EXPLICIT)
        assert convert(back, TARGETS["jpeg-ls-lossless"])[-1000:] == made[-1000:], path
    assert converted > 20
