"""FrameIndex: numbers to spans, and its compact form."""

from __future__ import annotations

from array import array
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.model.fragments import ITEM_HEADER, FragmentSpans
from dicomweb.model.frames import EncapsulatedFrames, FrameIndex, NativeFrames
from dicomweb.model.packing import DamagedIndex
from dicomweb.model.ranges import ByteRange

FIRST = 1000


def fragments(*lengths: int, gap: int = ITEM_HEADER) -> FragmentSpans:
    starts = accumulate((length + gap for length in lengths[:-1]), initial=FIRST) if lengths else ()
    return FragmentSpans(array("Q", starts), array("Q", lengths))


def encapsulated(*lengths: int, groups: tuple[int, ...] | None = None) -> FrameIndex:
    spans = fragments(*lengths)
    count = len(lengths) if groups is None else len(groups) - 1
    layout = EncapsulatedFrames(spans, None if groups is None else array("Q", groups))
    return FrameIndex(count, layout, inflated=False, declared=count)


def native(count: int, bits: int) -> FrameIndex:
    return FrameIndex(count, NativeFrames(FIRST, bits), inflated=False, declared=count)


def test_the_first_native_frame_begins_with_the_value_and_has_number_one() -> None:
    frame = 16 * 50
    assert native(3, frame).ranges(1) == (ByteRange(FIRST, FIRST + 100),)
    assert native(3, frame).ranges(3) == (ByteRange(FIRST + 200, FIRST + 300),)


def test_a_one_bit_frame_may_begin_inside_a_byte() -> None:
    index = native(3, 25)
    assert index.ranges(2) == (ByteRange(FIRST + 3, FIRST + 7),)
    assert [index.bit_offset(number) for number in (1, 2, 3)] == [0, 1, 2]
    assert index.frame_length(2) == 4


def test_offsets_beyond_four_gigabytes_are_kept() -> None:
    frame = 8 * 500_000_000
    index = FrameIndex.from_bytes(native(20, frame).to_bytes())
    assert index.ranges(20) == (ByteRange(FIRST + 19 * 500_000_000, FIRST + 20 * 500_000_000),)


def test_a_fragmented_frame_has_a_span_for_each_fragment() -> None:
    index = encapsulated(10, 20, 30, 40, groups=(0, 1, 3, 4))
    second = FIRST + 10 + ITEM_HEADER
    third = second + 20 + ITEM_HEADER
    assert index.ranges(2) == (ByteRange(second, second + 20), ByteRange(third, third + 30))
    assert index.frame_length(2) == 50
    assert index.frame_length(3) == 40


@pytest.mark.parametrize("number", [-1, 0, 4])
@pytest.mark.parametrize(
    "index", [native(3, 80), encapsulated(1, 2, 3), encapsulated(1, 2, 3, groups=(0, 1, 2, 3))]
)
def test_a_frame_that_is_not_there_is_an_index_error(index: FrameIndex, number: int) -> None:
    for ask in (index.ranges, index.bit_offset, index.frame_length):
        with pytest.raises(IndexError):
            ask(number)


def test_an_undivided_index_has_fragments_and_no_frames() -> None:
    index = FrameIndex(0, EncapsulatedFrames(fragments(10, 20, 30), None), inflated=False, declared=2)
    assert index.undivided
    assert index.fragments == fragments(10, 20, 30)
    assert not encapsulated(10, 20).undivided
    assert not native(0, 80).undivided


lengths = st.lists(st.integers(0, 2**33), max_size=40)


@given(lengths, st.integers(0, 2**40), st.lists(st.integers(0, 99), max_size=40), st.booleans(), st.data())
def test_the_compact_form_brings_the_same_index_back(
    sizes: list[int], first: int, gaps: list[int], inflated: bool, data: st.DataObject
) -> None:
    starts = list(
        accumulate((size + gap for size, gap in zip(sizes, gaps + [8] * 40, strict=False)), initial=first)
    )
    spans = FragmentSpans(array("Q", starts[: len(sizes)]), array("Q", sizes))
    cuts = data.draw(st.lists(st.integers(0, len(sizes)), min_size=1, unique=True).map(sorted))
    groups = data.draw(st.sampled_from([None, array("Q", cuts)]))
    count = len(sizes) if groups is None else len(groups) - 1
    index = FrameIndex(count, EncapsulatedFrames(spans, groups), inflated, declared=7)
    assert FrameIndex.from_bytes(index.to_bytes()) == index


@given(st.integers(0, 2**32 - 1), st.integers(1, 2**40), st.booleans())
def test_the_compact_form_of_native_frames_brings_the_same_index_back(
    count: int, bits: int, inflated: bool
) -> None:
    index = FrameIndex(count, NativeFrames(FIRST, bits), inflated, declared=1)
    assert FrameIndex.from_bytes(index.to_bytes()) == index


@pytest.mark.parametrize(
    "index", [native(3, 80), encapsulated(*range(2, 200, 2)), encapsulated(4, 4, groups=(0, 2))]
)
def test_a_cut_off_index_is_told_and_not_believed(index: FrameIndex) -> None:
    data = index.to_bytes()
    for length in range(len(data)):
        with pytest.raises(DamagedIndex):
            FrameIndex.from_bytes(data[:length])
    with pytest.raises(DamagedIndex):
        FrameIndex.from_bytes(b"\x63" + data[1:])


def slide(frames: int) -> FrameIndex:
    return encapsulated(*(2 * (1000 + number * 7919 % 14_000) for number in range(frames)))


def test_the_index_of_two_hundred_thousand_frames_stays_well_below_a_megabyte() -> None:
    index = slide(200_000)
    data = index.to_bytes()
    assert len(data) < 600_000
    assert FrameIndex.from_bytes(data).ranges(200_000) == index.ranges(200_000)


@given(st.lists(st.integers(0, 9), max_size=8), st.integers(0, 40), st.integers(0, 40))
def test_a_span_of_the_joined_value_is_the_same_bytes_as_cutting_the_joined_value(
    sizes: list[int], begin: int, length: int
) -> None:
    spans = fragments(*sizes)
    whole = [offset for span in spans.joined(None) for offset in range(span.start, span.end)]
    assert whole == [spans.starts[at] + byte for at, size in enumerate(sizes) for byte in range(size)]
    part = [
        offset for span in spans.joined(ByteRange(begin, begin + length)) for offset in range(span.start, span.end)
    ]
    assert part == whole[begin : begin + length]
