"""DICOM JSON to files: what is written is read back, what is wrong is told."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import pydicom
import pytest
from hypothesis import given
from pydicom.encaps import generate_frames

from dicomweb.encoding.frame_index import frame_index
from dicomweb.encoding.head import Head
from dicomweb.encoding.image import image_spec
from dicomweb.encoding.json_input import BulkPart, data_set_to_part10
from dicomweb.encoding.malformed import MalformedAttributes
from dicomweb.encoding.reader import read_head
from dicomweb.encoding.writer import IMPLEMENTATION_CLASS_UID
from dicomweb.model.query import JsonAttributes
from tests.build.dicom import CT_IMAGE, EXPLICIT_LITTLE, ct_slice, pixels, uid
from tests.dicomweb.encoding.attribute_strategies import data_sets
from tests.dicomweb.encoding.heads import image_json

IDENTITY: JsonAttributes = {
    "00080016": {"vr": "UI", "Value": [CT_IMAGE]},
    "00080018": {"vr": "UI", "Value": [uid("instance")]},
}
UTF_8 = {"vr": "CS", "Value": ["ISO_IR 192"]}


def written(attributes: Any, bulk: Mapping[str, Sequence[BulkPart]] | None = None) -> bytes:
    return b"".join(data_set_to_part10({**IDENTITY, **attributes}, (bulk or {}).get))


def read_back(attributes: Any, bulk: Mapping[str, Sequence[BulkPart]] | None = None) -> Head:
    return read_head(written(attributes, bulk))


@given(data_sets)
def test_every_vr_is_read_back_as_it_was_given(attributes: JsonAttributes) -> None:
    data = written(attributes)
    head = read_head(data)
    assert head.data_set == {"00080005": UTF_8, **IDENTITY, **attributes}
    assert head.warnings == ()
    assert len(data) % 2 == 0


def test_the_file_meta_information_names_the_instance_and_us() -> None:
    head = read_back({"00020010": {"vr": "UI", "Value": ["1.2.3"]}, "00020016": {"vr": "AE", "Value": ["OTHER"]}})
    assert head.file_meta["00020002"]["Value"] == [CT_IMAGE]
    assert head.file_meta["00020003"]["Value"] == [uid("instance")]
    assert head.file_meta["00020010"]["Value"] == [EXPLICIT_LITTLE]
    assert head.file_meta["00020012"]["Value"] == [IMPLEMENTATION_CLASS_UID]
    assert "00020016" not in head.file_meta
    file = pydicom.dcmread(BytesIO(written({})))
    assert file.file_meta.FileMetaInformationVersion == b"\0\1"


def test_what_pydicom_says_of_a_file_makes_the_same_file() -> None:
    original = pydicom.dcmread(BytesIO(ct_slice(SpecificCharacterSet="ISO_IR 192", PatientName="Müller^Jörg")))
    attributes = original.to_json_dict()
    assert pydicom.dcmread(BytesIO(written(attributes))) == original


def test_text_is_utf_8_whatever_character_set_was_named() -> None:
    data = written(
        {
            "00080005": {"vr": "CS", "Value": ["ISO_IR 100"]},
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller", "Phonetic": "みゅ"}]},
            "00081115": {"vr": "SQ", "Value": [{"00080005": {"vr": "CS", "Value": ["ISO_IR 100"]}}]},
        }
    )
    assert "Müller==みゅ".encode() in data
    found = pydicom.dcmread(BytesIO(data))
    assert found.SpecificCharacterSet == found.ReferencedSeriesSequence[0].SpecificCharacterSet == "ISO_IR 192"
    assert found.PatientName.family_name == "Müller"


def test_nested_deeply_but_within_the_limit_is_written() -> None:
    attributes: JsonAttributes = {"00100020": {"vr": "LO", "Value": ["deep"]}}
    for _ in range(60):
        attributes = {"0040A730": {"vr": "SQ", "Value": [attributes]}}
    assert read_back(attributes).data_set["0040A730"] == attributes["0040A730"]


def test_odd_spellings_that_mean_the_same_are_taken() -> None:
    found = read_back(
        {
            "0018002a": {"vr": "SQ", "Value": [None]},
            "00280008": {"vr": "IS", "Value": ["12"]},
            "00181030": {"vr": "LO", "Value": None},
            "00200032": {"vr": "DS", "Value": ["1.50", 2, 0.1, -1234567.123456789, 1e-300, 123456789012345678]},
            "00280010": {"vr": "US", "Value": [512.0]},
            "00080301": {"vr": "UV", "Value": ["18446744073709551615"]},
            "00100000": {"vr": "UL", "Value": [4]},
            "00189074": {"vr": "FD", "Value": ["NaN", "-inf", "Infinity"]},
        }
    ).data_set
    assert found["0018002A"]["Value"] == [{}]
    assert found["00280008"]["Value"] == [12]
    assert "Value" not in found["00181030"]
    assert found["00200032"]["Value"] == pytest.approx(
        [1.5, 2, 0.1, -1234567.123456789, 1e-300, 123456789012345678]
    )
    assert found["00280010"]["Value"] == [512]
    assert found["00080301"]["Value"] == [2**64 - 1]
    assert "00100000" not in found
    assert found["00189074"]["Value"] == ["NaN", "-inf", "inf"]


@pytest.mark.parametrize("number", [1 / 3, -1 / 3, 1e22 / 3, -1e-200 / 3, math.pi * 1e15, 2**70])
def test_a_decimal_string_has_at_most_sixteen_characters(number: float) -> None:
    head = read_back({"00200032": {"vr": "DS", "Value": [number]}})
    assert head.data_set["00200032"]["Value"] == pytest.approx([number], rel=1e-8)
    raw = pydicom.dcmread(BytesIO(written({"00200032": {"vr": "DS", "Value": [number]}}))).get_item(0x00200032)
    assert raw is not None
    assert len(raw.value) <= 16


class TestBulkData:
    def test_bulk_data_are_put_where_their_uri_stands(self) -> None:
        attributes = {
            **image_json(4, 4),
            "00480105": {"vr": "SQ", "Value": [{"00282000": {"vr": "OB", "BulkDataURI": "icc"}}]},
        }
        profile, image = pixels(3001), pixels(16)
        data = written(attributes, {"icc": [BulkPart([profile])], "7FE00010": [BulkPart([image[:5], image[5:]])]})
        found = pydicom.dcmread(BytesIO(data))
        assert found.PixelData == image
        assert found.OpticalPathSequence[0].ICCProfile == profile + b"\0"

    def test_any_vr_may_come_as_bulk_data(self) -> None:
        text = "long text " * 10_000 + "end"
        head = read_back(
            {"00204000": {"vr": "UT", "BulkDataURI": "text"}, "00189074": {"vr": "FD", "BulkDataURI": "numbers"}},
            {"text": [BulkPart([text.encode()])], "numbers": [BulkPart([b"\0" * 8 + b"\0\0\0\0\0\0\xf0\x3f"])]},
        )
        assert head.data_set["00204000"]["Value"] == [text]
        assert head.data_set["00189074"]["Value"] == [0.0, 1.0]

    @pytest.mark.parametrize(
        ("media_type", "parameter", "content", "expected"),
        [
            ("image/jpeg", "", b"\xff\xd8\xff\xe0\0\4ab\xff\xc0\0\4cd", "50"),
            ("image/jpeg", "", b"\xff\xd8\xff\xff\xc1\0\4cd", "51"),
            ("image/jpeg", "", b"\xff\xd8\xff\xc3\0\4cd\xff\xda\0\x08\1\0\0\1\0\0", "70"),
            ("image/jpeg", "", b"\xff\xd8\xff\xc3\0\4cd\xff\xda\0\x08\1\0\0\4\0\0", "57"),
            ("image/jpeg", "", b"no headers", "70"),
            ("image/jpeg", "1.2.840.10008.1.2.4.51", b"\xff\xd8\xff\xe0\0\4ab\xff\xc0\0\4cd", "51"),
            ("image/jls", "", b"\xff\xd8\xff\xf7\0\4cd\xff\xda\0\x08\1\0\0\0\0\0", "80"),
            ("image/jls", "", b"\xff\xd8\xff\xf7\0\4cd\xff\xda\0\x08\1\0\0\3\0\0", "81"),
            ("image/jp2", "", b"\xff\x4f\xff\x51", "90"),
            ("image/jphc", "", b"\xff\x4f\xff\x51", "201"),
            ("video/mp4", "", b"film", "102"),
            ("application/octet-stream", "1.2.840.10008.1.2.4.91", b"\xff\x4f\xff\x51", "91"),
        ],
    )
    def test_compressed_pixel_data_decide_the_transfer_syntax(
        self, media_type: str, parameter: str, content: bytes, expected: str
    ) -> None:
        head = read_back(image_json(), {"7FE00010": [BulkPart([content[:3], content[3:]], media_type, parameter)]})
        assert head.transfer_syntax == f"1.2.840.10008.1.2.4.{expected}"

    def test_each_part_is_a_frame(self) -> None:
        frames = [pixels(length, seed=length) for length in (10, 11, 300)]
        parts = [BulkPart([frame], "image/jp2") for frame in frames]
        data = written(image_json(frames=3), {"7FE00010": parts})
        found = list(generate_frames(pydicom.dcmread(BytesIO(data)).PixelData, number_of_frames=3))
        assert found == [frame + b"\0" * (len(frame) % 2) for frame in frames]
        head = read_head(data)
        index = frame_index(head, image_spec(head.data_set))
        assert index is not None
        assert index.count == 3

    def test_native_frames_may_come_as_parts_too(self) -> None:
        parts = [BulkPart([pixels(16, seed=seed)]) for seed in (1, 2)]
        data = written(image_json(frames=2), {"7FE00010": parts})
        assert pydicom.dcmread(BytesIO(data)).PixelData == pixels(16, seed=1) + pixels(16, seed=2)


def wrong(tag: str, entry: Any) -> Any:
    return pytest.param({tag: entry}, tag, id=f"{tag} {entry}"[:60])


class TestMalformed:
    @pytest.mark.parametrize(
        ("attributes", "tag"),
        [
            wrong("00100020", None),
            wrong("00100020", {"Value": ["no VR"]}),
            wrong("00100020", {"vr": "ZZ", "Value": ["x"]}),
            wrong("00100020", {"vr": ["LO"], "Value": ["x"]}),
            wrong("00100020", {"vr": "LO", "Value": "not an array"}),
            wrong("00100020", {"vr": "LO", "Value": [5]}),
            wrong("00100020", {"vr": "LO", "Value": ["a\\b"]}),
            wrong("00100020", {"vr": "LO", "Value": ["a\0b"]}),
            wrong("00100020", {"vr": "LO", "Value": ["half \ud800 pair"]}),
            wrong("00100020", {"vr": "LO", "Value": ["x"], "InlineBinary": "AAAA"}),
            wrong("00100010", {"vr": "PN", "Value": ["Doe^Jane"]}),
            wrong("00100010", {"vr": "PN", "Value": [{"Alphabetic": "a=b"}]}),
            wrong("00100010", {"vr": "PN", "Value": [{"Alphabetical": "a"}]}),
            wrong("00100030", {"vr": "DA", "Value": ["yesterday"]}),
            wrong("00101010", {"vr": "AS", "Value": ["twelve"]}),
            wrong("0020000D", {"vr": "UI", "Value": ["../x"]}),
            wrong("0020000D", {"vr": "UI", "Value": ["1." * 40]}),
            wrong("00080060", {"vr": "CS", "Value": ["Ü"]}),
            wrong("00200013", {"vr": "IS", "Value": [1.5]}),
            wrong("00200013", {"vr": "IS", "Value": [2**31]}),
            wrong("00200013", {"vr": "IS", "Value": [True]}),
            wrong("00200032", {"vr": "DS", "Value": ["x"]}),
            wrong("00200032", {"vr": "DS", "Value": [float("inf")]}),
            wrong("00280010", {"vr": "US", "Value": [65536]}),
            wrong("00280010", {"vr": "US", "Value": [-1]}),
            wrong("00280010", {"vr": "US", "Value": [None]}),
            wrong("00189074", {"vr": "FD", "Value": ["x"]}),
            wrong("00189073", {"vr": "FL", "Value": [1e300]}),
            wrong("00080005", 7),
            wrong("00280009", {"vr": "AT", "Value": ["0010002"]}),
            wrong("00204000", {"vr": "LT", "Value": ["one", "two"]}),
            wrong("00282000", {"vr": "OB", "Value": [1]}),
            wrong("00282000", {"vr": "OB", "InlineBinary": "A"}),
            wrong("00282000", {"vr": "OB", "InlineBinary": "ÄÄÄÄ"}),
            wrong("00282000", {"vr": "OB", "InlineBinary": 5}),
            wrong("00281201", {"vr": "OW", "InlineBinary": "AAAA"}),
            wrong("00282000", {"vr": "OB", "BulkDataURI": "unknown"}),
            wrong("00282000", {"vr": "OB", "BulkDataURI": 5}),
            wrong("0040A730", {"vr": "SQ", "Value": ["x"]}),
            wrong("0040A730", {"vr": "SQ", "InlineBinary": "AAAA"}),
            wrong("00280010", {"vr": "US", "InlineBinary": "AAAA"}),
        ],
    )
    def test_the_tag_and_what_was_expected_are_told(self, attributes: Any, tag: str) -> None:
        if tag == "00080005":
            attributes = {"0040A730": {"vr": "SQ", "Value": [attributes]}}
        with pytest.raises(MalformedAttributes) as caught:
            written(attributes)
        assert caught.value.tag == tag
        assert caught.value.reason

    def test_the_path_of_a_nested_fault_is_told_and_no_value(self) -> None:
        item = {"00100020": {"vr": "LO", "Value": ["SECRET\0"]}}
        with pytest.raises(MalformedAttributes) as caught:
            written({"0040A730": {"vr": "SQ", "Value": [{}, item]}})
        assert caught.value.path == ("0040A730", "2", "00100020")
        assert "SECRET" not in str(caught.value)

    @pytest.mark.parametrize("key", ["0010002", "001000200", "PatientID", "0010002G", ""])
    def test_a_key_that_is_no_tag(self, key: str) -> None:
        with pytest.raises(MalformedAttributes):
            written({key: {"vr": "LO"}})

    @pytest.mark.parametrize("missing", ["00080016", "00080018"])
    def test_identifiers_of_the_file_meta_information_are_needed(self, missing: str) -> None:
        attributes = copy.deepcopy(IDENTITY)
        for entry in (None, {"vr": "UI"}, {"vr": "UI", "Value": [None]}):
            if entry is None:
                attributes.pop(missing)
            else:
                attributes[missing] = entry
            with pytest.raises(MalformedAttributes) as caught:
                data_set_to_part10(attributes, {}.get)
            assert caught.value.tag == missing

    def test_nesting_beyond_the_limit(self) -> None:
        attributes: JsonAttributes = {}
        for _ in range(300):
            attributes = {"0040A730": {"vr": "SQ", "Value": [attributes]}}
        with pytest.raises(MalformedAttributes):
            written(attributes)

    @pytest.mark.parametrize(
        "parts",
        [
            pytest.param([], id="none"),
            pytest.param([BulkPart([b"ab"], "image/jp2"), BulkPart([b"ab"])], id="compressed and not"),
            pytest.param([BulkPart([b"ab"], "image/jp2"), BulkPart([b"ab"], "image/jls")], id="two syntaxes"),
            pytest.param([BulkPart([b"ab"], transfer_syntax="1.2.840.10008.1.2.2")], id="big endian"),
            pytest.param([BulkPart([b"\0\0\0\x0cjP  \r\n\x87\n"], "image/jp2")], id="JP2 file"),
        ],
    )
    def test_pixel_data_that_make_no_value(self, parts: list[BulkPart]) -> None:
        with pytest.raises(MalformedAttributes) as caught:
            written(image_json(), {"7FE00010": parts})
        assert caught.value.tag == "7FE00010"

    def test_compressed_bulk_data_elsewhere_than_in_pixel_data(self) -> None:
        with pytest.raises(MalformedAttributes):
            written({"00282000": {"vr": "OB", "BulkDataURI": "x"}}, {"x": [BulkPart([b"ab"], "image/jp2")]})

    def test_a_compressed_icon_beside_native_pixel_data(self) -> None:
        icon = {"00880200": {"vr": "SQ", "Value": [{"7FE00010": {"vr": "OB", "BulkDataURI": "icon"}}]}}
        bulk = {"icon": [BulkPart([b"ab"], "image/jp2")], "7FE00010": [BulkPart([pixels(16)])]}
        with pytest.raises(MalformedAttributes):
            written({**image_json(), **icon}, bulk)
