"""Media types as clients write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.wire.media_types import (
    MAX_RANGES,
    AcceptRange,
    MediaType,
    Packaging,
    parse_accept,
    parse_accept_parameter,
    parse_media_type,
)


@pytest.mark.parametrize(
    ("text", "boundary"),
    [
        ("multipart/related; type=application/dicom; boundary=abc", "abc"),
        ('multipart/related; boundary="abc"; type="application/dicom"', "abc"),
        ('multipart/related; type="application/dicom"; boundary="a;b,c=d"', "a;b,c=d"),
        ('multipart/related;boundary=abc;type="application/dicom";', "abc"),
        ("multipart/related; BOUNDARY=AbC", "AbC"),
        (r'multipart/related; boundary="a\"b\\c"', r'a"b\c'),
        ("multipart/related ;  boundary = abc ", "abc"),
        ("multipart/related; boundary='abc'", "abc"),
        ("multipart/related; boundary=", ""),
        ("multipart/related", ""),
    ],
)
def test_a_boundary_is_read_quoted_or_not(text: str, boundary: str) -> None:
    media = parse_media_type(text)
    assert media is not None
    assert media.name == "multipart/related"
    assert media.parameter("boundary") == boundary


@pytest.mark.parametrize("text", ["", "  ", ";", "dicom", "a b/c", "/", "application/di com", "é/é", "%%%"])
def test_what_is_no_media_type_is_none(text: str) -> None:
    assert parse_media_type(text) is None


def test_names_are_compared_in_lower_case_and_values_kept() -> None:
    media = parse_media_type("Application/DICOM+JSON; Charset=UTF-8")
    assert media == MediaType("application", "dicom+json", (("charset", "UTF-8"),))


def test_a_media_type_is_written_so_that_it_is_read_back() -> None:
    media = MediaType("multipart", "related", (("type", "application/dicom"), ("boundary", 'a "b" \\')))
    assert parse_media_type(str(media)) == media


def test_a_star_alone_means_anything() -> None:
    assert parse_accept("*; q=.2") == (AcceptRange("*/*", Packaging.EITHER, "", 0.2),)


def test_items_that_cannot_be_read_are_left_out() -> None:
    assert parse_accept("gibberish, application/json") == (AcceptRange("application/json", Packaging.SINGLE),)


@pytest.mark.parametrize(
    ("weight", "quality"),
    [
        ("0.5", 0.5),
        ("1", 1.0),
        ("0", 0.0),
        (".2", 0.2),
        ("1.", 1.0),
        ("1.5", 1.0),
        ("", 1.0),
        ("x", 1.0),
        ("-1", 1.0),
    ],
)
def test_weights_lie_between_0_and_1(weight: str, quality: float) -> None:
    assert parse_accept(f"application/json; q={weight}")[0].quality == quality


def test_several_transfer_syntaxes_on_one_range_are_several_ranges() -> None:
    ranges = parse_accept("multipart/related; type=image/jp2; transfer-syntax=1.2; transfer-syntax=1.3; q=0.5")
    assert [(r.transfer_syntax, r.quality) for r in ranges] == [("1.2", 0.5), ("1.3", 0.5)]


def test_the_accept_parameter_may_hold_a_list() -> None:
    ranges = parse_accept_parameter("application/dicom xml, application/json")
    assert [r.media for r in ranges] == ["application/dicom+xml", "application/json"]


def test_a_very_long_accept_is_cut_off() -> None:
    assert len(parse_accept(",".join(["a/b"] * 10_000))) == MAX_RANGES


@given(st.text(max_size=200))
def test_any_text_at_all_can_be_parsed(text: str) -> None:
    for item in parse_accept(text):
        assert 0 <= item.quality <= 1
        assert "/" in item.media


@given(st.text(alphabet='ab/;=,"\\ *.+q0', max_size=60))
def test_any_text_of_separators_can_be_parsed(text: str) -> None:
    parse_accept(text)
    parse_media_type(text)


NAMES = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
VALUES = st.text(st.characters(codec="ascii", min_codepoint=32), min_size=1, max_size=20)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=4))
def test_written_parameters_are_read_back(parameters: list[tuple[str, str]]) -> None:
    media = MediaType("multipart", "related", tuple(parameters))
    assert parse_media_type(str(media)) == media
