"""Multipart bodies: read in chunks of any size, and written."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dicomweb.wire.media_types import parse_media_type
from dicomweb.wire.multipart import (
    End,
    MalformedMultipart,
    MultipartError,
    MultipartLimits,
    MultipartOverLimit,
    MultipartReader,
    PartData,
    PartEnd,
    PartHead,
    TruncatedMultipart,
    boundary_of,
    closing,
    new_boundary,
    part_head,
    related_type,
)

Parts = list[tuple[dict[str, str], bytes]]


def read(body: bytes, *, boundary: str = "B", size: int = 1 << 20, limits: MultipartLimits | None = None) -> Parts:
    """The parts of a body fed in chunks of `size`; checks the order of events."""
    reader = MultipartReader(boundary, limits)
    parts: list[tuple[dict[str, str], list[bytes]]] = []
    inside = ended = False
    for start in range(0, len(body), size):
        for event in reader.feed(body[start : start + size]):
            assert not ended
            if isinstance(event, PartHead):
                assert not inside
                inside = True
                parts.append((dict(event.headers), []))
            elif isinstance(event, PartData):
                assert inside
                assert event.data
                parts[-1][1].append(event.data)
            elif isinstance(event, PartEnd):
                inside = False
            else:
                assert isinstance(event, End)
                ended = True
    reader.finish()
    assert ended
    return [(headers, b"".join(data)) for headers, data in parts]


def write(payloads: list[bytes], boundary: str = "B") -> bytes:
    pieces = []
    for number, payload in enumerate(payloads):
        pieces += [part_head(boundary, "application/dicom", first=number == 0), payload]
    return b"".join([*pieces, closing(boundary)])


ONE = b"--B\r\nContent-Type: application/dicom\r\n\r\ndata\r\n--B--\r\n"
HEADERS = {"content-type": "application/dicom"}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("as written", ONE),
        ("CRLF before the first boundary", b"\r\n" + ONE),
        ("preamble", b"This is a message in MIME format.\r\nIgnore it.\r\n" + ONE),
        ("preamble that mentions the boundary", b"not --B here\r\n" + ONE),
        ("no CRLF at the end", ONE.rstrip()),
        ("epilogue", ONE + b"whatever\r\n--B\r\n"),
        ("blanks behind a boundary", ONE.replace(b"--B\r\n", b"--B \t\r\n")),
        ("line feeds alone", ONE.replace(b"\r\n", b"\n")),
        ("header in capitals", ONE.replace(b"Content-Type", b"CONTENT-TYPE")),
        ("folded header", ONE.replace(b": application", b":\r\n application")),
    ],
)
def test_one_part_is_read(name: str, body: bytes, size: int) -> None:
    assert read(body, size=size) == [(HEADERS, b"data")]


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("empty", b""),
        ("a line end", b"\r\n"),
        ("ends with a carriage return", b"data\r"),
        ("a longer boundary", b"data\r\n--Bx\r\nmore"),
        ("the boundary within a line", b"data--B\r\n"),
        ("half a delimiter", b"data\r\n--"),
        ("delimiters begun over and over", b"\r\n-\r\n--\r\n-\r" * 5),
        ("a blank line", b"\r\n\r\n"),
    ],
)
def test_data_come_out_as_they_went_in(name: str, payload: bytes, size: int) -> None:
    assert read(write([payload, b"next"]), size=size) == [(HEADERS, payload), (HEADERS, b"next")]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_part_without_headers_is_read(size: int) -> None:
    assert read(b"--B\r\n\r\ndata\r\n--B\r\n\r\n--B--", size=size) == [({}, b"data"), ({}, b"")]


def test_a_body_of_no_parts_is_read() -> None:
    assert read(b"--B--\r\n") == []


@pytest.mark.parametrize("cut", range(1, len(ONE.rstrip()) - 1))
def test_a_body_cut_off_anywhere_is_truncated(cut: int) -> None:
    with pytest.raises(TruncatedMultipart):
        read(ONE[:cut], size=5)


def test_a_part_cut_off_is_never_ended() -> None:
    reader = MultipartReader("B")
    events = reader.feed(ONE[:-9])
    assert not any(isinstance(event, PartEnd) for event in events)


def test_headers_beyond_their_limit_are_refused() -> None:
    limits = MultipartLimits(header_bytes=100)
    body = ONE.replace(b"\r\n\r\n", b"\r\nX: " + b"x" * 100 + b"\r\n\r\n")
    for size in (7, 1000):
        with pytest.raises(MultipartOverLimit):
            read(body, size=size, limits=limits)


def test_too_many_parts_are_refused() -> None:
    with pytest.raises(MultipartOverLimit):
        read(write([b"a"] * 4), limits=MultipartLimits(parts=3))
    assert len(read(write([b"a"] * 3), limits=MultipartLimits(parts=3))) == 3


def test_a_body_without_its_boundary_is_refused_before_it_is_read_to_the_end() -> None:
    with pytest.raises(MalformedMultipart):
        read(b"x" * 300_000, size=1000, limits=MultipartLimits(preamble_bytes=10_000))


def test_a_header_without_a_colon_is_refused() -> None:
    with pytest.raises(MalformedMultipart):
        read(b"--B\r\nContent-Type\r\n\r\ndata\r\n--B--")


def test_blanks_without_end_behind_a_boundary_are_data() -> None:
    body = b"--B\r\n\r\ndata\r\n--B" + b" " * 500 + b"\r\n--B--"
    for size in (1, 1000):
        assert read(body, size=size) == [({}, b"data\r\n--B" + b" " * 500)]


@pytest.mark.parametrize("boundary", ["a", "x" * 70, "gc0pJq0M:08jU534c0p", "a.b_c-d'e(f)g+h,i/j:k=l?m n"])
def test_boundaries_of_1_to_70_characters_are_read(boundary: str) -> None:
    media = parse_media_type(f'multipart/related; boundary="{boundary}"')
    assert media is not None
    assert boundary_of(media) == boundary
    assert read(write([b"data"], boundary), boundary=boundary, size=3) == [(HEADERS, b"data")]


@pytest.mark.parametrize("parameter", ["", "; boundary=", f"; boundary={'x' * 71}", '; boundary="ä"'])
def test_a_missing_or_illegal_boundary_is_refused(parameter: str) -> None:
    media = parse_media_type("multipart/related" + parameter)
    assert media is not None
    with pytest.raises(MalformedMultipart):
        boundary_of(media)


FRAGMENTS = st.lists(
    st.sampled_from([b"\r", b"\n", b"-", b"B", b"--B", b"\r\n--B", b"\0", b"a", b"--", b" "]), max_size=12
)


@settings(max_examples=300)
@given(payloads=st.lists(FRAGMENTS.map(b"".join), min_size=1, max_size=3), size=st.integers(1, 9))
@example(payloads=[b"\r\n--B-"], size=1)
def test_whatever_the_chunks_the_events_are_those_of_one_chunk(payloads: list[bytes], size: int) -> None:
    body = write(payloads)

    def outcome(size: int) -> object:
        try:
            return read(body, size=size)
        except MultipartError as error:
            return type(error)

    assert outcome(size) == outcome(1 << 20)


@given(st.binary(max_size=300), st.integers(1, 50))
def test_random_payloads_come_back(payload: bytes, size: int) -> None:
    boundary = new_boundary()
    assert read(write([payload, payload], boundary), boundary=boundary, size=size) == [(HEADERS, payload)] * 2


@given(st.binary(max_size=200), st.integers(1, 20))
def test_hostile_bytes_end_in_an_error_of_ours(body: bytes, size: int) -> None:
    with contextlib.suppress(MultipartError):
        read(body, size=size)


def test_data_without_a_boundary_near_are_not_copied() -> None:
    reader = MultipartReader("B")
    reader.feed(b"--B\r\n\r\n")
    chunk = b"x" * 100_000
    (event,) = reader.feed(chunk)
    assert isinstance(event, PartData)
    assert event.data is chunk


def test_a_head_begins_with_the_boundary_and_names_the_type_first() -> None:
    head = part_head("B", "image/jpeg; transfer-syntax=1.2", first=True, location="http://a/b", length=5)
    assert head == (
        b"--B\r\nContent-Type: image/jpeg; transfer-syntax=1.2\r\nContent-Length: 5\r\n"
        b"Content-Location: http://a/b\r\n\r\n"
    )


def test_the_announced_type_can_be_read_back() -> None:
    media = parse_media_type(related_type("B", "application/dicom"))
    assert media is not None
    assert (media.parameter("type"), boundary_of(media)) == ("application/dicom", "B")


def test_boundaries_are_random() -> None:
    boundaries = {new_boundary() for _ in range(100)}
    assert len(boundaries) == 100
    assert {len(boundary) for boundary in boundaries} == {32}
