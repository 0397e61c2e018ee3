"""DICOM XML: the Native DICOM Model out and in, and what hostile documents meet."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.encoding.malformed import MalformedAttributes
from dicomweb.encoding.reader import read_head
from dicomweb.encoding.xml_input import LONGEST, from_xml
from dicomweb.encoding.xml_output import NAMESPACE, to_xml
from dicomweb.model.query import JsonAttributes
from tests.build.samples import sample_files, sample_ids
from tests.dicomweb.encoding.attribute_strategies import data_sets


def document(content: str) -> bytes:
    return f'<NativeDicomModel xmlns="{NAMESPACE}">{content}</NativeDicomModel>'.encode()


def shown(attributes: JsonAttributes, prefix: str = "") -> ElementTree.Element:
    return ElementTree.fromstring(to_xml(attributes, prefix))


def only(attributes: JsonAttributes, prefix: str = "") -> ElementTree.Element:
    (element,) = shown(attributes, prefix)
    return element


@given(data_sets)
def test_what_is_written_is_read_back(attributes: JsonAttributes) -> None:
    assert from_xml(to_xml(attributes)) == attributes


@given(st.text(min_size=1))
def test_any_text_makes_a_well_formed_document(text: str) -> None:
    value = only({"00104000": {"vr": "LT", "Value": [text]}})[0].text or ""
    assert len(value) == len(text)
    assert all(shown in (given_, "\ufffd") for shown, given_ in zip(value, text, strict=True))


def test_a_document_looks_as_the_standard_has_it() -> None:
    text = to_xml(
        {
            "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
            "00080008": {"vr": "CS", "Value": ["DERIVED", None, "AXIAL"]},
            "00081115": {"vr": "SQ", "Value": [{"0020000E": {"vr": "UI", "Value": ["1.2"]}}, {}]},
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane^^Dr", "Ideographic": "山田"}]},
            "00100020": {"vr": "LO", "Value": ['<&>"']},
            "00100030": {"vr": "DA"},
            "00420011": {"vr": "OB", "BulkDataURI": "00420011"},
            "00282000": {"vr": "OB", "InlineBinary": "AAE="},
        },
        "http://host/bulkdata/",
    ).decode()
    assert text == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM" xml:space="preserve">'
        '<DicomAttribute tag="00080005" keyword="SpecificCharacterSet" vr="CS">'
        '<Value number="1">ISO_IR 192</Value></DicomAttribute>'
        '<DicomAttribute tag="00080008" keyword="ImageType" vr="CS">'
        '<Value number="1">DERIVED</Value><Value number="3">AXIAL</Value></DicomAttribute>'
        '<DicomAttribute tag="00081115" keyword="ReferencedSeriesSequence" vr="SQ"><Item number="1">'
        '<DicomAttribute tag="0020000E" keyword="SeriesInstanceUID" vr="UI"><Value number="1">1.2</Value>'
        '</DicomAttribute></Item><Item number="2"></Item></DicomAttribute>'
        '<DicomAttribute tag="00100010" keyword="PatientName" vr="PN"><PersonName number="1">'
        "<Alphabetic><FamilyName>Doe</FamilyName><GivenName>Jane</GivenName><MiddleName></MiddleName>"
        "<NamePrefix>Dr</NamePrefix></Alphabetic><Ideographic><FamilyName>山田</FamilyName></Ideographic>"
        "</PersonName></DicomAttribute>"
        '<DicomAttribute tag="00100020" keyword="PatientID" vr="LO">'
        '<Value number="1">&lt;&amp;&gt;&quot;</Value></DicomAttribute>'
        '<DicomAttribute tag="00100030" keyword="PatientBirthDate" vr="DA"/>'
        '<DicomAttribute tag="00282000" keyword="ICCProfile" vr="OB"><InlineBinary>AAE=</InlineBinary>'
        "</DicomAttribute>"
        '<DicomAttribute tag="00420011" keyword="EncapsulatedDocument" vr="OB">'
        '<BulkData uri="http://host/bulkdata/00420011"/></DicomAttribute>'
        "</NativeDicomModel>\n"
    )


def test_an_absolute_bulk_data_uri_gets_no_prefix() -> None:
    for uri in ("http://other/x", "/rooted/x"):
        (bulk,) = only({"00420011": {"vr": "OB", "BulkDataURI": uri}}, "http://host/")
        assert bulk.get("uri") == uri


PRIVATE: JsonAttributes = {
    "00090010": {"vr": "LO", "Value": ["MAKER A"]},
    "00090011": {"vr": "LO", "Value": ["MAKER B"]},
    "00091001": {"vr": "LO", "Value": ["a"]},
    "00091101": {"vr": "LO", "Value": ["b"]},
}


def test_private_attributes_are_named_by_their_creator() -> None:
    found = {element.get("privateCreator"): element.get("tag") for element in shown(PRIVATE)}
    assert found["MAKER A"] == found["MAKER B"] == "00090001"
    assert from_xml(to_xml(PRIVATE)) == PRIVATE


def test_two_blocks_of_one_creator_stay_apart() -> None:
    twice = {**PRIVATE, "00090011": {"vr": "LO", "Value": ["MAKER A"]}}
    assert from_xml(to_xml(twice)) == twice


def test_a_block_is_reserved_for_a_creator_that_has_none() -> None:
    attribute = (
        '<DicomAttribute tag="00090001" privateCreator="{}" vr="LO"><Value number="1">x</Value></DicomAttribute>'
    )
    found = from_xml(document(attribute.format("NEW") + attribute.format("OTHER")))
    assert found == {
        "00090010": {"vr": "LO", "Value": ["NEW"]},
        "00090011": {"vr": "LO", "Value": ["OTHER"]},
        "00091001": {"vr": "LO", "Value": ["x"]},
        "00091101": {"vr": "LO", "Value": ["x"]},
    }


def test_a_document_without_namespace_and_with_blanks_between_is_read() -> None:
    text = """<?xml version="1.0" encoding="ISO-8859-1"?>
    <NativeDicomModel>
      <DicomAttribute tag="0010000a" vr="LO">
        <Value number="1">M\xfcller</Value>
      </DicomAttribute>
      <DicomAttribute tag="00282000" vr="OB">
        <InlineBinary>
          AAEC
          AwQF
        </InlineBinary>
      </DicomAttribute>
    </NativeDicomModel>"""
    assert from_xml(text.encode("latin-1")) == {
        "0010000A": {"vr": "LO", "Value": ["Müller"]},
        "00282000": {"vr": "OB", "InlineBinary": "AAECAwQF"},
    }


@pytest.mark.parametrize("path", sample_files("objects"), ids=sample_ids("objects"))
def test_the_headers_of_samples_go_out_and_come_back(path: Path) -> None:
    attributes = read_head(path.read_bytes()).data_set
    assert from_xml(to_xml(attributes)) == attributes


@pytest.mark.parametrize("vr", ["LO", "PN", "DS", "IS"])
def test_nulls_keep_their_places_also_the_last(vr: str) -> None:
    value: Any = {"LO": "a", "PN": {"Alphabetic": "a"}, "DS": 1.5, "IS": 2}[vr]
    attributes = {"00081030": {"vr": vr, "Value": [None, value, None, None, value, None, None]}}
    assert from_xml(to_xml(attributes)) == attributes


def bomb() -> bytes:
    entities = "".join(f'<!ENTITY a{at} "{f"&a{at - 1};" * 10}">' for at in range(1, 10))
    return f'<!DOCTYPE x [<!ENTITY a0 "ha">{entities}]>'.encode() + document("&a9;")


ATTRIBUTE = '<DicomAttribute tag="00100020" vr="LO">{}</DicomAttribute>'


class TestMalformed:
    @pytest.mark.parametrize(
        "hostile",
        [
            pytest.param(bomb(), id="entities that expand"),
            pytest.param(b'<!DOCTYPE x SYSTEM "file:///etc/passwd">' + document(""), id="external document type"),
            pytest.param(
                b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + document("&e;"), id="external entity"
            ),
            pytest.param(document("<a>" * 100_000), id="nested without end"),
            pytest.param(document("<DicomAttribute>" * 300 + "</DicomAttribute>" * 300), id="nested deeply"),
            pytest.param(b" " * (LONGEST + 1), id="too long"),
            pytest.param(document(ATTRIBUTE.format('<Value number="1000000"/>')), id="a million empty values"),
        ],
    )
    @pytest.mark.timeout(20)  # what these are made for would take minutes
    def test_hostile_documents_come_to_an_end(self, hostile: bytes) -> None:
        with pytest.raises(MalformedAttributes):
            from_xml(hostile)

    @pytest.mark.parametrize(
        "text",
        [
            b"",
            b"no XML",
            b"<NativeDicomModel>",
            b"<Other/>",
            document("<Other/>"),
            document('<DicomAttribute vr="LO"/>'),
            document('<DicomAttribute tag="001000" vr="LO"/>'),
            document('<DicomAttribute tag="00100020"/>'),
            document('<DicomAttribute tag="00100020" vr="ZZ"/>'),
            document(ATTRIBUTE.format("") * 2),
            document(ATTRIBUTE.format("<Value>x</Value>")),
            document(ATTRIBUTE.format('<Value number="0">x</Value>')),
            document(ATTRIBUTE.format('<Value number="-1">x</Value>')),
            document(ATTRIBUTE.format('<Value number="1">x</Value>' * 2)),
            document(ATTRIBUTE.format('<Item number="1"/>')),
            document(ATTRIBUTE.format("<BulkData/>")),
            document('<DicomAttribute tag="00100010" vr="PN"><Value number="1">x</Value></DicomAttribute>'),
            document(
                '<DicomAttribute tag="00100010" vr="PN"><PersonName number="1"><Phonetical/></PersonName>'
                "</DicomAttribute>"
            ),
            document(
                '<DicomAttribute tag="00100010" vr="PN"><PersonName number="1"><Phonetic><Nick>x</Nick></Phonetic>'
                "</PersonName></DicomAttribute>"
            ),
            b'<?xml version="1.0" encoding="nonsense"?><NativeDicomModel/>',
            document("\0"),
        ],
    )
    def test_what_is_not_the_model_is_told(self, text: bytes) -> None:
        with pytest.raises(MalformedAttributes) as caught:
            from_xml(text)
        assert caught.value.reason

    def test_the_path_of_a_fault_is_told_and_no_value(self) -> None:
        item = '<Item number="2">' + ATTRIBUTE.format("<Value>SECRET</Value>") + "</Item>"
        with pytest.raises(MalformedAttributes) as caught:
            from_xml(document(f'<DicomAttribute tag="0040A730" vr="SQ">{item}</DicomAttribute>'))
        assert caught.value.path == ("0040A730", "2", "00100020")
        assert "SECRET" not in str(caught.value)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_told_as_malformed(data: bytes) -> None:
    for text in (data, document(data.decode("latin-1"))):
        with contextlib.suppress(MalformedAttributes):
            from_xml(text)
