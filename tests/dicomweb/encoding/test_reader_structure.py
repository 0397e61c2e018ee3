"""How data sets are put together, rightly and wrongly: beginnings, items, delimiters, ends."""

from __future__ import annotations

import struct

import orjson
import pytest

from dicomweb.encoding.elements import DEEPEST
from dicomweb.encoding.head import Head, HeadLimits, NotDicom, OverLimit, Truncated, Unreadable
from dicomweb.encoding.identify import identify
from dicomweb.encoding.reader import read_head
from tests.build.dicom import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    JPEG_BASELINE,
    UNDEFINED,
    Coding,
    ct_slice,
    deflate,
    element,
    item,
    item_end,
    make_file,
    part10,
    sequence,
    sequence_end,
    uid,
)

EXPLICIT = Coding()
IMPLICIT = Coding(implicit=True)
BIG = Coding(big=True)
REFERENCED_IMAGES = 0x00081140
ITEM_OPEN = struct.pack("<HHL", 0xFFFE, 0xE000, UNDEFINED)


def patient_id(text: str = "P1", coding: Coding = EXPLICIT) -> bytes:
    return element(0x00100020, "LO", text.encode(), coding=coding)


def patient_of(head: Head) -> str:
    return str(head.data_set["00100020"]["Value"][0])


class TestBeginning:
    def test_part_10_file_tells_where_its_data_set_begins(self) -> None:
        data_set = patient_id()
        data = part10(data_set)

        head = read_head(data)

        assert head.data_set_offset == len(data) - len(data_set)
        assert (head.transfer_syntax, head.implicit, head.big_endian) == (EXPLICIT_LITTLE, False, False)
        assert head.file_meta["00020010"] == {"vr": "UI", "Value": [EXPLICIT_LITTLE]}
        assert not any(key.startswith("0002") for key in head.data_set)
        assert head.warnings == ()

    @pytest.mark.parametrize(
        ("syntax", "coding"),
        [(EXPLICIT_LITTLE, Coding()), (IMPLICIT_LITTLE, IMPLICIT), (EXPLICIT_BIG, BIG)],
    )
    def test_bare_data_set_is_recognised_by_its_first_element(self, syntax: str, coding: Coding) -> None:
        data = element(0x00080060, "CS", b"CT", coding=coding) + patient_id(coding=coding)

        head = read_head(data)

        assert (head.transfer_syntax, head.data_set_offset, head.file_meta) == (syntax, 0, {})
        assert patient_of(head) == "P1"
        assert head.warnings == ("neither preamble nor meta information",)

    def test_meta_information_without_preamble(self) -> None:
        data = part10(patient_id(coding=IMPLICIT), IMPLICIT_LITTLE, preamble=b"")

        for begin in (0, 4):  # with DICM, and without
            assert patient_of(read_head(data[begin:])) == "P1"

    def test_meta_information_without_group_length(self) -> None:
        assert patient_of(read_head(part10(patient_id(), group_length=False))) == "P1"

    def test_meta_information_in_implicit_vr(self) -> None:
        syntax = EXPLICIT_LITTLE.encode() + b"\0"
        meta = element(0x00020010, "UI", syntax, coding=IMPLICIT)

        head = read_head(b"\0" * 128 + b"DICM" + meta + patient_id())

        assert (head.transfer_syntax, patient_of(head)) == (EXPLICIT_LITTLE, "P1")

    def test_prefix_without_meta_information(self) -> None:
        assert patient_of(read_head(b"\0" * 128 + b"DICM" + patient_id())) == "P1"

    @pytest.mark.parametrize("coding", [Coding(), IMPLICIT, BIG], ids=["explicit", "implicit", "big endian"])
    def test_undeclared_transfer_syntax_is_found_out(self, coding: Coding) -> None:
        head = read_head(part10(patient_id(coding=coding), None))

        assert (head.implicit, head.big_endian, patient_of(head)) == (coding.implicit, coding.big, "P1")
        assert head.warnings == ("no transfer syntax is declared",)

    @pytest.mark.parametrize(
        ("declared", "coding"),
        [
            (EXPLICIT_LITTLE, IMPLICIT),
            (IMPLICIT_LITTLE, Coding()),
            (EXPLICIT_LITTLE, BIG),
            (EXPLICIT_BIG, Coding()),
        ],
    )
    def test_wrongly_declared_transfer_syntax_is_read_as_it_is(self, declared: str, coding: Coding) -> None:
        head = read_head(part10(patient_id(coding=coding), declared))

        assert (head.transfer_syntax, head.implicit, head.big_endian) == (declared, coding.implicit, coding.big)
        assert patient_of(head) == "P1"
        assert head.warnings == ("the data set is not in the transfer syntax that is declared",)

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\0",
            b"\0" * 4096,
            b"II*\0\x08\0\0\0" + b"\1" * 500,
            b"PK\3\4" + b"\2" * 500,
            b"<!DOCTYPE html><html></html>" * 20,
            b"\x89PNG\r\n\x1a\n" + b"\3" * 300,
            b"\0" * 128 + b"DICM",
        ],
        ids=["empty", "one byte", "zeros", "tiff", "zip", "html", "png", "prefix alone"],
    )
    def test_other_bytes_are_not_dicom(self, data: bytes) -> None:
        with pytest.raises(NotDicom):
            read_head(data)

    def test_meta_information_that_goes_on_for_ever_is_refused(self) -> None:
        endless = element(0x00020102, "OB", b"", length=0x7FFFFFFF)

        with pytest.raises(OverLimit):
            read_head(b"\0" * 128 + b"DICM" + endless)


class TestSequences:
    @pytest.mark.parametrize("coding", [Coding(), IMPLICIT, BIG], ids=["explicit", "implicit", "big endian"])
    @pytest.mark.parametrize("open_sequence", [False, True])
    @pytest.mark.parametrize("open_item", [False, True])
    def test_nested_items_of_either_length(self, coding: Coding, open_sequence: bool, open_item: bool) -> None:
        inner = sequence(
            REFERENCED_IMAGES, item(patient_id("in", coding), coding=coding, undefined=open_item),
            coding=coding, undefined=open_sequence,
        )  # fmt: skip
        outer = sequence(
            0x00081115, item(inner, coding=coding, undefined=open_item), item(coding=coding, undefined=open_item),
            coding=coding, undefined=open_sequence,
        )  # fmt: skip
        syntax = EXPLICIT_BIG if coding.big else IMPLICIT_LITTLE if coding.implicit else EXPLICIT_LITTLE

        head = read_head(part10(outer + patient_id("out", coding), syntax))

        first, second = head.data_set["00081115"]["Value"]
        assert first == {"00081140": {"vr": "SQ", "Value": [{"00100020": {"vr": "LO", "Value": ["in"]}}]}}
        assert second == {}
        assert patient_of(head) == "out"

    @pytest.mark.parametrize("undefined", [False, True])
    def test_empty_sequence_has_no_value(self, undefined: bool) -> None:
        head = read_head(part10(sequence(REFERENCED_IMAGES, undefined=undefined)))

        assert head.data_set["00081140"] == {"vr": "SQ"}

    def test_implicit_item_of_an_explicit_data_set(self) -> None:
        content = item(patient_id("in", IMPLICIT)) + item(patient_id("ex"))

        head = read_head(part10(sequence(REFERENCED_IMAGES, content) + patient_id()))

        values = [patient["00100020"]["Value"] for patient in head.data_set["00081140"]["Value"]]
        assert values == [["in"], ["ex"]]
        assert patient_of(head) == "P1"

    def test_un_of_undefined_length_is_a_sequence_in_implicit_vr(self) -> None:
        """PS3.5 6.2.2 note 2."""
        content = item(patient_id("in", IMPLICIT), undefined=True) + sequence_end()

        head = read_head(part10(element(0x00191001, "UN", content, length=UNDEFINED) + patient_id()))

        assert head.data_set["00191001"] == {
            "vr": "SQ", "Value": [{"00100020": {"vr": "LO", "Value": ["in"]}}]
        }  # fmt: skip
        assert patient_of(head) == "P1"

    def test_un_of_undefined_length_is_little_endian_in_a_big_endian_file(self) -> None:
        content = item(patient_id("in", IMPLICIT)) + sequence_end()
        head = read_head(
            part10(
                element(0x00191001, "UN", content, length=UNDEFINED, coding=BIG) + patient_id(coding=BIG),
                EXPLICIT_BIG,
            )
        )

        assert head.data_set["00191001"]["Value"][0]["00100020"]["Value"] == ["in"]
        assert patient_of(head) == "P1"

    def test_unknown_attribute_of_undefined_length_is_a_sequence_in_implicit_vr(self) -> None:
        content = item(patient_id("in", IMPLICIT)) + sequence_end()
        data = element(0x00191001, "", content, length=UNDEFINED, coding=IMPLICIT) + patient_id(coding=IMPLICIT)

        head = read_head(part10(data, IMPLICIT_LITTLE))

        assert head.data_set["00191001"]["Value"] == [{"00100020": {"vr": "LO", "Value": ["in"]}}]

    def test_missing_delimiter_of_an_item_is_made_up_for(self) -> None:
        content = ITEM_OPEN + patient_id("a") + ITEM_OPEN + patient_id("b") + sequence_end()

        head = read_head(part10(element(REFERENCED_IMAGES, "SQ", content, length=UNDEFINED) + patient_id()))

        assert [i["00100020"]["Value"] for i in head.data_set["00081140"]["Value"]] == [["a"], ["b"]]
        assert head.warnings == ("the delimiter of an item is missing",)

    def test_delimiter_of_an_item_of_defined_length_is_left_out(self) -> None:
        content = item(patient_id("a")) + item_end() + item(patient_id("b"))

        head = read_head(part10(element(REFERENCED_IMAGES, "SQ", content) + patient_id()))

        assert [i["00100020"]["Value"] for i in head.data_set["00081140"]["Value"]] == [["a"], ["b"]]

    def test_character_set_of_an_item_holds_in_it_alone(self) -> None:
        """PS3.5 7.5.3."""
        greek = element(0x00080005, "CS", b"ISO_IR 126") + element(0x00100010, "PN", b"\xe1\xe2")
        plain = element(0x00100010, "PN", b"\xe1\xe2")
        data = element(0x00080005, "CS", b"ISO_IR 100") + sequence(REFERENCED_IMAGES, item(greek), item(plain))

        head = read_head(part10(data + plain))

        items = head.data_set["00081140"]["Value"]
        assert [i["00100010"]["Value"] for i in items] == [[{"Alphabetic": "αβ"}], [{"Alphabetic": "áâ"}]]
        assert head.data_set["00100010"]["Value"] == [{"Alphabetic": "áâ"}]

    def test_element_that_reaches_beyond_its_item_is_refused(self) -> None:
        too_long = element(0x00100020, "LO", b"P1", length=40)

        with pytest.raises(Unreadable, match="beyond the item"):
            read_head(part10(sequence(REFERENCED_IMAGES, item(too_long)) + patient_id("x" * 60)))

    def test_item_that_reaches_beyond_its_sequence_is_refused(self) -> None:
        too_long = struct.pack("<HHL", 0xFFFE, 0xE000, 400) + patient_id()

        with pytest.raises(Unreadable, match="beyond its sequence"):
            read_head(part10(element(REFERENCED_IMAGES, "SQ", too_long) + patient_id("x" * 600)))

    def test_something_else_in_the_place_of_an_item_is_refused(self) -> None:
        with pytest.raises(Unreadable, match="item of a sequence"):
            read_head(part10(element(REFERENCED_IMAGES, "SQ", patient_id())))


class TestNesting:
    @staticmethod
    def nested(depth: int) -> bytes:
        opened = element(REFERENCED_IMAGES, "SQ", b"", length=UNDEFINED) + ITEM_OPEN
        return part10(opened * depth + patient_id() + (item_end() + sequence_end()) * depth)

    def test_nesting_up_to_the_limit_is_read_and_serialised(self) -> None:
        head = read_head(self.nested(DEEPEST), HeadLimits(depth=1000))

        assert len(orjson.dumps(head.data_set)) > 0

    @pytest.mark.parametrize("limit", [64, 1_000_000])
    def test_nesting_10_000_deep_is_over_the_limit_whatever_that_is(self, limit: int) -> None:
        with pytest.raises(OverLimit, match="nested"):
            read_head(self.nested(10_000), HeadLimits(depth=limit))

    def test_nesting_in_defined_lengths_is_limited_too(self) -> None:
        content = patient_id()
        for _ in range(100):
            content = sequence(REFERENCED_IMAGES, item(content))

        with pytest.raises(OverLimit, match="nested"):
            read_head(part10(content))

    def test_deep_stack_of_the_caller_does_not_end_the_process(self) -> None:
        def read_from(depth: int) -> None:
            if depth:
                read_from(depth - 1)
            else:
                read_head(self.nested(60))

        with pytest.raises(OverLimit, match="for this program"):
            read_from(750)


class TestElements:
    def test_group_lengths_are_left_out(self) -> None:
        length = struct.pack("<L", 10)
        data = element(0x00080000, "UL", length) + element(0x00090000, "UN", length) + patient_id()

        assert read_head(part10(data)).data_set.keys() == {"00100020"}

    def test_of_duplicate_elements_the_last_one_holds(self) -> None:
        assert patient_of(read_head(part10(patient_id("P1") + patient_id("P2")))) == "P2"

    def test_private_attributes_in_implicit_vr_are_known_by_their_creator(self) -> None:
        data = element(0x00190010, "LO", b"SIEMENS CT VA0  COAD", coding=IMPLICIT)
        data += element(0x001910B0, "", b"1.5 ", coding=IMPLICIT) + element(
            0x001911B0, "", b"1.5 ", coding=IMPLICIT
        )

        head = read_head(part10(data, IMPLICIT_LITTLE))

        assert head.data_set["00190010"]["vr"] == "LO"
        assert head.data_set["001910B0"]["vr"] != "UN"
        assert head.data_set["001911B0"] == {"vr": "UN", "InlineBinary": "MS41IA=="}

    @pytest.mark.parametrize(("representation", "expected"), [(0, ("US", 65535)), (1, ("SS", -1))])
    def test_us_or_ss_goes_by_pixel_representation(self, representation: int, expected: tuple[str, int]) -> None:
        data = element(0x00280103, "US", struct.pack("<H", representation), coding=IMPLICIT)
        data += element(0x00280106, "", b"\xff\xff", coding=IMPLICIT)
        data += sequence(0x00409096, item(element(0x00409216, "", b"\xff\xff", coding=IMPLICIT)), coding=IMPLICIT)

        head = read_head(part10(data, IMPLICIT_LITTLE))

        vr, value = expected
        assert head.data_set["00280106"] == {"vr": vr, "Value": [value]}
        assert head.data_set["00409096"]["Value"][0]["00409216"] == {"vr": vr, "Value": [value]}

    def test_number_of_entries_of_a_lut_is_not_negative(self) -> None:
        head = read_head(part10(element(0x00283002, "SS", struct.pack("<3h", -1, -5, 16))))

        assert head.data_set["00283002"]["Value"] == [65535, -5, 16]

    def test_un_of_a_known_attribute_is_read_by_the_dictionary(self) -> None:
        assert patient_of(read_head(part10(element(0x00100020, "UN", b"P1")))) == "P1"

    def test_two_letters_that_are_no_vr_have_a_long_length_if_two_zeros_follow(self) -> None:
        new = struct.pack("<HH2sHL", 0x0018, 0x0001, b"ZZ", 0, 3) + b"abc"

        head = read_head(part10(new + patient_id()))

        assert head.data_set["00180001"] == {"vr": "UN", "InlineBinary": "YWJj"}
        assert patient_of(head) == "P1"
        assert head.warnings == ("the VR of (0018,0001) is none",)

    def test_two_bytes_that_are_no_letters_mean_implicit_vr(self) -> None:
        head = read_head(part10(element(0x00080060, "CS", b"CT") + patient_id(coding=IMPLICIT) + patient_id("P2")))

        assert patient_of(head) == "P2"
        assert head.warnings == ("the VR of (0010,0020) is none",)

    def test_identity_is_that_of_the_data_set(self) -> None:
        head = read_head(make_file(study="a", series="b", instance="c"))

        assert identify(head)[:3] == (uid("a"), uid("b"), uid("c"))
        assert identify(read_head(part10(patient_id()))) == ("", "", "", "")


class TestEnd:
    @pytest.mark.parametrize("cut", range(1, 12))
    def test_file_that_ends_within_an_element_is_truncated(self, cut: int) -> None:
        with pytest.raises(Truncated):
            read_head(part10(patient_id() + element(0x00104000, "LT", b"some"))[:-cut])

    def test_length_beyond_the_file_is_truncated(self) -> None:
        with pytest.raises(Truncated):
            read_head(part10(element(0x00104000, "UT", b"abcd", length=0x7FFFFFFF)))

    @pytest.mark.parametrize("undefined", [False, True])
    def test_file_that_ends_within_a_sequence_is_truncated(self, undefined: bool) -> None:
        data = part10(sequence(REFERENCED_IMAGES, item(patient_id(), undefined=undefined), undefined=undefined))

        for cut in range(1, len(patient_id()) + 16):
            with pytest.raises(Truncated):
                read_head(data[:-cut])

    def test_file_that_ends_within_pixel_data_is_truncated(self) -> None:
        with pytest.raises(Truncated):
            read_head(ct_slice()[:-1])

    @pytest.mark.parametrize("length", [1, 7, 8, 100, 4096])
    def test_zeros_behind_the_data_set_are_padding(self, length: int) -> None:
        head = read_head(ct_slice() + b"\0" * length)

        assert head.pixel is not None
        assert head.length == len(ct_slice()) + length
        assert len(head.warnings) == 1

    @pytest.mark.parametrize("tail", [b"\r\n", b"\r\n--boundary--\r\n", b"GARBAGE " * 4])
    def test_garbage_behind_pixel_data_is_left_out(self, tail: bytes) -> None:
        head = read_head(ct_slice() + tail)

        assert head.data_set == read_head(ct_slice()).data_set
        assert len(head.warnings) == 1

    def test_zeros_in_the_place_of_pixel_data_are_refused(self) -> None:
        whole = ct_slice()
        at = whole.rindex(b"\xe0\x7f\x10\0")

        with pytest.raises(Unreadable):
            read_head(whole[:at] + b"\0" * (len(whole) - at))

    def test_elements_behind_pixel_data_are_read(self) -> None:
        head = read_head(ct_slice() + element(0xFFFCFFFC, "OB", b"\0" * 8))

        assert head.data_set["FFFCFFFC"] == {"vr": "OB", "InlineBinary": "AAAAAAAAAAA="}


class TestLimits:
    def test_header_over_the_limit_is_refused(self) -> None:
        data = part10(b"".join(element(0x00190000 + n, "LO", b"x" * 100) for n in range(16, 200)))

        assert len(read_head(data, HeadLimits(header_bytes=20_000)).data_set) == 184
        with pytest.raises(OverLimit, match="header"):
            read_head(data, HeadLimits(header_bytes=10_000))

    def test_bulk_values_do_not_count_as_header(self) -> None:
        data = ct_slice(rows=100, columns=100)

        assert read_head(data, HeadLimits(header_bytes=5_000)).pixel is not None

    def test_one_value_over_the_limit_is_refused(self) -> None:
        data = part10(element(0x00104000, "UT", b"x" * 20_000))

        with pytest.raises(OverLimit, match="header"):
            read_head(data, HeadLimits(header_bytes=10_000))

    def test_too_many_elements_are_refused(self) -> None:
        data = part10(b"".join(element(0x00190010 + n, "LO", b"") for n in range(200)))

        with pytest.raises(OverLimit, match="elements"):
            read_head(data, HeadLimits(elements=199))

    def test_too_many_empty_items_are_refused(self) -> None:
        data = part10(sequence(REFERENCED_IMAGES, *[item()] * 200))

        with pytest.raises(OverLimit, match="items"):
            read_head(data, HeadLimits(elements=199))


class TestDeflated:
    def test_offsets_count_in_the_inflated_file(self) -> None:
        plain, deflated = ct_slice(), ct_slice(transfer_syntax=DEFLATED)

        head, expected = read_head(deflated), read_head(plain)

        assert head.inflated
        assert head.data_set == expected.data_set
        shift = head.data_set_offset - expected.data_set_offset
        assert head.length == len(plain) + shift
        assert head.pixel is not None
        assert expected.pixel is not None
        assert head.pixel.value.start == expected.pixel.value.start + shift  # type: ignore[union-attr]  # native

    @pytest.mark.parametrize("cut", [2, 10, 60])
    def test_truncated_deflated_data_set_is_refused(self, cut: int) -> None:
        with pytest.raises(Unreadable):
            read_head(ct_slice(transfer_syntax=DEFLATED)[:-cut])

    def test_data_set_that_is_not_deflated_is_refused(self) -> None:
        whole = part10(b"", DEFLATED)

        with pytest.raises(Unreadable):
            read_head(whole[: -len(deflate(b""))] + patient_id("x" * 100))

    def test_data_set_made_to_burst_is_refused(self) -> None:
        bomb = element(0x00191001, "OB", b"\0" * (40 << 20))

        with pytest.raises(OverLimit):
            read_head(part10(bomb, DEFLATED), HeadLimits(inflate_ratio=50))


def test_encapsulated_syntax_with_native_pixel_data_is_read_as_native() -> None:
    data = part10(element(0x7FE00010, "OB", b"abcd"), JPEG_BASELINE)

    head = read_head(data)

    assert head.pixel is not None
    assert head.pixel.length == 4
