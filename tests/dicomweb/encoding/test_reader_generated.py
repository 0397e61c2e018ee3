"""The reader over generated data sets: equal to pydicom for any attributes, values and encodings."""

from __future__ import annotations

import struct

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom._dicom_dict import DicomDictionary

from dicomweb.encoding.head import Unreadable
from dicomweb.encoding.reader import HeadReader, read_head
from tests.build.dicom import EXPLICIT_BIG, NATIVE, Coding, element, item, part10, sequence
from tests.dicomweb.encoding.differences import (
    DIFFERENCES,
    LIMITS,
    Difference,
    expected_json,
    left_over,
    read_with_pydicom,
)

_BY_VR: dict[str, list[int]] = {}
for _tag, _entry in DicomDictionary.items():
    if 0x0008 <= _tag >> 16 < 0x7FE0 and len(_entry[0]) == 2 and _tag != 0x00080005 and "xx" not in _entry[0]:
        _BY_VR.setdefault(_entry[0], []).append(_tag)

_SIZES = {
    "US": 2,
    "SS": 2,
    "UL": 4,
    "SL": 4,
    "FL": 4,
    "FD": 8,
    "AT": 4,
    "OW": 2,
    "OF": 4,
    "OL": 4,
    "OD": 8,
    "OV": 8,
}
_TEXT_VRS = ("LO", "SH", "LT", "ST", "UT", "UC", "PN")
_ASCII_VRS = ("AE", "AS", "CS", "DA", "DT", "TM", "UI", "UR")
_CHARACTER_SETS = {
    b"": "ascii",
    b"ISO_IR 100": "latin-1",
    b"ISO_IR 101 ": "iso8859-2",
    b"ISO_IR 126": "iso8859-7",
    b"ISO_IR 144": "iso8859-5",
    b"ISO_IR 192": "utf-8",
    b"GB18030 ": "gb18030",
    b"GBK ": "gbk",
}

plain = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
numbers = st.one_of(
    st.integers(-(10**11), 10**11).map(str),
    st.floats(allow_nan=False, width=32).map(lambda number: f"{number:.8g}"),
    st.sampled_from(["", " 7", "+5 ", "1.0", "12abc", "1_0", "nan", "1e999", "0x1", "9" * 30]),
)


def padded(value: bytes, pad: bytes = b" ") -> bytes:
    return value + pad * (len(value) % 2)


@st.composite
def value_of(draw: st.DrawFn, vr: str, codec: str) -> bytes:
    """The bytes of a value of a VR, right or nearly so."""
    if vr in _TEXT_VRS:
        alphabet = st.characters(codec=codec, exclude_categories=("Cc", "Cs"))
        values = draw(st.lists(st.text(alphabet, max_size=12), max_size=3))
        return padded("\\".join(values).encode(codec))
    if vr in _ASCII_VRS:
        return padded("\\".join(draw(st.lists(plain, max_size=3))).encode(), b"\0" if vr == "UI" else b" ")
    if vr in ("IS", "DS"):
        return padded("\\".join(draw(st.lists(numbers, max_size=4))).encode())
    size = _SIZES.get(vr, 1)
    value = draw(st.binary(max_size=40))
    return value if draw(st.integers(0, 9)) == 0 else value[: len(value) // size * size]


@st.composite
def data_set(draw: st.DrawFn, coding: Coding, codec: str, depth: int = 2) -> bytes:
    """The bytes of some elements in order, private ones and sequences among them."""
    chosen: dict[int, bytes] = {}
    for vr in draw(st.lists(st.sampled_from(sorted(_BY_VR)), max_size=7)):
        tag = draw(st.sampled_from(_BY_VR[vr]))
        if vr != "SQ":
            chosen[tag] = element(tag, vr, draw(value_of(vr, codec)), coding=coding)
        elif depth:
            undefined = draw(st.booleans())
            items = [
                item(content, coding=coding, undefined=draw(st.booleans()))
                for content in draw(st.lists(data_set(coding, codec, depth - 1), max_size=2))
            ]
            chosen[tag] = sequence(tag, *items, coding=coding, undefined=undefined)
    if draw(st.booleans()):
        vr = draw(st.sampled_from(("LO", "DS", "OB", "UN", "SL")))
        chosen[0x00190010] = element(0x00190010, "LO", b"SIEMENS CT VA0  COAD", coding=coding)
        chosen[0x001910B0] = element(0x001910B0, vr, draw(value_of(vr, "ascii")), coding=coding)
        chosen[0x00190000] = element(0x00190000, "UL", struct.pack(coding.order + "L", 8), coding=coding)
    return b"".join(chosen[tag] for tag in sorted(chosen))


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A Part 10 file in one of the native transfer syntaxes."""
    syntax = draw(st.sampled_from(NATIVE))
    coding = Coding(implicit=syntax == NATIVE[0], big=syntax == NATIVE[2])
    declared = draw(st.sampled_from(sorted(_CHARACTER_SETS)))
    content = element(0x00080005, "CS", declared, coding=coding)
    content += draw(data_set(coding, _CHARACTER_SETS[declared]))
    if draw(st.booleans()):
        content += element(0x7FE00010, "OW", draw(st.binary(max_size=10)), coding=coding)
    return part10(content, syntax)


quick = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@quick
@given(files())
def test_header_of_any_data_set_equals_pydicoms(data: bytes) -> None:
    head = read_head(data, LIMITS)

    orjson.dumps(head.data_set)
    assert list(left_over(head.data_set, expected_json(read_with_pydicom(data)))) == []


@quick
@given(files(), st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_any_data_set_in_chunks_of_any_size_reads_as_in_one_piece(data: bytes, sizes: list[int]) -> None:
    reader = HeadReader(LIMITS)
    at = turn = 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        reader.feed(memoryview(data)[at : at + size])
        at, turn = at + size, turn + 1

    assert reader.finish() == read_head(data, LIMITS)


@quick
@given(files(), st.data())
def test_any_damage_is_read_or_refused_as_unreadable(data: bytes, choose: st.DataObject) -> None:
    damaged = bytearray(data)
    for _ in range(choose.draw(st.integers(1, 4))):
        at = choose.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = choose.draw(st.sampled_from((0, 0xFF, 0xFE, 0xE0, 0x41, 0x53, 0x51)))
    cut = bytes(damaged[: choose.draw(st.integers(0, len(damaged)))])

    try:
        head = read_head(cut, LIMITS)
    except Unreadable:
        return
    orjson.dumps(head.data_set)


_BIG = Coding(big=True)
EXAMPLES = {
    "group lengths": part10(element(0x00080000, "UL", b"\0\0\0\0")),
    "items outside sequences": part10(
        element(0x00080060, "CS", b"CT") + item() + element(0x00100020, "LO", b"P1")
    ),
    "empty sequences": part10(sequence(0x00081140)),
    "values of IS and DS that are no numbers": part10(element(0x00200013, "IS", b"1A")),
    "padding": part10(element(0x00080008, "CS", b"A \\B ")),
    "padding and empty component groups of names": part10(element(0x00100010, "PN", b"A ==C ")),
    "empty values among others": part10(element(0x00080008, "CS", b"A\\\\B")),
    "short pixel data": part10(element(0x7FE00010, "OW", b"\1\2")),
    "inline binary of big endian files": part10(element(0x00281201, "OW", b"\1\2", coding=_BIG), EXPLICIT_BIG),
    "UN in big endian files": part10(
        element(0x00090010, "LO", b"GEMS_IDEN_01", coding=_BIG)
        + element(0x00091027, "UN", struct.pack("<l", 978683914), coding=_BIG),
        EXPLICIT_BIG,
    ),
    "NaN and infinities": part10(element(0x00189306, "FD", struct.pack("<d", float("inf")))),
    "values of a length that their VR cannot have": part10(element(0x00280010, "US", b"\1\2\3")),
    "escape sequences of GB 2312": part10(
        element(0x00080005, "CS", b"\\ISO 2022 IR 58") + element(0x00100020, "LO", b"\x1b$)A\xd5\xc5")
    ),
}


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.name)
def test_each_difference_is_needed_and_tells_its_reason(difference: Difference) -> None:
    data = EXAMPLES[difference.name]
    ours = read_head(data, LIMITS).data_set
    others = [other for other in DIFFERENCES if other is not difference]

    assert list(left_over(ours, expected_json(read_with_pydicom(data)))) == []
    assert list(left_over(ours, expected_json(read_with_pydicom(data), rules=others))) != []
    assert len(difference.reason) > 20
