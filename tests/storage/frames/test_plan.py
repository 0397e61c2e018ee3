"""Planning of reads: few, complete, bounded."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from dicomweb.model.fragments import FragmentSpans
from dicomweb.model.frames import EncapsulatedFrames, FrameIndex, NativeFrames
from dicomweb.model.ranges import ByteRange
from storage.frames.plan import Read, cut, frame_from, plan_batches, plan_groups, plan_reads


def spans_of(*pairs: tuple[int, int]) -> list[ByteRange]:
    return [ByteRange(start, end) for start, end in pairs]


def test_neighbours_are_one_read() -> None:
    wanted = spans_of((100, 200), (208, 300), (308, 400))
    assert plan_reads(wanted, gap=8, limit=1000) == [Read(ByteRange(100, 400), tuple(wanted))]


def test_a_gap_beyond_the_bound_divides_reads() -> None:
    near, far = spans_of((100, 200), (209, 300))
    assert plan_reads([near, far], gap=8, limit=1000) == [Read(near, (near,)), Read(far, (far,))]


def test_the_order_asked_for_and_repeats_do_not_change_the_reads() -> None:
    wanted = spans_of((100, 200), (200, 300), (300, 400))
    assert plan_reads([*reversed(wanted), *wanted], gap=0, limit=1000) == plan_reads(wanted, gap=0, limit=1000)


def test_a_read_does_not_grow_beyond_its_limit_but_a_span_is_never_divided() -> None:
    small, large, last = spans_of((0, 10), (10, 500), (500, 510))
    assert [read.span for read in plan_reads([small, large, last], gap=0, limit=100)] == [small, large, last]


def test_an_empty_span_needs_no_read() -> None:
    assert plan_reads(spans_of((7, 7)), gap=0, limit=10) == []


spans = st.tuples(st.integers(0, 300), st.integers(0, 40)).map(lambda pair: ByteRange(pair[0], sum(pair)))


@given(st.lists(spans, max_size=20), st.integers(0, 20), st.integers(1, 120))
def test_every_span_is_cut_out_of_the_reads_as_it_lies_in_the_object(
    wanted: list[ByteRange], gap: int, limit: int
) -> None:
    stored = bytes(at % 251 for at in range(400))
    found: dict[ByteRange, bytes] = {}
    for read in plan_reads(wanted, gap=gap, limit=limit):
        assert read.span.length <= max([limit, *(part.length for part in read.parts)])
        found.update(cut(read, stored[read.span.start : read.span.end]))
    assert found == {span: stored[span.start : span.end] for span in wanted if span.length}


@given(st.lists(st.integers(1, 12), max_size=30), st.integers(1, 300))
def test_batches_keep_the_order_and_the_bound(numbers: list[int], limit: int) -> None:
    lengths = array("Q", range(10, 130, 10))
    starts = array("Q", range(0, 12 * 200, 200))
    index = FrameIndex(12, EncapsulatedFrames(FragmentSpans(starts, lengths), None), inflated=False, declared=12)
    batches = list(plan_batches(index, numbers, limit=limit))
    assert [number for batch in batches for number in batch.numbers] == numbers
    for batch in batches:
        held = sum(span.length for spans in batch.spans for span in spans)
        assert held <= limit or len(batch.numbers) == 1


def test_reads_under_way_together_are_bounded_in_number_and_bytes() -> None:
    reads = [Read(span, (span,)) for span in spans_of(*((at * 100, at * 100 + 40) for at in range(10)))]
    assert [len(group) for group in plan_groups(reads, limit=10_000, most=4)] == [4, 4, 2]
    assert [len(group) for group in plan_groups(reads, limit=100, most=4)] == [2, 2, 2, 2, 2]
    assert [len(group) for group in plan_groups(reads, limit=10, most=4)] == [1] * 10
    assert list(plan_groups([], limit=10, most=4)) == []


@given(st.integers(1, 70), st.integers(1, 9), st.data())
def test_frames_of_single_bits_are_moved_to_begin_with_a_byte(bits: int, count: int, data: st.DataObject) -> None:
    frames = [data.draw(st.lists(st.booleans(), min_size=bits, max_size=bits)) for _ in range(count)]
    row = [bit for frame in frames for bit in frame]
    stored = sum(bit << at for at, bit in enumerate(row)).to_bytes((len(row) + 7) // 8, "little")
    index = FrameIndex(count, NativeFrames(0, bits), inflated=False, declared=count)
    for number, frame in enumerate(frames, start=1):
        (span,) = index.ranges(number)
        got = frame_from(
            [stored[span.start : span.end]], bit_offset=index.bit_offset(number), bits=index.frame_bits(number)
        )
        assert len(got) == index.frame_length(number)
        assert [bool(got[at // 8] >> at % 8 & 1) for at in range(bits)] == frame
