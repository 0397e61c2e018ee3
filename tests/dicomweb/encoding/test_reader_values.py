"""What DICOM JSON says of values, VR by VR (PS3.18 F.2, PS3.5 6.2)."""

from __future__ import annotations

import struct
from typing import Any

import orjson
import pytest

from dicomweb.encoding.reader import read_head
from tests.build.dicom import EXPLICIT_BIG, Coding, element, part10

TAG = 0x00191001


def told(vr: str, value: bytes, *, coding: Coding | None = None) -> dict[str, Any]:
    """The JSON element of a value."""
    used = coding or Coding()
    data = part10(element(TAG, vr, value, coding=used), EXPLICIT_BIG if used.big else "1.2.840.10008.1.2.1")
    head = read_head(data)
    orjson.dumps(head.data_set)
    return head.data_set[f"{TAG:08X}"]


ALL_VRS = (
    *("AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "OB", "OD", "OF", "OL", "OV", "OW"),
    *("PN", "SH", "SL", "SQ", "SS", "ST", "SV", "TM", "UC", "UI", "UL", "UN", "UR", "US", "UT", "UV"),
)


@pytest.mark.parametrize("vr", ALL_VRS)
def test_empty_value_has_no_value(vr: str) -> None:
    assert told(vr, b"") == {"vr": vr}


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("AE", b" STORE \\PACS ", ["STORE", "PACS"]),
        ("AS", b"090Y", ["090Y"]),
        ("CS", b"ORIGINAL\\ PRIMARY\\\\X ", ["ORIGINAL", "PRIMARY", None, "X"]),
        ("CS", b"\\", [None, None]),
        ("DA", b"20240229", ["20240229"]),
        ("DT", b"20240229131415.5+0100 ", ["20240229131415.5+0100"]),
        ("TM", b"1314\\131415.25 ", ["1314", "131415.25"]),
        ("UI", b"1.2.3\\1.2\0", ["1.2.3", "1.2"]),
        ("LO", b" left\\right ", ["left", "right"]),
        ("SH", b"a\\b\\", ["a", "b", None]),
        ("LT", b"  kept\\as it is \r\n ", ["  kept\\as it is \r\n"]),
        ("ST", b" one\\value ", [" one\\value"]),
        ("UT", b" one\\value ", [" one\\value"]),
        ("UC", b" kept\\too ", [" kept", "too"]),
        ("UR", b"http://host/a\\b ", ["http://host/a\\b"]),
        ("DS", b"1.5\\-2\\ 3e2 \\+.5", [1.5, -2.0, 300.0, 0.5]),
        ("DS", b"1\\\\2 ", [1.0, None, 2.0]),
        ("DS", b"1,5\\nan\\-inf\\1e999\\1_0\\7", ["1,5", "nan", "-inf", "1e999", "1_0", 7.0]),
        ("IS", b"1\\-2\\+3\\ 4 ", [1, -2, 3, 4]),
        ("IS", b"1\\\\2 ", [1, None, 2]),
        ("IS", b"1A", ["1A"]),
        ("IS", b"1.0 \\2.5 \\1_0", [1, "2.5", "1_0"]),
        ("IS", b"9" * 20, ["9" * 20]),
        ("IS", b"18446744073709551615", [18446744073709551615]),
        ("IS", b"9" * 5000, ["9" * 5000]),
        ("PN", b"Doe^Jane ", [{"Alphabetic": "Doe^Jane"}]),
        ("PN", b"A=B=C\\D ", [{"Alphabetic": "A", "Ideographic": "B", "Phonetic": "C"}, {"Alphabetic": "D"}]),
        ("PN", b"=B", [{"Ideographic": "B"}]),
        ("PN", b"A==C", [{"Alphabetic": "A", "Phonetic": "C"}]),
        ("PN", b"A\\\\B ", [{"Alphabetic": "A"}, None, {"Alphabetic": "B"}]),
        ("PN", b"A=B=C=D ", [{"Alphabetic": "A", "Ideographic": "B", "Phonetic": "C"}]),
        ("AT", struct.pack("<4H", 0x0028, 0x0010, 0x7FE0, 0x001A), ["00280010", "7FE0001A"]),
        ("US", struct.pack("<2H", 1, 65535), [1, 65535]),
        ("SS", struct.pack("<h", -5), [-5]),
        ("UL", struct.pack("<L", 0xFFFFFFFF), [0xFFFFFFFF]),
        ("SL", struct.pack("<2l", -1, 7), [-1, 7]),
        ("UV", struct.pack("<Q", 2**64 - 1), [2**64 - 1]),
        ("SV", struct.pack("<2q", -(2**63), 1), [-(2**63), 1]),
        ("FL", struct.pack("<2f", 0.5, -2), [0.5, -2.0]),
        ("FD", struct.pack("<d", 0.1), [0.1]),
        ("FD", struct.pack("<4d", float("nan"), float("inf"), float("-inf"), 1), ["NaN", "inf", "-inf", 1.0]),
    ],
)  # fmt: skip
def test_values_of_a_vr(vr: str, value: bytes, expected: list[Any]) -> None:
    assert told(vr, value) == {"vr": vr, "Value": expected}


@pytest.mark.parametrize("value", [b"  ", b"\0\0", b" \0"])
@pytest.mark.parametrize("vr", ["AE", "CS", "DS", "IS", "LO", "LT", "PN", "UI", "UT"])
def test_value_of_padding_alone_is_empty(vr: str, value: bytes) -> None:
    assert told(vr, value) == {"vr": vr}


@pytest.mark.parametrize(
    ("vr", "code", "values"),
    [("US", "H", [1, 2]), ("SS", "h", [-1]), ("UL", "L", [70000]), ("SL", "l", [-1]), ("UV", "Q", [2**40]),
     ("SV", "q", [-(2**40)]), ("FL", "f", [0.5]), ("FD", "d", [0.1])],
)  # fmt: skip
def test_numbers_of_a_big_endian_file(vr: str, code: str, values: list[Any]) -> None:
    value = struct.pack(f">{len(values)}{code}", *values)

    assert told(vr, value, coding=Coding(big=True)) == {"vr": vr, "Value": values}


def test_tags_of_a_big_endian_file() -> None:
    value = struct.pack(">2H", 0x0028, 0x0010)

    assert told("AT", value, coding=Coding(big=True)) == {"vr": "AT", "Value": ["00280010"]}


@pytest.mark.parametrize("vr", ["US", "SS", "UL", "SL", "UV", "SV", "FL", "FD", "AT"])
def test_value_of_a_length_that_its_vr_cannot_have_is_kept_as_bytes(vr: str) -> None:
    assert told(vr, b"\1\2\3") == {"vr": "UN", "InlineBinary": "AQID"}


@pytest.mark.parametrize("vr", ["LO", "PN", "UT", "CS"])
def test_bytes_that_are_no_text_do_not_harm_the_json(vr: str) -> None:
    for declared in (b"ISO_IR 192", b"ISO 2022 IR 87", b"GB18030 ", b"ISO_IR 13", b"no such term"):
        data = element(0x00080005, "CS", declared) + element(TAG, vr, bytes(range(1, 256)) + b"\x1b$B\xff\xff")

        orjson.dumps(read_head(part10(data)).data_set)


def test_specific_character_set_that_is_not_defined_is_noted() -> None:
    head = read_head(part10(element(0x00080005, "CS", b"KLINGON ") + element(TAG, "LO", b"\xe4")))

    assert head.data_set[f"{TAG:08X}"]["Value"] == ["ä"]
    assert head.warnings == ("Specific Character Set has a term that is not defined",)


@pytest.mark.parametrize("vr", ["US", "PN", "FD", "SQ", "OB"])
def test_specific_character_set_of_a_strange_vr_declares_nothing(vr: str) -> None:
    head = read_head(
        part10(element(0x00080005, vr, b"" if vr == "SQ" else b"\1" * 8) + element(TAG, "LO", b"\xe4"))
    )

    assert head.data_set[f"{TAG:08X}"]["Value"] == ["ä"]
