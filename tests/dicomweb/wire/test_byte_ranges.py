"""The Range header field (RFC 9110 14.1, 14.2)."""

from __future__ import annotations

import pytest

from dicomweb.model.ranges import ByteRange
from dicomweb.wire.byte_ranges import Unsatisfiable, asked_span, content_range, parse_range

TOTAL = 1000


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-499", (0, 500)),
        ("bytes=500-", (500, 1000)),
        ("bytes=-1", (999, 1000)),
        ("bytes=-2000", (0, 1000)),
        ("bytes=0-5000", (0, 1000)),
        ("bytes=999-999", (999, 1000)),
        ("Bytes = 0 - 9", (0, 10)),
        ("bytes=0-9,", (0, 10)),
    ],
)
def test_one_range_is_honoured(text: str, span: tuple[int, int]) -> None:
    assert parse_range(text, TOTAL) == ByteRange(*span)


@pytest.mark.parametrize(
    "text",
    ["", "bytes", "bytes=", "bytes=-", "bytes=a-b", "lines=0-9", "bytes=9-0", "bytes=0-1,5-6", "bytes=0--1",
     "bytes=0x0-1", "bytes=" + "9" * 30 + "-", "bytes=١-٢"],
)  # fmt: skip
def test_what_cannot_be_read_or_is_several_ranges_means_the_whole(text: str) -> None:
    assert parse_range(text, TOTAL) is None


@pytest.mark.parametrize("text", ["bytes=1000-", "bytes=1000-1001", "bytes=-0", "bytes=5000-6000"])
def test_a_range_outside_is_unsatisfiable(text: str) -> None:
    with pytest.raises(Unsatisfiable) as raised:
        parse_range(text, TOTAL)
    assert raised.value.total == TOTAL


def test_nothing_can_be_asked_of_an_empty_representation() -> None:
    with pytest.raises(Unsatisfiable):
        parse_range("bytes=0-", 0)


@pytest.mark.parametrize(
    ("if_range", "honoured"),
    [("", True), ('"a"', True), ('"b"', False), ('W/"a"', False), ("Sat, 29 Oct 1994 19:43:31 GMT", False)],
)
def test_if_range_wants_the_whole_unless_the_etag_is_the_same(if_range: str, honoured: bool) -> None:
    assert (asked_span("bytes=0-9", if_range, '"a"', TOTAL) is not None) is honoured


def test_if_range_never_matches_a_weak_etag() -> None:
    assert asked_span("bytes=0-9", 'W/"a"', 'W/"a"', TOTAL) is None


def test_the_content_range_tells_the_total() -> None:
    assert content_range(ByteRange(10, 20), TOTAL) == "bytes 10-19/1000"
